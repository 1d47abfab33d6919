// SPDX-License-Identifier: MIT
#pragma once
/// @file guardian_child.hpp What the guardian process does, and what it is given.
#include <cstddef>
#include <cstdint>
#include <ctime>

#include "proc/raw.hpp"

namespace repartir::proc {

inline constexpr long ticks_per_second = 100;  ///< USER_HZ, the unit of /proc/PID/stat

/// @return an entry of the guardian's table: the group's id, and the boot time in ticks, modulo
/// 2^32, at which the entry is made; the group's leader has started at that time or before.
REPARTIR_RAW_INLINE std::uint64_t guard_entry(int group, const timespec& now) noexcept {
    const long ticks =
        now.tv_sec * ticks_per_second + now.tv_nsec / (1'000'000'000 / ticks_per_second);
    return static_cast<std::uint64_t>(group) << 32U | static_cast<std::uint32_t>(ticks);
}

/// Where cgroups of our tasks are: every child of a folder whose name begins with the prefix.
struct GuardedCgroups {
    static constexpr std::size_t folders_max = 2;
    char folders[folders_max][1024] = {};  ///< ended by NUL; empty: none
    char prefix[64] = {};                  ///< ended by NUL
};

/// The terminal as it is to be when we are gone.
struct GuardedTerminal {
    int group = 0;        ///< our group, which had the foreground; 0: nothing is to be done
    char modes[64] = {};  ///< what the kernel's TCGETS gave
};

/// What the guardian is told, in the mapping that it shares with us: its stack, this, and the
/// entries.
struct GuardianPlan {
    int pipe = -1;    ///< read end; its end means that we died or called exec
    int parent = -1;  ///< pidfd of ours; tells our death even while copies of the pipe are open
    std::size_t slots = 0;
    const std::uint64_t* entries = nullptr;  ///< guard_entry() of each group; 0: free
    std::uintptr_t image_begin = 0;          ///< the mapped file that its code is in
    std::uintptr_t image_end = 0;
    std::uintptr_t region_begin = 0;  ///< the shared mapping
    std::uintptr_t region_end = 0;
    void* rseq = nullptr;  ///< registered restartable-sequences area; nullptr: none
    GuardedCgroups cgroups;
    GuardedTerminal terminal;
    alignas(8) char scratch[4096];  ///< where it reads /proc, and what is in a cgroup
    alignas(8) char listing[4096];  ///< where it reads a folder of cgroups
    char path[2048];                ///< where it puts names together
};

/// The guardian's life: lets go of all memory and descriptors that it does not need, waits for the
/// parent's end, kills the groups in the table and what is in the cgroups, removes those, exits.
/// @param given a GuardianPlan. Does not return.
void guardian_child(void* given) noexcept;

}  // namespace repartir::proc
