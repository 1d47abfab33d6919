// SPDX-License-Identifier: MIT
#pragma once
/// @file problem.hpp Naive Fibonacci: a binary tree of tiny tasks, each of which forks one and
/// joins it.
///
/// Every implementation has the same shape: fork fib(n - 1), call fib(n - 2), join. With results
/// the forked task's value is added to the caller's; without, leaves are counted on the side. The
/// unit is a spawn: a task that was made, may be stolen, and is joined.
#include <cstdint>

#include "bench/harness/harness.hpp"

namespace bench::fork_join {

inline constexpr std::uint64_t default_count = 32;
inline constexpr std::uint64_t warm_up_count = 24;

/// @return fib(n), in a loop, for checking.
[[nodiscard]] constexpr std::uint64_t expected(std::uint64_t n) noexcept {
    std::uint64_t a = 0;
    std::uint64_t b = 1;
    while (n-- > 0) {
        const std::uint64_t next = a + b;
        a = b;
        b = next;
    }
    return a;
}

/// @return how many calls have n >= 2, each of which spawns once: fib(n + 1) - 1.
[[nodiscard]] constexpr std::uint64_t spawns(std::uint64_t n) noexcept {
    return expected(n + 1) - 1;
}

/// @return how many calls have n < 2: fib(n + 1).
[[nodiscard]] constexpr std::uint64_t leaves(std::uint64_t n) noexcept { return expected(n + 1); }

/// Runs `with_result(n)` (gives fib(n)) or `without_result(n)` (tallies leaves) as the mode says,
/// once to warm up and once by the clock. @return whether the answers were right.
template <class With, class Without>
bool measure(const Options& options, Report& report, With&& with_result, Without&& without_result) {
    const std::uint64_t n = options.count == 0 ? default_count : options.count;
    const bool results = options.mode != "no_results";
    bool correct = true;
    const auto once = [&](std::uint64_t size) {
        if (results) {
            correct = correct && with_result(size) == expected(size);
        } else {
            without_result(size);
            correct = correct && take_tally() == leaves(size);
        }
    };
    once(n < warm_up_count ? n : warm_up_count);
    const std::uint64_t begin = now_ns();
    once(n);
    const auto elapsed = static_cast<double>(now_ns() - begin);
    report.add("items", static_cast<double>(spawns(n)));
    report.add("ns_per_item", elapsed / static_cast<double>(spawns(n)));
    return correct;
}

}  // namespace bench::fork_join
