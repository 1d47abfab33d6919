// SPDX-License-Identifier: MIT
#pragma once
/// @file host.hpp What all lanes of one executor share: facts about the machine, fixed at the
/// start.
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "exec/cpu/cgroup.hpp"
#include "exec/cpu/spawning.hpp"
#include "proc/guardian.hpp"
#include "repartir/topology.hpp"

namespace repartir::exec {

/// A copy of this process's environment: tasks inherit what it was when their executor was made, so
/// that a later setenv on another thread is no data race.
class Environment {
  public:
    /// Copies the environment. Nobody may change it meanwhile.
    Environment();
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;

    /// @return "NAME=value" pointers, ended by nullptr, good as long as this lives.
    [[nodiscard]] const std::vector<const char*>& entries() const noexcept { return entries_; }

  private:
    std::vector<std::string> texts_;
    std::vector<const char*> entries_;  // into texts_
};

/// Immutable after the executor's creation, but for the counter, the guardian's own table and the
/// watch.
struct Host {
    Environment environment;
    Topology topology;
    CgroupSupport cgroups;
    std::string cgroup_prefix;        ///< of the groups of its tasks
    std::string where;                ///< "hostname/cpu"
    std::string spill_dir;            ///< where output goes that is larger than the capture limit
    std::uint64_t capture_bytes = 0;  ///< of each stream in memory
    std::uint64_t output_bytes = 0;   ///< of each stream in all
    std::optional<std::uint64_t> open_files;  ///< soft limit of programs that ask for none
    std::unique_ptr<proc::Guardian> guardian;
    SpawnWatch spawn_watch;
    std::atomic<std::uint32_t> running{0};        ///< attempts that run, in all lanes
    std::atomic<std::uint64_t> cgroup_serial{0};  ///< names the next task's group
};

}  // namespace repartir::exec
