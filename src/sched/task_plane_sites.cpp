// SPDX-License-Identifier: MIT
// The executors of the task plane: how they come, grow, shrink and give back.
#include <algorithm>
#include <bit>
#include <span>
#include <string>
#include <utility>

#include "base/in_words.hpp"
#include "sched/task_plane_impl.hpp"

namespace repartir::detail {
namespace {

constexpr std::chrono::milliseconds worth_learning{1};  // where there is nothing to choose
constexpr std::size_t looked_at_for_return = 16;        // of what an executor holds, the newest

/// @return why the executor does not take the task; nothing when it does.
std::optional<Error> reluctance(const Executor& executor, const Task& task) noexcept {
    try {
        Result<void> accepted = executor.accepts(task);
        return accepted ? std::nullopt : std::optional(std::move(accepted).error());
    } catch (...) {
        return refusal(Code::function_threw, Fault::node,
                       "an executor could not say whether it takes the task");
    }
}

}  // namespace

Result<void> TaskPlane::register_backend(Backend backend, std::unique_ptr<Executor> executor) {
    const auto invalid = [](std::string sentence) {
        return fail(refusal(Code::invalid_argument, Fault::user, std::move(sentence)));
    };
    if (executor == nullptr) {
        return invalid("no executor was given: register one that exists");
    }
    if (backend == Backend::any) {
        return invalid("an executor cannot stand for 'any' backend: name cpu, gpu or remote");
    }
    Capabilities can = executor->capabilities();
    if (can.slots == 0 && !can.elastic) {
        return invalid("the executor '" + can.description + "' has no slots: give it at least one");
    }
    Lock lock(mutex_);
    if (closed_) {
        return fail(refusal(Code::shut_down, Fault::user,
                            "the scheduler is shut down: register executors before that"));
    }
    const std::size_t site = executors_.size();
    if (site == core::sites_max) {
        return invalid("64 executors are registered already: no more can be");
    }
    Executor& newcomer = *executor;
    sites_.emplace_back().backend = backend;  // without slots until it is open
    sites_.back().cgroup_limits = can.cgroup_limits;
    sites_.back().elastic = can.elastic;
    stations_.emplace_back();
    executors_.push_back(std::move(executor));
    lock.unlock();
    try {
        newcomer.observe(*this);
    } catch (...) {  // contract of Executor: it tells of no changes then
    }
    lock.lock();
    Deferred deferred;
    open(site, std::move(can), deferred);
    run(lock, deferred);
    return {};
}

void TaskPlane::open(std::size_t site, Capabilities&& can, Deferred& deferred) {
    Station& station = stations_[site];
    station.open = true;
    if (can.elastic) {
        elastic_ |= core::SiteSet{1} << site;
        lanes_.site_is_elastic(site);
    }
    resize(site, station.told ? *std::exchange(station.told, std::nullopt) : std::move(can),
           deferred);
    roster_[site] = {executors_[site].get(), sites_[site].backend};
    // ORDER: release, pairs with ask() and capabilities(): the roster is whole for who sees it
    enrolled_.store(std::max(enrolled_.load(std::memory_order_relaxed), site + 1),
                    std::memory_order_release);
    std::vector<TaskRecord*> waiting;  // the newcomer may suit them
    while (TaskRecord* record = lanes_.pop_any()) {
        waiting.push_back(record);
    }
    const std::span<const core::Site> newcomer(&sites_[site], 1);
    for (TaskRecord* record : waiting) {
        if (core::eligible(core::demand_of(record->task), newcomer) != 0 &&
            !reluctance(*executors_[site], record->task)) {
            record->sites |= core::SiteSet{1} << site;
        }
        lanes_.push(*record);
    }
}

TaskPlane::Willing TaskPlane::ask(const Task& task) const noexcept {
    Willing willing;
    const core::Demand demand = core::demand_of(task);
    // ORDER: acquire, pairs with open()
    const std::size_t enrolled = enrolled_.load(std::memory_order_acquire);
    for (std::size_t site = 0; site < enrolled; ++site) {
        if (!core::backend_fits(demand, roster_[site].backend)) {
            continue;
        }
        std::optional<Error> why_not = reluctance(*roster_[site].executor, task);
        if (!why_not) {
            willing.sites |= core::SiteSet{1} << site;
        } else if (!willing.why_not) {
            willing.why_not = std::move(why_not);
        }
    }
    return willing;
}

void TaskPlane::capacity_changed(Executor& executor, Capabilities now) noexcept {
    Lock lock(mutex_);
    const auto found = std::ranges::find(executors_, &executor, &std::unique_ptr<Executor>::get);
    const auto site = static_cast<std::size_t>(found - executors_.begin());
    if (found == executors_.end() || !sites_[site].elastic) {
        return;
    }
    if (!stations_[site].open) {
        stations_[site].told = std::move(now);
        return;
    }
    Deferred deferred;
    resize(site, std::move(now), deferred);
    run(lock, deferred);
}

void TaskPlane::resize(std::size_t at, Capabilities&& now, Deferred& deferred) {
    core::Site& site = sites_[at];
    const core::SiteSet bit = core::SiteSet{1} << at;
    const core::Site before = site;
    core::resize(site, now.slots, now.memory_bytes);
    site.task_slots_max = now.task_slots_max;
    site.running_slots = now.running_slots;
    site.busy_slots = now.busy_slots;
    site.round_trip = now.round_trip;
    site.bytes_per_second = now.bytes_per_second;
    site.gpus = now.gpus;
    stations_[at].description = std::move(now.description);
    stations_[at].asked = false;
    if ((elastic_ & bit) == 0) {
        return;
    }
    if (site.slots > before.slots || site.memory_bytes != before.memory_bytes ||
        site.task_slots_max != before.task_slots_max || site.gpus != before.gpus) {
        lanes_.site_grew(at);
    }
    settled_ = now.settled ? settled_ | bit : settled_ & ~bit;
    stations_[at].unreachable = std::move(now.unreachable);
    unreachable_ = stations_[at].unreachable ? unreachable_ | bit : unreachable_ & ~bit;
    while (TaskRecord* const record = lanes_.pop_within(unreachable_)) {
        settle_unreachable(*record, deferred);
    }
}

void TaskPlane::enqueue(TaskRecord& record, bool back, Deferred& deferred) {
    record.phase = TaskPhase::queued;
    if ((record.sites & ~unreachable_) == 0) {
        settle_unreachable(record, deferred);
    } else if (back) {
        lanes_.put_back(record);
    } else {
        lanes_.push(record);
    }
}

void TaskPlane::settle_unreachable(TaskRecord& record, Deferred& deferred) noexcept {
    const auto site = static_cast<std::size_t>(std::countr_zero(record.sites));
    settle_unbegun(record, *stations_[site].unreachable, deferred);
}

void TaskPlane::end_too_large(Deferred& deferred) noexcept {
    while (TaskRecord* const record = lanes_.pop_aside_within(settled_ | unreachable_)) {
        std::vector<core::Site> there;  // as they look to one task
        for (std::size_t i = 0; i < sites_.size(); ++i) {
            if (((record->sites >> i) & 1U) != 0) {
                core::Site& site = there.emplace_back(sites_[i]);
                site.slots = site.task_slots_max != 0 ? site.task_slots_max : site.slots;
            }
        }
        settle_unbegun(*record,
                       Error(Domain::scheduler, Code::cannot_schedule, Fault::policy,
                             core::why_never(core::demand_of(record->task), there)),
                       deferred);
    }
}

void TaskPlane::settle_unbegun(TaskRecord& record, Error why, Deferred& deferred) noexcept {
    const auto site = static_cast<std::size_t>(std::countr_zero(record.sites));
    Attempt attempt;
    attempt.number = record.state.number() + 1;
    attempt.backend = sites_[site].backend;
    attempt.error = std::move(why);
    record.attempts.push_back(std::move(attempt));
    Outcome outcome = cancelled_outcome(record);
    outcome.ending = Ending{End::not_started, 0};
    settle(record, std::move(outcome), deferred);
}

void TaskPlane::leave_site(TaskRecord& record) noexcept {
    core::Site& site = sites_[record.site];
    core::give_back(core::demand_of(record.task), site);
    lanes_.left(record);
    if (site.elastic) {
        stations_[record.site].held.remove(record);
        stations_[record.site].asked = false;
    }
}

void TaskPlane::keep_candidates(const TaskRecord& record) {
    std::vector<Candidate>& all = candidates_[record.id];
    all.clear();
    for (const auto& [site, learnt, there] : lanes_.considered()) {
        all.push_back({stations_[site].description, site == record.site, there.room, learnt,
                       there.wait, there.transfer, there.run});
    }
}

void TaskPlane::learn(const TaskRecord& record, Attempt& attempt, std::uint64_t output_bytes) {
    if (explain_) {
        if (const auto found = candidates_.find(record.id); found != candidates_.end()) {
            attempt.candidates = std::move(found->second);
            candidates_.erase(found);
        }
    }
    if (attempt.wall.count() <= 0 || (elastic_ == 0 && attempt.wall < worth_learning)) {
        return;  // it was not measured or did not run; or nobody will ask
    }
    const core::Learnt* const learnt = costs_.find(record.kind());
    if (learnt != nullptr && learnt->overdue(record.site, attempt.wall)) {
        attempt.notes.push_back("ran " + base::in_words(attempt.wall) + " where " +
                                base::in_words(*learnt->seen_at(record.site)) + " were expected");
    }
    if (attempt.ending.end == End::exited || attempt.ending.end == End::timed_out) {
        costs_.ran(record.kind(), record.site, attempt.wall, output_bytes);
        base::BootTime& mean = sites_[record.site].mean_run;
        mean = core::smoothed(mean, attempt.wall);
    }
}

void TaskPlane::returned(const AttemptId& id) noexcept {
    Lock lock(mutex_);
    const auto found = running_.find(id.task);
    if (found == running_.end() || !found->second->state.current(id)) {
        return;
    }
    TaskRecord& record = *found->second;
    running_.erase(found);
    leave_site(record);
    candidates_.erase(record.id);
    record.came_back = true;
    record.state.withdraw();
    ++stats_.attempts_returned;
    Deferred deferred;
    if (record.cancel_requested) {
        settle(record, cancelled_outcome(record), deferred);
    } else {
        enqueue(record, true, deferred);
    }
    run(lock, deferred);
}

void TaskPlane::ask_back(Deferred& deferred) {
    for (std::size_t here = 0; here < sites_.size(); ++here) {
        if (sites_[here].elastic || sites_[here].free_slots == 0 || lanes_.wanted(here)) {
            continue;
        }
        for (std::size_t there = 0; there < sites_.size(); ++there) {
            Station& station = stations_[there];
            if (station.asked) {
                continue;
            }
            std::size_t looked_at = 0;
            for (const TaskRecord* one = station.held.back();
                 one != nullptr && looked_at < looked_at_for_return;
                 one = one->previous, ++looked_at) {
                if (((one->sites >> here) & 1U) != 0 && lanes_.better_back(*one, here, sites_)) {
                    station.asked = true;
                    deferred.calls.push_back(
                        {executors_[there].get(), {}, sites_[here].free_slots});
                    break;
                }
            }
        }
    }
}

std::vector<Capabilities> TaskPlane::capabilities() const {
    std::vector<Capabilities> all;
    // ORDER: acquire, pairs with open()
    const std::size_t enrolled = enrolled_.load(std::memory_order_acquire);
    for (std::size_t site = 0; site < enrolled; ++site) {
        all.push_back(roster_[site].executor->capabilities());
    }
    return all;
}

void TaskPlane::help(TaskRecord& record) noexcept {
    class Ready final : public Awaited {
      public:
        explicit Ready(const StateBase& state) noexcept : state_(state) {}
        [[nodiscard]] bool there() const noexcept override { return state_.ready(); }

      private:
        const StateBase& state_;
    };
    Lock lock(mutex_);
    if (record.phase != TaskPhase::running) {
        return;
    }
    Executor& executor = *executors_[record.site];
    lock.unlock();
    try {
        executor.help(Ready(record));
    } catch (...) {  // contract of Executor: the caller waits as it would have
    }
}

}  // namespace repartir::detail
