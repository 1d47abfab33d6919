// SPDX-License-Identifier: MIT
#include "sched/lane.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace repartir::sched {
namespace {

struct TestJob final : detail::Job {
    void run_job() noexcept override { ++left; }
    void leave_queue() noexcept override { ++gave_place; }
    void discard() noexcept override { left += gave_place; }
    [[nodiscard]] bool spent() const noexcept override { return over.load(); }
    std::atomic<bool> over{false};
    std::atomic<int> left{0};
    int gave_place = 0;
};

void discard(JobList spent) {
    while (!spent.empty()) {
        spent.pop_front().discard();
    }
}

TEST(LaneTest, FirstInFirstOutBeyondItsRing) {
    Lane lane(4);
    std::vector<TestJob> jobs(100);
    for (TestJob& job : jobs) {
        lane.push(job);
    }
    EXPECT_EQ(lane.size(), 100U);
    EXPECT_EQ(lane.behind(), 96U);
    for (TestJob& job : jobs) {
        EXPECT_EQ(lane.pop(), &job);
    }
    EXPECT_EQ(lane.pop(), nullptr);
    EXPECT_TRUE(lane.empty());
}

TEST(LaneTest, TidyingTakesOutTheSpentAndKeepsTheOrderOfTheOthers) {
    for (const std::size_t count : {0U, 1U, 4U, 5U, 100U}) {
        Lane lane(4);
        std::vector<TestJob> jobs(count);
        for (std::size_t i = 0; i < count; ++i) {
            lane.push(jobs[i]);
            jobs[i].over = i % 3 != 1;
        }
        discard(lane.tidy());
        TestJob later;
        lane.push(later);
        std::size_t kept = 0;
        for (std::size_t i = 1; i < count; i += 3) {
            ++kept;
        }
        EXPECT_EQ(lane.size(), kept + 1);
        for (std::size_t i = 0; i < count; ++i) {
            EXPECT_EQ(jobs[i].left, i % 3 != 1 ? 1 : 0) << i;
        }
        for (std::size_t i = 1; i < count; i += 3) {
            EXPECT_EQ(lane.pop(), &jobs[i]);
        }
        EXPECT_EQ(lane.pop(), &later);
        EXPECT_EQ(lane.pop(), nullptr);
        EXPECT_TRUE(lane.empty());
    }
}

TEST(LaneTest, EveryJobLeavesOnceWhileOthersPushPopAndTidy) {
    constexpr std::size_t each = 20'000;
    Lane lane(16);
    std::vector<TestJob> jobs(2 * each);
    std::atomic<int> pushing{2};
    const auto producer = [&](std::size_t first) {
        for (std::size_t i = first; i < first + each; ++i) {
            lane.push(jobs[i]);
            jobs[i].over = i % 2 == 0;
        }
        --pushing;
    };
    std::thread one(producer, 0);
    std::thread two(producer, each);
    std::thread tidier([&] {
        while (pushing != 0) {
            discard(lane.tidy());
        }
    });
    while (pushing != 0 || !lane.empty()) {
        lane.pop_batch(3, [](detail::Job* job) { job->run_job(); });
    }
    one.join();
    two.join();
    tidier.join();
    while (detail::Job* const job = lane.pop()) {
        job->run_job();
    }
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        ASSERT_EQ(jobs[i].left, 1) << i;
    }
    EXPECT_TRUE(lane.empty());
    EXPECT_EQ(lane.behind(), 0U);
}

}  // namespace
}  // namespace repartir::sched
