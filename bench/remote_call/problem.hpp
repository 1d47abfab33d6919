// SPDX-License-Identifier: MIT
#pragma once
/// @file problem.hpp What it costs to have a function of another process called over loopback TCP.
///
/// The server is a child process. Modes: `latency` makes one call at a time and waits for its
/// answer; `throughput` has as many under way as the implementation takes, and divides. A request
/// of the raw peers has as many bytes as one of ours on the wire.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "bench/harness/child.hpp"
#include "bench/harness/harness.hpp"

namespace bench::remote_call {

inline constexpr std::uint64_t samples = 20'000;
inline constexpr std::uint64_t calls = 200'000;
inline constexpr std::uint64_t warm_up = 1'000;
/// A call of a function without arguments, framed; and the answer to it.
inline constexpr std::size_t request_bytes = 250;
inline constexpr std::size_t answer_bytes = 250;
/// Calls under way of peers that leave the number to their user.
inline constexpr std::uint64_t window = 256;

/// Measures what the mode names, after a warm-up of the same kind. @param one makes a call and
/// waits for its answer @param many makes so many calls @return the exit status; both say whether
/// all was right
template <class One, class Many>
[[nodiscard]] int measure(const Options& options, std::string_view implementation, One one,
                          Many many) {
    const bool latency = options.mode == "latency";
    const std::uint64_t count = options.count != 0 ? options.count : latency ? samples : calls;
    Report report("remote_call", implementation, options);
    std::vector<std::uint64_t> times;
    times.reserve(count);
    bool correct = true;
    for (std::uint64_t i = 0; latency && i < warm_up && correct; ++i) {
        correct = one();
    }
    correct = correct && (latency || many(warm_up));
    const std::uint64_t begin = now_ns();
    for (std::uint64_t i = 0; latency && i < count && correct; ++i) {
        const std::uint64_t sent = now_ns();
        correct = one();
        times.push_back(now_ns() - sent);
    }
    correct = correct && (latency || many(count));
    report.add("items", static_cast<double>(count));
    report.add("ns_per_item", static_cast<double>(now_ns() - begin) / static_cast<double>(count));
    if (latency) {
        report.add_percentiles("call", times);
    }
    return report.finish(correct);
}

}  // namespace bench::remote_call
