// SPDX-License-Identifier: MIT
#include "exec/cpu/topology.hpp"

#include <fcntl.h>
#include <hwloc.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>

namespace repartir::exec {

namespace {

struct TopologyDestroyer {
    void operator()(::hwloc_topology_t topology) const noexcept {
        ::hwloc_topology_destroy(topology);
    }
};
using HwlocTopology = std::unique_ptr<std::remove_pointer_t<::hwloc_topology_t>, TopologyDestroyer>;

struct BitmapDestroyer {
    void operator()(::hwloc_bitmap_t bitmap) const noexcept { ::hwloc_bitmap_free(bitmap); }
};
using Bitmap = std::unique_ptr<std::remove_pointer_t<::hwloc_bitmap_t>, BitmapDestroyer>;

[[nodiscard]] HwlocTopology new_topology() {
    ::hwloc_topology_t raw = nullptr;
    if (::hwloc_topology_init(&raw) != 0) {
        return nullptr;
    }
    // The kernel's files say the same as CPUID, which hwloc would run on every CPU in turn: tens of
    // milliseconds on a busy machine.
    ::hwloc_topology_set_components(raw, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86");
    return HwlocTopology(raw);
}

[[nodiscard]] std::uint32_t ancestor_index(::hwloc_topology_t topology, ::hwloc_obj_t pu,
                                           ::hwloc_obj_type_t type) {
    const ::hwloc_obj* const found = ::hwloc_get_ancestor_obj_by_type(topology, type, pu);
    return found == nullptr ? 0 : found->logical_index;
}

[[nodiscard]] std::uint32_t numa_node_of(::hwloc_topology_t topology, ::hwloc_obj_t pu) {
    ::hwloc_obj_t node = nullptr;
    while ((node = ::hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, node)) != nullptr) {
        if (::hwloc_bitmap_isset(node->cpuset, pu->os_index) != 0) {
            return node->os_index;
        }
    }
    return 0;
}

/// Lists the processing units; those outside `allowed` (when given) are left out.
[[nodiscard]] Topology list_cpus(::hwloc_topology_t topology, ::hwloc_const_bitmap_t allowed) {
    Topology result;
    ::hwloc_obj_t pu = nullptr;
    while ((pu = ::hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_PU, pu)) != nullptr) {
        if (allowed != nullptr && ::hwloc_bitmap_isset(allowed, pu->os_index) == 0) {
            continue;
        }
        Cpu cpu;
        cpu.number = pu->os_index;
        cpu.core = ancestor_index(topology, pu, HWLOC_OBJ_CORE);
        cpu.l3 = ancestor_index(topology, pu, HWLOC_OBJ_L3CACHE);
        cpu.numa_node = numa_node_of(topology, pu);
        cpu.package = ancestor_index(topology, pu, HWLOC_OBJ_PACKAGE);
        result.cpus.push_back(cpu);
    }
    std::ranges::sort(result.cpus, {}, &Cpu::number);
    return result;
}

[[nodiscard]] Topology affinity_mask_cpus() {
    Topology result;
    ::cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof set, &set) != 0) {
        return result;
    }
    for (std::uint32_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &set)) {
            result.cpus.push_back(Cpu{.number = cpu, .core = cpu});
        }
    }
    return result;
}

[[nodiscard]] std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
        text.remove_suffix(1);
    }
    while (!text.empty() && text.front() == ' ') {
        text.remove_prefix(1);
    }
    return text;
}

[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text) {
    text = trimmed(text);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    while (true) {
        const std::size_t at = text.find(separator);
        parts.push_back(text.substr(0, at));
        if (at == std::string_view::npos) {
            return parts;
        }
        text.remove_prefix(at + 1);
    }
}

/// Undoes mountinfo's octal escapes (a blank is "\040").
[[nodiscard]] std::string unescape(std::string_view text) {
    const auto octal = [](char c) { return c >= '0' && c <= '7'; };
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size() && octal(text[i + 1]) && octal(text[i + 2]) &&
            octal(text[i + 3])) {
            plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                       (text[i + 3] - '0'));
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

[[nodiscard]] std::vector<std::string> controller_list(std::string_view text) {
    std::vector<std::string> names;
    for (const std::string_view word : split(text, ',')) {
        if (!word.empty()) {
            names.emplace_back(word);
        }
    }
    return names;
}

