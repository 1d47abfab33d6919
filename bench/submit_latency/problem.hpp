// SPDX-License-Identifier: MIT
#pragma once
/// @file problem.hpp What one submission costs the submitter, and how soon its result is there.
///
/// Modes: `awake` times submit alone while the worker is busy looking for work; `parked` times it
/// on a pool that has slept for 2 ms; `executed` times submit to a result that another, spinning
/// thread made; `inline` times submit to a get() that follows at once, and tells how many ran on
/// the caller. Each sample includes one reading of the clock, reported as clock_ns.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "bench/harness/harness.hpp"

namespace bench::submit_latency {

inline constexpr std::uint64_t samples_awake = 100'000;
inline constexpr std::uint64_t samples_parked = 300;
inline constexpr std::uint64_t pause_parked_us = 2000;
inline constexpr std::uint64_t warm_up = 1000;

[[nodiscard]] inline std::uint64_t count_for(const Options& options) noexcept {
    if (options.count != 0) {
        return options.count;
    }
    return options.mode == "parked" ? samples_parked : samples_awake;
}

/// @return what two readings of the clock in a row lie apart, at the median.
[[nodiscard]] inline double clock_cost_ns() {
    std::vector<std::uint64_t> costs;
    for (int i = 0; i < 1001; ++i) {
        const std::uint64_t begin = now_ns();
        costs.push_back(now_ns() - begin);
    }
    std::sort(costs.begin(), costs.end());
    return static_cast<double>(quantile(costs, 0.5));
}

}  // namespace bench::submit_latency
