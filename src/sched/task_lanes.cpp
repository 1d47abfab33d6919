// SPDX-License-Identifier: MIT
#include "sched/task_lanes.hpp"

#include <algorithm>
#include <optional>

namespace repartir::detail {
namespace {

std::size_t queue_of(const TaskRecord& record) noexcept {
    return static_cast<std::size_t>(record.task.priority());
}

}  // namespace

TaskLanes::Lane* TaskLanes::lane_of(core::SiteSet sites) noexcept {
    const auto lane = std::find_if(lanes_.begin(), lanes_.end(),
                                   [sites](const Lane& one) { return one.sites == sites; });
    return lane == lanes_.end() ? nullptr : &*lane;
}

TaskLanes::Lane& TaskLanes::make_lane_of(core::SiteSet sites) {
    Lane* lane = lane_of(sites);
    if (lane == nullptr) {
        lane = &lanes_.emplace_back();
        lane->sites = sites;
    }
    return *lane;
}

void TaskLanes::push(TaskRecord& record) {
    make_lane_of(record.sites).queues[queue_of(record)].push_back(record);
    ++size_;
}

void TaskLanes::put_back(TaskRecord& record) {
    TaskQueue one;
    one.push_back(record);
    make_lane_of(record.sites).queues[queue_of(record)].take_back(one);
    ++size_;
}

void TaskLanes::remove(TaskRecord& record) noexcept {
    Lane& lane = *lane_of(record.sites);
    (record.too_large ? lane.aside : lane.queues)[queue_of(record)].remove(record);
    record.too_large = false;
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
            set_aside(lane, queue, sites);
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
            head->site = static_cast<std::uint8_t>(*site);
            remove(*head);
            ++starts_;
            return head;
        }
    }
    return nullptr;
}

void TaskLanes::set_aside(Lane& lane, std::size_t queue,
                          std::span<const core::Site> sites) noexcept {
    if ((lane.sites & ~elastic_) != 0) {
        return;  // what is not elastic was large enough when the task came, and stays so
    }
    while (TaskRecord* const head = lane.queues[queue].front()) {
        const core::Demand demand = core::demand_of(head->task);
        bool there = false;
        for (std::size_t i = 0; i < sites.size(); ++i) {
            if (((lane.sites >> i) & 1U) != 0 && sites[i].slots != 0) {
                if (core::fits(demand, sites[i])) {
                    return;
                }
                there = true;
            }
        }
        if (!there) {
            return;  // all of them wait, and hold nobody back
        }
        lane.queues[queue].remove(*head);
        head->too_large = true;
        lane.aside[queue].push_back(*head);
    }
}

TaskRecord* TaskLanes::pop_of(Lane& lane) noexcept {
    for (auto* queues : {&lane.queues, &lane.aside}) {
        for (TaskQueue& queue : *queues) {
            if (TaskRecord* head = queue.front(); head != nullptr) {
                remove(*head);
                return head;
            }
        }
    }
    return nullptr;
}

TaskRecord* TaskLanes::pop_any() noexcept { return pop_within(~core::SiteSet{0}); }

TaskRecord* TaskLanes::pop_within(core::SiteSet these) noexcept {
    for (Lane& lane : lanes_) {
        if ((lane.sites & ~these) == 0) {
            if (TaskRecord* record = pop_of(lane); record != nullptr) {
                return record;
            }
        }
    }
    return nullptr;
}

void TaskLanes::site_grew(std::size_t site) noexcept {
    for (Lane& lane : lanes_) {
        if (((lane.sites >> site) & 1U) == 0) {
            continue;
        }
        for (std::size_t queue = 0; queue < lane.queues.size(); ++queue) {
            for (TaskRecord* one = lane.aside[queue].front(); one != nullptr; one = one->next) {
                one->too_large = false;
            }
            lane.queues[queue].take_back(lane.aside[queue]);
        }
    }
}

bool TaskLanes::wanted(std::size_t site) const noexcept {
    return std::ranges::any_of(lanes_, [site](const Lane& lane) {
        const auto waits = [](const TaskQueue& queue) { return queue.front() != nullptr; };
        return ((lane.sites >> site) & 1U) != 0 && std::ranges::any_of(lane.queues, waits);
    });
}

}  // namespace repartir::detail
