// SPDX-License-Identifier: MIT
#include "sched/task_record.hpp"

#include "repartir/detail/call.hpp"
#include "repartir/detail/crew.hpp"
#include "sched/key_table.hpp"
#include "sched/task_plane.hpp"

namespace repartir::detail {
namespace {

/// Runs nothing; refuses to wait on a thread that tasks need to end, and has this one cancelled.
std::optional<Result<Outcome>> may_wait(PlaneDoor& door, StateBase& state) noexcept {
    bool needed = false;
    door.enter([&](const TaskPlane& plane) { needed = plane.on_own_thread(); });
    if (!needed) {
        return std::nullopt;
    }
    state.cancel();
    return fail(waits_for_itself_error());
}

}  // namespace

void RetryTimer::due() noexcept { plane_.retry_due(record_); }

void TaskRecord::cancel() noexcept {
    door->enter([this](TaskPlane& plane) { plane.cancel(*this); });
}

void Follower::cancel() noexcept {
    door->enter([this](TaskPlane& plane) { plane.cancel(*this); });
}

std::optional<Result<Outcome>> TaskRecord::run_for_consumer() noexcept {
    std::optional<Result<Outcome>> refused = may_wait(*door, *this);
    if (!refused && current_worker == nullptr) {  // a thread with nothing else to do
        door->enter([this](TaskPlane& plane) { plane.help(*this); });
    }
    return refused;
}

std::optional<Result<Outcome>> Follower::run_for_consumer() noexcept {
    return may_wait(*door, *this);
}

}  // namespace repartir::detail
