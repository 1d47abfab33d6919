// SPDX-License-Identifier: MIT
#pragma once
/// @file progress.hpp How a run stands, as one line of text. Pure: no clock, no terminal.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "repartir/policy.hpp"

namespace repartir::cli {

/// What runs on one backend.
struct Busy {
    Backend backend = Backend::cpu;
    std::uint64_t running = 0;
};

/// How a run stands.
struct ProgressState {
    std::uint64_t ended = 0;             ///< in this run
    std::uint64_t failed = 0;            ///< of them
    std::uint64_t skipped = 0;           ///< ended in earlier runs
    std::vector<Busy> busy;              ///< each backend that the run has
    std::optional<std::uint64_t> total;  ///< skipped ones included; nothing while unknown
    std::chrono::nanoseconds elapsed{0};
    double rate = 0;  ///< tasks per second lately; 0: not known yet
};

/// @return the line for a terminal, at most `width` columns: a bar where there is room, the share,
///         counts, rate, time left and what runs on which backend.
[[nodiscard]] std::string progress_bar(const ProgressState& state, std::size_t width);
/// @return the line for a pipe or a file, without its newline.
[[nodiscard]] std::string progress_line(const ProgressState& state);

/// Follows the rate of ends over the last seconds: an average that forgets with a half-life of 3 s.
class RateMeter {
  public:
    /// Says how many tasks have ended at a time since the start.
    void update(std::uint64_t ended, std::chrono::nanoseconds elapsed) noexcept;
    /// @return tasks per second; 0 while nothing is known.
    [[nodiscard]] double rate() const noexcept { return rate_; }

  private:
    std::uint64_t ended_ = 0;
    std::chrono::nanoseconds elapsed_{0};
    double rate_ = 0;
};

}  // namespace repartir::cli
