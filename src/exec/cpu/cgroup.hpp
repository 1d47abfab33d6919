// SPDX-License-Identifier: MIT
#pragma once
/// @file cgroup.hpp Control groups of single tasks: resident memory and process count as limits
/// that the kernel enforces, and the true cause of a death by memory.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "repartir/policy.hpp"
#include "repartir/result.hpp"

namespace repartir::exec {

/// Where groups for tasks can be made, found out by making one. A value.
struct CgroupSupport {
    int memory_version = 0;     ///< 1 or 2; 0: resident memory cannot be limited
    int pids_version = 0;       ///< 1 or 2; 0: the number of processes cannot be limited
    std::string memory_folder;  ///< groups are made in here
    std::string pids_folder;    ///< the same folder as memory_folder on version 2
    std::string why_not;        ///< what is missing, for people; empty when nothing is

    /// @return whether both limits can be enforced.
    [[nodiscard]] bool complete() const noexcept {
        return memory_version != 0 && pids_version != 0;
    }
};

/// Makes and removes a group to see what works here, and removes groups that processes which no
/// longer exist left behind. @param root "" for the real machine, a folder in tests. Any thread.
[[nodiscard]] CgroupSupport probe_cgroups(const std::string& root = {});

/// @return the number behind `key` in a file of "key number" lines (memory.events,
/// memory.oom_control,
///         pids.events); nothing when there is no such line.
[[nodiscard]] std::optional<std::uint64_t> parse_keyed(std::string_view text, std::string_view key);

/// @return the process that made the group of this name, as named by TaskCgroup; nothing for
/// others.
[[nodiscard]] std::optional<int> group_maker(std::string_view name);

/// @return a beginning for the names of this executor's groups that no other uses: group_maker()
/// tells this process from it.
[[nodiscard]] std::string new_group_prefix();

/// The group of one attempt: its processes enter before they execute anything. Destroying it kills
/// what is inside and removes it, with the groups that its processes made in there. One thread at a
/// time.
class TaskCgroup {
  public:
    /// Makes the group and sets its limits. @param name begins with a new_group_prefix(). Errors:
    /// unsupported (a limit that this machine cannot enforce, Fault::policy), out_of_resources,
    /// io_error.
    [[nodiscard]] static Result<TaskCgroup> create(const CgroupSupport& support,
                                                   const Limits& limits, const std::string& name);
    TaskCgroup(TaskCgroup&&) noexcept = default;
    TaskCgroup& operator=(TaskCgroup&&) = delete;
    ~TaskCgroup();

    /// @return descriptors of cgroup.procs files to which a child writes "0" to enter (version 1
    /// and 2).
    [[nodiscard]] std::vector<int> entrances() const;
    /// Kills everything inside, in groups inside it too. A process that forks meanwhile is caught
    /// by repetition.
    void kill_all() noexcept;
    /// @return how many processes the kernel ended here because memory was short.
    [[nodiscard]] std::uint64_t oom_kills() const;
    /// @return how often a process could not be made because of the limit, before kill_all().
    [[nodiscard]] std::uint64_t refused_processes() const;
    /// @return the most memory that all of it used at once; nothing when the kernel does not say.
    [[nodiscard]] std::optional<std::uint64_t> peak_memory() const;

  private:
    TaskCgroup() = default;
    struct Group {
        int version = 0;
        std::string folder;
        base::Fd entrance;
    };
    [[nodiscard]] Result<void> add_group(int version, const std::string& parent,
                                         const std::string& name);
    [[nodiscard]] Result<void> limit_memory(std::uint64_t bytes);
    [[nodiscard]] Result<void> limit_processes(std::uint64_t count);
    [[nodiscard]] const Group* group_with(std::string_view file) const;
    void discard() noexcept;

    std::vector<Group> groups_;             // one per hierarchy: memory first
    std::optional<std::uint64_t> refused_;  // processes, as of the first kill_all()
};

}  // namespace repartir::exec
