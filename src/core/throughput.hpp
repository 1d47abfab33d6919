// SPDX-License-Identifier: MIT
#pragma once
/// @file throughput.hpp How fast bytes come from a machine. Pure, integers only.
#include <cstdint>
#include <optional>

#include "base/clock.hpp"

namespace repartir::core {

/// Measures the way from one machine while that has something to send: only the time behind a piece
/// counts that had more behind it. So a machine that is idle, or whose tasks write slowly, is not
/// taken for one that is far away. One owner at a time.
class Throughput {
  public:
    /// So many bytes make a sample.
    static constexpr std::uint64_t sample_bytes = 1U << 20U;

    /// A piece arrived whole. @param more whether another one was ready to be sent behind it
    /// @return bytes per second of the latest sample, when there is a new one
    std::optional<std::uint64_t> arrived(std::uint64_t bytes, bool more,
                                         base::BootTime now) noexcept;
    /// Nothing was behind the piece before, after all.
    void paused() noexcept { more_ = false; }

  private:
    bool more_ = false;
    base::BootTime last_{0};  // when the piece before arrived
    base::BootTime time_{0};  // that the sample took so far
    std::uint64_t bytes_ = 0;
};

/// @return the estimate after one more sample. It rises faster than it falls: where several send at
/// once, each has only a part of the way. @param before 0: there is none yet
[[nodiscard]] std::uint64_t smoothed_rate(std::uint64_t before, std::uint64_t sample) noexcept;

}  // namespace repartir::core
