// SPDX-License-Identifier: MIT
#include "sched/task_lanes.hpp"

#include <algorithm>
#include <optional>

namespace repartir::detail {

TaskLanes::Lane* TaskLanes::lane_of(core::SiteSet sites) noexcept {
    const auto lane = std::find_if(lanes_.begin(), lanes_.end(),
                                   [sites](const Lane& one) { return one.sites == sites; });
    return lane == lanes_.end() ? nullptr : &*lane;
}

void TaskLanes::push(TaskRecord& record) {
    Lane* lane = lane_of(record.sites);
    if (lane == nullptr) {
        lane = &lanes_.emplace_back();
        lane->sites = record.sites;
    }
    lane->queues[static_cast<std::size_t>(record.task.priority())].push_back(record);
    ++size_;
}

void TaskLanes::remove(TaskRecord& record) noexcept {
    lane_of(record.sites)->queues[static_cast<std::size_t>(record.task.priority())].remove(record);
    --size_;
}

std::array<Priority, 3> TaskLanes::next_order() const noexcept {
    if (starts_ % low_period == low_period - 1) {
        return {Priority::low, Priority::normal, Priority::high};
    }
    if (starts_ % normal_period == normal_period - 1) {
        return {Priority::normal, Priority::high, Priority::low};
    }
    return {Priority::high, Priority::normal, Priority::low};
}

TaskLanes::Lane* TaskLanes::next_lane(std::size_t queue) noexcept {
    Lane* next = nullptr;
    for (Lane& lane : lanes_) {
        const TaskRecord* const head = lane.tried ? nullptr : lane.queues[queue].front();
        if (head != nullptr &&
            (next == nullptr || head->id.element < next->queues[queue].front()->id.element)) {
            next = &lane;
        }
    }
    return next;
}

TaskRecord* TaskLanes::pop_startable(std::span<core::Site> sites) noexcept {
    core::SiteSet waited_for = 0;  // sites that a task ahead in the order waits for
    for (const Priority priority : next_order()) {
        const auto queue = static_cast<std::size_t>(priority);
        for (Lane& lane : lanes_) {
            lane.tried = false;
        }
        while (Lane* const lane = next_lane(queue)) {
            lane->tried = true;
            TaskRecord* const head = lane->queues[queue].front();
            const core::Demand demand = core::demand_of(head->task);
            const auto site = core::place(demand, lane->sites & ~waited_for, sites);
            if (!site) {
                waited_for |= lane->sites;
                continue;
            }
            core::take(demand, sites[*site]);
            head->site = static_cast<std::uint32_t>(*site);
            remove(*head);
            ++starts_;
            return head;
        }
    }
    return nullptr;
}

TaskRecord* TaskLanes::pop_any() noexcept {
    for (Lane& lane : lanes_) {
        for (TaskQueue& queue : lane.queues) {
            if (TaskRecord* head = queue.front(); head != nullptr) {
                queue.remove(*head);
                --size_;
                return head;
            }
        }
    }
    return nullptr;
}

}  // namespace repartir::detail
