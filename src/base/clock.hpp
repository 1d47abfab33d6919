// SPDX-License-Identifier: MIT
#pragma once
/// @file clock.hpp The two clocks: boot time for everything that is compared, wall time for
/// display.
#include <chrono>
#include <cstdint>

namespace repartir::base {

/// Boot time in nanoseconds, as reactors and pure state see it: an argument, never looked up
/// inside.
using BootTime = std::chrono::duration<std::int64_t, std::nano>;

/// @return the time since boot (CLOCK_MONOTONIC). Any thread.
[[nodiscard]] inline BootTime now() noexcept {
    return std::chrono::steady_clock::now().time_since_epoch();
}

/// A deadline that never comes.
inline constexpr BootTime never = BootTime::max();

/// @return `delay` after `start`; never, where the clock does not reach that far.
[[nodiscard]] constexpr BootTime later(BootTime start, BootTime delay) noexcept {
    return delay >= never - start ? never : start + delay;
}
/// As above.
[[nodiscard]] constexpr BootTime later(BootTime start, std::chrono::milliseconds delay) noexcept {
    const auto most = std::chrono::floor<std::chrono::milliseconds>(never - start);
    return delay >= most ? never : start + delay;
}

}  // namespace repartir::base
