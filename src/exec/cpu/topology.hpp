// SPDX-License-Identifier: MIT
#pragma once
/// @file topology.hpp Reads the machine's shape from hwloc and the kernel's files: pure parsers,
/// and the few functions that feed them. Any thread.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "repartir/topology.hpp"

namespace repartir::exec {

/// Describes a machine that does not exist, in hwloc's notation ("pack:2 l3:1 core:4 pu:2"); for
/// tests.
/// @return its CPUs, or an empty Topology when hwloc does not understand the description.
[[nodiscard]] Topology synthetic_topology(const std::string& description);

/// @return the CPUs that this process may use: hwloc's, less those that the affinity mask or a
/// cpuset
///         forbids. Falls back to the affinity mask alone where hwloc cannot read the machine. No
///         quota.
[[nodiscard]] Topology usable_cpus();

/// A cgroup hierarchy as /proc/self/mountinfo names it.
struct CgroupMount {
    int version = 0;                       ///< 1 or 2
    std::string root;                      ///< which group the mount point shows
    std::string path;                      ///< where it is mounted
    std::vector<std::string> controllers;  ///< v1: what it was mounted with; v2: empty
    bool operator==(const CgroupMount&) const = default;
};

/// @return the cgroup mounts among the lines of a mountinfo file.
[[nodiscard]] std::vector<CgroupMount> parse_cgroup_mounts(std::string_view mountinfo);

/// One line of /proc/self/cgroup.
struct CgroupMembership {
    int version = 0;                       ///< 2 for the line that starts with "0::"
    std::vector<std::string> controllers;  ///< v1 only
    std::string path;                      ///< from the root of the hierarchy
    bool operator==(const CgroupMembership&) const = default;
};

/// @return the groups that a /proc/PID/cgroup file names; malformed lines are left out.
[[nodiscard]] std::vector<CgroupMembership> parse_cgroup_memberships(std::string_view text);

/// @return the folders of our group for a v1 controller (version 1) or of the unified tree (version
/// 2,
///         controller empty), our own first, its ancestors up to the mount point after it; empty
///         when there is no such hierarchy.
[[nodiscard]] std::vector<std::string> cgroup_ancestry(
    const std::vector<CgroupMount>& mounts, const std::vector<CgroupMembership>& memberships,
    int version, std::string_view controller);

/// @return a v2 cpu.max ("max 100000", "150000 100000") in hundredths of a CPU; 0: no quota or no
/// sense.
[[nodiscard]] std::uint32_t parse_cpu_max(std::string_view text);
/// @return v1's cfs quota and period in hundredths of a CPU; 0: no quota or no sense.
[[nodiscard]] std::uint32_t parse_cfs_quota(std::string_view quota, std::string_view period);
/// @return a memory limit in bytes ("max" and v1's near-infinite number mean none).
[[nodiscard]] std::optional<std::uint64_t> parse_memory_limit(std::string_view text);

/// What the cgroups of this process grant it.
struct CgroupGrant {
    std::uint32_t quota_centi_cpus = 0;         ///< smallest along the path; 0: no quota
    std::optional<std::uint64_t> memory_bytes;  ///< smallest along the path
    bool operator==(const CgroupGrant&) const = default;
};

/// @return the grant, read below `root` ("" for the real machine, a folder in tests).
[[nodiscard]] CgroupGrant cgroup_grant(const std::string& root = {});

/// @return the bytes of memory that this process may use: the machine's, less where a cgroup grants
///         less; 0 when unknown.
[[nodiscard]] std::uint64_t machine_memory();

/// @return a whole small file as text; nothing when it cannot be read.
[[nodiscard]] std::optional<std::string> read_small_file(const std::string& path);

}  // namespace repartir::exec
