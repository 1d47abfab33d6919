// SPDX-License-Identifier: MIT
#pragma once
/// @file problem.hpp Ten million iterations of one loop.
///
/// Modes: `trivial` writes one byte per index, so that the loop's own cost shows; `memory` is the
/// triad a[i] = b[i] + s * c[i] over 240 MB, so that the memory bus is the limit.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "bench/harness/harness.hpp"

namespace bench::parallel_for {

inline constexpr std::size_t default_count = 10'000'000;
inline constexpr int rounds = 5;

/// Runs `loop(n, body)`, which must call body(i) for each i in [0, n): one round to warm up, then
/// five by the clock. @return whether every index was reached.
template <class Loop>
bool measure(const Options& options, Report& report, Loop&& loop) {
    const std::size_t n = options.count == 0 ? default_count : options.count;
    std::uint64_t elapsed = 0;
    bool correct = true;
    const auto timed = [&](auto&& body) {
        loop(n, body);
        const std::uint64_t begin = now_ns();
        for (int round = 0; round < rounds; ++round) {
            loop(n, body);
        }
        elapsed = now_ns() - begin;
    };
    if (options.mode == "memory") {
        std::vector<double> a(n, 0.0);
        const std::vector<double> b(n, 1.0);
        const std::vector<double> c(n, 2.0);
        timed([a = a.data(), b = b.data(), c = c.data()](std::size_t i) {
            a[i] = b[i] + 3.0 * c[i];
        });
        correct = std::all_of(a.begin(), a.end(), [](double x) { return x == 7.0; });
    } else {
        std::vector<std::uint8_t> touched(n, 0);
        timed([data = touched.data()](std::size_t i) { ++data[i]; });
        correct = std::all_of(touched.begin(), touched.end(),
                              [](std::uint8_t x) { return x == rounds + 1; });
    }
    const auto items = static_cast<double>(n) * rounds;
    report.add("items", items).add("ns_per_item", static_cast<double>(elapsed) / items);
    return correct;
}

}  // namespace bench::parallel_for
