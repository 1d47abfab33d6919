// SPDX-License-Identifier: MIT
// Runs in a copy of this process that has let go of its memory: only this file's code and constants
// are left. Raw system calls only; no instrumentation, and no calls that the compiler might put in,
// such as memcpy (CMakeLists.txt).
#include "proc/guardian_child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <ctime>

#include "proc/raw.hpp"

namespace repartir::proc {
namespace {

constexpr long rseq_bytes = 32;  // what the C library registers
constexpr long rseq_flag_unregister = 1;
#if defined(__aarch64__)
constexpr long rseq_signature = 0xd428bc00;
#else
constexpr long rseq_signature = 0x53053053;
#endif

// Frees the copy of the parent's memory, so that the parent's pages are its own again: all but our
// code and the shared region.
REPARTIR_RAW_INLINE void drop_memory(const GuardianPlan& plan) noexcept {
    if (plan.rseq != nullptr && raw::call(SYS_rseq, raw::address(static_cast<char*>(plan.rseq)),
                                          rseq_bytes, rseq_flag_unregister, rseq_signature) != 0) {
        return;  // the kernel would write there: keep the memory
    }
    const bool image_first = plan.image_begin < plan.region_begin;
    const std::uintptr_t low_begin = image_first ? plan.image_begin : plan.region_begin;
    const std::uintptr_t low_end = image_first ? plan.image_end : plan.region_end;
    const std::uintptr_t high_begin = image_first ? plan.region_begin : plan.image_begin;
    const std::uintptr_t high_end = image_first ? plan.region_end : plan.image_end;
    raw::call(SYS_munmap, 0, static_cast<long>(low_begin));
    raw::call(SYS_munmap, static_cast<long>(low_end), static_cast<long>(high_begin - low_end));
    // The end of the address space is not the same everywhere: the largest that the kernel takes.
    for (unsigned bits = 56; bits >= 38; --bits) {
        const std::uintptr_t end = (1ULL << bits) - (1ULL << 16U);
        if (end > high_end && raw::call(SYS_munmap, static_cast<long>(high_end),
                                        static_cast<long>(end - high_end)) == 0) {
            return;
        }
    }
}

// Waits until the parent has ended (its pidfd is readable) or given up its end of the pipe.
REPARTIR_RAW_INLINE void wait_for_end(const GuardianPlan& plan) noexcept {
    pollfd watched[2];
    watched[0].fd = plan.pipe;
    watched[0].events = POLLIN;
    watched[0].revents = 0;
    watched[1].fd = plan.parent;
    watched[1].events = POLLIN;
    watched[1].revents = 0;
    while (raw::call(SYS_ppoll, raw::address(&watched[0]), 2, 0, 0, 0) <= 0) {}
}

// Copies a text and returns where it ended in `to`.
REPARTIR_RAW_INLINE char* append(char* to, const char* text) noexcept {
    while (*text != '\0') {
        *to++ = *text++;
    }
    *to = '\0';
    return to;
}

// Writes "/proc/PID/stat".
REPARTIR_RAW_INLINE void write_path(char* to, std::uint32_t pid) noexcept {
    char* at = append(to, "/proc/");
    std::uint32_t unit = 1'000'000'000;
    while (unit > pid) {
        unit /= 10;
    }
    for (; unit != 0; unit /= 10) {
        *at++ = static_cast<char>('0' + pid / unit % 10);
    }
    append(at, "/stat");
}

// @return whether the process with this id started after the entry was made: then the id has been
// given away, which the kernel does only when nobody is left in the group.
REPARTIR_RAW_INLINE bool recycled(char* text, std::size_t capacity, std::uint32_t pid,
                                  std::uint32_t entry_ticks) noexcept {
    write_path(text, pid);
    const long fd = raw::call(SYS_openat, AT_FDCWD, raw::address(text), O_RDONLY);
    if (fd < 0) {
        return false;  // the leader is gone; a group of that id can only be ours
    }
    const long count = raw::call(SYS_read, fd, raw::address(text), static_cast<long>(capacity));
    raw::call(SYS_close, fd);
    long at = count;
    while (at > 0 && text[at - 1] != ')') {
        --at;  // the name before may hold anything, parentheses too
    }
    constexpr int start_field = 22;  // counted from 1; the name is the second
    int field = 2;
    std::uint32_t ticks = 0;
    for (; at > 0 && at < count && field <= start_field; ++at) {
        if (text[at] == ' ') {
            ++field;
        } else if (field == start_field) {
            ticks = ticks * 10 + static_cast<std::uint32_t>(text[at] - '0');
        }
    }
    return field > start_field && static_cast<std::int32_t>(ticks - entry_ticks) > 0;
}

// @return whether one of our groups has the foreground of the terminal that was ours.
REPARTIR_RAW_INLINE bool lent(const GuardianPlan& plan, long terminal) noexcept {
    int holder = 0;
    if (terminal < 0 || raw::call(SYS_ioctl, terminal, TIOCGPGRP, raw::address(&holder)) != 0) {
        return false;
    }
    for (std::size_t i = 0; i < plan.slots; ++i) {
        const std::uint64_t entry = __atomic_load_n(plan.entries + i, __ATOMIC_SEQ_CST);
        if (holder > 1 && entry >> 32U == static_cast<std::uint32_t>(holder)) {
            return true;
        }
    }
    return false;
}

// Gives the terminal to the group that it was lent by: whoever runs there, a shell script for
// example, could not read from it any more. We are in its session, and SIGTTOU is blocked.
REPARTIR_RAW_INLINE void restore_terminal(const GuardianPlan& plan, long terminal) noexcept {
    raw::call(SYS_ioctl, terminal, TIOCSPGRP, raw::address(&plan.terminal.group));
    raw::call(SYS_ioctl, terminal, TCSETS, raw::address(plan.terminal.modes));
}

REPARTIR_RAW_INLINE void kill_groups(GuardianPlan& plan) noexcept {
    for (std::size_t i = 0; i < plan.slots; ++i) {
        const std::uint64_t entry = __atomic_load_n(plan.entries + i, __ATOMIC_SEQ_CST);
        const auto group = static_cast<std::uint32_t>(entry >> 32U);
        if (group > 1 && !recycled(plan.scratch, sizeof(plan.scratch), group,
                                   static_cast<std::uint32_t>(entry))) {
            raw::call(SYS_kill, -static_cast<long>(group), SIGKILL);
        }
    }
}

// Writes to a control file of the cgroup whose path ends at `end` in the plan's path, which is left
// as it was. @return whether the kernel took it.
REPARTIR_RAW_INLINE bool write_control(GuardianPlan& plan, char* end, const char* file,
                                       char value) noexcept {
    append(end, file);
    const long fd = raw::call(SYS_openat, AT_FDCWD, raw::address(plan.path), O_WRONLY);
    *end = '\0';
    if (fd < 0) {
        return false;
    }
    const long written = raw::call(SYS_write, fd, raw::address(&value), 1);
    raw::call(SYS_close, fd);
    return written == 1;
}

// Sends SIGKILL to each process that the cgroup lists.
REPARTIR_RAW_INLINE void kill_listed(GuardianPlan& plan, char* end) noexcept {
    append(end, "/cgroup.procs");
    const long fd = raw::call(SYS_openat, AT_FDCWD, raw::address(plan.path), O_RDONLY);
    *end = '\0';
    if (fd < 0) {
        return;
    }
    long pid = 0;
    for (;;) {
        const long count =
            raw::call(SYS_read, fd, raw::address(plan.scratch), sizeof(plan.scratch));
        if (count <= 0) {
            break;
        }
        for (long i = 0; i < count; ++i) {
            const char digit = plan.scratch[i];
            if (digit >= '0' && digit <= '9') {
                pid = pid * 10 + (digit - '0');
                continue;
            }
            if (pid > 1) {
                raw::call(SYS_kill, pid, SIGKILL);
            }
            pid = 0;
        }
    }
    raw::call(SYS_close, fd);
}

// As the kernel lays out what getdents64 gives.
struct FolderEntry {
    std::uint64_t inode;
    std::int64_t offset;
    std::uint16_t bytes;
    std::uint8_t type;
    char name[1];
};

REPARTIR_RAW_INLINE bool begins_with(const char* text, const char* prefix) noexcept {
    while (*prefix != '\0' && *text == *prefix) {
        ++text;
        ++prefix;
    }
    return *prefix == '\0';
}

// Extends the plan's path, which ends at `end`, by the name of one group in there. @return where it
// ends now; `end` where there is no group inside, or the path has no room for more.
REPARTIR_RAW_INLINE char* enter_a_group(GuardianPlan& plan, char* end) noexcept {
    constexpr std::uint8_t folder_type = 4;     // DT_DIR
    constexpr std::ptrdiff_t name_bytes = 300;  // a name, and what else is appended
    const long fd =
        raw::call(SYS_openat, AT_FDCWD, raw::address(plan.path), O_RDONLY | O_DIRECTORY);
    char* inside = end;
    while (fd >= 0 && inside == end && plan.path + sizeof(plan.path) - end > name_bytes) {
        const long count =
            raw::call(SYS_getdents64, fd, raw::address(plan.scratch), sizeof(plan.scratch));
        if (count <= 0) {
            break;
        }
        for (long at = 0; at < count && inside == end;) {
            // SAFETY: the kernel aligns entries to 8 bytes, from the aligned start of the buffer.
            const auto* entry = reinterpret_cast<const FolderEntry*>(plan.scratch + at);
            at += entry->bytes;
            const char* const name = entry->name;
            const bool itself_or_parent =
                name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
            if (entry->type == folder_type && !itself_or_parent) {
                inside = append(append(end, "/"), name);
            }
        }
    }
    raw::call(SYS_close, fd);
    return inside;
}

// Kills who is in the cgroup itself, and on version 2 in those inside it.
REPARTIR_RAW_INLINE void kill_cgroup(GuardianPlan& plan, char* end) noexcept {
    if (!write_control(plan, end, "/cgroup.kill", '1')) {  // version 1, or before Linux 5.14
        write_control(plan, end, "/pids.max", '0');        // a fork must not outrun the loop
        kill_listed(plan, end);
    }
}

REPARTIR_RAW_INLINE bool remove_cgroup(GuardianPlan& plan) noexcept {
    const long removed = raw::call(SYS_unlinkat, AT_FDCWD, raw::address(plan.path), AT_REMOVEDIR);
    return removed == 0 || removed == -ENOENT || removed == -ENOTDIR;
}

// Kills what is in a cgroup, and in those that were made inside it, and removes them, the innermost
// first. @return whether it is gone.
REPARTIR_RAW_INLINE bool end_cgroup(GuardianPlan& plan, char* end) noexcept {
    kill_cgroup(plan, end);
    for (;;) {
        char* innermost = end;
        for (char* inside = enter_a_group(plan, end); inside != innermost;
             inside = enter_a_group(plan, inside)) {
            innermost = inside;
        }
        if (innermost == end) {
            return remove_cgroup(plan);
        }
        kill_cgroup(plan, innermost);
        const bool removed = remove_cgroup(plan);
        *end = '\0';
        if (!removed) {
            return false;
        }
    }
}

// One look at a folder of cgroups. @return whether none of ours is left in it.
REPARTIR_RAW_INLINE bool sweep(GuardianPlan& plan, const char* folder) noexcept {
    char* const name = append(append(plan.path, folder), "/");
    const long fd = raw::call(SYS_openat, AT_FDCWD, raw::address(folder), O_RDONLY | O_DIRECTORY);
    bool clean = true;
    for (;;) {
        const long count = fd < 0 ? 0
                                  : raw::call(SYS_getdents64, fd, raw::address(plan.listing),
                                              sizeof(plan.listing));
        if (count <= 0) {
            break;
        }
        for (long at = 0; at < count;) {
            // SAFETY: the kernel aligns entries to 8 bytes, from the aligned start of the buffer.
            const auto* entry = reinterpret_cast<const FolderEntry*>(plan.listing + at);
            at += entry->bytes;
            if (begins_with(entry->name, plan.cgroups.prefix)) {
                clean = end_cgroup(plan, append(name, entry->name)) && clean;
            }
        }
    }
    raw::call(SYS_close, fd);
    return clean;
}

// Cgroups hold what left its process group too. What was killed takes a moment to be gone.
REPARTIR_RAW_INLINE void end_cgroups(GuardianPlan& plan) noexcept {
    if (plan.cgroups.prefix[0] == '\0') {
        return;
    }
    constexpr int rounds = 4000;
    timespec pause{0, 5'000'000};
    for (int i = 0; i < rounds; ++i) {
        bool clean = true;
        for (const auto& folder : plan.cgroups.folders) {
            clean = (folder[0] == '\0' || sweep(plan, folder)) && clean;
        }
        if (clean) {
            return;
        }
        raw::call(SYS_ppoll, 0, 0, raw::address(&pause), 0, 0);
        pause.tv_nsec = 5'000'000;  // the kernel has put there what was left of it
    }
}

REPARTIR_RAW_INLINE void close_range(long first, long last) noexcept {
    if (first > last || raw::call(SYS_close_range, first, last, 0) == 0) {
        return;
    }
    struct {
        unsigned long soft, hard;
    } open_files{};
    raw::call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, raw::address(&open_files));
    for (long fd = first; fd <= last && static_cast<unsigned long>(fd) < open_files.hard; ++fd) {
        raw::call(SYS_close, fd);
    }
}

// Keeps the two descriptors that it waits for, and nothing that would hold files or pipes open.
REPARTIR_RAW_INLINE void close_others(const GuardianPlan& plan) noexcept {
    const int low = plan.pipe < plan.parent ? plan.pipe : plan.parent;
    const int high = plan.pipe < plan.parent ? plan.parent : plan.pipe;
    close_range(0, low - 1);
    close_range(low + 1, high - 1);
    close_range(high + 1, INT_MAX);
}

}  // namespace

REPARTIR_RAW __attribute__((noinline)) void guardian_child(void* given) noexcept {
    GuardianPlan& plan = *static_cast<GuardianPlan*>(given);
    raw::call(SYS_setpgid, 0, 0);
    raw::call(SYS_prctl, PR_SET_NAME, raw::address("repartir-guard"));
    raw::call(SYS_chdir, raw::address("/"));
    close_others(plan);
    drop_memory(plan);
    wait_for_end(plan);
    long terminal = -1;
    if (__atomic_load_n(&plan.terminal.group, __ATOMIC_SEQ_CST) != 0) {
        terminal = raw::call(SYS_openat, AT_FDCWD, raw::address("/dev/tty"), O_RDWR | O_NOCTTY);
    }
    const bool to_restore = lent(plan, terminal);
    kill_groups(plan);
    if (to_restore) {
        restore_terminal(plan, terminal);
    }
    end_cgroups(plan);
    raw::exit(0);
}

}  // namespace repartir::proc
