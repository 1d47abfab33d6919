// SPDX-License-Identifier: MIT
#pragma once
/// @file task_lanes.hpp The order in which waiting tasks start. Pure; guarded by its owner's mutex.
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/cost.hpp"
#include "sched/task_record.hpp"

namespace repartir::detail {

/// Waiting tasks by priority, first in first out within one. Tasks that the same set of executors
/// can run share a queue per priority, so that one that waits for a busy GPU never holds back one
/// for a CPU. The oldest head goes first, and nothing overtakes it on the executors that it waits
/// for: a task that waits for four free cores holds back those behind it, and so cannot starve.
///
/// Where an elastic executor is among those that can run a task, costs decide between them
/// (core/cost.hpp), and a task may wait for a busy one rather than start on an idle one. Tasks of
/// different names then stand in different queues, as far as there are some, so that one that is
/// better off here does not hold back one that is better off there.
///
/// An elastic executor of several machines has room for one task where it has none for another: so
/// tasks that only it can run stand in different queues by what they ask for, and each queue may
/// have as much there as all of it. The executor knows which of its machines suits which.
///
/// A task that is larger than all its executors are now stands aside until one has grown, and holds
/// nobody back.
///
/// High goes first, except that every so often normal and low have their turns (core/turns.hpp): a
/// normal head starts within 31 starts, a low one within 61.
class TaskLanes {
  public:
    /// @param costs outlives this
    explicit TaskLanes(const core::CostBook& costs) noexcept : costs_(costs) {}

    /// Appends a task to the queue of its priority and set of sites. May allocate for a new set.
    void push(TaskRecord& record);
    /// As push(), but before the tasks that were accepted after it: it was here before.
    void put_back(TaskRecord& record);
    void remove(TaskRecord& record) noexcept;
    /// A task that was popped is at its site no more.
    void left(const TaskRecord& record) noexcept;
    /// Takes out the task that starts next on a site with room, and books it there.
    /// @return nullptr when none can start now.
    [[nodiscard]] TaskRecord* pop_startable(std::span<core::Site> sites) noexcept;
    /// Takes any one task out. @return nullptr when empty.
    [[nodiscard]] TaskRecord* pop_any() noexcept;
    /// Takes any one task out that only sites of `these` could run. @return nullptr when none.
    [[nodiscard]] TaskRecord* pop_within(core::SiteSet these) noexcept;
    /// Takes any one task out that stands aside and that only sites of `these` could run.
    /// @return nullptr when none.
    [[nodiscard]] TaskRecord* pop_aside_within(core::SiteSet these) noexcept;
    /// The site is elastic: tasks may be too large for it as it is.
    void site_is_elastic(std::size_t site) noexcept { elastic_ |= core::SiteSet{1} << site; }
    /// A site can take more than before: what stood aside is looked at again.
    void site_grew(std::size_t site) noexcept;
    /// @return whether a task that an elastic site holds, and has perhaps not begun, would be done
    /// sooner `here`, where nothing waits.
    [[nodiscard]] bool better_back(const TaskRecord& record, std::size_t here,
                                   std::span<const core::Site> sites) const noexcept;
    /// @return whether a task waits that the site could run, now or when it is free.
    [[nodiscard]] bool wanted(std::size_t site) const noexcept;
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// What the task that was popped last would have found at a site.
    struct Considered {
        std::size_t site = 0;
        bool learnt = false;
        core::Prospect prospect;
    };
    /// From now on keeps what considered() returns.
    void keep_considered() noexcept { keep_considered_ = true; }
    [[nodiscard]] std::span<const Considered> considered() const noexcept { return considered_; }

  private:
    static constexpr std::size_t groups = 32;  // of names or demands, for each set of sites
    struct Lane {
        core::SiteSet sites = 0;
        std::uint8_t group = 0;
        std::array<TaskQueue, 3> queues;  // by priority
        std::array<TaskQueue, 3> aside;   // likewise: too large for the sites as they are
        std::uint64_t booked = 0;         // cores' worth of its tasks that are at a site
        bool tried = false;               // pop_startable() has looked at it
    };
    using QueueTimes = std::array<base::BootTime, core::sites_max>;
    Lane* lane_of(core::SiteSet sites, std::uint8_t group) noexcept;
    Lane& make_lane_of(TaskRecord& record);
    /// @return whether costs decide between sites.
    [[nodiscard]] bool has_choice(core::SiteSet sites) const noexcept {
        return (sites & elastic_) != 0 && (sites & (sites - 1)) != 0;
    }
    /// @return whether only one site can run a task, and that is elastic.
    [[nodiscard]] bool is_captive(core::SiteSet sites) const noexcept {
        return (sites & elastic_) != 0 && (sites & (sites - 1)) == 0;
    }
    [[nodiscard]] std::uint8_t group_of(const TaskRecord& record) const noexcept;
    [[nodiscard]] core::Question question_of(const TaskRecord& record, core::SiteSet blocked,
                                             const QueueTimes& queue) const noexcept;
    /// @return for each site, how long what waits for it will keep it busy, down to a priority.
    [[nodiscard]] QueueTimes queue_times(std::size_t priority,
                                         std::span<const core::Site> sites) const noexcept;
    [[nodiscard]] core::Choice choose(const Lane& lane, core::SiteSet blocked, std::size_t queue,
                                      std::span<const core::Site> sites);
    /// @return where the head of a lane has room now, whatever it costs.
    [[nodiscard]] core::Choice find_room(const Lane& lane, const TaskRecord& head,
                                         core::SiteSet blocked,
                                         std::span<const core::Site> sites) const noexcept;
    TaskRecord* pop_of(Lane& lane) noexcept;
    /// Has those at the head of a lane stand aside that none of its sites could run.
    void set_aside(Lane& lane, std::size_t queue, std::span<const core::Site> sites) noexcept;
    /// @return of the lanes not tried yet, the one whose head was accepted first.
    [[nodiscard]] Lane* next_lane(std::size_t queue) noexcept;
    [[nodiscard]] std::array<Priority, 3> next_order() const noexcept;

    const core::CostBook& costs_;
    std::vector<Lane> lanes_;
    std::vector<Considered> considered_;
    core::SiteSet elastic_ = 0;
    bool keep_considered_ = false;
    std::size_t size_ = 0;
    std::size_t aside_ = 0;  // of them, those that stand aside
    std::uint64_t starts_ = 0;
};

}  // namespace repartir::detail
