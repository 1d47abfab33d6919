// SPDX-License-Identifier: MIT
#include "proc/spawn.hpp"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstring>
#include <mutex>
#include <string_view>
#include <utility>

#include "base/os_error.hpp"
#include "proc/exec_child.hpp"
#include "proc/raw.hpp"
#include "proc/spawn_error.hpp"

namespace repartir::proc {
namespace {

constexpr std::size_t stack_bytes = 32UL << 10U;
constexpr std::uint64_t clone_flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD;
constexpr std::chrono::milliseconds ignored_stays_known{10};

constexpr std::uint64_t bit_of(int signal) noexcept {
    return 1ULL << static_cast<unsigned>(signal - 1);
}
constexpr std::uint64_t often_ignored =
    bit_of(SIGHUP) | bit_of(SIGINT) | bit_of(SIGQUIT) | bit_of(SIGUSR1) | bit_of(SIGUSR2) |
    bit_of(SIGPIPE) | bit_of(SIGALRM) | bit_of(SIGTERM) | bit_of(SIGCHLD) | bit_of(SIGTSTP) |
    bit_of(SIGTTIN) | bit_of(SIGTTOU) | bit_of(SIGXFSZ);
constexpr std::string_view default_path = "/bin:/usr/bin";  // execvp's, when PATH is not set

std::size_t page_bytes() noexcept { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

// Clones a child that runs entry(argument) on the stack that begins at `stack`, with all signals
// blocked. Nothing here or below may be instrumented: the child returns from the same system call.
REPARTIR_RAW __attribute__((noinline)) long clone_raw(bool clone3, bool clear_handlers, void* stack,
                                                      int cgroup, int* pidfd,
                                                      void (*entry)(void*) noexcept,
                                                      void* argument) noexcept {
    const std::uint64_t before = raw::set_blocked(~0ULL);
    long result = 0;
    // The exit signal is 0 until exec makes it SIGCHLD: a child that never becomes the program is
    // nobody's business but ours.
    if (clone3) {
        clone_args args{};
        args.flags = clone_flags | (cgroup >= 0 ? CLONE_INTO_CGROUP : 0) |
                     (clear_handlers ? CLONE_CLEAR_SIGHAND : 0);
        args.pidfd = static_cast<std::uint64_t>(raw::address(pidfd));
        args.stack = static_cast<std::uint64_t>(raw::address(static_cast<char*>(stack)));
        args.stack_size = stack_bytes;
        args.cgroup = static_cast<std::uint64_t>(cgroup >= 0 ? cgroup : 0);
        result = raw::clone_call(SYS_clone3, raw::address(&args), sizeof(args), 0, entry, argument);
    } else {
        result = raw::clone_call(SYS_clone, static_cast<long>(clone_flags),
                                 raw::address(static_cast<char*>(stack) + stack_bytes),
                                 raw::address(pidfd), entry, argument);
    }
    raw::set_blocked(before);
    return result;
}

void reap(int pidfd) noexcept {
    siginfo_t ignored{};
    // __WALL: before exec its exit signal is not SIGCHLD.
    while (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &ignored, WEXITED | __WALL) != 0 &&
           errno == EINTR) {}
}

// @return 0 when the way works, else the errno.
int try_clone(bool clone3, bool clear_handlers, void* stack) noexcept {
    int pidfd = -1;
    const long result = clone_raw(clone3, clear_handlers, stack, -1, &pidfd, exit_child, nullptr);
    if (result < 0) {
        return static_cast<int>(-result);
    }
    const base::Fd owner(pidfd);
    reap(pidfd);
    return 0;
}

}  // namespace

struct Spawner::Shared {
    std::mutex mutex;
    int pidfd = -1;        // written by the kernel during the clone
    int before_exec = 0;   // cleared by the kernel when the child executes or ends
    bool waiting = false;  // guarded by mutex: a clone is under way; pidfd may be signalled
    bool aborted = false;  // guarded by mutex
};

std::vector<unsigned long> current_affinity() {
    std::vector<unsigned long> words(16);
    for (;;) {
        const long bytes = raw::call(SYS_sched_getaffinity, 0,
                                     static_cast<long>(words.size() * sizeof(unsigned long)),
                                     raw::address(words.data()));
        if (bytes >= 0) {
            words.resize(static_cast<std::size_t>(bytes) / sizeof(unsigned long));
            return words;
        }
        if (bytes != -EINVAL || words.size() > 4096) {
            return {};
        }
        words.resize(words.size() * 2);
    }
}

Result<void> check_sigchld() {
    struct sigaction action{};
    ::sigaction(SIGCHLD, nullptr, &action);
    if (action.sa_handler == SIG_IGN || (action.sa_flags & SA_NOCLDWAIT) != 0) {
        return fail(Error(Domain::process, Code::invalid_argument, Fault::user,
                          "SIGCHLD is ignored in this process, so that exit codes of programs are "
                          "lost; set it to SIG_DFL (without SA_NOCLDWAIT) before building a pool"));
    }
    return {};
}

void block_signals_in_this_thread() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
}

