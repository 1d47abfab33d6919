// SPDX-License-Identifier: MIT
#include "exec/cpu/machine.hpp"

#include <hwloc.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <memory>
#include <utility>

#include "base/fd.hpp"
#include "base/os_error.hpp"
#include "exec/cpu/cgroup.hpp"
#include "exec/cpu/topology.hpp"

namespace repartir::exec {

namespace {

struct TopologyDestroyer {
    void operator()(::hwloc_topology_t topology) const noexcept {
        ::hwloc_topology_destroy(topology);
    }
};
using HwlocTopology = std::unique_ptr<std::remove_pointer_t<::hwloc_topology_t>, TopologyDestroyer>;

/// @return a loaded topology, of this machine when `description` is empty; nullptr on failure.
[[nodiscard]] HwlocTopology load(const std::string& description) {
    ::hwloc_topology_t raw = nullptr;
    if (::hwloc_topology_init(&raw) != 0) {
        return nullptr;
    }
    HwlocTopology topology(raw);
    // As in topology.cpp: what CPUID says the kernel's files say faster.
    ::hwloc_topology_set_components(raw, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86");
    ::hwloc_topology_set_icache_types_filter(raw, HWLOC_TYPE_FILTER_KEEP_ALL);
    if ((!description.empty() && ::hwloc_topology_set_synthetic(raw, description.c_str()) != 0) ||
        ::hwloc_topology_load(raw) != 0) {
        return nullptr;
    }
    return topology;
}

[[nodiscard]] std::uint32_t count_of(::hwloc_topology_t topology, ::hwloc_obj_type_t type) {
    const int count = ::hwloc_get_nbobjs_by_type(topology, type);
    return count > 0 ? static_cast<std::uint32_t>(count) : 0;
}

[[nodiscard]] std::vector<CacheFacts> list_caches(::hwloc_topology_t topology) {
    std::vector<CacheFacts> caches;
    for (const ::hwloc_obj_type_t type : {HWLOC_OBJ_L1CACHE, HWLOC_OBJ_L1ICACHE, HWLOC_OBJ_L2CACHE,
                                          HWLOC_OBJ_L3CACHE, HWLOC_OBJ_L4CACHE}) {
        ::hwloc_obj_t cache = nullptr;
        while ((cache = ::hwloc_get_next_obj_by_type(topology, type, cache)) != nullptr) {
            const auto& attributes = cache->attr->cache;
            CacheFacts facts{attributes.depth,
                             attributes.type == HWLOC_OBJ_CACHE_DATA          ? "data"
                             : attributes.type == HWLOC_OBJ_CACHE_INSTRUCTION ? "instruction"
                                                                              : "unified",
                             attributes.size, 1};
            const auto same = std::ranges::find_if(caches, [&](const CacheFacts& known) {
                return known.level == facts.level && known.type == facts.type &&
                       known.bytes == facts.bytes;
            });
            if (same == caches.end()) {
                caches.push_back(std::move(facts));
            } else {
                ++same->count;
            }
        }
    }
    return caches;
}

[[nodiscard]] std::vector<NumaFacts> list_nodes(::hwloc_topology_t topology) {
    std::vector<NumaFacts> nodes;
    ::hwloc_obj_t node = nullptr;
    while ((node = ::hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, node)) != nullptr) {
        NumaFacts facts{node->os_index, node->attr->numanode.local_memory, {}};
        unsigned cpu = 0;
        hwloc_bitmap_foreach_begin(cpu, node->cpuset) { facts.cpus.push_back(cpu); }
        hwloc_bitmap_foreach_end();
        nodes.push_back(std::move(facts));
    }
    std::ranges::sort(nodes, {}, &NumaFacts::number);
    return nodes;
}

[[nodiscard]] SyntheticFacts list_all(::hwloc_topology_t topology) {
    return {count_of(topology, HWLOC_OBJ_PACKAGE), count_of(topology, HWLOC_OBJ_CORE),
            count_of(topology, HWLOC_OBJ_PU), list_caches(topology), list_nodes(topology)};
}

[[nodiscard]] Known<std::string> processor_model(::hwloc_topology_t topology) {
    const ::hwloc_obj_t package = ::hwloc_get_obj_by_type(topology, HWLOC_OBJ_PACKAGE, 0);
    const char* model =
        package == nullptr ? nullptr : ::hwloc_obj_get_info_by_name(package, "CPUModel");
    if (model == nullptr || *model == '\0') {
        return std::unexpected("the kernel does not name the processor");
    }
    return std::string(model);
}

[[nodiscard]] FeatureFacts try_clone3() {
    // No arguments at all: refused as invalid where the call exists.
    const bool works = ::syscall(SYS_clone3, nullptr, 0) != 0 && errno != ENOSYS && errno != EPERM;
    return {"clone3", works, works ? "" : std::string(base::words_of(errno))};
}

[[nodiscard]] FeatureFacts try_pidfd() {
    const base::Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
    return {"pidfd", static_cast<bool>(fd), fd ? "" : std::string(base::words_of(errno))};
}

[[nodiscard]] FeatureFacts try_landlock() {
    constexpr unsigned ask_version = 1;  // LANDLOCK_CREATE_RULESET_VERSION
    const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, ask_version);
    return {"landlock", abi > 0,
            abi > 0 ? "ABI " + std::to_string(abi) : std::string(base::words_of(errno))};
}

[[nodiscard]] FeatureFacts try_seccomp() {
    std::uint32_t action = SECCOMP_RET_KILL_PROCESS;
    const bool works = ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
    return {"seccomp", works, works ? "" : std::string(base::words_of(errno))};
}

int do_nothing(void*) { return 0; }

[[nodiscard]] FeatureFacts try_user_namespaces() {
    alignas(16) std::array<std::byte, 64U * 1024U> stack;
    const ::pid_t child =
        ::clone(do_nothing, stack.data() + stack.size(), CLONE_NEWUSER | SIGCHLD, nullptr);
    if (child < 0) {
        return {"user namespaces", false, std::string(base::words_of(errno))};
    }
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {}
    return {"user namespaces", true, ""};
}

[[nodiscard]] FeatureFacts try_memfd_exec() {
    constexpr unsigned executable = 0x0010U;  // MFD_EXEC, newer than this release's headers
    const base::Fd fd(::memfd_create("repartir-probe", MFD_CLOEXEC | executable));
    if (fd) {
        return {"memfd exec", true, ""};
    }
    if (errno == EINVAL) {
        return {"memfd exec", true, "without MFD_EXEC: this kernel allows it always"};
    }
    return {"memfd exec", false, std::string(base::words_of(errno))};
}

[[nodiscard]] FeatureFacts cgroup_feature(const char* name, int version,
                                          const std::string& why_not) {
    return {name, version != 0, version != 0 ? "version " + std::to_string(version) : why_not};
}

[[nodiscard]] std::string cgroup_layout() {
    bool first = false;
    bool second = false;
    for (const CgroupMount& mount :
         parse_cgroup_mounts(read_small_file("/proc/self/mountinfo").value_or(""))) {
        first = first || mount.version == 1;
        second = second || mount.version == 2;
    }
    if (first) {
        return second ? "hybrid" : "v1";
    }
    return second ? "v2" : "none";
}

}  // namespace

