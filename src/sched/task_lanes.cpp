// SPDX-License-Identifier: MIT
#include "sched/task_lanes.hpp"

#include <algorithm>
#include <bit>
#include <optional>

#include "core/turns.hpp"

namespace repartir::detail {
namespace {

std::size_t queue_of(const TaskRecord& record) noexcept {
    return static_cast<std::size_t>(record.task.priority());
}

/// @return whether it stands for machines of which each has room of its own.
bool of_machines(const core::Site& site) noexcept {
    return site.elastic && site.task_slots_max != 0 && site.task_slots_max < site.slots;
}

}  // namespace

TaskLanes::Lane* TaskLanes::lane_of(core::SiteSet sites, std::uint8_t group) noexcept {
    const auto lane = std::ranges::find_if(lanes_, [sites, group](const Lane& one) {
        return one.sites == sites && one.group == group;
    });
    return lane == lanes_.end() ? nullptr : &*lane;
}

std::uint8_t TaskLanes::group_of(const TaskRecord& record) const noexcept {
    const auto group = [](std::string_view bytes) {
        std::uint32_t hash = 2166136261U;  // G. Fowler, L. Noll, P. Vo: FNV-1a
        for (const char one : bytes) {
            hash = (hash ^ static_cast<std::uint8_t>(one)) * 16777619U;
        }
        return static_cast<std::uint8_t>(hash % groups);
    };
    if (has_choice(record.sites)) {
        return group(record.kind());
    }
    if (is_captive(record.sites)) {
        const core::Demand demand = core::demand_of(record.task);
        const std::array<std::uint64_t, 2> asked{demand.cores, demand.memory_bytes};
        const auto bytes = std::bit_cast<std::array<char, sizeof asked>>(asked);
        return group({bytes.data(), bytes.size()});
    }
    return 0;
}

TaskLanes::Lane& TaskLanes::make_lane_of(TaskRecord& record) {
    record.group = group_of(record);
    Lane* lane = lane_of(record.sites, record.group);
    if (lane == nullptr) {
        lane = &lanes_.emplace_back();
        lane->sites = record.sites;
        lane->group = record.group;
    }
    return *lane;
}

void TaskLanes::push(TaskRecord& record) {
    make_lane_of(record).queues[queue_of(record)].push_back(record);
    ++size_;
}

void TaskLanes::put_back(TaskRecord& record) {
    TaskQueue one;
    one.push_back(record);
    make_lane_of(record).queues[queue_of(record)].take_back(one);
    ++size_;
}

void TaskLanes::remove(TaskRecord& record) noexcept {
    Lane& lane = *lane_of(record.sites, record.group);
    (record.too_large ? lane.aside : lane.queues)[queue_of(record)].remove(record);
    aside_ -= record.too_large ? 1U : 0U;
    record.too_large = false;
    --size_;
}

void TaskLanes::left(const TaskRecord& record) noexcept {
    lane_of(record.sites, record.group)->booked -= record.task.cores();
}

std::array<Priority, 3> TaskLanes::next_order() const noexcept {
    switch (core::turn_after(starts_).value_or(Priority::high)) {
        case Priority::low:
            return {Priority::low, Priority::normal, Priority::high};
        case Priority::normal:
            return {Priority::normal, Priority::high, Priority::low};
        case Priority::high:
            break;
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

core::Question TaskLanes::question_of(const TaskRecord& record, core::SiteSet blocked,
                                      const QueueTimes& queue) const noexcept {
    return {core::demand_of(record.task),     record.sites, blocked, costs_.find(record.kind()),
            core::bytes_to_move(record.task), queue};
}

TaskLanes::QueueTimes TaskLanes::queue_times(std::size_t priority,
                                             std::span<const core::Site> sites) const noexcept {
    QueueTimes times{};
    for (const Lane& lane : lanes_) {
        for (std::size_t queue = 0; queue <= priority; ++queue) {
            const TaskRecord* const head = lane.queues[queue].front();
            if (head == nullptr) {
                continue;
            }
            const core::Learnt* const learnt = costs_.find(head->kind());
            for (std::size_t i = 0; i < sites.size(); ++i) {
                if (((lane.sites >> i) & 1U) != 0) {
                    const auto run = learnt != nullptr ? learnt->run_at(i) : std::nullopt;
                    times[i] +=
                        core::queue_time(lane.queues[queue].size(), run.value_or(sites[i].mean_run),
                                         head->task.cores(), sites[i]);
                    times[i] = std::min(times[i], core::run_max);
                }
            }
        }
    }
    return times;
}

core::Choice TaskLanes::find_room(const Lane& lane, const TaskRecord& head, core::SiteSet blocked,
                                  std::span<const core::Site> sites) const noexcept {
    const core::Demand demand = core::demand_of(head.task);
    const core::SiteSet open = head.sites & ~blocked;
    if (open == 0 || !is_captive(head.sites)) {
        return {core::place(demand, open, sites), head.sites};
    }
    const auto only = static_cast<std::size_t>(std::countr_zero(open));
    if (!of_machines(sites[only])) {
        return {core::place(demand, open, sites), head.sites};
    }
    core::Site site = sites[only];  // as if nothing of another kind were there
    site.free_slots =
        site.slots - static_cast<std::uint32_t>(std::min<std::uint64_t>(lane.booked, site.slots));
    return {core::has_room(demand, site) ? std::optional(only) : std::nullopt, 0};
}

core::Choice TaskLanes::choose(const Lane& lane, core::SiteSet blocked, std::size_t queue,
                               std::span<const core::Site> sites) {
    const TaskRecord& head = *lane.queues[queue].front();
    core::Choice choice = find_room(lane, head, blocked, sites);
    if (!has_choice(head.sites) && !keep_considered_) {
        return choice;
    }
    const core::Demand demand = core::demand_of(head.task);
    const QueueTimes times = queue_times(queue, sites);
    const core::Question question = question_of(head, blocked, times);
    if (has_choice(head.sites)) {
        const auto here = head.came_back
                              ? core::place(demand, head.sites & ~blocked & ~elastic_, sites)
                              : std::nullopt;  // it was asked for, so as to run here
        choice = here ? core::Choice{here, 0} : core::choose(question, sites);
    }
    if (keep_considered_ && choice.site) {
        considered_.clear();
        for (std::size_t i = 0; i < sites.size(); ++i) {
            if (((head.sites >> i) & 1U) != 0) {
                considered_.push_back(
                    {i, question.learnt != nullptr, core::prospect(question, i, sites)});
            }
        }
    }
    return choice;
}

TaskRecord* TaskLanes::pop_startable(std::span<core::Site> sites) noexcept {
    const auto is_full = [](const core::Site& site) {
        return site.free_slots == 0 && !of_machines(site);
    };
    if (size_ == 0 || std::ranges::all_of(sites, is_full)) {
        return nullptr;
    }
    core::SiteSet waited_for = 0;  // sites that a task ahead in the order waits for
    for (const Priority priority : next_order()) {
        const auto queue = static_cast<std::size_t>(priority);
        for (Lane& lane : lanes_) {
            lane.tried = false;
            if ((lane.sites & ~elastic_) == 0) {  // others were large enough when the task came
                set_aside(lane, queue, sites);
            }
        }
        while (Lane* const lane = next_lane(queue)) {
            lane->tried = true;
            TaskRecord* const head = lane->queues[queue].front();
            const core::Choice choice = choose(*lane, waited_for, queue, sites);
            if (!choice.site) {
                waited_for |= choice.waits_for;
                continue;
            }
            core::take(core::demand_of(head->task), sites[*choice.site]);
            head->site = static_cast<std::uint8_t>(*choice.site);
            remove(*head);
            lane->booked += head->task.cores();
            ++starts_;
            return head;
        }
    }
    return nullptr;
}

bool TaskLanes::better_back(const TaskRecord& record, std::size_t here,
                            std::span<const core::Site> sites) const noexcept {
    return core::better_back(question_of(record, 0, {}), record.site, here, sites);
}

void TaskLanes::set_aside(Lane& lane, std::size_t queue,
                          std::span<const core::Site> sites) noexcept {
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
        ++aside_;
        lane.aside[queue].push_back(*head);
    }
}

TaskRecord* TaskLanes::pop_of(Lane& lane) noexcept {
    for (auto* queues : {&lane.queues, &lane.aside}) {
        for (const TaskQueue& queue : *queues) {
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

TaskRecord* TaskLanes::pop_aside_within(core::SiteSet these) noexcept {
    if (aside_ == 0) {
        return nullptr;
    }
    for (Lane& lane : lanes_) {
        if ((lane.sites & ~these) != 0) {
            continue;
        }
        for (const TaskQueue& queue : lane.aside) {
            if (TaskRecord* const first = queue.front(); first != nullptr) {
                remove(*first);
                return first;
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
                --aside_;
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