Result<std::unique_ptr<Spawner>> Spawner::create(SpawnerOptions options) {
    base::Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!null) {
        return fail(base::os_error(Domain::process, "cannot open /dev/null", errno));
    }
    const std::size_t page = page_bytes();
    void* region = ::mmap(nullptr, page + stack_bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (region == MAP_FAILED) {
        return fail(base::os_error(Domain::process, "cannot map a stack for children", errno));
    }
    ::mprotect(region, page, PROT_NONE);
    std::unique_ptr<Spawner> spawner(
        new Spawner(std::move(options), std::move(null), region, true));
    void* const stack = static_cast<char*>(region) + page;
    const CloneWay way = spawner->options_.way;
    int reason = way == CloneWay::clone ? ENOSYS : try_clone(true, true, stack);
    spawner->clears_handlers_ = reason == 0;
    if (reason == EINVAL) {  // before Linux 5.5
        reason = try_clone(true, false, stack);
    }
    if (reason != 0 && way != CloneWay::clone3) {
        spawner->uses_clone3_ = false;
        reason = try_clone(false, false, stack);
    }
    if (reason == ENOSYS || reason == EINVAL || reason == EPERM) {
        return fail(
            Error(Domain::process, Code::unsupported, Fault::user,
                  "this kernel, or the seccomp filter around this process, refuses clone with "
                  "CLONE_PIDFD: Linux 5.4 or later is needed"));
    }
    if (reason != 0) {
        return fail(base::os_error(Domain::process, "cannot start a process", reason));
    }
    return spawner;
}

Spawner::Spawner(SpawnerOptions options, base::Fd null, void* region, bool uses_clone3)
    : options_(std::move(options)),
      null_(std::move(null)),
      region_(region),
      uses_clone3_(uses_clone3),
      shared_(std::make_unique<Shared>()) {}

Spawner::~Spawner() { ::munmap(region_, page_bytes() + stack_bytes); }

void Spawner::prepare_candidates(const SpawnPlan& plan, ExecPlan& exec) {
    candidates_.clear();
    const std::string_view program = plan.program;
    if (program.empty() || program.contains('/')) {
        candidates_.push_back(plan.program);
    } else {
        std::string_view path = default_path;
        for (const char* const* entry = plan.envp; *entry != nullptr; ++entry) {
            if (std::strncmp(*entry, "PATH=", 5) == 0) {
                path = *entry + 5;
                break;
            }
        }
        const auto count = static_cast<std::size_t>(std::ranges::count(path, ':')) + 1;
        paths_.clear();
        paths_.reserve(path.size() + count * (program.size() + 2));  // pointers into it must hold
        for (std::size_t begin = 0; begin <= path.size();) {
            const std::size_t end = std::min(path.find(':', begin), path.size());
            const std::size_t start = paths_.size();
            paths_ += path.substr(begin, end - begin);
            if (end != begin) {
                paths_ += '/';
            }
            paths_ += program;
            paths_ += '\0';
            candidates_.push_back(paths_.data() + start);
            begin = end + 1;
        }
    }
    exec.candidates = candidates_.data();
    exec.candidate_count = candidates_.size();
}

Result<void> Spawner::prepare_fds(const SpawnPlan& plan, ExecPlan& exec) {
    const auto or_null = [this](int fd) { return fd >= 0 ? fd : null_.get(); };
    fds_.clear();
    fds_.push_back({.source = or_null(plan.in), .target = STDIN_FILENO});
    fds_.push_back({.source = or_null(plan.out), .target = STDOUT_FILENO});
    fds_.push_back({.source = or_null(plan.err), .target = STDERR_FILENO});
    for (const FdMapping& extra : plan.extra_fds) {
        fds_.push_back({.source = extra.parent, .target = extra.child});
    }
    std::ranges::sort(fds_, {}, &FdMove::target);
    for (std::size_t i = 0; i < fds_.size(); ++i) {
        const bool twice = i > 0 && fds_[i].target == fds_[i - 1].target;
        if (twice || fds_[i].target < 0 || fds_[i].source < 0) {
            return fail(Error(Domain::process, Code::invalid_argument, Fault::user,
                              "cannot start '" + std::string(plan.program) + "': descriptor " +
                                  std::to_string(fds_[i].target) +
                                  (twice ? " is given to it twice" : " cannot be given to it")));
        }
    }
    for (FdMove& move : fds_) {
        move.aside = std::ranges::any_of(fds_, [&move](const FdMove& other) {
            return other.target == move.source && other.target != move.target;
        });
    }
    exec.fds = fds_.data();
    exec.fd_count = fds_.size();
    return {};
}

