// SPDX-License-Identifier: MIT
#include "checker.hpp"

#include <bit>
#include <cstdlib>

namespace repartir::model {

namespace {

constexpr std::size_t stack_bytes = 256 * 1024;
thread_local Checker* current_checker = nullptr;
thread_local std::uint64_t executions_begun = 0;

}  // namespace

Report explore(const Program& program, const Options& options) {
    return Checker(program, options).run();
}

void require(bool holds, const char* claim) {
    if (!holds) {
        Checker::current().fail(claim);
    }
}

Checker::Checker(const Program& program, const Options& options)
    : program_(program),
      options_(options),
      memory_(*this),
      explorer_(options.search, options.preemptions_max),
      outer_(current_checker) {
    current_checker = this;
}

Checker::~Checker() { current_checker = outer_; }

Checker& Checker::current() { return *current_checker; }

bool Checker::runs(std::uint64_t execution) {
    return current_checker != nullptr && current_checker->memory_.execution() == execution;
}

Report Checker::run() {
    do {
        memory_.reset(++executions_begun);
        self_ = main_thread;
        draining_ = false;
        bodies_ = program_.setup();
        execute();
        memory_.join(bodies_.size());
        if (draining_) {
            ++report_.pruned;
        } else if (report_.violation.empty()) {
            ++report_.executions;
            program_.check();
        }
        const bool enough =
            options_.executions_max != 0 && report_.executions == options_.executions_max;
        if (enough || !report_.violation.empty()) {
            return report_;
        }
    } while (explorer_.next_execution());
    report_.complete = true;
    return report_;
}

void Checker::execute() {
    explorer_.start(bodies_.size());
    memory_.fork(bodies_.size());
    starting_ = true;
    for (std::size_t thread = 0; thread < bodies_.size(); ++thread) {
        Context& context = contexts_[thread];
        context.stack.resize(stack_bytes);
        context.done = false;
        context.waits_on = locations_max;
        pending_[thread] = Op{};
        getcontext(&context.machine);
        context.machine.uc_stack.ss_sp = context.stack.data();
        context.machine.uc_stack.ss_size = context.stack.size();
        context.machine.uc_link = nullptr;
        makecontext(&context.machine, &Checker::enter, 0);
        continue_with(thread);
    }
    starting_ = false;
    continue_with(decide());
}

void Checker::enter() { current().run_thread(); }

void Checker::run_thread() {
    const std::size_t me = self_;
    bodies_[me]();
    contexts_[me].done = true;
    pending_[me] = {Kind::done, locations_max, false};
    continue_with(starting_ ? main_thread : decide());
    std::abort();  // nobody goes on with a thread that has ended
}

/// Leaves the running context for another one (a thread, or the test's own), until somebody comes
/// back.
void Checker::continue_with(std::size_t next) {
    if (next == self_) {
        return;
    }
    ucontext_t& here = self_ == main_thread ? main_machine_ : contexts_[self_].machine;
    ucontext_t& there = next == main_thread ? main_machine_ : contexts_[next].machine;
    self_ = next;
    memory_.switch_to(next);
    swapcontext(&here, &there);
}

ThreadSet Checker::live() const {
    ThreadSet set = 0;
    for (std::size_t thread = 0; thread < bodies_.size(); ++thread) {
        set |= contexts_[thread].done ? 0 : only(thread);
    }
    return set;
}

ThreadSet Checker::enabled() const {
    ThreadSet set = live();
    ThreadSet polling = 0;
    for (std::size_t thread = 0; thread < bodies_.size(); ++thread) {
        const Context& context = contexts_[thread];
        if (pending_[thread].kind == Kind::wait_sleep && context.waits_on != locations_max) {
            set &= ~only(thread);
        }
        if (pending_[thread].kind == Kind::yield && context.yielded_at == explorer_.depth()) {
            polling |= only(thread);
        }
    }
    return (set & ~polling) != 0 ? set & ~polling : set;
}

/// @return who goes on, or main_thread when the execution is over.
std::size_t Checker::decide() {
    const ThreadSet able = enabled();
    if (able == 0) {
        if (live() != 0 && !draining_) {
            fail("deadlock: a thread sleeps and nobody is left to wake it");
        }
        return main_thread;
    }
    if (!draining_ && explorer_.depth() >= options_.steps_max) {
        fail("an execution does not end");
    }
    if (!draining_) {
        if (const auto next = explorer_.pick(able, live(), pending_)) {
            ++report_.steps;
            return *next;
        }
        draining_ = true;
    }
    return static_cast<std::size_t>(std::countr_zero(able));
}

void Checker::visible(const Op& op) {
    if (self_ == main_thread) {
        return;
    }
    pending_[self_] = op;
    continue_with(starting_ ? main_thread : decide());
}

void Checker::wait_while(std::size_t location, std::uint64_t value) {
    visible({Kind::wait_check, location, false});
    if (memory_.kernel_read(location) == value) {
        contexts_[self_].waits_on = location;
        visible({Kind::wait_sleep, location, false});
    }
}

void Checker::wake(std::size_t location, bool all) {
    visible({Kind::wake, location, false});
    std::vector<std::size_t> waiting;
    for (std::size_t thread = 0; thread < bodies_.size(); ++thread) {
        if (contexts_[thread].waits_on == location) {
            waiting.push_back(thread);
        }
    }
    if (!all && !waiting.empty()) {
        waiting = {waiting[choose(waiting.size())]};
    }
    for (const std::size_t thread : waiting) {
        contexts_[thread].waits_on = locations_max;
    }
}

void Checker::yield() {
    if (options_.search == Search::reduced) {
        fail("yield is not for the reduced search");
    }
    if (self_ != main_thread) {
        contexts_[self_].yielded_at = explorer_.depth();
        visible({Kind::yield, locations_max, false});
    }
}

std::size_t Checker::choose(std::size_t count) {
    return draining_ || self_ == main_thread ? 0 : explorer_.choose(count);
}

void Checker::fail(const std::string& why) {
    if (draining_ || !report_.violation.empty()) {
        return;
    }
    report_.violation = why + trace();
    if (self_ != main_thread) {
        continue_with(main_thread);  // for good: the rest of this execution means nothing
    }
}

std::string Checker::trace() const {
    std::string text;
    for (std::size_t at = 0; at < explorer_.depth(); ++at) {
        text +=
            "\n  T" + std::to_string(explorer_.thread_at(at)) + " " + describe(explorer_.op_at(at));
    }
    return text;
}

}  // namespace repartir::model
