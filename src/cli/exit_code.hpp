// SPDX-License-Identifier: MIT
#pragma once
/// @file exit_code.hpp The program's exit code as a total function of what happened.
#include <cstdint>

#include "repartir/outcome.hpp"

namespace repartir::cli {

inline constexpr int exit_ok = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;
inline constexpr int exit_unreachable = 3;
inline constexpr int exit_timed_out = 4;
inline constexpr int exit_cancelled = 5;
inline constexpr int exit_cannot_schedule = 6;

/// What the tasks of a run came to, worst kinds only.
struct Verdict {
    bool failed = false;           ///< a task ended badly, now or in the log that was resumed
    bool timed_out = false;        ///< a task's time was up
    bool cancelled = false;        ///< somebody ended the run, or its reader went away
    bool unreachable = false;      ///< a broker or worker could not be reached
    bool cannot_schedule = false;  ///< a task was refused

    /// Counts an ending. Ends that --halt caused are failures of others: pass them with halted.
    void add(const Ending& ending, bool halted) noexcept;
    /// Counts a task that was accepted: as its ending, unless no worker could be reached for it, or
    /// none that could run it.
    void add(const Outcome& outcome, bool halted) noexcept;
    /// Counts an Error that refused a task.
    void add(const Error& error) noexcept;
};

/// @return what `repartir run` exits with for its one program: Outcome::exit_code(), or 3 when no
/// worker could be reached for it, 6 when none could run it.
[[nodiscard]] int exit_code_of(const Outcome& outcome) noexcept;

/// @return the worst of what happened, in the order 6, 3, 5, 4, 1, or 0.
[[nodiscard]] int exit_code(const Verdict& verdict) noexcept;

}  // namespace repartir::cli
