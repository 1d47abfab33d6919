// SPDX-License-Identifier: MIT
#pragma once
/// @file lent_terminal.hpp Our terminal, while a program that reads from it has the foreground.
#include <termios.h>

#include <optional>

#include "proc/guardian.hpp"

namespace repartir::exec {

/// Only the foreground group may read from a terminal, and a program gets a group of its own: it
/// must be lent the foreground for its time. One thread, in which SIGTTOU is blocked.
class LentTerminal {
  public:
    LentTerminal() = default;
    LentTerminal(const LentTerminal&) = delete;
    LentTerminal& operator=(const LentTerminal&) = delete;

    /// To be called before a program starts that inherits our standard input. The guardian will
    /// restore the terminal if we die.
    /// @return whether that is a terminal of which we have the foreground, to be given to it.
    [[nodiscard]] bool prepare(proc::Guardian& guardian);
    /// Takes the foreground back, and restores the terminal's modes where the program did not end
    /// by itself: it cannot have done so. Nothing when it was not lent.
    /// @param started whether the program came into being @param by_itself whether it exited
    void take_back(proc::Guardian& guardian, bool started, bool by_itself) noexcept;

  private:
    bool asked_ = false;              // prepare() was called
    std::optional<::termios> modes_;  // as they were; nothing: not to be lent
};

}  // namespace repartir::exec
