// SPDX-License-Identifier: MIT
#pragma once
/// @file task_plane.hpp The scheduler's half for programs and pipelines: queue, start, retry,
/// finish.
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/prng.hpp"
#include "core/attempt.hpp"
#include "core/cost.hpp"
#include "core/placement.hpp"
#include "repartir/executor.hpp"
#include "repartir/pending.hpp"
#include "repartir/scheduler.hpp"
#include "sched/key_table.hpp"
#include "sched/plane_door.hpp"
#include "sched/task_lanes.hpp"
#include "sched/timekeeper.hpp"

namespace repartir::detail {

class Crew;

/// Accepts tasks, hands attempts to executors as they have room, tries again what may be tried
/// again, and ends every accepted task in exactly one Outcome.
///
/// One mutex guards all of it: a task costs hundreds of microseconds elsewhere. No call into an
/// executor, and no resolving of a Pending, happens under it.
///
/// Thread safety: every function from any thread.
class TaskPlane final : public AttemptSink {
  public:
    TaskPlane(Crew& crew, const SchedulerOptions& options);
    ~TaskPlane() override;

    Result<void> register_backend(Backend backend, std::unique_ptr<Executor> executor);
    [[nodiscard]] Pending<Outcome> schedule(Task task);

    /// Refuses later submissions; with Shutdown::cancel also ends what is queued and asks what runs
    /// to end. Never blocks. Idempotent.
    void close(Shutdown how);
    /// After close(): waits until every task has its Outcome, then stops the executors.
    void wait_closed();

    /// @return whether the calling thread is one that an executor needs, or the plane's own.
    [[nodiscard]] bool on_own_thread() const;
    void count(SchedulerStats& stats) const;
    [[nodiscard]] std::vector<Capabilities> capabilities() const;

    void finished(const AttemptId& id, AttemptResult&& result) noexcept override;
    void returned(const AttemptId& id) noexcept override;
    void capacity_changed(Executor& executor, Capabilities now) noexcept override;
    void cancel(TaskRecord& record) noexcept;
    void cancel(Follower& follower) noexcept;
    void retry_due(TaskRecord& record) noexcept;
    /// Lends the calling thread, which waits for a task, to the executor that runs it.
    void help(TaskRecord& record) noexcept;

  private:
    using Lock = std::unique_lock<std::mutex>;
    /// What is to be done once the mutex is free: Pendings to resolve, attempts to cancel.
    struct Deferred;
    /// What there is to know of an executor beside its Site.
    struct Station {
        TaskQueue held;                    // of an elastic one: what it has, in order of start
        std::optional<Capabilities> told;  // before it is open
        std::optional<Error> unreachable;
        std::string description;
        bool open = false;   // its observe() has returned
        bool asked = false;  // to give back, and nothing has happened there since
    };
    /// Which executors would run a task, and what the first that would not says.
    struct Willing {
        core::SiteSet sites = 0;
        std::optional<Error> why_not;
    };

