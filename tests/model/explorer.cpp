// SPDX-License-Identifier: MIT
#include "explorer.hpp"

#include <bit>

namespace repartir::model {

namespace {

std::size_t first_of(ThreadSet set) noexcept {
    return static_cast<std::size_t>(std::countr_zero(set));
}

}  // namespace

void Explorer::start(std::size_t threads) {
    thread_count_ = threads;
    depth_ = 0;
    choices_taken_ = 0;
    asleep_ = 0;
    clocks_ = {};
}

std::optional<std::size_t> Explorer::pick(ThreadSet enabled, ThreadSet live,
                                          const std::array<Op, threads_max>& pending) {
    if (depth_ == steps_.size() && !open_step(enabled, live, pending)) {
        return std::nullopt;
    }
    Step& step = steps_[depth_];
    step.op = pending[step.chosen];
    order_step(step);
    asleep_ = 0;
    for (std::size_t thread = 0; thread < thread_count_; ++thread) {
        if (search_ == Search::reduced && thread != step.chosen &&
            contains(step.sleep | step.done, thread) && !dependent(step.pending[thread], step.op)) {
            asleep_ |= only(thread);
        }
    }
    ++depth_;
    return step.chosen;
}

bool Explorer::open_step(ThreadSet enabled, ThreadSet live,
                         const std::array<Op, threads_max>& pending) {
    if (search_ == Search::reduced) {
        for (std::size_t thread = 0; thread < thread_count_; ++thread) {
            if (contains(live, thread)) {
                find_races(thread, pending[thread]);
            }
        }
    }
    const ThreadSet candidates = enabled & ~asleep_;
    if (candidates == 0) {
        return false;
    }
    Step step;
    step.enabled = enabled;
    step.sleep = asleep_;
    step.pending = pending;
    step.chosen = first_of(candidates);
    step.backtrack = search_ == Search::reduced ? only(step.chosen) : enabled;
    if (search_ == Search::bounded && depth_ != 0) {
        bound_step(step);
    }
    steps_.push_back(step);
    return true;
}

/// Who was running goes on first; others may only take its place while preemptions are left.
void Explorer::bound_step(Step& step) const {
    const Step& before = steps_[depth_ - 1];
    const bool preempted = depth_ > 1 && before.chosen != steps_[depth_ - 2].chosen &&
                           contains(before.enabled, steps_[depth_ - 2].chosen);
    step.preemptions = before.preemptions + (preempted ? 1 : 0);
    if (contains(step.enabled, before.chosen)) {
        step.chosen = before.chosen;
        step.backtrack = step.preemptions < preemptions_max_ ? step.enabled : only(before.chosen);
    }
}

/// Gives the step its place in the dependence order: behind the thread's own steps and all that it
/// depends on.
void Explorer::order_step(Step& step) {
    Clock& clock = clocks_[step.chosen];
    for (std::size_t at = 0; at < depth_; ++at) {
        const Step& before = steps_[at];
        if (before.chosen == step.chosen || dependent(before.op, step.op)) {
            for (std::size_t thread = 0; thread < thread_count_; ++thread) {
                clock[thread] = std::max(clock[thread], before.clock[thread]);
            }
        }
    }
    ++clock[step.chosen];
    step.clock = clock;
}

/// For each step that `op` of `thread` depends on and is not ordered behind yet: makes sure that
/// the other order is tried too.
void Explorer::find_races(std::size_t thread, const Op& op) {
    for (std::size_t at = depth_; at-- > 0;) {
        Step& step = steps_[at];
        if (step.chosen == thread || !dependent(step.op, op) ||
            step.clock[step.chosen] <= clocks_[thread][step.chosen]) {
            continue;
        }
        const ThreadSet initials = initials_after(at, thread, op);
        if ((initials & step.backtrack) != 0) {
            continue;
        }
        ThreadSet able = initials & step.enabled;
        if (able == 0) {
            step.backtrack |= step.enabled;
            continue;
        }
        if ((able & ~step.sleep) != 0) {
            able &= ~step.sleep;
        }
        step.backtrack |= contains(able, thread) ? only(thread) : only(first_of(able));
    }
}

/// The threads that can begin an execution in which `op` of `thread` comes before step `at`: those
/// whose first step among all that do not come behind it depends on none of the others.
ThreadSet Explorer::initials_after(std::size_t at, std::size_t thread, const Op& op) const {
    const Step& race = steps_[at];
    const Stamp tick = race.clock[race.chosen];
    ThreadSet initials = 0;
    ThreadSet seen = 0;
    bool thread_first = true;
    for (std::size_t later = at + 1; later < depth_; ++later) {
        const Step& step = steps_[later];
        if (step.clock[race.chosen] >= tick) {
            continue;  // comes behind the racing step
        }
        if (step.chosen == thread || dependent(step.op, op)) {
            thread_first = false;
        }
        if (!contains(seen, step.chosen)) {
            bool first = true;
            for (std::size_t between = at + 1; between < later && first; ++between) {
                const Step& other = steps_[between];
                first = other.clock[race.chosen] >= tick ||
                        other.clock[other.chosen] > step.clock[other.chosen];
            }
            initials |= first ? only(step.chosen) : 0;
        }
        seen |= only(step.chosen);
    }
    return thread_first ? initials | only(thread) : initials;
}

std::size_t Explorer::choose(std::size_t count) {
    if (count <= 1) {
        return 0;
    }
    if (choices_taken_ == choices_.size()) {
        choices_.push_back({depth_ - 1, count, 0});
    }
    return choices_[choices_taken_++].picked;
}

bool Explorer::next_execution() {
    while (!steps_.empty()) {
        const std::size_t last = steps_.size() - 1;
        if (!choices_.empty() && choices_.back().step == last) {
            Choice& choice = choices_.back();
            if (++choice.picked < choice.count) {
                return true;
            }
            choices_.pop_back();
            continue;
        }
        Step& step = steps_.back();
        step.done |= only(step.chosen);
        const ThreadSet left = step.backtrack & ~step.done & ~step.sleep & step.enabled;
        if (left != 0) {
            step.chosen = first_of(left);
            return true;
        }
        steps_.pop_back();
    }
    return false;
}

}  // namespace repartir::model
