// SPDX-License-Identifier: MIT
#pragma once
/// @file machine.hpp What this machine is and what it lets us do: the facts behind `repartir info`.
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "repartir/topology.hpp"

namespace repartir::exec {

/// A fact, or why it is not known, as words that follow "unknown, because".
template <class T>
using Known = std::expected<T, std::string>;

/// Caches of one level and type that are alike.
struct CacheFacts {
    std::uint32_t level = 0;  ///< 1 is nearest to the core
    std::string type;         ///< "data", "instruction" or "unified"
    std::uint64_t bytes = 0;  ///< of each
    std::uint32_t count = 0;  ///< how many of them
    bool operator==(const CacheFacts&) const = default;
};

/// A memory node.
struct NumaFacts {
    std::uint32_t number = 0;         ///< the kernel's
    std::uint64_t memory_bytes = 0;   ///< local memory; 0 when unknown
    std::vector<std::uint32_t> cpus;  ///< those of its CPUs that the machine has online
    bool operator==(const NumaFacts&) const = default;
};

/// Something that isolates or contains tasks, and whether it works here: tried, not guessed.
struct FeatureFacts {
    std::string name;  ///< "clone3", "pidfd", "cgroup memory", ...
    bool works = false;
    std::string detail;  ///< "ABI 7", "version 1", or why it does not work
};

/// All facts; read once, a value.
struct MachineFacts {
    std::string host;                       ///< host name
    std::string kernel;                     ///< "Linux 6.1.0-18-amd64 x86_64"
    Known<std::string> model;               ///< of the processor
    std::uint32_t packages = 0;             ///< sockets
    std::uint32_t cores = 0;                ///< physical cores
    std::uint32_t threads = 0;              ///< hardware threads
    Topology usable;                        ///< what this process may use of them, and its quota
    std::vector<CacheFacts> caches;         ///< by level; empty when unknown
    std::vector<NumaFacts> numa_nodes;      ///< by number
    Known<std::uint64_t> memory_total;      ///< bytes
    Known<std::uint64_t> memory_available;  ///< bytes
    std::optional<std::uint64_t>
        memory_granted;                  ///< bytes that the cgroup grants, when it limits them
    std::string cgroup_layout;           ///< "none", "v1", "v2" or "hybrid"
    std::vector<FeatureFacts> features;  ///< in a fixed order
};

/// Reads all facts and tries the features. Starts one short-lived process (to try user namespaces)
/// and makes one short-lived cgroup. Takes some milliseconds. Any thread.
[[nodiscard]] MachineFacts machine_facts();

/// @return "MemTotal" or another line of a /proc/meminfo text, in bytes.
[[nodiscard]] Known<std::uint64_t> parse_meminfo(std::string_view meminfo, std::string_view key);

/// Counts of a machine in hwloc's notation, for tests: caches and nodes as machine_facts() lists
/// them.
struct SyntheticFacts {
    std::uint32_t packages = 0, cores = 0, threads = 0;
    std::vector<CacheFacts> caches;
    std::vector<NumaFacts> numa_nodes;
};
/// @return the facts of a machine that does not exist; see synthetic_topology().
[[nodiscard]] SyntheticFacts synthetic_facts(const std::string& description);

}  // namespace repartir::exec
