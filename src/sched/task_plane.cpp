// SPDX-License-Identifier: MIT
#include "sched/task_plane.hpp"

#include <algorithm>
#include <string>

#include "repartir/detail/call.hpp"
#include "sched/crew_impl.hpp"

namespace repartir::detail {
namespace {

constexpr std::chrono::seconds executor_patience{10};  // beyond the kill grace, at a cancel
constexpr std::chrono::milliseconds grace_max = std::chrono::hours(1);  // at a cancel
constexpr std::chrono::milliseconds look_for_room{16};  // of a submitter that waits, how often

Error refusal(Code code, Fault fault, std::string sentence) {
    return Error(Domain::scheduler, code, fault, std::move(sentence));
}

Outcome cancelled_outcome(const TaskRecord& record) {
    Outcome outcome;
    outcome.id = record.id;
    outcome.name = record.task.extras().name;
    outcome.attempts = record.attempts;
    outcome.ending = Ending{End::cancelled, 0};
    return outcome;
}

void call_cancel(Executor& executor, const AttemptId& id) noexcept {
    try {
        executor.cancel(id, CancelReason::cancelled, false);
    } catch (...) {  // contract of Executor: the attempt then ends as it will
    }
}

}  // namespace

struct TaskPlane::Deferred {
    struct Resolution {
        SharedState<Outcome>* state;  // one reference, given up after resolving
        Outcome outcome;
    };
    struct Cancellation {
        Executor* executor;
        AttemptId id;
    };
    std::vector<Resolution> resolutions;
    std::vector<Cancellation> cancellations;
    std::uint64_t settled = 0;

    void resolve(SharedState<Outcome>& state, Outcome outcome) {
        resolutions.push_back(Resolution{&state, std::move(outcome)});
    }
};

TaskPlane::TaskPlane(Crew& crew, const SchedulerOptions& options)
    : crew_(crew),
      capacity_(options.queue_capacity),
      on_full_(options.on_full),
      issuer_(base::random_seed()),
      job_(JobId::random()),
      random_(base::random_seed()) {}

TaskPlane::~TaskPlane() { door_->close(); }

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
    const Capabilities can = executor->capabilities();
    if (can.slots == 0) {
        return invalid("the executor '" + can.description + "' has no slots: give it at least one");
    }
    Lock lock(mutex_);
    if (closed_) {
        return fail(refusal(Code::shut_down, Fault::user,
                            "the scheduler is shut down: register executors before that"));
    }
    if (executors_.size() == core::sites_max) {
        return invalid("64 executors are registered already: no more can be");
    }
    sites_.push_back(core::Site{backend, can.slots, can.slots, can.memory_bytes, can.memory_bytes,
                                can.cgroup_limits});
    executors_.push_back(std::move(executor));
    std::vector<TaskRecord*> waiting;  // the newcomer may suit them
    while (TaskRecord* record = lanes_.pop_any()) {
        waiting.push_back(record);
    }
    for (TaskRecord* record : waiting) {
        record->sites = core::eligible(core::demand_of(record->task), sites_);
        lanes_.push(*record);
    }
    Deferred nothing;
    run(lock, nothing);
    return {};
}

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
    Lock lock(mutex_);
    if (Result<void> admitted = admit(task); !admitted) {
        return fail(std::move(admitted).error());
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
    record->sites = core::eligible(core::demand_of(record->task), sites_);
    record->keyed = keyed;
    if (keyed) {
        keys_.insert(*record);
    }
    lanes_.push(*record);
    ++live_;
    ++stats_.tasks_accepted;
    Deferred nothing;
    run(lock, nothing);
    return record;
}

