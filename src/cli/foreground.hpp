// SPDX-License-Identifier: MIT
#pragma once
/// @file foreground.hpp Job control for the one program that runs on our terminal.
#include <sys/types.h>
#include <termios.h>

#include <optional>

#include "base/fd.hpp"

namespace repartir::cli {

/// Lends the foreground of the terminal to a child's process group and takes it back: the child
/// gets Ctrl-C and Ctrl-Z itself; when it stops we stop, when we go on it goes on. One thread, and
/// SIGTTOU must be blocked in it. Without a terminal we stop only when asked to: a child that stops
/// by itself is waited for, and goes on when we are told to.
class Foreground {
  public:
    Foreground();
    Foreground(const Foreground&) = delete;
    Foreground& operator=(const Foreground&) = delete;
    /// Takes the foreground back.
    ~Foreground() { restore(); }

    [[nodiscard]] bool active() const noexcept { return terminal_ >= 0; }
    /// To be called at SIGCHLD: lends the foreground to a child that stopped because it wanted it,
    /// and stops us with a child that was stopped (without a terminal: by stop_requested() only).
    void children_changed();
    /// To be called at SIGCONT: gives the child the foreground, where we have got it meanwhile, and
    /// lets it go on.
    void continued();
    /// To be called at SIGTSTP: stops the child, and us with it.
    void stop_requested();
    /// Takes the foreground back; restores the terminal's modes when the child could not.
    /// @param child_failed it may have left the modes as it liked.
    void restore(bool child_failed = false);

  private:
    void lend(pid_t group);
    void stop_ourselves(pid_t child);

    base::Fd opened_;  // the terminal that controls us, where standard input is none
    int terminal_ = -1;
    pid_t ours_ = 0;
    bool asked_ = false;  // stop_requested() has stopped the child, and we have not followed yet
    pid_t child_ = 0;     // group that was last seen with the foreground or stopped
    std::optional<termios> modes_;
};

}  // namespace repartir::cli
