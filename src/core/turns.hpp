// SPDX-License-Identifier: MIT
#pragma once
/// @file turns.hpp Turns of what is less urgent, so that it is not starved by what is more.
#include <cstdint>
#include <optional>

#include "repartir/policy.hpp"

namespace repartir::core {

/// In so many starts, one is of the oldest that waits of normal priority,
inline constexpr std::uint64_t normal_period = 31;
/// and one of low.
inline constexpr std::uint64_t low_period = 61;

/// @return whose turn it is once so many have been started; nothing: what is most urgent goes on.
constexpr std::optional<Priority> turn_after(std::uint64_t starts) noexcept {
    if (starts % low_period == low_period - 1) {
        return Priority::low;
    }
    if (starts % normal_period == normal_period - 1) {
        return Priority::normal;
    }
    return std::nullopt;
}

}  // namespace repartir::core
