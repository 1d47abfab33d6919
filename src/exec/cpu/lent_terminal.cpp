// SPDX-License-Identifier: MIT
#include "exec/cpu/lent_terminal.hpp"

#include <unistd.h>

#include <utility>

namespace repartir::exec {

bool LentTerminal::prepare(proc::Guardian& guardian) {
    guardian.remember_terminal();
    asked_ = true;
    ::termios modes{};
    if (::tcgetpgrp(STDIN_FILENO) == ::getpgrp() && ::tcgetattr(STDIN_FILENO, &modes) == 0) {
        modes_ = modes;
    }
    return modes_.has_value();
}

void LentTerminal::take_back(proc::Guardian& guardian, bool started, bool by_itself) noexcept {
    if (!std::exchange(asked_, false)) {
        return;
    }
    if (modes_ && started) {
        (void)::tcsetpgrp(STDIN_FILENO, ::getpgrp());
        if (!by_itself) {
            (void)::tcsetattr(STDIN_FILENO, TCSANOW, &*modes_);
        }
    }
    modes_.reset();
    guardian.forget_terminal();
}

}  // namespace repartir::exec
