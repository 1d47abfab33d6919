// SPDX-License-Identifier: MIT
#include "core/attempt.hpp"

#include <gtest/gtest.h>

namespace repartir::core {
namespace {

Attempt failed() {
    Attempt attempt;
    attempt.ending = Ending{End::exited, 1};
    return attempt;
}

TEST(AttemptState, OnlyTheCurrentAttemptIsAccepted) {
    Issuer issuer(7);
    AttemptState state;
    base::Prng random(1);
    RetryPolicy policy;
    policy.max_retries = 1;
    const TaskId task{JobId{{1, 2, 3}}, 4};
    EXPECT_FALSE(state.running());

    const AttemptId first = state.begin(task, issuer);
    EXPECT_EQ(first.number, 1U);
    EXPECT_EQ(first.issuer, 7U);
    EXPECT_TRUE(state.current(first));
    EXPECT_EQ(state.id(task, issuer), first);
    EXPECT_TRUE(state.ended(failed(), policy, random).has_value());
    EXPECT_FALSE(state.current(first));

    const AttemptId second = state.begin(task, issuer);
    EXPECT_GT(second.epoch, first.epoch);
    EXPECT_TRUE(state.current(second));
    EXPECT_FALSE(state.current(first));
    AttemptId forged = second;
    forged.epoch += 1;
    EXPECT_FALSE(state.current(forged));
    forged = second;
    forged.number += 1;
    EXPECT_FALSE(state.current(forged));
    EXPECT_FALSE(state.ended(failed(), policy, random).has_value());
    EXPECT_EQ(state.number(), 2U);
    EXPECT_FALSE(state.running());
}

TEST(AttemptState, WhatIsWithdrawnLeavesOnlyItsEpoch) {
    Issuer issuer(7);
    AttemptState state;
    const TaskId task{JobId{{1, 2, 3}}, 4};
    const AttemptId first = state.begin(task, issuer);
    state.withdraw();
    EXPECT_FALSE(state.running());
    EXPECT_FALSE(state.current(first));
    const AttemptId again = state.begin(task, issuer);
    EXPECT_EQ(again.number, 1U);
    EXPECT_GT(again.epoch, first.epoch);
    EXPECT_TRUE(state.current(again));
    EXPECT_FALSE(state.current(first));
}

TEST(Issuer, EpochsGrowOverAllTasks) {
    Issuer issuer(1);
    const std::uint64_t first = issuer.next_epoch();
    EXPECT_GT(issuer.next_epoch(), first);
}

}  // namespace
}  // namespace repartir::core
