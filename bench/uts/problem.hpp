// SPDX-License-Identifier: MIT
#pragma once
/// @file problem.hpp Unbalanced tree search: count the nodes of a tree that nobody knows
/// beforehand.
///
/// The tree is geometric in the sense of Olivier et al., "UTS: An Unbalanced Tree Search Benchmark"
/// (LCPC 2006): a node above the depth limit has a geometrically distributed number of children,
/// drawn from a hash of its path, so every implementation grows the same tree. The hash is
/// splitmix64's finaliser, a few rounds of it, instead of SHA-1: nodes are cheaper here (some 20
/// ns), which makes the scheduler's share larger, not smaller.
#include <cmath>
#include <cstdint>

#include "bench/harness/harness.hpp"

namespace bench::uts {

inline constexpr std::uint32_t depth_max = 10;
inline constexpr double branching = 4.0;
inline constexpr std::uint32_t children_max = 100;
inline constexpr std::uint64_t seed = 25;
/// What the serial walk counts with these figures.
inline constexpr std::uint64_t nodes_expected = 2'506'447;

/// A node: the state of its hash and how deep it is.
struct Node {
    std::uint64_t state = seed;
    std::uint32_t depth = 0;
};

/// @return splitmix64's finaliser, four rounds of it.
[[nodiscard]] inline std::uint64_t hash(std::uint64_t x) noexcept {
    for (int round = 0; round < 4; ++round) {
        x += 0x9e3779b97f4a7c15U;
        x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
        x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
        x ^= x >> 31U;
    }
    return x;
}

/// @return how many children a node has.
[[nodiscard]] inline std::uint32_t child_count(const Node& node) noexcept {
    if (node.depth >= depth_max) {
        return 0;
    }
    const double uniform = static_cast<double>(node.state >> 11U) * 0x1.0p-53;
    const double p = 1.0 / (1.0 + branching);
    const auto count = static_cast<std::uint32_t>(std::log(1.0 - uniform) / std::log(1.0 - p));
    return count < children_max ? count : children_max;
}

[[nodiscard]] inline Node child(const Node& node, std::uint32_t index) noexcept {
    return Node{hash(node.state + index + 1), node.depth + 1};
}

[[nodiscard]] inline Node root() noexcept { return Node{hash(seed), 0}; }

/// Runs `walk()`, which tallies 1 per node of the whole tree, once to warm up and once by the
/// clock.
/// @return whether it found every node.
template <class Walk>
bool measure(Report& report, Walk&& walk) {
    walk();
    bool correct = take_tally() == nodes_expected;
    const std::uint64_t begin = now_ns();
    walk();
    const auto elapsed = static_cast<double>(now_ns() - begin);
    const std::uint64_t nodes = take_tally();
    correct = correct && nodes == nodes_expected;
    report.add("items", static_cast<double>(nodes));
    report.add("ns_per_item", elapsed / static_cast<double>(nodes_expected));
    return correct;
}

}  // namespace bench::uts