[[nodiscard]] bool has(const std::vector<std::string>& names, std::string_view name) {
    return std::ranges::find(names, name) != names.end();
}

/// @return `part` over `period` in hundredths of a CPU, at least 1.
[[nodiscard]] std::uint32_t centi_cpus(std::uint64_t part, std::uint64_t period) {
    constexpr std::uint64_t most = 100'000'000;  // a million CPUs: what is more is no quota
    if (period == 0 || part / period > most / 100) {
        return 0;
    }
    return static_cast<std::uint32_t>(std::max<std::uint64_t>(part * 100 / period, 1));
}

void take_smaller_quota(std::uint32_t& quota, std::uint32_t found) {
    if (found != 0 && (quota == 0 || found < quota)) {
        quota = found;
    }
}

void take_smaller_limit(std::optional<std::uint64_t>& limit, std::optional<std::uint64_t> found) {
    if (found && (!limit || *found < *limit)) {
        limit = found;
    }
}

}  // namespace

Topology synthetic_topology(const std::string& description) {
    const HwlocTopology topology = new_topology();
    if (!topology || ::hwloc_topology_set_synthetic(topology.get(), description.c_str()) != 0 ||
        ::hwloc_topology_load(topology.get()) != 0) {
        return {};
    }
    return list_cpus(topology.get(), nullptr);
}

Topology usable_cpus() {
    const HwlocTopology topology = new_topology();
    if (!topology || ::hwloc_topology_load(topology.get()) != 0) {
        return affinity_mask_cpus();
    }
    const Bitmap allowed(::hwloc_bitmap_dup(::hwloc_topology_get_allowed_cpuset(topology.get())));
    const Bitmap bound(::hwloc_bitmap_alloc());
    if (!allowed || !bound) {
        return affinity_mask_cpus();
    }
    if (::hwloc_get_cpubind(topology.get(), bound.get(), HWLOC_CPUBIND_THREAD) == 0) {
        ::hwloc_bitmap_and(allowed.get(), allowed.get(), bound.get());
    }
    Topology result = list_cpus(topology.get(), allowed.get());
    if (result.cpus.empty()) {
        return affinity_mask_cpus();
    }
    return result;
}

std::vector<CgroupMount> parse_cgroup_mounts(std::string_view mountinfo) {
    std::vector<CgroupMount> mounts;
    for (const std::string_view line : split(mountinfo, '\n')) {
        // "31 23 0:28 ROOT POINT OPTIONS TAGS... - TYPE SOURCE SUPER"
        const std::size_t dash = line.find(" - ");
        if (dash == std::string_view::npos) {
            continue;
        }
        const std::vector<std::string_view> left = split(line.substr(0, dash), ' ');
        const std::vector<std::string_view> right = split(line.substr(dash + 3), ' ');
        if (left.size() < 5 || right.size() < 3) {
            continue;
        }
        if (right[0] == "cgroup2") {
            mounts.push_back({2, unescape(left[3]), unescape(left[4]), {}});
        } else if (right[0] == "cgroup") {
            mounts.push_back({1, unescape(left[3]), unescape(left[4]), controller_list(right[2])});
        }
    }
    return mounts;
}

std::vector<CgroupMembership> parse_cgroup_memberships(std::string_view text) {
    std::vector<CgroupMembership> memberships;
    for (const std::string_view line : split(text, '\n')) {
        const std::size_t first = line.find(':');
        const std::size_t second =
            first == std::string_view::npos ? first : line.find(':', first + 1);
        if (second == std::string_view::npos || second + 1 >= line.size() ||
            line[second + 1] != '/') {
            continue;
        }
        const std::string_view controllers = line.substr(first + 1, second - first - 1);
        const bool unified = controllers.empty() && line.substr(0, first) == "0";
        memberships.push_back(
            {unified ? 2 : 1, controller_list(controllers), std::string(line.substr(second + 1))});
    }
    return memberships;
}

