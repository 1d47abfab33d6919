// SPDX-License-Identifier: MIT
// Which of several executors gets what, over simulated time.
#include "sched/task_lanes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/prng.hpp"

namespace repartir::detail {
namespace {

using namespace std::chrono_literals;
using base::BootTime;

/// Cores here and a far machine that is handed more than it runs, as the task plane and an executor
/// with a worker behind it would treat them. Everything takes simulated time.
class Cluster {
  public:
    Cluster(std::uint32_t here, std::uint32_t there, std::uint32_t prefetch, BootTime round_trip)
        : trip_(round_trip), far_running_(there) {
        sites_.resize(2);
        core::resize(sites_[0], here, 0);
        sites_[1].backend = Backend::remote;
        sites_[1].elastic = true;
        sites_[1].running_slots = there;
        sites_[1].round_trip = round_trip;
        core::resize(sites_[1], there + prefetch, 0);
        lanes_.site_is_elastic(1);
    }
    std::function<BootTime(const std::string&, std::size_t site)> run_time;
    std::function<void(const TaskRecord&)> on_start;
    std::function<void()> after_pump;

    void submit(const std::string& name, int count) {
        for (int i = 0; i < count; ++i) {
            TaskRecord& record = records_.emplace_back(
                nullptr, nullptr, Task::binary(name).affinity(Affinity::remote_allowed),
                TaskId{JobId(), next_++});
            record.sites = 0b11;
            lanes_.push(record);
        }
    }
    /// Runs all that was submitted. @return how long it took.
    BootTime run() {
        const BootTime begun = now_;
        pump();
        while (!events_.empty()) {
            const auto event = events_.begin();
            now_ = event->first;
            const auto what = std::move(event->second);
            events_.erase(event);
            what();
            pump();
        }
        EXPECT_EQ(lanes_.size(), 0U);
        EXPECT_EQ(sites_[0].free_slots, sites_[0].slots);
        EXPECT_EQ(sites_[1].free_slots, sites_[1].slots);
        return now_ - begun;
    }
    /// How many ended at a site since the last call.
    std::uint32_t ended(std::size_t site) { return std::exchange(ended_[site], 0U); }
    std::span<const core::Site> sites() const { return sites_; }
    const core::CostBook& costs() const { return costs_; }
    const std::deque<TaskRecord>& records() const { return records_; }
    std::uint64_t requests() const { return requests_; }  ///< to give back

  private:
    void at(BootTime when, std::function<void()> what) { events_.emplace(when, std::move(what)); }

    void pump() {
        while (TaskRecord* const record = lanes_.pop_startable(sites_)) {
            record->phase = TaskPhase::running;
            if (on_start) {
                on_start(*record);
            }
            if (record->site == 0) {
                const BootTime run = run_time(std::string(record->kind()), 0);
                at(now_ + run, [=, this] { end(*record, run); });
            } else {
                held_.push_back(*record);
                asked_ = false;
                at(now_ + trip_ / 2, [=, this] { far_queue_.push_back(record), far_next(); });
            }
        }
        if (!asked_ && sites_[0].free_slots != 0 && !lanes_.wanted(0) && held_.back() != nullptr &&
            lanes_.better_back(*held_.back(), 0, sites_)) {
            asked_ = true;
            ++requests_;
            at(now_ + trip_ / 2, [this] {
                if (!far_queue_.empty()) {
                    TaskRecord* const back = far_queue_.back();
                    far_queue_.pop_back();
                    at(now_ + trip_ / 2, [=, this] { come_back(*back); });
                }
            });
        }
        if (after_pump) {
            after_pump();
        }
    }
    void far_next() {
        while (far_busy_ < far_running_ && !far_queue_.empty()) {
            TaskRecord* const record = far_queue_.front();
            far_queue_.pop_front();
            ++far_busy_;
            const BootTime run = run_time(std::string(record->kind()), 1);
            at(now_ + run, [=, this] {
                --far_busy_;
                far_next();
                at(now_ + trip_ / 2, [=, this] { leave_far(*record), end(*record, run); });
            });
        }
    }
    void leave_far(TaskRecord& record) {
        held_.remove(record);
        asked_ = false;
    }
    void come_back(TaskRecord& record) {
        leave_far(record);
        core::give_back(core::demand_of(record.task), sites_[1]);
        lanes_.left(record);
        record.came_back = true;
        record.phase = TaskPhase::queued;
        lanes_.put_back(record);
    }
    void end(TaskRecord& record, BootTime run) {
        core::give_back(core::demand_of(record.task), sites_[record.site]);
        lanes_.left(record);
        costs_.ran(record.kind(), record.site, run, 0);
        BootTime& mean = sites_[record.site].mean_run;
        mean = core::smoothed(mean, run);
        ++ended_[record.site];
        record.phase = TaskPhase::done;
    }

