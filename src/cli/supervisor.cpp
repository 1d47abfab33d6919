// SPDX-License-Identifier: MIT
#include "cli/supervisor.hpp"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <optional>
#include <string>

#include "base/fd.hpp"
#include "base/logfmt.hpp"
#include "base/os_error.hpp"
#include "cli/exit_code.hpp"
#include "cli/text.hpp"
#include "core/retry.hpp"

namespace repartir::cli {
namespace {

using std::chrono::milliseconds;

constexpr Backoff restarts{.initial = milliseconds(500), .max = milliseconds(30'000)};

/// One run of the daemon, as its parent sees it.
struct Child {
    pid_t pid = -1;
    base::Fd process;  // a descriptor that is readable when it has ended
    base::BootTime began{0};
};

/// @return the code that a shell would give.
int code_of(int status) {
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/// Waits until the child has ended; signals that come meanwhile go to it. @return its exit code
int wait_for(const Child& child, Signals& signals, bool& told) {
    while (true) {
        std::array<pollfd, 2> ready{{{.fd = signals.fd(), .events = POLLIN, .revents = 0},
                                     {.fd = child.process.get(), .events = POLLIN, .revents = 0}}};
        ::poll(ready.data(), ready.size(), -1);
        for (const int number : signals.take()) {
            told = true;
            ::kill(child.pid, number);
        }
        if (ready[1].revents != 0) {
            int status = 0;
            while (::waitpid(child.pid, &status, 0) == -1 && errno == EINTR) {}
            return code_of(status);
        }
    }
}

/// @return whether a signal came before the time was up.
bool interrupted(Signals& signals, base::BootTime delay) {
    const base::BootTime end = base::now() + delay;
    for (base::BootTime left = delay; left.count() > 0; left = end - base::now()) {
        pollfd ready{.fd = signals.fd(), .events = POLLIN, .revents = 0};
        ::poll(&ready, 1, static_cast<int>(std::chrono::ceil<milliseconds>(left).count()));
        if (!signals.take().empty()) {
            return true;
        }
    }
    return false;
}

int gave_up(std::string_view what, int os_error, LineLog& log) {
    log.write(
        LogLevel::error,
        base::Logfmt("gave-up")
            .add("why", cat({"the worker could not be ", what, ": ", base::words_of(os_error),
                             "; raise the limits of open files (ulimit -n) and processes (-u)"}))
            .take());
    return exit_cannot_schedule;
}

}  // namespace

bool RestartPolicy::final(int code) noexcept {
    return code == exit_ok || code == exit_usage || code == exit_cancelled;
}

base::BootTime RestartPolicy::crashed(base::BootTime ran) noexcept {
    crashes_ = ran >= healthy_after ? 1 : crashes_ + 1;
    return core::backoff_delay(restarts, crashes_, random_);
}

int supervise(Signals& signals, LineLog& log, const std::function<int(pid_t)>& work) {
    RestartPolicy policy{base::Prng(base::random_seed())};
    const pid_t self = ::getpid();
    while (true) {
        Child child;
        child.began = base::now();
        child.pid = ::fork();
        if (child.pid == 0) {
            // A group of its own: what a terminal sends to all of ours would reach it twice.
            ::setpgid(0, 0);
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            return ::getppid() == self ? work(self) : exit_cancelled;
        }
        if (child.pid < 0) {
            return gave_up("started", errno, log);
        }
        child.process = base::Fd(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
        if (!child.process) {
            const int os_error = errno;
            ::kill(child.pid, SIGKILL);
            ::waitpid(child.pid, nullptr, 0);
            return gave_up("watched", os_error, log);
        }
        log.write(LogLevel::info,
                  base::Logfmt("supervising").add("pid", std::to_string(child.pid)).take());
        bool told = false;
        const int code = wait_for(child, signals, told);
        if (told || RestartPolicy::final(code)) {
            return code;
        }
        const base::BootTime delay = policy.crashed(base::now() - child.began);
        log.write(
            LogLevel::error,
            base::Logfmt("crashed")
                .add("pid", std::to_string(child.pid))
                .add("code", std::to_string(code))
                .add("crashes", std::to_string(policy.crashes()))
                .add("restart_ms", std::to_string(std::chrono::ceil<milliseconds>(delay).count()))
                .take());
        if (interrupted(signals, delay)) {
            return exit_ok;
        }
    }
}

}  // namespace repartir::cli
