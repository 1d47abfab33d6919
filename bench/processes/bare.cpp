// SPDX-License-Identifier: MIT
// The least that starting a program and reading its output can cost: per core one thread that does
// pipe2 twice, clone3(VM | VFORK | PIDFD) on a stack of its own, epoll over both pipes and the
// pidfd, read, waitid, and nothing else. One child at a time per thread. --pin 1 binds thread i to
// CPU i.
#include <fcntl.h>
#include <linux/sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "bench/processes/problem.hpp"

namespace {

using bench::processes::Command;

constexpr std::size_t stack_bytes = 64UL * 1024;

[[noreturn]] void give_up(const char* what) {
    std::perror(what);
    std::exit(1);
}

/// What the child needs; it shares our memory until it execs.
struct ChildArguments {
    const char* const* argv;
    char* const* env;
    int in, out, err;
};

[[noreturn]] void child_main(const ChildArguments* child) {
    dup2(child->in, 0);
    dup2(child->out, 1);
    dup2(child->err, 2);
    // SAFETY: execve does not write through argv; its type predates const.
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast)
    execve(child->argv[0], const_cast<char* const*>(child->argv), child->env);
    _exit(127);
}

/// clone3 with a function to run on the new stack. @return the child's pid or -errno.
long clone_and_run(clone_args* args, const ChildArguments* child) {
    long result = 0;  // NOLINT(misc-const-correctness): the assembler writes it
#if defined(__x86_64__)
    register void (*entry)(const ChildArguments*) asm("r12") = child_main;
    register const ChildArguments* argument asm("r13") = child;
    asm volatile(
        "syscall\n\t"
        "test %%rax, %%rax\n\t"
        "jnz 1f\n\t"
        "xor %%ebp, %%ebp\n\t"  // SAFETY: from here the child is on its own stack and never returns
        "mov %%r13, %%rdi\n\t"
        "call *%%r12\n\t"
        "hlt\n"
        "1:"
        : "=a"(result)
        : "0"(SYS_clone3), "D"(args), "S"(sizeof *args), "r"(entry), "r"(argument)
        : "rcx", "r11", "memory");
#else
#error "the bare spawn loop is written for x86-64"
#endif
    return result;
}

/// One core's share: starts children one after the other and reads what they write.
class Spawner {
  public:
    explicit Spawner(const Command& command)
        : command_(command),
          epoll_(epoll_create1(EPOLL_CLOEXEC)),
          null_(open("/dev/null", O_RDWR | O_CLOEXEC)),
          stack_(mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)) {
        if (epoll_ < 0 || null_ < 0 || stack_ == MAP_FAILED) {
            give_up("a spawner's set-up");
        }
    }
    Spawner(const Spawner&) = delete;
    Spawner& operator=(const Spawner&) = delete;
    ~Spawner() {
        munmap(stack_, stack_bytes);
        close(null_);
        close(epoll_);
    }

    /// Runs one child to its end. @return whether it exited with 0 and wrote what it should.
    bool run_one() {
        int out[2];
        int err[2];
        if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) {
            give_up("pipe2");
        }
        const char* const words[] = {command_.program.c_str(), nullptr};
        const ChildArguments child{words, environ, null_, out[1], err[1]};
        int pidfd = -1;
        clone_args args{};
        args.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD;
        args.exit_signal = SIGCHLD;
        // SAFETY: clone3 takes addresses as 64-bit numbers.
        args.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
        args.stack = reinterpret_cast<std::uintptr_t>(stack_);
        args.stack_size = stack_bytes;
        if (clone_and_run(&args, &child) < 0) {
            give_up("clone3");
        }
        close(out[1]);
        close(err[1]);
        watch(out[0]);
        watch(err[0]);
        watch(pidfd);
        return collect(out[0], pidfd);
    }

  private:
    void watch(int fd) {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = fd;
        if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) {
            give_up("epoll_ctl");
        }
    }

    void forget(int fd) {
        epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
        close(fd);
    }

    bool collect(int out, int pidfd) {
        std::uint64_t bytes = 0;
        bool well = false;
        for (int open_fds = 3; open_fds > 0;) {
            std::array<epoll_event, 3> events{};
            const int ready = epoll_wait(epoll_, events.data(), events.size(), -1);
            for (int i = 0; i < ready; ++i) {
                const int fd = events[static_cast<std::size_t>(i)].data.fd;
                if (fd == pidfd) {
                    well = reap(pidfd);
                } else {
                    const ssize_t got = read(fd, buffer_.data(), buffer_.size());
                    if (got > 0) {
                        bytes += fd == out ? static_cast<std::uint64_t>(got) : 0;
                        continue;
                    }
                }
                forget(fd);
                --open_fds;
            }
        }
        return well && bytes == command_.bytes;
    }

    static bool reap(int pidfd) {
        siginfo_t info{};
        rusage usage{};
        const long waited = syscall(SYS_waitid, P_PIDFD, pidfd, &info, WEXITED, &usage);
        return waited == 0 && info.si_code == CLD_EXITED && info.si_status == 0;
    }

    const Command& command_;
    int epoll_ = -1;
    int null_ = -1;
    void* stack_ = nullptr;
    std::vector<char> buffer_ = std::vector<char>(65536);
};

/// Shares `count` children out over the threads. @return how many ended well.
std::uint64_t run_many(const bench::Options& options, const Command& command, std::uint64_t count) {
    std::atomic<std::uint64_t> next = 0;
    std::atomic<std::uint64_t> well = 0;
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < options.workers; ++i) {
        threads.emplace_back([&, i] {
            if (options.pin) {
                bench::pin_to(i);
            }
            Spawner spawner(command);
            while (next.fetch_add(1) < count) {
                well += spawner.run_one() ? 1 : 0;
            }
        });
    }
    threads.clear();
    return well;
}

/// One child after the other on this thread, each timed.
std::uint64_t run_timed(const bench::Options& options, const Command& command, std::uint64_t count,
                        std::vector<std::uint64_t>& samples) {
    if (options.pin) {
        bench::pin_to(0);
    }
    Spawner spawner(command);
    std::uint64_t well = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::uint64_t begin = bench::now_ns();
        well += spawner.run_one() ? 1 : 0;
        samples.push_back(bench::now_ns() - begin);
    }
    return well;
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    const bench::Ballast ballast(options.ballast_mib);
    const Command command = bench::processes::command_for(options.mode);
    bench::Report report("processes", options.pin ? "bare_pinned" : "bare", options);
    const bool correct = bench::processes::measure(
        options, report, [&](std::uint64_t count) { return run_many(options, command, count); },
        [&](std::uint64_t count, std::vector<std::uint64_t>& samples) {
            return run_timed(options, command, count, samples);
        });
    return report.finish(correct);
}
