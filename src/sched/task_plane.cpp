// SPDX-License-Identifier: MIT
#include "sched/task_plane.hpp"

#include <algorithm>
#include <string>

#include "repartir/detail/call.hpp"
#include "sched/crew_impl.hpp"
#include "sched/task_plane_impl.hpp"

namespace repartir::detail {
namespace {

constexpr std::chrono::milliseconds look_for_room{16};  // of a submitter that waits, how often

void call_cancel(Executor& executor, const AttemptId& id) noexcept {
    try {
        executor.cancel(id, CancelReason::cancelled, false);
    } catch (...) {  // contract of Executor: the attempt then ends as it will
    }
}

void call_give_back(Executor& executor, std::uint32_t most) noexcept {
    try {
        static_cast<void>(executor.give_back(most));
    } catch (...) {  // contract of Executor: it keeps what it has
    }
}

}  // namespace

TaskPlane::TaskPlane(Crew& crew, const SchedulerOptions& options)
    : crew_(crew),
      capacity_(options.queue_capacity),
      on_full_(options.on_full),
      explain_(options.explain),
      issuer_(base::random_seed()),
      job_(JobId::random()),
      random_(base::random_seed()) {
    if (explain_) {
        lanes_.keep_considered();
    }
}

TaskPlane::~TaskPlane() { door_->close(); }

Pending<Outcome> TaskPlane::schedule(Task task) {
    Result<SharedState<Outcome>*> accepted = accept(std::move(task));
    if (accepted) {
        // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDelete): join() gives up one of two references
        return Pending<Outcome>(*accepted);
    }
    auto* refused = new SharedState<Outcome>(&crew_);
    refused->resolve(fail(std::move(accepted).error()));
    return Pending<Outcome>(refused);
}

Result<SharedState<Outcome>*> TaskPlane::accept(Task&& task) {
    if (Result<void> valid = task.validate(); !valid) {
        return fail(std::move(valid).error());
    }
    const Willing willing = ask(task);
    Lock lock(mutex_);
    const Result<core::SiteSet> sites = admit(task, willing);
    if (!sites) {
        return fail(sites.error());
    }
    const std::string& key = task.extras().idempotency_key;
    if (KeyEntry* entry = keys_.to_join(key); entry != nullptr) {
        return join(*entry, task);
    }
    if (Result<void> room = wait_for_room(lock); !room) {
        return fail(std::move(room).error());
    }
    if (KeyEntry* entry = keys_.to_join(key); entry != nullptr) {
        return join(*entry, task);  // somebody submitted the key while this thread waited
    }
    const bool keyed = !key.empty();
    longest_grace_ = std::max(longest_grace_, task.kill_grace());
    auto* record = new TaskRecord(&crew_, door_, std::move(task), TaskId{job_, next_element_});
    if (++next_element_ == 0) {
        job_ = JobId::random();
    }
    record->retain();  // the plane's reference, beside the Pending's
    record->sites = *sites;
    record->keyed = keyed;
    if (keyed) {
        keys_.insert(*record);
    }
    ++live_;
    ++stats_.tasks_accepted;
    Deferred deferred;
    enqueue(*record, false, deferred);
    run(lock, deferred);
    return record;
}

Result<core::SiteSet> TaskPlane::admit(const Task& task, const Willing& willing) const {
    if (closed_) {
        return fail(
            refusal(Code::shut_down, Fault::user,
                    "the pool is shut down and takes no more tasks: submit before shutdown"));
    }
    const core::Demand demand = core::demand_of(task);
    const core::SiteSet able = core::eligible(demand, sites_);
    if (able == 0) {
        return fail(refusal(Code::cannot_schedule, Fault::policy, core::why_never(demand, sites_)));
    }
    if ((able & willing.sites) == 0) {
        std::string sentence = "no executor takes the task";
        if (willing.why_not) {
            sentence += ": " + willing.why_not->sentence();
        }
        return fail(refusal(Code::cannot_schedule, Fault::policy, std::move(sentence)));
    }
    return core::preferred(demand, able & willing.sites, sites_);
}

Result<void> TaskPlane::wait_for_room(Lock& lock) {
    const auto full = [this] { return waiting() >= capacity_; };
    if (!full()) {
        return {};
    }
    if (on_full_ == OnFull::refuse || crew_.on_own_thread() || needs_this_thread()) {
        return fail(refusal(Code::queue_full, Fault::user,
                            "the queue holds " + std::to_string(capacity_) +
                                " tasks, its capacity: submit again when some have finished"));
    }
    const StandIn spare;  // for a worker of another pool
    ++room_waiters_;
    // Woken when many places are free, not for each of them; so it looks for itself too.
    while (!room_.wait_for(lock, look_for_room, [&] { return closed_ || !full(); })) {}
    --room_waiters_;
    if (closed_) {
        return fail(refusal(Code::shut_down, Fault::user,
                            "the pool was shut down while the task waited for room in the queue"));
    }
    return {};
}

Result<SharedState<Outcome>*> TaskPlane::join(KeyEntry& entry, const Task& task) {
    if (!same_work(entry.task, task)) {
        return fail(refusal(Code::idempotency_conflict, Fault::user,
                            "the idempotency key '" + task.extras().idempotency_key +
                                "' belongs to a different task: use a key of its own"));
    }
    if (entry.live == nullptr) {
        auto* finished = new SharedState<Outcome>(&crew_, 2);
        finished->resolve(entry.outcome);
        finished->release();
        return finished;
    }
    auto* follower = new Follower(&crew_, door_, *entry.live);
    follower->retain();  // the table's reference, beside the Pending's
    entry.followers.push_back(follower);
    ++entry.interested;
    return follower;
}

void TaskPlane::pump(Lock& lock) noexcept {
    const std::thread::id self = std::this_thread::get_id();
    if (std::find(pumping_.begin(), pumping_.end(), self) != pumping_.end()) {
        return;  // the loop below, further up this stack, goes on
    }
    pumping_.push_back(self);
    while (TaskRecord* record = lanes_.pop_startable(sites_)) {
        start(lock, *record);
    }
    pumping_.erase(std::find(pumping_.begin(), pumping_.end(), self));
    const std::size_t slack = std::max<std::size_t>(1, capacity_ / 4);  // not a wake-up per task
    if (room_waiters_ > 0 && waiting() + slack <= capacity_) {
        room_.notify_all();
    }
}

void TaskPlane::start(Lock& lock, TaskRecord& record) noexcept {
    const AttemptId id = record.state.begin(record.id, issuer_);
    record.phase = TaskPhase::running;
    running_.emplace(record.id, &record);
    if (explain_) {
        keep_candidates(record);
    }
    if (sites_[record.site].elastic) {
        stations_[record.site].held.push_back(record);
        stations_[record.site].asked = false;
    }
    record.retain();  // it may finish, and go, while start() runs
    Executor& executor = *executors_[record.site];
    lock.unlock();
    call_start(executor, id, record.task);
    lock.lock();
    const bool cancelled_meanwhile = record.cancel_requested && record.state.current(id);
    lock.unlock();
    if (cancelled_meanwhile) {
        call_cancel(executor, id);
    }
    record.release();
    lock.lock();
}

void TaskPlane::call_start(Executor& executor, const AttemptId& id, const Task& task) noexcept {
    try {
        executor.start(id, task, *this);
    } catch (...) {
        AttemptResult failed;
        failed.attempt.error = Error(Domain::scheduler, Code::function_threw, Fault::node,
                                     "the executor could not start the task", thrown_error());
        finished(id, std::move(failed));  // of no effect if it has told of the end before it threw
    }
}

void TaskPlane::finished(const AttemptId& id, AttemptResult&& result) noexcept {
    Lock lock(mutex_);
    const auto found = running_.find(id.task);
    if (found == running_.end() || !found->second->state.current(id)) {
        return;  // superseded: its result is refused
    }
    TaskRecord& record = *found->second;
    running_.erase(found);
    leave_site(record);
    result.attempt.number = id.number;
    result.attempt.backend = sites_[record.site].backend;
    learn(record, result.attempt, result.out.size() + result.err.size());
    record.attempts.push_back(std::move(result.attempt));
    const Attempt& attempt = record.attempts.back();
    const auto delay = record.state.ended(attempt, record.task.retry_policy(), random_);
    Deferred deferred;
    if (delay && !record.cancel_requested) {
        ++stats_.attempts_retried;
        requeue(record, *delay, deferred);
    } else {
        if (record.state.poisoned()) {
            record.attempts.back().error = core::poison(record.attempts);
        }
        Outcome outcome;
        outcome.id = record.id;
        outcome.name = record.task.extras().name;
        outcome.ending = attempt.ending;
        outcome.attempts = std::move(record.attempts);
        outcome.out = std::move(result.out);
        outcome.err = std::move(result.err);
        outcome.buffers = std::move(result.buffers);
        settle(record, std::move(outcome), deferred);
    }
    run(lock, deferred);
}

void TaskPlane::requeue(TaskRecord& record, base::BootTime delay, Deferred& deferred) {
    if (delay.count() > 0) {
        if (!record.timer) {
            record.timer = std::make_unique<RetryTimer>(*this, record);
        }
        if (timekeeper_.schedule(*record.timer, base::later(base::now(), delay))) {
            record.phase = TaskPhase::backing_off;
            record.retain();  // the timer's reference: due() needs the mutex first
            backing_off_.push_back(record);
            ++backing_off_count_;
            return;
        }  // no timer to be had: try again at once rather than never
    }
    enqueue(record, false, deferred);
}

void TaskPlane::retry_due(TaskRecord& record) noexcept {
    Lock lock(mutex_);
    Deferred deferred;
    if (record.phase == TaskPhase::backing_off) {
        leave_backoff(record);
        enqueue(record, false, deferred);
    }
    run(lock, deferred);
    record.release();
}

void TaskPlane::leave_backoff(TaskRecord& record) noexcept {
    backing_off_.remove(record);
    --backing_off_count_;
}

void TaskPlane::settle(TaskRecord& record, Outcome&& outcome, Deferred& deferred) noexcept {
    record.phase = TaskPhase::done;
    ++stats_.tasks_finished;
    ++deferred.settled;
    if (record.keyed) {
        const std::string& key = record.task.extras().idempotency_key;
        const KeyEntry& entry = *keys_.find(key);
        for (Follower* follower : entry.followers) {
            follower->primary = nullptr;
            deferred.resolve(*follower, outcome);
        }
        keys_.finish(key, outcome);
    }
    deferred.resolve(record, std::move(outcome));
}

void TaskPlane::request_cancel(TaskRecord& record, Deferred& deferred) noexcept {
    switch (record.phase) {
        case TaskPhase::queued:
            lanes_.remove(record);
            settle(record, cancelled_outcome(record), deferred);
            break;
        case TaskPhase::backing_off:
            leave_backoff(record);
            if (timekeeper_.cancel(*record.timer)) {
                record.release();  // the timer's reference; the plane's own remains
            }
            // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDelete): as said, it remains
            settle(record, cancelled_outcome(record), deferred);
            break;
        case TaskPhase::running:
            record.cancel_requested = true;
            deferred.calls.push_back(
                {executors_[record.site].get(), record.state.id(record.id, issuer_)});
            break;
        case TaskPhase::done:
            break;
    }
}

void TaskPlane::cancel(TaskRecord& record) noexcept {
    Lock lock(mutex_);
    if (record.consumer_gone || record.phase == TaskPhase::done) {
        return;
    }
    record.consumer_gone = true;
    Deferred deferred;
    KeyEntry* entry = record.keyed ? keys_.find(record.task.extras().idempotency_key) : nullptr;
    if (entry != nullptr && --entry->interested > 0) {
        record.retain();
        deferred.resolve(record, cancelled_outcome(record));  // the work goes on for the followers
    } else {
        request_cancel(record, deferred);
    }
    run(lock, deferred);
}

void TaskPlane::cancel(Follower& follower) noexcept {
    Lock lock(mutex_);
    TaskRecord* primary = std::exchange(follower.primary, nullptr);
    if (primary == nullptr) {
        return;  // cancelled before, or the task has ended and its outcome is on the way
    }
    KeyEntry* entry = keys_.find(primary->task.extras().idempotency_key);
    std::erase(entry->followers, &follower);
    Deferred deferred;
    deferred.resolve(follower, cancelled_outcome(*primary));
    if (--entry->interested == 0) {
        request_cancel(*primary, deferred);
    }
    run(lock, deferred);
}

void TaskPlane::run(Lock& lock, Deferred& deferred) noexcept {
    pump(lock);
    if (elastic_ != 0) {
        end_too_large(deferred);
        ask_back(deferred);
    }
    lock.unlock();
    for (const auto& [executor, cancelled, most] : deferred.calls) {
        if (most != 0) {
            call_give_back(*executor, most);
        } else {
            call_cancel(*executor, cancelled);
        }
    }
    for (Deferred::Resolution& resolution : deferred.resolutions) {
        resolution.state->resolve(std::move(resolution.outcome));
        resolution.state->release();
    }
    if (deferred.settled > 0) {
        lock.lock();
        live_ -= deferred.settled;
        if (live_ == 0) {
            drained_.notify_all();
        }
        lock.unlock();
    }
}

bool TaskPlane::on_own_thread() const {
    const Lock lock(mutex_);
    return needs_this_thread();
}

bool TaskPlane::needs_this_thread() const noexcept {
    const auto needs = [](const auto& executor) { return executor->on_own_thread(); };
    return timekeeper_.on_own_thread() || std::ranges::any_of(executors_, needs);
}

void TaskPlane::count(SchedulerStats& stats) const {
    const Lock lock(mutex_);
    stats.tasks_accepted = stats_.tasks_accepted;
    stats.tasks_finished = stats_.tasks_finished;
    stats.tasks_queued = waiting();
    stats.tasks_running = running_.size();
    stats.attempts_retried = stats_.attempts_retried;
    stats.attempts_returned = stats_.attempts_returned;
}

}  // namespace repartir::detail
