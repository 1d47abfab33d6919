// SPDX-License-Identifier: MIT
#include "cli/machine_report.hpp"

#include <sys/prctl.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <tuple>

#include "cli/json_text.hpp"
#include "cli/text.hpp"
#include "repartir/cpu_executor.hpp"

namespace repartir::cli {
namespace {

/// @return the first line of a file; empty when it cannot be read.
std::string first_line(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

/// @return what follows "key" and a colon in a file of such lines, spaces cut.
std::string field(const std::string& path, std::string_view key) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        const std::size_t colon = line.find(':');
        if (line.starts_with(key) && colon != std::string::npos) {
            const std::size_t start = line.find_first_not_of(" \t", colon + 1);
            return start == std::string::npos ? std::string() : line.substr(start);
        }
    }
    return {};
}

std::uint64_t leading_number(std::string_view text) {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

Feature landlock() {
    constexpr unsigned long version_flag = 1;  // LANDLOCK_CREATE_RULESET_VERSION
    constexpr long landlock_create_ruleset = 444;
    const long abi = ::syscall(landlock_create_ruleset, nullptr, 0UL, version_flag);
    return {"landlock", abi > 0, abi > 0 ? cat({"ABI ", std::to_string(abi)}) : ""};
}

std::vector<Feature> probe_features(const Capabilities& can) {
    std::vector<Feature> features;
    features.push_back(landlock());
    const int seccomp = ::prctl(PR_GET_SECCOMP, 0, 0, 0, 0);
    features.push_back({"seccomp", seccomp >= 0, seccomp == 2 ? "a filter holds us already" : ""});
    const std::string namespaces = first_line("/proc/sys/user/max_user_namespaces");
    features.push_back({"user namespaces", leading_number(namespaces) > 0,
                        namespaces.empty() ? "not known without /proc/sys" : ""});
    features.push_back({"cgroup v2", !first_line("/sys/fs/cgroup/cgroup.controllers").empty(), ""});
    features.push_back({"memory and process limits", can.cgroup_limits,
                        can.cgroup_limits ? "" : "no cgroup that we may make groups in"});
    return features;
}

}  // namespace

std::vector<CacheKind> read_caches(const std::string& folder) {
    namespace fs = std::filesystem;
    std::map<std::tuple<std::uint32_t, std::string, std::string>, std::set<std::string>> found;
    std::error_code bad;
    for (const fs::directory_entry& cpu : fs::directory_iterator(folder, bad)) {
        const std::string name = cpu.path().filename().string();
        if (!name.starts_with("cpu") || name.find_first_of("0123456789") != 3) {
            continue;
        }
        for (const fs::directory_entry& index : fs::directory_iterator(cpu.path() / "cache", bad)) {
            const std::string at = index.path().string();
            const auto level =
                static_cast<std::uint32_t>(leading_number(first_line(at + "/level")));
            if (level > 0) {
                found[{level, first_line(at + "/type"), first_line(at + "/size")}].insert(
                    first_line(at + "/shared_cpu_list"));
            }
        }
    }
    std::vector<CacheKind> caches;
    for (const auto& [kind, groups] : found) {
        caches.push_back(CacheKind{std::get<0>(kind), std::get<1>(kind), std::get<2>(kind),
                                   static_cast<std::uint32_t>(groups.size())});
    }
    return caches;
}

MachineReport read_machine() {
    MachineReport report;
    utsname names{};
    if (::uname(&names) == 0) {
        report.kernel = cat({names.sysname, " ", names.release, " ", names.machine});
    }
    report.cpu_model = field("/proc/cpuinfo", "model name");
    report.topology = CpuExecutor::this_machine();
    struct sysinfo memory{};  // needs no /proc
    if (::sysinfo(&memory) == 0) {
        report.memory_total_bytes = std::uint64_t{memory.totalram} * memory.mem_unit;
    }
    report.caches = read_caches("/sys/devices/system/cpu");
    CpuExecutorOptions options;
    options.slots = 1;
    options.topology = report.topology;
    Capabilities can;
    if (const auto executor = CpuExecutor::create(options)) {
        can = (*executor)->capabilities();
    }
    report.memory_granted_bytes =
        can.memory_bytes == 0 ? report.memory_total_bytes : can.memory_bytes;
    report.features = probe_features(can);
    return report;
}

std::string report_text(const MachineReport& report) {
    const Topology& machine = report.topology;
    std::set<std::uint32_t> cores;
    std::set<std::uint32_t> nodes;
    std::set<std::uint32_t> packages;
    for (const Cpu& cpu : machine.cpus) {
        cores.insert(cpu.core);
        nodes.insert(cpu.numa_node);
        packages.insert(cpu.package);
    }
    std::string text = cat({"kernel      ", report.kernel, "\nprocessor   ",
                            report.cpu_model.empty() ? "not known without /proc" : report.cpu_model,
                            "\nCPUs        ", number(machine.cpus.size()), " usable, on ",
                            number(cores.size()), " cores, ", number(packages.size()), " sockets, ",
                            number(nodes.size()), " NUMA nodes\n"});
    const std::uint32_t quota = machine.quota_centi_cpus;
    text += cat({"CPU quota   ",
                 quota == 0 ? "none"
                            : cat({number(quota / 100), ".", quota % 100 < 10 ? "0" : "",
                                   number(quota % 100), " CPUs by cgroup"}),
                 "\nworkers     ", number(machine.default_workers()), " by default\n"});
    for (const CacheKind& cache : report.caches) {
        text += cat({"cache       L", number(cache.level), " ", cache.type, " ", cache.size, " x ",
                     number(cache.count), "\n"});
    }
    const std::uint64_t total = report.memory_total_bytes;
    const std::uint64_t granted = report.memory_granted_bytes;
    text += cat({"memory      ", total == 0 ? "not known" : human_size(total),
                 granted < total ? cat({", of which a cgroup grants ", human_size(granted)})
                 : total == 0    ? std::string()
                                 : ", all of it ours to use",
                 "\n"});
    for (const Feature& feature : report.features) {
        text += cat({feature.available ? "yes" : "no ", "         ", feature.name,
                     feature.detail.empty() ? "" : ": ", feature.detail, "\n"});
    }
    text += gpu_lines(report.gpus);
    return text;
}

std::string report_json(const MachineReport& report) {
    std::string text;
    JsonWriter json(text);
    json.begin_object();
    json.key("v");
    json.integer(1);
    json.key("type");
    json.text("machine");
    json.key("kernel");
    json.text(report.kernel);
    json.key("processor");
    json.text(report.cpu_model);
    json.key("cpus");
    json.begin_array();
    for (const Cpu& cpu : report.topology.cpus) {
        json.begin_object();
        json.key("number");
        json.natural(cpu.number);
        json.key("core");
        json.natural(cpu.core);
        json.key("l3");
        json.natural(cpu.l3);
        json.key("numa_node");
        json.natural(cpu.numa_node);
        json.key("package");
        json.natural(cpu.package);
        json.end_object();
    }
    json.end_array();
    json.key("quota_centi_cpus");
    json.natural(report.topology.quota_centi_cpus);
    json.key("default_workers");
    json.natural(report.topology.default_workers());
    json.key("caches");
    json.begin_array();
    for (const CacheKind& cache : report.caches) {
        json.begin_object();
        json.key("level");
        json.natural(cache.level);
        json.key("type");
        json.text(cache.type);
        json.key("size");
        json.text(cache.size);
        json.key("count");
        json.natural(cache.count);
        json.end_object();
    }
    json.end_array();
    json.key("memory_total_bytes");
    json.natural(report.memory_total_bytes);
    json.key("memory_granted_bytes");
    json.natural(report.memory_granted_bytes);
    json.key("features");
    json.begin_array();
    for (const Feature& feature : report.features) {
        json.begin_object();
        json.key("name");
        json.text(feature.name);
        json.key("available");
        json.boolean(feature.available);
        json.key("detail");
        json.text(feature.detail);
        json.end_object();
    }
    json.end_array();
    put_gpus(json, report.gpus);
    json.end_object();
    return text += '\n';
}

}  // namespace repartir::cli
