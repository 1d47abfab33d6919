// SPDX-License-Identifier: MIT
#pragma once
/// @file problem.hpp Parallelism inside parallelism: does the inner level cost more than it must?
///
/// Modes: `loops` is a parallel_for of 1,000 whose body is a parallel_for of 1,000 trivial steps;
/// `groups` is a task group of 1,000 tasks, each of which has a task group of 100 tasks.
#include <cstdint>

#include "bench/harness/harness.hpp"

namespace bench::nested {

inline constexpr std::uint64_t outer = 1000;
inline constexpr std::uint64_t inner_steps = 1000;
inline constexpr std::uint64_t inner_tasks = 100;
inline constexpr int rounds = 5;

/// Runs `loops()` or `groups()` as the mode says, each of which must tally(1) per innermost step:
/// once to warm up, five times by the clock. @return whether every step ran.
template <class Loops, class Groups>
bool measure(const Options& options, Report& report, Loops&& loops, Groups&& groups) {
    const bool use_groups = options.mode == "groups";
    const std::uint64_t steps = outer * (use_groups ? inner_tasks : inner_steps);
    const auto once = [&] { use_groups ? groups() : loops(); };
    once();
    bool correct = take_tally() == steps;
    const std::uint64_t begin = now_ns();
    for (int round = 0; round < rounds; ++round) {
        once();
    }
    const auto elapsed = static_cast<double>(now_ns() - begin);
    const std::uint64_t items = steps * rounds;
    correct = correct && take_tally() == items;
    report.add("items", static_cast<double>(items));
    report.add("ns_per_item", elapsed / static_cast<double>(items));
    return correct;
}

}  // namespace bench::nested
