// SPDX-License-Identifier: MIT
#pragma once
/// @file machine_report.hpp What `repartir info` tells.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/gpu_report.hpp"
#include "repartir/topology.hpp"

namespace repartir::cli {

/// One kind of cache, as the kernel describes it.
struct CacheKind {
    std::uint32_t level = 0;
    std::string type;         ///< "Data", "Instruction", "Unified"
    std::string size;         ///< as the kernel writes it, "48K"
    std::uint32_t count = 0;  ///< how many of them there are
    bool operator==(const CacheKind&) const = default;
};

/// A facility of the kernel that Repartir can use.
struct Feature {
    std::string name;
    bool available = false;
    std::string detail;
};

/// A machine, seen from this process. A value.
struct MachineReport {
    std::string kernel;
    std::string cpu_model;
    Topology topology;
    std::uint64_t memory_total_bytes = 0;    ///< of the machine
    std::uint64_t memory_granted_bytes = 0;  ///< less where a cgroup grants less
    std::vector<CacheKind> caches;
    std::vector<Feature> features;
    Gpus gpus;  ///< empty: not looked for
};

/// Looks at the machine, but for GPUs. What cannot be read is left empty.
[[nodiscard]] MachineReport read_machine();
/// @return the caches below a folder like /sys/devices/system/cpu, in order of level.
[[nodiscard]] std::vector<CacheKind> read_caches(const std::string& folder);
/// @return for people, some lines.
[[nodiscard]] std::string report_text(const MachineReport& report);
/// @return one JSON object and a newline.
[[nodiscard]] std::string report_json(const MachineReport& report);

}  // namespace repartir::cli
