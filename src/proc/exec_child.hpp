// SPDX-License-Identifier: MIT
#pragma once
/// @file exec_child.hpp What a child does between clone and exec, and the plan that it follows.
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "proc/spawn.hpp"

namespace repartir::proc {

/// What the child was doing when something failed.
enum class Step : std::uint8_t {
    none,  ///< nothing failed
    clone,
    group,
    terminal,
    cgroup,
    descriptors,
    directory,
    rlimit,
    nice,
    affinity,
    memory_policy,
    death_signal,
    exec,
};

/// One descriptor to put in its place.
struct FdMove {
    int source = -1;
    int target = -1;
    bool aside = false;  ///< another target overwrites the source: copy it out of the way first
};

/// Everything that the child needs, laid out before the clone: it looks nothing up and allocates
/// nothing. It shares our memory, so that the last fields are its report.
struct ExecPlan {
    const char* const* candidates = nullptr;  // paths to try, in order
    std::size_t candidate_count = 0;
    const char* const* argv = nullptr;
    const char* const* envp = nullptr;
    const char* cwd = nullptr;
    FdMove* fds = nullptr;  // by ascending target; 0, 1 and 2 are among them
    std::size_t fd_count = 0;
    Group group = Group::own;
    pid_t group_id = 0;
    int terminal = -1;
    const int* cgroup_procs = nullptr;
    std::size_t cgroup_procs_count = 0;
    const RlimitSetting* rlimits = nullptr;
    std::size_t rlimit_count = 0;
    int nice_increment = 0;
    const unsigned long* affinity = nullptr;
    std::size_t affinity_words = 0;
    const unsigned long* memory_nodes = nullptr;
    std::size_t memory_words = 0;
    int death_signal = 0;
    pid_t parent = 0;
    std::uint64_t* guard = nullptr;
    int* before_exec = nullptr;              // the kernel clears it when the child executes or ends
    std::uint64_t signals_to_reset = ~0ULL;  // bit n - 1: signal n may be handled or ignored

    Step failed_step = Step::none;
    int failed_errno = 0;
    std::size_t failed_detail = 0;  // index of the candidate, descriptor or rlimit
};

/// The child's side of Spawner::spawn. Runs with all signals blocked, on its own stack in our
/// memory.
/// @param plan an ExecPlan. Does not return: it becomes the program, or writes its report and
/// exits.
void exec_child(void* plan) noexcept;

/// A child that ends at once, to try a way of cloning.
void exit_child(void* unused) noexcept;

}  // namespace repartir::proc
