// SPDX-License-Identifier: MIT
#pragma once
/// @file task_record.hpp One accepted task inside the scheduler, and the queues it waits in.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/attempt.hpp"
#include "core/placement.hpp"
#include "repartir/detail/state.hpp"
#include "repartir/outcome.hpp"
#include "repartir/task.hpp"
#include "sched/plane_door.hpp"
#include "sched/timekeeper.hpp"

namespace repartir::detail {

class TaskPlane;
struct TaskRecord;

/// Brings a task back from its backoff. Holds a reference to its record while it is scheduled.
class RetryTimer final : public sched::Timed {
  public:
    RetryTimer(TaskPlane& plane, TaskRecord& record) noexcept : plane_(plane), record_(record) {}
    void due() noexcept override;

  private:
    TaskPlane& plane_;
    TaskRecord& record_;
};

/// Where a task stands. Guarded by the plane's mutex.
enum class TaskPhase : std::uint8_t { queued, running, backing_off, done };

/// One accepted task: the state behind its Pending, its attempts so far, its place in a queue. Kept
/// small, since a hundred thousand of them may wait. All but the base is guarded by the plane's
/// mutex.
struct TaskRecord final : SharedState<Outcome> {
    TaskRecord(Crew* crew, std::shared_ptr<PlaneDoor> way, Task&& what, const TaskId& identity)
        : SharedState<Outcome>(crew), door(std::move(way)), task(std::move(what)), id(identity) {}
    void cancel() noexcept override;
    [[nodiscard]] std::optional<Result<Outcome>> run_for_consumer() noexcept override;
    /// @return under which name it is known how long tasks like this one run.
    [[nodiscard]] std::string_view kind() const noexcept {
        const std::string& name = task.extras().name;
        return name.empty() ? task.program().path() : std::string_view(name);
    }

    const std::shared_ptr<PlaneDoor> door;
    Task task;
    TaskId id;
    TaskRecord* previous = nullptr;
    TaskRecord* next = nullptr;
    core::SiteSet sites = 0;  // executors that could ever run it
    core::AttemptState state;
    std::vector<Attempt> attempts;      // ended ones
    std::unique_ptr<RetryTimer> timer;  // made at the first backoff
    std::uint8_t site = 0;              // while running: who runs it
    TaskPhase phase = TaskPhase::queued;
    std::uint8_t group = 0;         // of its lane
    bool too_large = false;         // while queued: for its executors as they are now
    bool came_back = false;         // unbegun, from an elastic executor
    bool cancel_requested = false;  // the attempt that runs is to end, no other follows
    bool consumer_gone = false;     // its own Pending was cancelled or dropped
    bool keyed = false;             // has an idempotency key
};

/// First in, first out, with removal from the middle. Does not own what it holds. A task is in one
/// at most: while it waits, or while an elastic executor holds it.
class TaskQueue {
  public:
    [[nodiscard]] TaskRecord* front() const noexcept { return first_; }
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    void push_back(TaskRecord& record) noexcept {
        ++size_;
        record.previous = last_;
        record.next = nullptr;
        (last_ == nullptr ? first_ : last_->next) = &record;
        last_ = &record;
    }
    /// Puts tasks back among those that wait, before those that were accepted after them.
    /// @param from their queue, in that order; empty then
    void take_back(TaskQueue& from) noexcept {
        TaskRecord* after = first_;
        while (TaskRecord* const record = from.first_) {
            from.remove(*record);
            while (after != nullptr && after->id.element < record->id.element) {
                after = after->next;
            }
            insert_before(after, *record);
        }
    }
    void remove(TaskRecord& record) noexcept {
        --size_;
        (record.previous == nullptr ? first_ : record.previous->next) = record.next;
        (record.next == nullptr ? last_ : record.next->previous) = record.previous;
        record.previous = nullptr;
        record.next = nullptr;
    }

    [[nodiscard]] TaskRecord* back() const noexcept { return last_; }

  private:
    /// @param after nullptr: at the end
    void insert_before(TaskRecord* after, TaskRecord& record) noexcept {
        if (after == nullptr) {
            push_back(record);
            return;
        }
        ++size_;
        record.previous = after->previous;
        record.next = after;
        (record.previous == nullptr ? first_ : record.previous->next) = &record;
        after->previous = &record;
    }

    TaskRecord* first_ = nullptr;
    TaskRecord* last_ = nullptr;
    std::uint64_t size_ = 0;
};

}  // namespace repartir::detail
