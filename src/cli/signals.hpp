// SPDX-License-Identifier: MIT
#pragma once
/// @file signals.hpp Signals as events of the main loop. Only main uses this.
#include <csignal>
#include <cstdint>
#include <vector>

#include "base/fd.hpp"
#include "repartir/result.hpp"

namespace repartir::cli {

/// Blocks the signals that a run reacts to and reads them from a descriptor instead. Made before
/// any thread, as threads inherit the mask. What was ignored when we started (nohup) stays ignored.
/// SIGPIPE and SIGXFSZ are blocked for good: writing says EPIPE or EFBIG. One thread.
class Signals {
  public:
    /// @param job_control also take SIGCHLD, SIGTSTP and SIGCONT. Errors: out_of_resources.
    [[nodiscard]] static Result<Signals> create(bool job_control);
    /// @return the signals that have come, oldest first; never blocks.
    [[nodiscard]] std::vector<int> take();
    /// @return readable when a signal has come.
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

  private:
    explicit Signals(base::Fd fd) : fd_(std::move(fd)) {}
    base::Fd fd_;
};

}  // namespace repartir::cli
