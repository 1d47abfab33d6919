// SPDX-License-Identifier: MIT
// Everything in this file runs in a child that shares our memory and our thread-local storage while
// the spawning thread waits: raw system calls only, no errno, no allocation, no instrumentation.
// What looks like a helper is inlined into exec_child.
#include "proc/exec_child.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/mempolicy.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <ctime>

#include "proc/guardian_child.hpp"
#include "proc/raw.hpp"

namespace repartir::proc {
namespace {

constexpr int signal_count = 64;
constexpr int program_not_run = 127;

// Writes the report and ends the child.
[[noreturn]] REPARTIR_RAW_INLINE void give_up(ExecPlan& exec, Step step, long result,
                                              std::size_t detail = 0) noexcept {
    exec.failed_step = step;
    exec.failed_errno = static_cast<int>(-result);
    exec.failed_detail = detail;
    raw::exit(program_not_run);
}

// exec keeps ignored signals ignored; handlers of ours must not run here. All go back to default
// while every signal is still blocked; which ones there are was found out before the clone.
REPARTIR_RAW_INLINE void reset_signals(std::uint64_t which) noexcept {
    struct {
        unsigned long handler, flags, restorer, mask;
    } const by_default{0, 0, 0, 0};  // SIG_DFL, as the kernel lays it out
    for (int number = 1; number <= signal_count; ++number, which >>= 1U) {
        if ((which & 1U) != 0) {
            raw::call(SYS_rt_sigaction, number, raw::address(&by_default), 0,
                      sizeof(std::uint64_t));
        }
    }
}

REPARTIR_RAW_INLINE void enter_group(ExecPlan& exec) noexcept {
    long result = 0;
    switch (exec.group) {
        case Group::own:
            result = raw::call(SYS_setpgid, 0, 0);
            break;
        case Group::join:
            result = raw::call(SYS_setpgid, 0, exec.group_id);
            break;
        case Group::session:
            result = raw::call(SYS_setsid);
            break;
        case Group::inherit:
            break;
    }
    if (result < 0) {
        give_up(exec, Step::group, result);
    }
    int id = 0;
    if (exec.guard != nullptr || exec.terminal >= 0) {
        id = static_cast<int>(raw::call(SYS_getpgid, 0));
    }
    if (exec.guard != nullptr) {
        // A recycled id belongs to a process that started after this time (guardian_child.cpp).
        timespec now{};
        raw::call(SYS_clock_gettime, CLOCK_BOOTTIME, raw::address(&now));
        __atomic_store_n(exec.guard, guard_entry(id, now), __ATOMIC_SEQ_CST);
    }
    if (exec.terminal >= 0) {
        result = raw::call(SYS_ioctl, exec.terminal, TIOCSPGRP, raw::address(&id));
        if (result < 0) {
            give_up(exec, Step::terminal, result);
        }
    }
}

REPARTIR_RAW_INLINE void enter_cgroups(ExecPlan& exec) noexcept {
    const char self = '0';
    for (std::size_t i = 0; i < exec.cgroup_procs_count; ++i) {
        const long result = raw::call(SYS_write, exec.cgroup_procs[i], raw::address(&self), 1);
        if (result < 0) {
            give_up(exec, Step::cgroup, result);
        }
    }
}

// Marks [first, last] close-on-exec.
REPARTIR_RAW_INLINE void close_gap(int first, int last) noexcept {
    if (first > last) {
        return;
    }
    if (raw::call(SYS_close_range, first, last, CLOSE_RANGE_CLOEXEC) == 0) {
        return;
    }
    // Kernels before 5.11 know no flag, before 5.9 no call: one by one, up to what may be open.
    struct {
        unsigned long soft, hard;
    } open_files{0, 0};
    raw::call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, raw::address(&open_files));
    for (long fd = first; fd <= last && static_cast<unsigned long>(fd) < open_files.hard; ++fd) {
        raw::call(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
    }
}

REPARTIR_RAW_INLINE void place_descriptors(ExecPlan& exec) noexcept {
    const int above = exec.fds[exec.fd_count - 1].target + 1;
    for (std::size_t i = 0; i < exec.fd_count; ++i) {
        FdMove& move = exec.fds[i];
        if (move.aside) {
            const long copy = raw::call(SYS_fcntl, move.source, F_DUPFD_CLOEXEC, above);
            if (copy < 0) {
                give_up(exec, Step::descriptors, copy, i);
            }
            move.source = static_cast<int>(copy);
        }
    }
    for (std::size_t i = 0; i < exec.fd_count; ++i) {
        const FdMove& move = exec.fds[i];
        const long result = move.source == move.target
                                ? raw::call(SYS_fcntl, move.source, F_SETFD, 0)
                                : raw::call(SYS_dup3, move.source, move.target, 0);
        if (result < 0) {
            give_up(exec, Step::descriptors, result, i);
        }
    }
    for (std::size_t i = 1; i < exec.fd_count; ++i) {
        close_gap(exec.fds[i - 1].target + 1, exec.fds[i].target - 1);
    }
    close_gap(above, INT_MAX);
}

REPARTIR_RAW_INLINE void set_limits(ExecPlan& exec) noexcept {
    for (std::size_t i = 0; i < exec.rlimit_count; ++i) {
        const RlimitSetting& setting = exec.rlimits[i];
        const long result =
            raw::call(SYS_prlimit64, 0, setting.resource, raw::address(&setting.value), 0);
        if (result < 0) {
            give_up(exec, Step::rlimit, result, i);
        }
    }
    if (exec.nice_increment != 0) {
        const long now = 20 - raw::call(SYS_getpriority, PRIO_PROCESS, 0);  // it gives 20 - nice
        const long result = raw::call(SYS_setpriority, PRIO_PROCESS, 0, now + exec.nice_increment);
        if (result < 0) {
            give_up(exec, Step::nice, result);
        }
    }
}

REPARTIR_RAW_INLINE void set_placement(ExecPlan& exec) noexcept {
    constexpr long bits = 8 * sizeof(unsigned long);
    if (exec.affinity_words != 0) {
        const long result =
            raw::call(SYS_sched_setaffinity, 0,
                      static_cast<long>(exec.affinity_words * sizeof(unsigned long)),
                      raw::address(exec.affinity));
        if (result < 0) {
            give_up(exec, Step::affinity, result);
        }
    }
    if (exec.memory_words != 0) {
        // The kernel counts one bit less than it is given.
        const long result = raw::call(SYS_set_mempolicy, MPOL_BIND, raw::address(exec.memory_nodes),
                                      static_cast<long>(exec.memory_words) * bits + 1);
        if (result < 0) {
            give_up(exec, Step::memory_policy, result);
        }
    }
}

REPARTIR_RAW_INLINE void set_death_signal(ExecPlan& exec) noexcept {
    if (exec.death_signal == 0) {
        return;
    }
    const long result = raw::call(SYS_prctl, PR_SET_PDEATHSIG, exec.death_signal);
    if (result < 0) {
        give_up(exec, Step::death_signal, result);
    }
    if (raw::call(SYS_getppid) != exec.parent) {
        raw::exit(program_not_run);  // the parent died before the request was in force
    }
}

// As execvp does, but without its fallback to a shell.
[[noreturn]] REPARTIR_RAW_INLINE void run_program(ExecPlan& exec) noexcept {
    long reason = -ENOENT;
    std::size_t which = 0;
    for (std::size_t i = 0; i < exec.candidate_count; ++i) {
        const long result = raw::call(SYS_execve, raw::address(exec.candidates[i]),
                                      raw::address(exec.argv), raw::address(exec.envp));
        if (result == -EACCES) {
            reason = result;
            which = i;
        } else if (exec.candidate_count == 1 ||
                   (result != -ENOENT && result != -ENOTDIR && result != -ENAMETOOLONG &&
                    result != -ESTALE && result != -ENODEV && result != -ETIMEDOUT)) {
            give_up(exec, Step::exec, result, i);
        }
    }
    give_up(exec, Step::exec, reason, which);
}

}  // namespace

REPARTIR_RAW __attribute__((noinline)) void exec_child(void* plan) noexcept {
    ExecPlan& exec = *static_cast<ExecPlan*>(plan);
    // The kernel clears it when our memory is left, by exec or by an end (Spawner::abort_spawn).
    raw::call(SYS_set_tid_address, raw::address(exec.before_exec));
    reset_signals(exec.signals_to_reset);
    enter_group(exec);
    enter_cgroups(exec);
    place_descriptors(exec);
    if (exec.cwd != nullptr) {
        const long result = raw::call(SYS_chdir, raw::address(exec.cwd));
        if (result < 0) {
            give_up(exec, Step::directory, result);
        }
    }
    set_limits(exec);
    set_placement(exec);
    set_death_signal(exec);
    raw::set_blocked(0);
    run_program(exec);
}

REPARTIR_RAW __attribute__((noinline)) void exit_child(void* /*argument*/) noexcept {
    raw::exit(0);
}

}  // namespace repartir::proc