Result<void> TaskPlane::admit(const Task& task) const {
    if (closed_) {
        return fail(
            refusal(Code::shut_down, Fault::user,
                    "the pool is shut down and takes no more tasks: submit before shutdown"));
    }
    const core::Demand demand = core::demand_of(task);
    if (core::eligible(demand, sites_) == 0) {
        return fail(refusal(Code::cannot_schedule, Fault::policy, core::why_never(demand, sites_)));
    }
    return {};
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
    core::give_back(core::demand_of(record.task), sites_[record.site]);
    result.attempt.number = id.number;
    result.attempt.backend = sites_[record.site].backend;
    record.attempts.push_back(std::move(result.attempt));
    const Attempt& attempt = record.attempts.back();
    const auto delay = record.state.ended(attempt, record.task.retry_policy(), random_);
    Deferred deferred;
    if (delay && !record.cancel_requested) {
        ++stats_.attempts_retried;
        requeue(record, *delay);
    } else {
        Outcome outcome;
        outcome.id = record.id;
        outcome.name = record.task.extras().name;
        outcome.ending = attempt.ending;
        outcome.attempts = std::move(record.attempts);
        outcome.out = std::move(result.out);
        outcome.err = std::move(result.err);
        settle(record, std::move(outcome), deferred);
    }
    run(lock, deferred);
}

void TaskPlane::requeue(TaskRecord& record, base::BootTime delay) {
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
    record.phase = TaskPhase::queued;
    lanes_.push(record);
}

void TaskPlane::retry_due(TaskRecord& record) noexcept {
    Lock lock(mutex_);
    if (record.phase == TaskPhase::backing_off) {
        leave_backoff(record);
        record.phase = TaskPhase::queued;
        lanes_.push(record);
    }
    Deferred nothing;
    run(lock, nothing);
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
            deferred.cancellations.push_back(
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
    lock.unlock();
    for (const Deferred::Cancellation& cancellation : deferred.cancellations) {
        call_cancel(*cancellation.executor, cancellation.id);
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

void TaskPlane::close(Shutdown how) {
    Lock lock(mutex_);
    closed_ = true;
    room_.notify_all();
    Deferred deferred;
    if (how == Shutdown::cancel && !cancelling_) {
        cancelling_ = true;
        drained_.notify_all();
        while (TaskRecord* record = lanes_.pop_any()) {
            settle(*record, cancelled_outcome(*record), deferred);
        }
        while (TaskRecord* record = backing_off_.front()) {
            request_cancel(*record, deferred);
        }
        for (const auto& [id, record] : running_) {
            request_cancel(*record, deferred);
        }
    }
    run(lock, deferred);
}

void TaskPlane::wait_closed() {
    Lock lock(mutex_);
    drained_.wait(lock, [this] { return live_ == 0 || cancelling_; });
    const std::chrono::milliseconds grace = std::min(longest_grace_, grace_max);
    drained_.wait_for(lock, grace + executor_patience, [this] { return live_ == 0; });
    if (std::exchange(stopping_, true)) {
        drained_.wait(lock, [this] { return stopped_; });
        return;
    }
    lock.unlock();
    for (const std::unique_ptr<Executor>& executor : executors_) {
        try {
            executor->shutdown();
        } catch (...) {  // contract of Executor: what it has not told, abandon_running() does
        }
    }
    abandon_running();
    lock.lock();
    stopped_ = true;
    drained_.notify_all();
}

void TaskPlane::abandon_running() noexcept {
    Lock lock(mutex_);
    Deferred deferred;
    for (const auto& [id, record] : running_) {
        Attempt attempt;
        attempt.number = record->state.number();
        attempt.backend = sites_[record->site].backend;
        attempt.error = refusal(Code::internal, Fault::node,
                                "the executor was stopped and never told how the task ended");
        record->attempts.push_back(std::move(attempt));
        Outcome outcome = cancelled_outcome(*record);
        outcome.ending = Ending{End::not_started, 0};
        settle(*record, std::move(outcome), deferred);
    }
    running_.clear();
    run(lock, deferred);
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
}

std::vector<Capabilities> TaskPlane::capabilities() const {
    const Lock lock(mutex_);
    std::vector<Capabilities> all;
    for (const std::unique_ptr<Executor>& executor : executors_) {
        all.push_back(executor->capabilities());
    }
    return all;
}

}  // namespace repartir::detail
