// SPDX-License-Identifier: MIT
#include "core/retry.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace repartir::core {
namespace {

using namespace std::chrono_literals;

Attempt ended(End end, int code = 0) {
    Attempt attempt;
    attempt.ending = Ending{end, code};
    return attempt;
}

Attempt refused(Fault fault) {
    Attempt attempt = ended(End::not_started);
    attempt.error = Error(Domain::process, Code::out_of_resources, fault, "x");
    return attempt;
}

RetryPolicy own_retries(std::uint32_t count) {
    RetryPolicy policy;
    policy.max_retries = count;
    return policy;
}

std::uint32_t tries(const Attempt& attempt, const RetryPolicy& policy) {
    RetryBudget budget;
    base::Prng random(1);
    std::uint32_t count = 1;
    while (count < 1000 && budget.book(attempt, policy, random)) {
        ++count;
    }
    return count;
}

TEST(Retry, OwnFailuresAreRetriedOnlyWhenAsked) {
    EXPECT_EQ(tries(ended(End::exited, 1), RetryPolicy()), 1U);
    EXPECT_EQ(tries(ended(End::exited, 1), own_retries(2)), 3U);
    EXPECT_EQ(tries(ended(End::signaled, 11), own_retries(2)), 3U);
    EXPECT_EQ(tries(ended(End::timed_out), own_retries(2)), 3U);
    EXPECT_EQ(tries(ended(End::out_of_memory), own_retries(2)), 3U);
    EXPECT_EQ(tries(ended(End::output_lost), own_retries(2)), 3U);
}

TEST(Retry, SuccessAndCancellationAreFinal) {
    EXPECT_EQ(tries(ended(End::exited, 0), own_retries(9)), 1U);
    EXPECT_EQ(tries(ended(End::cancelled), own_retries(9)), 1U);
}

TEST(Retry, TransientStartFailuresAreRetriedThreeTimesByDefault) {
    EXPECT_EQ(tries(refused(Fault::system), RetryPolicy()), 4U);
    RetryPolicy none;
    none.max_start_retries = 0;
    EXPECT_EQ(tries(refused(Fault::system), none), 1U);
}

TEST(Retry, UserAndPolicyFaultsAreNeverRetried) {
    EXPECT_EQ(tries(refused(Fault::user), own_retries(9)), 1U);
    EXPECT_EQ(tries(refused(Fault::policy), own_retries(9)), 1U);
    EXPECT_EQ(tries(ended(End::not_started), own_retries(9)), 1U);
}

TEST(Retry, ATaskThatWasOnFiveDeadWorkersIsPoison) {
    EXPECT_EQ(tries(refused(Fault::node), RetryPolicy()), crash_limit);
    EXPECT_EQ(tries(refused(Fault::task), own_retries(1)), 2U);
}

TEST(Retry, OnlyMachinesThatWereLostMakePoison) {
    base::Prng random(1);
    RetryBudget own;
    while (own.book(ended(End::exited, 1), own_retries(9), random)) {}
    EXPECT_FALSE(own.poisoned());
    RetryBudget nodes;
    for (std::uint32_t i = 1; i < crash_limit; ++i) {
        EXPECT_TRUE(nodes.book(refused(Fault::node), RetryPolicy(), random));
        EXPECT_FALSE(nodes.poisoned());
    }
    EXPECT_FALSE(nodes.book(refused(Fault::node), RetryPolicy(), random));
    EXPECT_TRUE(nodes.poisoned());
}

TEST(Retry, PoisonSaysWhatHappened) {
    Attempt lost = ended(End::not_started);
    lost.error = Error(Domain::wire, Code::unreachable, Fault::node, "worker 'w' was lost");
    std::vector<Attempt> attempts(3, lost);
    attempts.push_back(ended(End::exited, 1));
    attempts.push_back(lost);
    const Error died = poison(attempts);
    EXPECT_EQ(died.code(), Code::poisoned);
    EXPECT_FALSE(died.retryable());
    EXPECT_EQ(
        died.describe(),
        "the task was running on 4 workers that died: it is not tried again; find out whether "
        "it brings them down: worker 'w' was lost");
    attempts.push_back(refused(Fault::node));
    EXPECT_EQ(poison(attempts).sentence().find("whoever had the task failed 5 times"), 0U);
}

TEST(Retry, ListsChooseWhatIsRetried) {
    RetryPolicy policy = own_retries(1);
    policy.exit_codes = {75};
    policy.signals = {9};
    EXPECT_EQ(tries(ended(End::exited, 75), policy), 2U);
    EXPECT_EQ(tries(ended(End::exited, 74), policy), 1U);
    EXPECT_EQ(tries(ended(End::signaled, 9), policy), 2U);
    EXPECT_EQ(tries(ended(End::signaled, 11), policy), 1U);
    EXPECT_EQ(tries(ended(End::timed_out), policy), 1U);
}

TEST(Retry, BudgetsAreApart) {
    RetryBudget budget;
    base::Prng random(1);
    const RetryPolicy policy = own_retries(1);
    EXPECT_TRUE(budget.book(refused(Fault::system), policy, random));
    EXPECT_TRUE(budget.book(ended(End::exited, 1), policy, random));
    EXPECT_FALSE(budget.book(ended(End::exited, 1), policy, random));
    EXPECT_TRUE(budget.book(refused(Fault::system), policy, random));
}

TEST(Backoff, CeilingDoublesUpToTheMaximum) {
    Backoff backoff{100ms, 450ms, false};
    base::Prng random(1);
    EXPECT_EQ(backoff_delay(backoff, 1, random), 100ms);
    EXPECT_EQ(backoff_delay(backoff, 2, random), 200ms);
    EXPECT_EQ(backoff_delay(backoff, 3, random), 400ms);
    EXPECT_EQ(backoff_delay(backoff, 4, random), 450ms);
    EXPECT_EQ(backoff_delay(backoff, 4'000'000'000U, random), 450ms);
}

TEST(Backoff, FullJitterFillsTheWholeRange) {
    const Backoff backoff{100ms, 100ms, true};
    base::Prng random(3);
    base::BootTime low = base::never;
    base::BootTime high{0};
    for (int i = 0; i < 2000; ++i) {
        const base::BootTime delay = backoff_delay(backoff, 1, random);
        low = std::min(low, delay);
        high = std::max(high, delay);
    }
    EXPECT_LT(low, 1ms);
    EXPECT_GT(high, 99ms);
    EXPECT_LE(high, 100ms);
}

TEST(Backoff, ExtremesStayInRange) {
    base::Prng random(3);
    const Backoff none{0ms, 0ms, true};
    EXPECT_EQ(backoff_delay(none, 5, random).count(), 0);
    const Backoff zero_initial{0ms, 100ms, true};
    EXPECT_EQ(backoff_delay(zero_initial, 4'000'000'000U, random).count(), 0);
    const Backoff huge{std::chrono::milliseconds::max(), std::chrono::milliseconds::max(), false};
    EXPECT_GT(backoff_delay(huge, 60, random).count(), 0);
}

}  // namespace
}  // namespace repartir::core
