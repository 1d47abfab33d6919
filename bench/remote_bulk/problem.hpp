// SPDX-License-Identifier: MIT
#pragma once
/// @file problem.hpp 64 MiB from another process over loopback, asked for again and again.
///
/// The bytes do not compress: a block of pseudo-random ones, over and over. Each transfer begins
/// with the question and ends when the last byte is in this process's memory; that they are right
/// is looked at outside the clock.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "bench/harness/harness.hpp"

namespace bench::remote_bulk {

inline constexpr std::size_t block_bytes = 64UL * 1024;
inline constexpr std::size_t result_bytes = 64UL * 1024 * 1024;
inline constexpr std::uint64_t transfers = 10;

using Block = std::array<char, block_bytes>;

/// @return the block, by xorshift.
[[nodiscard]] inline Block make_block() noexcept {
    Block block{};
    std::uint64_t state = 88172645463325252ULL;
    for (std::size_t at = 0; at < block.size(); at += sizeof state) {
        state ^= state << 13U;
        state ^= state >> 7U;
        state ^= state << 17U;
        std::memcpy(block.data() + at, &state, sizeof state);
    }
    return block;
}

/// @return all the bytes, as who serves them has them.
[[nodiscard]] inline std::string make_all() {
    const Block block = make_block();
    std::string all;
    all.reserve(result_bytes);
    while (all.size() < result_bytes) {
        all.append(block.data(), block.size());
    }
    return all;
}

/// @return whether these are the bytes that were asked for.
[[nodiscard]] inline bool right(std::string_view bytes, const Block& block) noexcept {
    bool same = bytes.size() == result_bytes;
    for (std::size_t at = 0; same && at < bytes.size(); at += block_bytes) {
        same = bytes.substr(at, block_bytes) == std::string_view(block.data(), block.size());
    }
    return same;
}

/// Times the transfers. @param transfer asks for the bytes, waits for them, and gives what owns
/// them @param view what is read of that @return the exit status
template <class Transfer, class View>
[[nodiscard]] int measure(const Options& options, std::string_view implementation,
                          Transfer transfer, View view) {
    const Block block = make_block();
    const std::uint64_t count = options.count != 0 ? options.count : transfers;
    std::uint64_t elapsed = 0;
    bool correct = true;
    for (std::uint64_t i = 0; i <= count && correct; ++i) {
        const std::uint64_t begin = now_ns();
        const auto owner = transfer();
        elapsed += i == 0 ? 0 : now_ns() - begin;  // the first warms up
        correct = right(view(owner), block);
    }
    Report report("remote_bulk", implementation, options);
    const double each = static_cast<double>(elapsed) / static_cast<double>(count);
    report.add("items", static_cast<double>(count));
    report.add("ns_per_item", each);
    report.add("mib_per_s", 64.0 * 1e9 / std::max(each, 1.0));
    return report.finish(correct);
}

}  // namespace bench::remote_bulk
