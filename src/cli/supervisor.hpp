// SPDX-License-Identifier: MIT
#pragma once
/// @file supervisor.hpp A parent that starts a daemon again when it crashes.
#include <sys/types.h>

#include <functional>

#include "base/clock.hpp"
#include "base/prng.hpp"
#include "cli/line_log.hpp"
#include "cli/signals.hpp"

namespace repartir::cli {

/// How long to wait before a daemon that crashed is started again. Pure. One thread.
class RestartPolicy {
  public:
    /// A daemon that ran this long was well: its crash counts as the first.
    static constexpr base::BootTime healthy_after = std::chrono::minutes(1);

    explicit RestartPolicy(base::Prng random) noexcept : random_(random) {}
    /// @return whether a daemon that exited with this code is not started again: it drained, was
    /// told to stop, or its settings are wrong.
    [[nodiscard]] static bool final(int code) noexcept;
    /// Books a crash. @param ran how long it had been running @return how long to wait
    [[nodiscard]] base::BootTime crashed(base::BootTime ran) noexcept;
    /// @return how many crashes there were in a row.
    [[nodiscard]] std::uint32_t crashes() const noexcept { return crashes_; }

  private:
    base::Prng random_;
    std::uint32_t crashes_ = 0;
};

/// Runs `work` in a child, again and again while it crashes; hands on the signals that come, and
/// then starts nothing more. The child dies with this process. To be called before any thread.
/// @param signals taken by the child too, from its own @param work gets our process id
/// @return the program's exit code, in this process and in each child: both go on to their end
[[nodiscard]] int supervise(Signals& signals, LineLog& log, const std::function<int(pid_t)>& work);

}  // namespace repartir::cli