std::vector<std::string> cgroup_ancestry(const std::vector<CgroupMount>& mounts,
                                         const std::vector<CgroupMembership>& memberships,
                                         int version, std::string_view controller) {
    const auto wanted = [&](const auto& entry) {
        return entry.version == version && (version == 2 || has(entry.controllers, controller));
    };
    const auto mount = std::ranges::find_if(mounts, wanted);
    const auto membership = std::ranges::find_if(memberships, wanted);
    if (mount == mounts.end() || membership == memberships.end()) {
        return {};
    }
    // In a container the mount shows a subtree: its root is a prefix of our path, or our path is
    // already relative to it (cgroup namespace: the root then reads "/").
    std::string below = membership->path;
    if (mount->root != "/" && below.starts_with(mount->root) &&
        (below.size() == mount->root.size() || below[mount->root.size()] == '/')) {
        below.erase(0, mount->root.size());
    }
    std::vector<std::string> folders;
    while (!below.empty() && below != "/") {
        if (below.back() == '/') {
            below.pop_back();
            continue;
        }
        folders.push_back(mount->path + below);
        below.erase(below.rfind('/'));
    }
    folders.push_back(mount->path);
    return folders;
}

std::uint32_t parse_cpu_max(std::string_view text) {
    const std::vector<std::string_view> words = split(trimmed(text), ' ');
    if (words.size() != 2 || words[0] == "max") {
        return 0;
    }
    return parse_cfs_quota(words[0], words[1]);
}

std::uint32_t parse_cfs_quota(std::string_view quota, std::string_view period) {
    const auto part = parse_number(quota);  // "-1" means none and is no number here
    const auto whole = parse_number(period);
    return part && whole ? centi_cpus(*part, *whole) : 0;
}

std::optional<std::uint64_t> parse_memory_limit(std::string_view text) {
    constexpr std::uint64_t near_infinite = std::uint64_t{1} << 60U;
    const auto value = parse_number(text);
    return value && *value < near_infinite ? value : std::nullopt;
}

CgroupGrant cgroup_grant(const std::string& root) {
    CgroupGrant grant;
    const auto mounts =
        parse_cgroup_mounts(read_small_file(root + "/proc/self/mountinfo").value_or(""));
    const auto memberships =
        parse_cgroup_memberships(read_small_file(root + "/proc/self/cgroup").value_or(""));
    const auto read = [&](const std::string& folder, const char* name) {
        return read_small_file(root + folder + "/" + name).value_or("");
    };
    for (const std::string& folder : cgroup_ancestry(mounts, memberships, 2, "")) {
        take_smaller_quota(grant.quota_centi_cpus, parse_cpu_max(read(folder, "cpu.max")));
        take_smaller_limit(grant.memory_bytes, parse_memory_limit(read(folder, "memory.max")));
    }
    for (const std::string& folder : cgroup_ancestry(mounts, memberships, 1, "cpu")) {
        take_smaller_quota(
            grant.quota_centi_cpus,
            parse_cfs_quota(read(folder, "cpu.cfs_quota_us"), read(folder, "cpu.cfs_period_us")));
    }
    for (const std::string& folder : cgroup_ancestry(mounts, memberships, 1, "memory")) {
        take_smaller_limit(grant.memory_bytes,
                           parse_memory_limit(read(folder, "memory.limit_in_bytes")));
    }
    return grant;
}

std::uint64_t machine_memory() {
    const long pages = ::sysconf(_SC_PHYS_PAGES);
    const long page = ::sysconf(_SC_PAGESIZE);
    const std::uint64_t all =
        pages > 0 && page > 0 ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page)
                              : 0;
    const std::optional<std::uint64_t> granted = cgroup_grant().memory_bytes;
    return granted && (all == 0 || *granted < all) ? *granted : all;
}

std::optional<std::string> read_small_file(const std::string& path) {
    constexpr std::size_t most = 1U << 20U;
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return std::nullopt;
    }
    std::string text;
    char piece[4096];
    ::ssize_t got = 0;
    while (text.size() < most &&
           ((got = ::read(fd, piece, sizeof piece)) > 0 || (got < 0 && errno == EINTR))) {
        text.append(piece, got > 0 ? static_cast<std::size_t>(got) : 0);
    }
    ::close(fd);
    if (got < 0) {
        return std::nullopt;
    }
    return text;
}

}  // namespace repartir::exec