Result<void> Spawner::prepare(const SpawnPlan& plan, ExecPlan& exec) {
    if (plan.cgroup >= 0 && !uses_clone3_) {
        return fail(
            Error(Domain::process, Code::unsupported, Fault::user,
                  "cannot start '" + std::string(plan.program) +
                      "' in a cgroup: this kernel or the seccomp filter around this process "
                      "has no clone3"));
    }
    prepare_candidates(plan, exec);
    exec.argv = plan.argv;
    exec.envp = plan.envp;
    exec.cwd = plan.cwd;
    exec.group = plan.group;
    exec.group_id = plan.group_id;
    exec.terminal = plan.terminal;
    exec.cgroup_procs = plan.cgroup_procs.data();
    exec.cgroup_procs_count = plan.cgroup_procs.size();
    exec.rlimits = plan.rlimits.data();
    exec.rlimit_count = plan.rlimits.size();
    exec.nice_increment = plan.nice_increment;
    const std::span<const unsigned long> affinity =
        plan.affinity.empty() ? options_.children_affinity : plan.affinity;
    exec.affinity = affinity.data();
    exec.affinity_words = affinity.size();
    exec.memory_nodes = plan.memory_nodes.data();
    exec.memory_words = plan.memory_nodes.size();
    exec.death_signal = plan.death_signal;
    exec.parent = ::getpid();
    exec.guard = plan.guard;
    exec.signals_to_reset = signals_to_reset();
    return prepare_fds(plan, exec);
}

// Asking for all 64 signals costs as many system calls, more than all the rest of a spawn has.
// Those that programs do ignore are reset always, the others as of at most 10 ms ago.
std::uint64_t Spawner::signals_to_reset() noexcept {
    if (!clears_handlers_) {
        return ~0ULL;
    }
    const base::BootTime now = base::now();
    if (ignored_asked_ < base::BootTime(0) || now - ignored_asked_ > ignored_stays_known) {
        ignored_asked_ = now;
        ignored_ = 0;
        for (int number = 1; number < 65; ++number) {
            struct {
                unsigned long handler, flags, restorer, mask;
            } is{};  // as the kernel lays it out
            if (raw::call(SYS_rt_sigaction, number, 0, raw::address(&is), sizeof(std::uint64_t)) ==
                    0 &&
                is.handler == 1) {  // SIG_IGN
                ignored_ |= bit_of(number);
            }
        }
    }
    return ignored_ | often_ignored;
}

long Spawner::clone_child(ExecPlan& exec, int cgroup) noexcept {
    {
        const std::lock_guard lock(shared_->mutex);
        if (shared_->aborted) {
            return -ECANCELED;
        }
        shared_->pidfd = -1;
        // ORDER: relaxed: the child is made after it, by this thread.
        std::atomic_ref(shared_->before_exec).store(1, std::memory_order_relaxed);
        shared_->waiting = true;
    }
    exec.before_exec = &shared_->before_exec;
    void* const stack = static_cast<char*>(region_) + page_bytes();
    const long result = clone_raw(uses_clone3_, clears_handlers_, stack, cgroup, &shared_->pidfd,
                                  exec_child, &exec);
    const std::lock_guard lock(shared_->mutex);
    shared_->waiting = false;
    return result;
}

Result<Spawned> Spawner::spawn(const SpawnPlan& plan) {
    ExecPlan exec;
    if (Result<void> ready = prepare(plan, exec); !ready) {
        return fail(std::move(ready.error()));
    }
    const long pid = clone_child(exec, plan.cgroup);
    if (pid == -ECANCELED) {
        return fail(Error(Domain::process, Code::cancelled, Fault::user,
                          "the start of '" + std::string(plan.program) + "' was called off"));
    }
    if (pid < 0) {
        return fail(spawn_error(plan, Step::clone, static_cast<int>(-pid), plan.program, 0));
    }
    Spawned spawned{.pid = static_cast<pid_t>(pid), .pidfd = base::Fd(shared_->pidfd)};
    if (exec.failed_step == Step::none) {
        return spawned;
    }
    if (plan.guard != nullptr && plan.group != Group::join) {
        std::atomic_ref(*plan.guard).store(0);
    }
    reap(spawned.pidfd.get());
    const bool in_exec = exec.failed_step == Step::exec;
    return fail(spawn_error(plan, exec.failed_step, exec.failed_errno,
                            in_exec ? exec.candidates[exec.failed_detail] : plan.program,
                            exec.failed_detail));
}

void Spawner::abort_spawn() noexcept {
    for (;;) {
        {
            const std::lock_guard lock(shared_->mutex);
            shared_->aborted = true;
            // ORDER: relaxed: the kernel writes it during the clone; -1 while there is no child.
            const int pidfd = std::atomic_ref(shared_->pidfd).load(std::memory_order_relaxed);
            // ORDER: relaxed: the kernel writes it; a program that has just begun may be taken for
            // one that is about to.
            const bool executes =
                std::atomic_ref(shared_->before_exec).load(std::memory_order_relaxed) == 0;
            // The kernel tells the number before the descriptor can be used (EBADF).
            if (!shared_->waiting || executes ||
                (pidfd >= 0 && raw::call(SYS_pidfd_send_signal, pidfd, SIGKILL) != -EBADF)) {
                return;
            }
        }
        ::sched_yield();  // the kernel is making the child: a moment
    }
}

void Spawner::allow_spawn() noexcept {
    const std::lock_guard lock(shared_->mutex);
    shared_->aborted = false;
}

}  // namespace repartir::proc
