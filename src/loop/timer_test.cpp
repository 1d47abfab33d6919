// SPDX-License-Identifier: MIT
#include "loop/timer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "base/prng.hpp"

namespace repartir::loop {
namespace {

using base::BootTime;

class Note final : public Timer {
  public:
    explicit Note(std::function<void(BootTime)> then) : then_(std::move(then)) {}
    void on_timer(BootTime now) noexcept override { then_(now); }

  private:
    std::function<void(BootTime)> then_;
};

TEST(Timer, FiresInOrderOfDeadlineThenOfSetting) {
    TimerQueue queue;
    std::vector<int> fired;
    Note late([&](BootTime) { fired.push_back(3); });
    Note first([&](BootTime) { fired.push_back(1); });
    Note second([&](BootTime) { fired.push_back(2); });
    queue.set(late, BootTime(20));
    queue.set(first, BootTime(10));
    queue.set(second, BootTime(10));
    EXPECT_EQ(queue.next(), BootTime(10));
    EXPECT_EQ(queue.fire(BootTime(9)), 0U);
    EXPECT_EQ(queue.fire(BootTime(10)), 2U);
    EXPECT_EQ(fired, (std::vector<int>{1, 2}));
    EXPECT_FALSE(first.armed());
    EXPECT_TRUE(late.armed());
    EXPECT_EQ(queue.fire(BootTime(100)), 1U);
    EXPECT_EQ(fired.back(), 3);
    EXPECT_EQ(queue.next(), base::never);
}

TEST(Timer, SettingAgainMovesIt) {
    TimerQueue queue;
    int fired = 0;
    Note note([&](BootTime) { ++fired; });
    queue.set(note, BootTime(10));
    queue.set(note, BootTime(30));
    EXPECT_EQ(note.deadline(), BootTime(30));
    EXPECT_EQ(queue.fire(BootTime(20)), 0U);
    queue.set(note, BootTime(5));
    EXPECT_EQ(queue.fire(BootTime(20)), 1U);
    EXPECT_EQ(fired, 1);
}

TEST(Timer, WhatFiresMayCancelWhatIsDueToo) {
    TimerQueue queue;
    bool fired = false;
    Note middle([&](BootTime) { fired = true; });
    Note last([&](BootTime) {});
    Note first([&](BootTime) { queue.cancel(middle); });
    queue.set(first, BootTime(1));
    queue.set(middle, BootTime(2));
    queue.set(last, BootTime(3));
    EXPECT_EQ(queue.fire(BootTime(10)), 2U);
    EXPECT_FALSE(fired);
    EXPECT_EQ(queue.next(), base::never);
}

TEST(Timer, WhatFiresMayCancelTheFirstOfTheRest) {
    TimerQueue queue;
    Note second([](BootTime) { FAIL(); });
    Note first([&](BootTime) { queue.cancel(second); });
    queue.set(first, BootTime(1));
    queue.set(second, BootTime(2));
    EXPECT_EQ(queue.fire(BootTime(10)), 1U);
}

TEST(Timer, ATimerThatSetsItselfInThePastDoesNotStarveOthers) {
    TimerQueue queue;
    int greedy = 0;
    int other = 0;
    Note* self = nullptr;
    Note again([&](BootTime) {
        ++greedy;
        queue.set(*self, BootTime(0));
    });
    self = &again;
    Note modest([&](BootTime) { ++other; });
    queue.set(again, BootTime(1));
    queue.set(modest, BootTime(2));
    EXPECT_EQ(queue.fire(BootTime(10)), 2U);
    EXPECT_EQ(greedy, 1);
    EXPECT_EQ(other, 1);
    EXPECT_EQ(queue.next(), BootTime(0));
    queue.cancel(again);
}

TEST(Timer, CancelOfWhatIsNotArmedIsNothing) {
    TimerQueue queue;
    Note note([](BootTime) {});
    queue.cancel(note);
    EXPECT_FALSE(note.armed());
}

// Against a sorted map, over random sets, moves, cancels and steps of time.
TEST(Timer, AgreesWithASortedMap) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        base::Prng random(seed);
        TimerQueue queue;
        std::multimap<BootTime, int> model;
        std::vector<int> fired;
        std::deque<Note> notes;
        for (int i = 0; i < 100; ++i) {
            notes.emplace_back([&fired, i](BootTime) { fired.push_back(i); });
        }
        const auto forget = [&](int i) {
            std::erase_if(model, [i](const auto& entry) { return entry.second == i; });
        };
        BootTime now(0);
        for (int step = 0; step < 3000; ++step) {
            const int i = static_cast<int>(random.below(notes.size()));
            Note& note = notes[static_cast<std::size_t>(i)];
            const std::uint64_t what = random.below(10);
            if (what < 6) {
                const BootTime deadline = now + BootTime(random.below(50));
                queue.set(note, deadline);
                forget(i);
                model.emplace(deadline, i);
            } else if (what < 8) {
                queue.cancel(note);
                forget(i);
            } else {
                now += BootTime(random.below(20));
                std::vector<int> expected;
                while (!model.empty() && model.begin()->first <= now) {
                    expected.push_back(model.begin()->second);
                    model.erase(model.begin());
                }
                fired.clear();
                ASSERT_EQ(queue.fire(now), expected.size());
                ASSERT_EQ(fired, expected) << "seed " << seed << " step " << step;
            }
            ASSERT_EQ(queue.next(), model.empty() ? base::never : model.begin()->first);
        }
        for (Note& note : notes) {
            queue.cancel(note);
        }
        EXPECT_EQ(queue.next(), base::never);
    }
}

}  // namespace
}  // namespace repartir::loop
