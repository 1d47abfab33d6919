// SPDX-License-Identifier: MIT
#pragma once
/// @file victims.hpp Whom a worker steals from first.
#include <cstdint>
#include <vector>

#include "repartir/topology.hpp"

namespace repartir::sched {

/// Workers at one distance; a thief starts at a random one of them.
using Tier = std::vector<std::uint32_t>;

/// The other workers by distance from `worker`, nearest tier first: hardware threads of the same
/// core, then the same last-level cache, the same NUMA node, the same package, the rest. Empty
/// tiers are left out; every other worker is in exactly one. Worker i is taken to run on the
/// topology's CPU i modulo their number; without CPUs all are at one distance. Pure.
[[nodiscard]] std::vector<Tier> victim_order(const Topology& topology, std::uint32_t workers,
                                             std::uint32_t worker);

}  // namespace repartir::sched
