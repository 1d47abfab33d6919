// SPDX-License-Identifier: MIT
#include "cli/signals.hpp"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/fd.hpp"
#include "base/os_error.hpp"
#include "cli/text.hpp"

namespace repartir::cli {
namespace {

void add_unless_ignored(sigset_t& set, int number) {
    struct sigaction now{};
    if (::sigaction(number, nullptr, &now) == 0 && now.sa_handler != SIG_IGN) {
        sigaddset(&set, number);
    }
}

}  // namespace

Result<Signals> Signals::create(bool job_control) {
    ::signal(SIGCHLD, SIG_DFL);  // a parent that ignores it would take the exit codes from us
    sigset_t taken;
    sigemptyset(&taken);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        add_unless_ignored(taken, number);
    }
    if (job_control) {
        sigaddset(&taken, SIGCHLD);
        add_unless_ignored(taken, SIGTSTP);
        sigaddset(&taken, SIGCONT);
    }
    sigset_t blocked = taken;
    for (const int number : {SIGPIPE, SIGXFSZ, SIGTTOU}) {
        sigaddset(&blocked, number);
    }
    ::pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
    base::Fd fd(::signalfd(-1, &taken, SFD_NONBLOCK | SFD_CLOEXEC));
    if (!fd) {
        return fail(
            Error(Domain::io, Code::out_of_resources, Fault::system,
                  cat({"no descriptor for signals could be made: ", base::words_of(errno)})));
    }
    return Signals(std::move(fd));
}

std::vector<int> Signals::take() {
    std::vector<int> numbers;
    std::array<signalfd_siginfo, 8> infos{};
    while (true) {
        const ssize_t got = ::read(fd_.get(), infos.data(), sizeof infos);
        if (got < static_cast<ssize_t>(sizeof(signalfd_siginfo))) {
            return numbers;
        }
        const std::size_t count = static_cast<std::size_t>(got) / sizeof(signalfd_siginfo);
        for (std::size_t i = 0; i < count; ++i) {
            numbers.push_back(static_cast<int>(infos.at(i).ssi_signo));
        }
    }
}

}  // namespace repartir::cli
