// SPDX-License-Identifier: MIT
#include "sched/task_record.hpp"

#include "sched/key_table.hpp"
#include "sched/task_plane.hpp"

namespace repartir::detail {

void RetryTimer::due() noexcept { plane_.retry_due(record_); }

void TaskRecord::cancel() noexcept {
    door->enter([this](TaskPlane& plane) { plane.cancel(*this); });
}

void Follower::cancel() noexcept {
    door->enter([this](TaskPlane& plane) { plane.cancel(*this); });
}

}  // namespace repartir::detail
