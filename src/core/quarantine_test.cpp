// SPDX-License-Identifier: MIT
#include "core/quarantine.hpp"

#include <gtest/gtest.h>

namespace repartir::core {
namespace {

using namespace std::chrono_literals;

constexpr QuarantineRule rule{3, 10s, 600s, 3600s};

void fail_three_times(Quarantine& machine, base::BootTime now) {
    for (int i = 0; i < 3; ++i) {
        machine.failed(now);
    }
}

TEST(QuarantineTest, FailuresInARowShutAMachineOut) {
    Quarantine machine(rule);
    machine.failed(1s);
    machine.failed(2s);
    EXPECT_EQ(machine.ask(2s), Standing::good);
    machine.succeeded(3s);
    machine.failed(4s);
    machine.failed(5s);
    EXPECT_EQ(machine.ask(5s), Standing::good) << "a success between them breaks the row";
    machine.failed(6s);
    EXPECT_EQ(machine.ask(6s), Standing::quarantined);
    EXPECT_EQ(machine.until(), 16s);
}

TEST(QuarantineTest, TheWayBackIsAProbation) {
    Quarantine machine(rule);
    fail_three_times(machine, 0s);
    EXPECT_EQ(machine.ask(10s - 1ns), Standing::quarantined);
    EXPECT_EQ(machine.ask(10s), Standing::probation);
    machine.succeeded(11s);
    EXPECT_EQ(machine.ask(11s), Standing::good);
}

TEST(QuarantineTest, WhatWasThereBeforeNeitherHelpsNorHarms) {
    Quarantine machine(rule);
    fail_three_times(machine, 0s);
    machine.succeeded(5s);
    EXPECT_EQ(machine.ask(5s), Standing::quarantined);
    machine.failed(6s);
    EXPECT_EQ(machine.until(), 10s);
}

TEST(QuarantineTest, EachFailedProbationDoublesTheTermUpToTheLongest) {
    Quarantine machine(rule);
    fail_three_times(machine, 0s);
    base::BootTime now = machine.until();
    for (const base::BootTime term : {20s, 40s, 80s, 160s, 320s, 600s, 600s, 600s}) {
        machine.failed(now);
        EXPECT_EQ(machine.until() - now, term);
        now = machine.until();
    }
    for (int i = 0; i < 100; ++i) {
        machine.failed(now);
        now = machine.until();
    }
    EXPECT_EQ(machine.ask(now), Standing::probation);
}

TEST(QuarantineTest, ALongGoodStandingClearsTheRecord) {
    Quarantine machine(rule);
    fail_three_times(machine, 0s);
    machine.succeeded(10s);
    fail_three_times(machine, 100s);
    EXPECT_EQ(machine.until(), 120s) << "the second within the hour is longer";
    machine.succeeded(120s);
    fail_three_times(machine, 120s + 3600s);
    EXPECT_EQ(machine.until(), 120s + 3600s + 10s);
}

// All that waits waits for it, where it is the only one.
TEST(QuarantineTest, WhatCrashesItAgainAndAgainShutsItOutForHalfAMinuteAtMost) {
    Quarantine machine{QuarantineRule()};
    base::BootTime now(0);
    fail_three_times(machine, now);
    for (int i = 0; i < 50; ++i) {
        ASSERT_EQ(machine.ask(now), Standing::quarantined);
        ASSERT_LE(machine.until() - now, 30s);
        now = machine.until();
        ASSERT_EQ(machine.ask(now), Standing::probation);
        machine.failed(now);
    }
}

}  // namespace
}  // namespace repartir::core