    const BootTime trip_;
    const std::uint32_t far_running_;
    BootTime now_{0};
    std::vector<core::Site> sites_;
    core::CostBook costs_;
    TaskLanes lanes_{costs_};
    std::deque<TaskRecord> records_;
    std::multimap<BootTime, std::function<void()>> events_;
    TaskQueue held_;
    std::deque<TaskRecord*> far_queue_;
    std::uint32_t far_busy_ = 0;
    std::uint32_t next_ = 0;
    std::array<std::uint32_t, 2> ended_{};
    std::uint64_t requests_ = 0;
    bool asked_ = false;
};

/// @return the shortest time in which equal tasks can be done on cores here and there.
BootTime best_split(int tasks, BootTime run, int here, int there, BootTime trip) {
    const auto rounds = [](int count, int slots) { return (count + slots - 1) / slots; };
    BootTime best = BootTime::max();
    for (int near = 0; near <= tasks; ++near) {
        const BootTime far = near == tasks ? 0ns : trip + run * rounds(tasks - near, there);
        best = std::min(best, std::max(BootTime(run * rounds(near, here)), far));
    }
    return best;
}

TEST(Placement, LongTasksAreDoneWithinATwentiethOfTheBestSplit) {
    for (const int tasks : {4, 8, 20, 37, 40, 101, 102, 103, 1000}) {
        for (const std::uint32_t prefetch : {0U, 1U, 2U, 4U, 16U}) {
            Cluster cluster(2, 2, prefetch, 50ms);
            cluster.run_time = [](const std::string&, std::size_t) { return BootTime(1s); };
            cluster.submit("one second", 8);
            cluster.run();  // now it is known
            cluster.submit("one second", tasks);
            const BootTime best = best_split(tasks, 1s, 2, 2, 50ms);
            const BootTime took = cluster.run();
            EXPECT_LE(took, best + best / 20) << tasks << " tasks, " << prefetch;
            EXPECT_LE(cluster.requests(), static_cast<std::uint64_t>(tasks) + 8);
        }
    }
}

TEST(Placement, AMachineThatIsFourTimesAsFastGetsItsShare) {
    Cluster cluster(2, 2, 2, 50ms);
    cluster.run_time = [](const std::string&, std::size_t site) {
        return site == 0 ? BootTime(4s) : BootTime(1s);
    };
    cluster.submit("uneven", 200);
    const BootTime took = cluster.run();
    EXPECT_LE(took, 84s) << "40 here in 80 s, 160 there in 80.05";
    EXPECT_NEAR(cluster.ended(1), 160, 4);
}

TEST(Placement, ShortTasksStayHereUnlessTheWorkIsWorthTwentyTrips) {
    Cluster cluster(2, 2, 100, 50ms);
    cluster.run_time = [](const std::string&, std::size_t) { return BootTime(1ms); };
    cluster.submit("short", 4);
    cluster.run();
    cluster.ended(0), cluster.ended(1);
    cluster.submit("short", 2002);  // two begin at once: the others are worth 1 s
    cluster.run();
    EXPECT_EQ(cluster.ended(0), 2002U);
    EXPECT_EQ(cluster.ended(1), 0U);
    cluster.submit("short", 10'000);
    const BootTime took = cluster.run();
    EXPECT_GT(cluster.ended(1), 2000U);
    EXPECT_LT(took, 4s) << "5 s on two cores, 2.5 on four";
    EXPECT_EQ(cluster.requests(), 0U) << "fetching them back takes longer than running them there";
}

TEST(Placement, UnknownTasksAreTriedElsewhereWhenAllCoresHereAreBusy) {
    Cluster cluster(2, 2, 0, 50ms);
    std::vector<std::size_t> order;
    cluster.run_time = [](const std::string&, std::size_t) { return BootTime(1s); };
    cluster.on_start = [&](const TaskRecord& record) { order.push_back(record.site); };
    cluster.submit("unknown", 4);
    cluster.run();
    EXPECT_EQ(order, (std::vector<std::size_t>{0, 0, 1, 1}));
}

TEST(Placement, AShortTaskThatStaysHoldsBackNoLongOneThatShouldGo) {
    Cluster cluster(1, 1, 0, 50ms);
    cluster.run_time = [](const std::string& name, std::size_t) {
        return name == "short" ? BootTime(1ms) : BootTime(500ms);
    };
    cluster.submit("short", 2);
    cluster.submit("long", 2);
    cluster.run();
    std::vector<std::string> first;
    cluster.on_start = [&](const TaskRecord& record) {
        if (first.size() < 2) {
            first.push_back(std::string(record.kind()) + (record.site == 0 ? " here" : " there"));
        }
    };
    cluster.submit("short", 100);
    cluster.submit("long", 1);
    cluster.run();
    EXPECT_EQ(first, (std::vector<std::string>{"short here", "long there"}));
}

/// Whether a task that waits should have been started: there is room where it would be done first.
bool neglected(const Cluster& cluster, const TaskRecord& record, BootTime near_queue) {
    const core::Learnt* const learnt = cluster.costs().find(record.kind());
    const std::span<const core::Site> sites = cluster.sites();
    if (sites[0].free_slots != 0 && (learnt == nullptr || learnt->run_at(0) <= learnt->run_at(1))) {
        return true;  // nothing beats an idle core here
    }
    if (sites[1].free_slots == 0) {
        return false;
    }
    if (learnt == nullptr) {
        return true;
    }
    const std::uint32_t booked = sites[1].slots - sites[1].free_slots;
    const bool runs_at_once = booked < sites[1].running_slots;
    const bool is_short = *learnt->run_at(1) < sites[1].round_trip;
    return runs_at_once && (!is_short || near_queue > 20 * sites[1].round_trip) &&
           sites[1].round_trip + *learnt->run_at(1) < near_queue + *learnt->run_at(0);
}

TEST(Placement, NoTaskWaitsWhileAnIdleSiteWouldBeCheaper) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        base::Prng random(seed);
        const auto some = [&](std::uint64_t most) {
            return static_cast<std::uint32_t>(1 + random.below(most));
        };
        Cluster cluster(some(3), some(4), some(4) - 1, BootTime(1ms) * some(80));
        std::map<std::string, std::array<BootTime, 2>> times;
        for (const char* name : {"a", "b", "c", "d"}) {
            times[name] = {BootTime(1ms) * some(300), BootTime(1ms) * some(300)};
        }
        cluster.run_time = [&](const std::string& name, std::size_t site) {
            return times[name][site];
        };
        std::uint64_t looks = 0;
        cluster.after_pump = [&] {
            BootTime queue{0};
            for (const TaskRecord& one : cluster.records()) {
                if (one.phase == TaskPhase::queued) {
                    const core::Learnt* const learnt = cluster.costs().find(one.kind());
                    queue += learnt != nullptr ? *learnt->run_at(0) : BootTime(0);
                }
            }
            queue /= cluster.sites()[0].slots;
            for (const TaskRecord& one : cluster.records()) {
                if (one.phase == TaskPhase::queued) {
                    ++looks;
                    // what is counted name by name is rounded name by name
                    ASSERT_FALSE(neglected(cluster, one, queue - 1us)) << "seed " << seed;
                }
            }
        };
        for (int i = 0; i < 40; ++i) {
            cluster.submit(std::string(1, static_cast<char>('a' + random.below(4))),
                           static_cast<int>(some(3)));
        }
        cluster.run();
        EXPECT_GT(looks, 100U);
    }
}

}  // namespace
}  // namespace repartir::detail
