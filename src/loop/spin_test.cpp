// SPDX-License-Identifier: MIT
#include "loop/spin.hpp"

#include <gtest/gtest.h>

namespace repartir::loop {
namespace {

using namespace std::chrono_literals;
using base::BootTime;

/// So many waits, each as long as it takes asleep or awake. @return how many were awake
int wait(Spin& spin, int count, BootTime asleep, BootTime awake) {
    int looked = 0;
    for (int i = 0; i < count; ++i) {
        const bool looks = spin.budget() != 0ns;
        looked += looks ? 1 : 0;
        spin.waited(looks ? awake : asleep);
    }
    return looked;
}

TEST(Spin, LooksWhereThatIsFaster) {
    Spin spin;
    EXPECT_GT(wait(spin, 100, 45us, 6us), 80);
    EXPECT_EQ(wait(spin, 1000, 45us, 6us), 1000);
}

TEST(Spin, SleepsWhereThatIsFasterAndTriesEverMoreRarely) {
    Spin spin;
    wait(spin, 1000, 5us, 56us);
    EXPECT_LT(wait(spin, 10'000, 5us, 56us), 60);
    EXPECT_LE(wait(spin, 8000, 5us, 56us), 8);
}

TEST(Spin, NoticesThatLookingPaysNoMore) {
    Spin spin;
    wait(spin, 100, 45us, 6us);
    ASSERT_EQ(spin.budget(), Spin::most);
    EXPECT_LT(wait(spin, 1000, 5us, 56us), 80);
}

TEST(Spin, OneLongWaitEndsItAndSomeShortOnesBeginItAgain) {
    Spin spin;
    wait(spin, 100, 45us, 6us);
    ASSERT_EQ(spin.budget(), Spin::most);
    spin.waited(1s);
    EXPECT_EQ(spin.budget(), 0ns);
    wait(spin, 64, 45us, 6us);
    EXPECT_EQ(spin.budget(), Spin::most);
}

TEST(Spin, WhoIsRarelyAskedNeverLooks) {
    Spin spin;
    EXPECT_EQ(wait(spin, 1000, 1s, 1s), 0);
    for (int i = 0; i < 100; ++i) {  // a heartbeat and its echo
        spin.waited(1s);
        EXPECT_EQ(spin.budget(), 0ns);
        spin.waited(5us);
        EXPECT_EQ(spin.budget(), 0ns);
    }
}

TEST(Spin, AClockThatStepsBackDoesNoHarm) {
    Spin spin;
    for (int i = 0; i < 100; ++i) {
        spin.waited(-1h);
    }
    EXPECT_LE(spin.budget(), Spin::most);
}

}  // namespace
}  // namespace repartir::loop