    void open(std::size_t site, Capabilities&& can, Deferred& deferred);
    void resize(std::size_t at, Capabilities&& now, Deferred& deferred);
    /// Without the mutex. @return who takes the task, of those that are open
    [[nodiscard]] Willing ask(const Task& task) const noexcept;
    /// @return the state behind the new Pending, with one reference for it.
    [[nodiscard]] Result<SharedState<Outcome>*> accept(Task&& task);
    /// @return the executors that can run it.
    [[nodiscard]] Result<core::SiteSet> admit(const Task& task, const Willing& willing) const;
    [[nodiscard]] std::size_t waiting() const noexcept {
        return lanes_.size() + backing_off_count_;
    }
    /// As on_own_thread(), under the mutex.
    [[nodiscard]] bool needs_this_thread() const noexcept;
    [[nodiscard]] Result<void> wait_for_room(Lock& lock);
    [[nodiscard]] Result<SharedState<Outcome>*> join(KeyEntry& entry, const Task& task);
    void pump(Lock& lock) noexcept;
    void start(Lock& lock, TaskRecord& record) noexcept;
    /// Calls an executor, which may be the user's own, without the mutex.
    void call_start(Executor& executor, const AttemptId& id, const Task& task) noexcept;
    void request_cancel(TaskRecord& record, Deferred& deferred) noexcept;
    void settle(TaskRecord& record, Outcome&& outcome, Deferred& deferred) noexcept;
    void requeue(TaskRecord& record, base::BootTime delay, Deferred& deferred);
    /// Has a task wait, or end when those that could run it are out of reach for good.
    /// @param back it was here before
    void enqueue(TaskRecord& record, bool back, Deferred& deferred);
    void settle_unreachable(TaskRecord& record, Deferred& deferred) noexcept;
    /// Ends tasks for which nobody is large enough, nor to be expected.
    void end_too_large(Deferred& deferred) noexcept;
    /// Ends a task that waits, without a try. @param why as its only attempt's
    void settle_unbegun(TaskRecord& record, Error why, Deferred& deferred) noexcept;
    /// Keeps why the task starts where it does.
    void keep_candidates(const TaskRecord& record);
    /// An attempt ended: how long it ran is remembered, and remarked on.
    void learn(const TaskRecord& record, Attempt& attempt, std::uint64_t output_bytes);
    /// Its executor has no more to do with it.
    void leave_site(TaskRecord& record) noexcept;
    /// Asks elastic executors for what others could run at once.
    void ask_back(Deferred& deferred);
    void leave_backoff(TaskRecord& record) noexcept;
    /// Starts what can start, then, without the mutex, does what was deferred. Ends unlocked.
    void run(Lock& lock, Deferred& deferred) noexcept;
    void abandon_running() noexcept;

    Crew& crew_;
    const std::shared_ptr<PlaneDoor> door_ = std::make_shared<PlaneDoor>(*this);
    const std::uint32_t capacity_;
    const OnFull on_full_;
    const bool explain_;

    mutable std::mutex mutex_;
    std::condition_variable room_;     // a place in the queue is free, or closed
    std::condition_variable drained_;  // the last task ended
    std::vector<std::unique_ptr<Executor>> executors_;
    struct Enrolled {
        Executor* executor = nullptr;
        Backend backend = Backend::cpu;
    };
    std::array<Enrolled, core::sites_max> roster_{};  // likewise, to be read without the mutex
    std::atomic<std::size_t> enrolled_{0};            // how many of the roster there are
    std::vector<core::Site> sites_;                   // beside executors_
    std::vector<Station> stations_;                   // likewise
    core::SiteSet elastic_ = 0;
    core::SiteSet unreachable_ = 0;
    core::SiteSet settled_ = 0;
    core::CostBook costs_;
    TaskLanes lanes_{costs_};
    std::unordered_map<TaskId, std::vector<Candidate>> candidates_;  // of running_, to explain
    std::unordered_map<TaskId, TaskRecord*> running_;                // each holds one reference
    KeyTable keys_;
    std::vector<std::thread::id> pumping_;  // threads inside pump(): a start() may finish at once
    core::Issuer issuer_;
    JobId job_;
    std::uint32_t next_element_ = 0;
    base::Prng random_;
    SchedulerStats stats_;
    TaskQueue backing_off_;  // those that wait for a retry
    std::size_t backing_off_count_ = 0;
    std::uint64_t live_ = 0;  // accepted, not resolved
    std::uint32_t room_waiters_ = 0;
    bool closed_ = false;
    bool cancelling_ = false;
    bool stopping_ = false;                       // somebody stops the executors
    bool stopped_ = false;                        // they are stopped
    std::chrono::milliseconds longest_grace_{0};  // of the tasks accepted so far
    sched::Timekeeper timekeeper_;                // last: its thread calls into the rest
};

}  // namespace repartir::detail
