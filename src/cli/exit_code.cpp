// SPDX-License-Identifier: MIT
#include "cli/exit_code.hpp"

namespace repartir::cli {
namespace {

bool out_of_reach(const Outcome& outcome) noexcept {
    return outcome.error() != nullptr && outcome.error()->code() == Code::unreachable;
}

/// It was accepted in the hope for a machine that did not come.
bool cannot_run(const Outcome& outcome) noexcept {
    return outcome.error() != nullptr && outcome.error()->code() == Code::cannot_schedule;
}

}  // namespace

void Verdict::add(const Outcome& outcome, bool halted) noexcept {
    if (out_of_reach(outcome)) {
        unreachable = true;
    } else if (cannot_run(outcome)) {
        cannot_schedule = true;
    } else {
        add(outcome.ending, halted);
    }
}

int exit_code_of(const Outcome& outcome) noexcept {
    return out_of_reach(outcome) ? exit_unreachable
           : cannot_run(outcome) ? exit_cannot_schedule
                                 : outcome.exit_code();
}

void Verdict::add(const Ending& ending, bool halted) noexcept {
    if (ending.ok()) {
        return;
    }
    switch (ending.end) {
        case End::timed_out:
            timed_out = true;
            return;
        case End::cancelled:
            (halted ? failed : cancelled) = true;
            return;
        case End::exited:
        case End::signaled:
        case End::out_of_memory:
        case End::output_lost:
        case End::not_started:
        case End::device_failed:
            failed = true;
            return;
    }
}

void Verdict::add(const Error& error) noexcept {
    switch (error.code()) {
        case Code::cannot_schedule:
        case Code::invalid_task:
        case Code::unsupported:
        case Code::queue_full:
            cannot_schedule = true;
            return;
        case Code::cancelled:
        case Code::shut_down:
            cancelled = true;
            return;
        default:
            failed = true;
            return;
    }
}

int exit_code(const Verdict& verdict) noexcept {
    return verdict.cannot_schedule ? exit_cannot_schedule
           : verdict.unreachable   ? exit_unreachable
           : verdict.cancelled     ? exit_cancelled
           : verdict.timed_out     ? exit_timed_out
           : verdict.failed        ? exit_failed
                                   : exit_ok;
}

}  // namespace repartir::cli
