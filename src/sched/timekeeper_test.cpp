// SPDX-License-Identifier: MIT
#include "sched/timekeeper.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <vector>

#include "base/prng.hpp"

namespace repartir::sched {
namespace {

using namespace std::chrono_literals;

struct Log {
    std::mutex mutex;
    std::vector<int> seen;
    std::atomic<int> count{0};

    void add(int value) {
        {
            const std::lock_guard lock(mutex);
            seen.push_back(value);
        }
        ++count;
        count.notify_all();
    }
    void wait_until(int wanted) {
        for (int now = count; now < wanted; now = count) {
            count.wait(now);
        }
    }
};

struct Entry final : Timed {
    Entry(Log& log, int value) : log_(log), value_(value) {}
    void due() noexcept override { log_.add(value_); }
    Log& log_;
    int value_;
};

TEST(TimekeeperTest, CallsInOrderOfDeadlines) {
    Log log;
    Entry a(log, 1);
    Entry b(log, 2);
    Entry c(log, 3);
    Timekeeper keeper;
    const base::BootTime start = base::now();
    ASSERT_TRUE(keeper.schedule(c, start + 9ms));
    ASSERT_TRUE(keeper.schedule(a, start + 3ms));
    ASSERT_TRUE(keeper.schedule(b, start + 6ms));
    log.wait_until(3);
    EXPECT_GE(base::now(), start + 9ms);
    EXPECT_EQ(log.seen, (std::vector{1, 2, 3}));
}

TEST(TimekeeperTest, WhatIsCancelledIsNotCalled) {
    Log log;
    Entry a(log, 1);
    Entry b(log, 2);
    Timekeeper keeper;
    const base::BootTime start = base::now();
    ASSERT_TRUE(keeper.schedule(a, start + 1h));
    ASSERT_TRUE(keeper.schedule(b, start + 2ms));
    EXPECT_TRUE(keeper.cancel(a));
    EXPECT_FALSE(keeper.cancel(a));
    log.wait_until(1);
    EXPECT_FALSE(keeper.cancel(b));
    EXPECT_EQ(log.seen, std::vector{2});
    EXPECT_EQ(keeper.size(), 0U);
}

TEST(TimekeeperTest, ForgetsWhatIsLeftAtItsEnd) {
    Log log;
    Entry a(log, 1);
    {
        Timekeeper keeper;
        ASSERT_TRUE(keeper.schedule(a, base::now() + 1h));
    }
    EXPECT_EQ(log.count, 0);
}

TEST(TimekeeperTest, DueMayScheduleAgain) {
    struct Again final : Timed {
        Again(Log& log, Timekeeper& keeper) : log_(log), keeper_(keeper) {}
        void due() noexcept override {
            const int turn = ++turns_;
            if (turn < 5) {
                static_cast<void>(keeper_.schedule(*this, base::now() + 100us));
            }
            log_.add(turn);
        }
        Log& log_;
        Timekeeper& keeper_;
        int turns_ = 0;
    };
    Log log;
    Timekeeper keeper;
    Again again(log, keeper);
    ASSERT_TRUE(keeper.schedule(again, base::now()));
    log.wait_until(5);
    EXPECT_EQ(log.seen, (std::vector{1, 2, 3, 4, 5}));
}

TEST(TimekeeperTest, RandomCancelsLeaveExactlyTheRest) {
    base::Prng random(11);
    Log log;
    std::vector<std::unique_ptr<Entry>> entries;
    int expected = 0;
    {
        Timekeeper keeper;
        const base::BootTime start = base::now() + 5ms;
        for (int i = 0; i < 500; ++i) {
            entries.push_back(std::make_unique<Entry>(log, i));
            ASSERT_TRUE(keeper.schedule(*entries.back(),
                                        start + std::chrono::microseconds(random.below(10'000))));
        }
        for (const auto& entry : entries) {
            if (random.below(2) == 0 && keeper.cancel(*entry)) {
                --expected;
            }
        }
        expected += 500;
        log.wait_until(expected);
        EXPECT_EQ(keeper.size(), 0U);
    }
    EXPECT_EQ(log.count, expected);
}

}  // namespace
}  // namespace repartir::sched