Known<std::uint64_t> parse_meminfo(std::string_view meminfo, std::string_view key) {
    // "MemTotal:       24683240 kB"
    const std::string wanted = std::string(key) + ":";
    const std::size_t at = meminfo.starts_with(wanted) ? 0 : meminfo.find("\n" + wanted);
    if (at == std::string_view::npos) {
        return std::unexpected("/proc/meminfo has no " + std::string(key));
    }
    meminfo.remove_prefix(at + wanted.size() + (meminfo.starts_with(wanted) ? 0 : 1));
    meminfo.remove_prefix(std::min(meminfo.find_first_not_of(' '), meminfo.size()));
    std::uint64_t kib = 0;
    const auto [end, error] = std::from_chars(meminfo.data(), meminfo.data() + meminfo.size(), kib);
    if (error != std::errc()) {
        return std::unexpected("/proc/meminfo has no number for " + std::string(key));
    }
    constexpr std::uint64_t kibibyte = 1024;
    return kib * kibibyte;
}

SyntheticFacts synthetic_facts(const std::string& description) {
    const HwlocTopology topology = load(description);
    return topology ? list_all(topology.get()) : SyntheticFacts{};
}

MachineFacts machine_facts() {
    MachineFacts facts;
    ::utsname system{};
    if (::uname(&system) == 0) {
        facts.host = system.nodename;
        facts.kernel = std::string(system.sysname) + " " + system.release + " " + system.machine;
    }
    facts.model = std::unexpected("hwloc cannot read this machine");
    if (const HwlocTopology topology = load({})) {
        SyntheticFacts shape = list_all(topology.get());
        facts.model = processor_model(topology.get());
        facts.packages = shape.packages;
        facts.cores = shape.cores;
        facts.threads = shape.threads;
        facts.caches = std::move(shape.caches);
        facts.numa_nodes = std::move(shape.numa_nodes);
    }
    const CgroupGrant grant = cgroup_grant();
    facts.usable = usable_cpus();
    facts.usable.quota_centi_cpus = grant.quota_centi_cpus;
    facts.memory_granted = grant.memory_bytes;
    const std::string meminfo = read_small_file("/proc/meminfo").value_or("");
    facts.memory_total = parse_meminfo(meminfo, "MemTotal");
    facts.memory_available = parse_meminfo(meminfo, "MemAvailable");
    facts.cgroup_layout = cgroup_layout();
    const CgroupSupport cgroups = probe_cgroups();
    facts.features = {try_clone3(),
                      try_pidfd(),
                      cgroup_feature("cgroup memory", cgroups.memory_version, cgroups.why_not),
                      cgroup_feature("cgroup pids", cgroups.pids_version, cgroups.why_not),
                      try_landlock(),
                      try_seccomp(),
                      try_user_namespaces(),
                      try_memfd_exec()};
    return facts;
}

}  // namespace repartir::exec
