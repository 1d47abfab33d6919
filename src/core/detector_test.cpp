// SPDX-License-Identifier: MIT
#include "core/detector.hpp"

#include <gtest/gtest.h>

#include "base/prng.hpp"

namespace repartir::core {
namespace {

using namespace std::chrono_literals;

constexpr Patience patience{1s, 30s};

TEST(DetectorTest, APeerThatIsHeardInTimeIsNeverSuspected) {
    Detector detector(patience, 100s);
    for (base::BootTime now = 101s; now < 1000s; now += 1s) {
        EXPECT_EQ(detector.ask(now), Health::alive);
        detector.heard(now);
    }
    EXPECT_EQ(detector.timeout(), 2s);
    EXPECT_EQ(detector.mistakes(), 0U);
}

TEST(DetectorTest, SuspicionComesBeforeDeathAndBothWhenNextSays) {
    Detector detector(patience, 100s);
    EXPECT_EQ(detector.next(), 102s);
    EXPECT_EQ(detector.ask(102s - 1ns), Health::alive);
    EXPECT_EQ(detector.ask(102s), Health::suspected);
    EXPECT_EQ(detector.next(), 104s);
    EXPECT_EQ(detector.ask(104s - 1ns), Health::suspected);
    EXPECT_EQ(detector.ask(104s), Health::dead);
    EXPECT_EQ(detector.next(), 104s) << "the past";
}

TEST(DetectorTest, TheDeadStayDead) {
    Detector asked(patience, 0s);
    EXPECT_EQ(asked.ask(100s), Health::dead);
    asked.heard(100s);
    EXPECT_EQ(asked.ask(100s), Health::dead);
    Detector unasked(patience, 0s);
    unasked.heard(100s);  // too late, though nobody looked
    EXPECT_EQ(unasked.ask(100s), Health::dead);
}

TEST(DetectorTest, EachMistakeWidensTheTimeoutUntilTheyEnd) {
    Detector detector(patience, 0s);
    base::BootTime now = 0s;
    for (int i = 0; i < 100; ++i) {  // a peer that is always 3.9 s apart: slow, not dead
        now += 3900ms;
        EXPECT_NE(detector.ask(now), Health::dead) << i;
        detector.heard(now);
    }
    EXPECT_LE(detector.mistakes(), 2U);
    EXPECT_EQ(detector.ask(now + 3900ms), Health::alive);
}

TEST(DetectorTest, ACrashIsFoundHoweverManyMistakesThereWere) {
    Detector detector(patience, 0s);
    base::BootTime now = 0s;
    for (int i = 0; i < 50; ++i) {
        now += detector.timeout() + 1ms;
        detector.heard(now);
    }
    EXPECT_GT(detector.mistakes(), 3U);
    EXPECT_LE(detector.timeout(), 30s);
    EXPECT_EQ(detector.ask(now + 60s), Health::dead);
}

TEST(DetectorTest, JitterIsAllowedForAndABurstDoesNotMakeItImpatient) {
    base::Prng random(3);
    Detector detector(patience, 0s);
    base::BootTime now = 0s;
    for (int i = 0; i < 2000; ++i) {
        now += 500ms + std::chrono::milliseconds(random.below(1400));
        detector.heard(now);
        for (int k = 0; k < 5; ++k) {
            detector.heard(now += 1us);
        }
    }
    EXPECT_EQ(detector.mistakes(), 0U);
    EXPECT_GT(detector.timeout(), 2s);
    EXPECT_LT(detector.timeout(), 4s);
}

TEST(DetectorTest, AnIntervalBeyondTheLongestTimeoutCountsFirst) {
    Detector detector({60s, 30s}, 0s);
    EXPECT_EQ(detector.timeout(), 120s);
}

}  // namespace
}  // namespace repartir::core
