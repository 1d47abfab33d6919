// SPDX-License-Identifier: MIT
#pragma once
/// @file problem.hpp A million tasks that only count themselves.
///
/// Modes: `outside` submits from one thread that is no worker and waits for all; `outside_handle`
/// keeps a handle to every task's result and takes each; `inside` spawns from a running task and
/// joins.
#include <cstdint>
#include <string_view>

#include "bench/harness/harness.hpp"

namespace bench::empty_tasks {

inline constexpr std::uint64_t default_count = 1'000'000;

/// Runs `submit_all(n)` at a tenth of the size to warm up, then whole by the clock; each task must
/// tally(1). @return whether each task ran exactly once.
template <class SubmitAll>
bool measure(const Options& options, Report& report, SubmitAll&& submit_all) {
    const std::uint64_t n = options.count == 0 ? default_count : options.count;
    submit_all(n / 10);
    bool correct = take_tally() == n / 10;
    const std::uint64_t begin = now_ns();
    submit_all(n);
    const auto elapsed = static_cast<double>(now_ns() - begin);
    correct = correct && take_tally() == n;
    report.add("items", static_cast<double>(n));
    report.add("ns_per_item", elapsed / static_cast<double>(n));
    return correct;
}

}  // namespace bench::empty_tasks
