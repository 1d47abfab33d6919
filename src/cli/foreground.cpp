// SPDX-License-Identifier: MIT
#include "cli/foreground.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace repartir::cli {
namespace {

bool is_our_child(pid_t pid) {
    siginfo_t info{};
    return pid > 0 && ::waitid(P_PID, static_cast<id_t>(pid), &info,
                               WEXITED | WSTOPPED | WNOHANG | WNOWAIT) == 0;
}

}  // namespace

Foreground::Foreground() {
    if (::isatty(STDIN_FILENO) != 1) {
        opened_ = base::Fd(::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
    }
    terminal_ = opened_ ? opened_.get() : STDIN_FILENO;
    if (::isatty(terminal_) != 1) {
        terminal_ = -1;
        return;
    }
    ours_ = ::getpgrp();
    termios modes{};
    if (::tcgetpgrp(terminal_) == ours_ && ::tcgetattr(terminal_, &modes) == 0) {
        modes_ = modes;
    }
}

void Foreground::lend(pid_t group) {
    child_ = group;
    ::tcsetpgrp(terminal_, group);
    ::kill(-group, SIGCONT);
}

void Foreground::stop_ourselves(pid_t child) {
    child_ = child;
    asked_ = false;
    termios childs{};
    const bool has_it = active() && ::tcgetpgrp(terminal_) == child;
    // Where it has not, the modes are somebody else's, such as those of a shell's line editor.
    const bool known = has_it && ::tcgetattr(terminal_, &childs) == 0;
    if (has_it) {
        ::tcsetpgrp(terminal_, ours_);
        if (modes_) {
            ::tcsetattr(terminal_, TCSADRAIN, &*modes_);
        }
    }
    ::raise(SIGSTOP);  // the shell takes over here, until it continues us
    if (active() && ::tcgetpgrp(terminal_) == ours_) {
        if (known) {
            ::tcsetattr(terminal_, TCSADRAIN, &childs);
        }
        ::tcsetpgrp(terminal_, child);
    }
    ::kill(-child, SIGCONT);
}

void Foreground::children_changed() {
    while (true) {
        siginfo_t info{};
        if (::waitid(P_ALL, 0, &info, WSTOPPED | WNOHANG) != 0 || info.si_pid == 0) {
            return;
        }
        const bool wants_terminal = info.si_status == SIGTTIN || info.si_status == SIGTTOU;
        if (wants_terminal && active() && ::tcgetpgrp(terminal_) == ours_) {
            lend(info.si_pid);
        } else if (active() || asked_) {
            stop_ourselves(info.si_pid);
        } else {
            child_ = info.si_pid;  // no shell would continue us: its timeout must end it
        }
    }
}

void Foreground::continued() {
    if (!active()) {
        if (is_our_child(child_)) {
            ::kill(-child_, SIGCONT);
        }
    } else if (child_ != 0 && ::tcgetpgrp(terminal_) == ours_) {
        lend(child_);
    }
}

void Foreground::stop_requested() {
    const pid_t holder = active() ? ::tcgetpgrp(terminal_) : -1;
    const pid_t child = is_our_child(holder) ? holder : child_;
    asked_ = true;
    if (child == 0 || ::kill(-child, SIGTSTP) != 0) {
        asked_ = false;
        ::raise(SIGSTOP);
    }  // else its stop comes back as SIGCHLD and stops us
}

void Foreground::restore(bool child_failed) {
    if (!active()) {
        return;
    }
    const pid_t holder = ::tcgetpgrp(terminal_);
    const bool gone = holder > 0 && ::kill(-holder, 0) != 0 && errno == ESRCH;
    if (holder != ours_ && (holder == child_ || gone)) {
        ::tcsetpgrp(terminal_, ours_);
        if (child_failed && modes_) {
            ::tcsetattr(terminal_, TCSADRAIN, &*modes_);
        }
    }
    terminal_ = -1;
}

}  // namespace repartir::cli
