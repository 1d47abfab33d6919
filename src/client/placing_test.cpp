// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "client/reactor.hpp"
#include "client/reactor_fixture.hpp"
#include "wire/limits.hpp"

namespace repartir::client {
namespace {

using namespace std::chrono_literals;

TEST(ClientPlacingTest, WhatNoWorkerInReachCouldRunHoldsNobodyUp) {
    Fixture f(2);
    f.welcome(0, 2);
    f.out.clear();
    f.start(1, 4);
    f.start(2);
    EXPECT_EQ(f.submitted(), std::vector<std::uint32_t>{1}) << "the wide one is set aside";
    f.welcome(1, 4);
    EXPECT_EQ(f.submitted(), (std::vector<std::uint32_t>{0, 1})) << "until a wide worker comes";
}

TEST(ClientPlacingTest, WhatWaitsForAWideWorkerIsNotOvertakenWhereThereIsOne) {
    Fixture f(1);
    f.welcome(0, 4, false, 1, 1);  // takes one task at a time
    f.start(1);
    f.start(2, 4);
    f.start(3);
    f.out.clear();
    f.result(0, attempt(1));
    wire::Credit credit;
    credit.tasks = 1;
    f.say(0, wire::MessageType::credit, credit);
    EXPECT_EQ(f.submitted(), std::vector<std::uint32_t>{1});
    EXPECT_EQ(f.reactor.lease_of(attempt(2)).has_value(), true);
    EXPECT_EQ(f.reactor.lease_of(attempt(3)).has_value(), false);
}

TEST(ClientPlacingTest, WhatNoWorkerInReachCanRunEndsInTime) {
    Fixture f(1);
    f.welcome(0, 2);
    f.start(1, 4);
    f.out.clear();
    f.pass(9s, {0});
    EXPECT_TRUE(f.take<Finished>().empty());
    f.pass(2s, {0});
    const auto ended = f.take<Finished>();
    ASSERT_EQ(ended.size(), 1U);
    EXPECT_EQ(ended[0].report.error->code, "cannot_schedule");
    EXPECT_NE(ended[0].report.error->sentence.find("4 cores"), std::string::npos);
    EXPECT_EQ(f.reactor.attempts(), 0U);
}

TEST(ClientPlacingTest, WhatOnlyAWorkerCouldRunThatLeftEndsInTime) {
    Fixture f(2);
    f.welcome(0, 4, false, 1, 1);  // each takes one task
    f.welcome(1, 2, false, 1, 1);
    f.start(1, 4);
    f.start(2, 4);
    f.start(3);
    EXPECT_FALSE(f.reactor.lease_of(attempt(2)).has_value()) << "it waits for the first worker";
    f.reactor.disconnected(0, "reset", f.now, f.out);
    f.out.clear();
    f.pass(11s, {1});  // where nobody has room for anything more
    const auto ended = f.take<Finished>();
    const auto second = std::ranges::find(ended, attempt(2), &Finished::attempt);
    ASSERT_NE(second, ended.end());
    EXPECT_EQ(second->report.error->code, "cannot_schedule");
}

TEST(ClientPlacingTest, OfThoseThatMayTakeMoreAgainTheLeastLoadedGetsWhatWaited) {
    for (const WorkerId idle : {0U, 1U, 2U}) {
        Options options = Fixture::options(3);
        options.tasks_max = 2;  // of each worker
        Fixture f(options);
        for (const WorkerId id : {0U, 1U, 2U}) {
            f.welcome(id, 4);
        }
        for (std::uint32_t element = 1; element <= 7; ++element) {
            f.start(element);
        }
        ASSERT_FALSE(f.held(7));
        wire::Heartbeat beat;
        beat.sequence = 1;
        for (const WorkerId id : {0U, 1U, 2U}) {
            beat.load_permille = id == idle ? 500 : 1000;
            f.say(id, wire::MessageType::heartbeat, beat);
        }
        f.out.clear();
        for (const WorkerId id : {0U, 1U, 2U}) {  // all before anything is handed out
            wire::TaskResult result;
            result.sequence = id + 1;
            result.attempt = f.lease(attempt(id + 1));
            const std::string body = codec::encode(result);
            f.reactor.received(id, {wire::MessageType::task_result, wire::version_max, 9, body},
                               f.now, f.out);
        }
        f.reactor.hand_out(f.now, f.out);
        std::vector<std::uint32_t> wanted(idle + 1, 0);
        wanted.back() = 1;
        EXPECT_EQ(f.submitted(), wanted);
    }
}

TEST(ClientPlacingTest, WhatWasSetAsideCanBeCancelled) {
    Fixture f(1);
    f.welcome(0, 2);
    f.start(1, 4);
    f.out.clear();
    f.reactor.cancel(attempt(1), false, f.now, f.out);
    EXPECT_EQ(f.take<Finished>().size(), 1U);
    f.pass(20s, {0});
    EXPECT_TRUE(f.take<Finished>().empty());
}

TEST(ClientPlacingTest, AWorkerThatIsBusyWithOthersWorkComesLast) {
    Fixture f(2);
    f.welcome(0, 2);
    f.welcome(1, 2);
    f.out.clear();
    wire::Heartbeat busy;
    busy.sequence = 1;
    busy.load_permille = 1000;
    f.say(0, wire::MessageType::heartbeat, busy);
    f.start(1);
    EXPECT_EQ(f.submitted(), (std::vector<std::uint32_t>{0, 1}));
    f.start(2);
    EXPECT_EQ(f.submitted(), (std::vector<std::uint32_t>{0, 1})) << "it has a free slot still";
    f.start(3);
    EXPECT_EQ(f.submitted(), (std::vector<std::uint32_t>{1})) << "now both are as busy";
    busy.sequence = 2;
    busy.load_permille = 0;
    f.say(0, wire::MessageType::heartbeat, busy);
    f.start(4);
    EXPECT_EQ(f.submitted(), (std::vector<std::uint32_t>{1})) << "the others are done";
}

TEST(ClientPlacingTest, WhatAWorkerRunsForUsIsNobodyElses) {
    Fixture f(2);
    f.welcome(0, 2);
    f.welcome(1, 2);
    f.start(1, 2);
    f.start(2);
    f.out.clear();
    wire::Heartbeat busy;
    busy.sequence = 1;
    busy.load_permille = 1000;
    f.say(0, wire::MessageType::heartbeat, busy);
    busy.load_permille = 4'000'000'000;
    f.say(1, wire::MessageType::heartbeat, busy);  // half of it is ours; more than all is all
    f.start(3);
    EXPECT_EQ(f.submitted(), (std::vector<std::uint32_t>{1}));
}

TEST(ClientPlacingTest, WhatIsLargerThanAMessageEndsAndHoldsNobodyUp) {
    Fixture f(1);
    f.welcome(0, 2);
    f.out.clear();
    Order order;
    wire::append_call(order.task, attempt(1), "f", std::string(wire::message_bytes_max, 'x'), 0ms,
                      Priority::normal);
    f.reactor.start(attempt(1), std::move(order), f.now);
    f.start(2);
    const std::vector<Effect> all = f.out;
    const auto ended = f.take<Finished>();
    ASSERT_EQ(ended.size(), 1U);
    EXPECT_EQ(ended[0].report.error->code, "too_large");
    EXPECT_NE(ended[0].report.error->sentence.find("are the most that are sent to a worker"),
              std::string::npos);
    f.out = all;
    EXPECT_EQ(f.submitted(), std::vector<std::uint32_t>{1});
}

TEST(ClientPlacingTest, ACallGoesToAWorkerThatHasTheFunction) {
    Fixture f(3);
    f.functions = {"mean"};
    f.welcome(0, 1);
    f.functions = {"mode", "median"};
    f.welcome(1, 1);
    f.start(1, 1, false, "median");
    f.start(2, 1, false, "mean");
    f.start(3, 1, false, "mode");
    EXPECT_EQ(f.submitted(), (std::vector<std::uint32_t>{1, 2})) << "known before and after";
    f.functions = {"mean"};
    f.result(0, attempt(2));
    f.out.clear();
    f.tick(0s);
    EXPECT_TRUE(f.listed(wire::MessageType::task_reclaim).empty()) << "who idles cannot run it";
    f.start(4, 1, false, "max");
    EXPECT_TRUE(f.submitted().empty()) << "the third may have it";
    f.functions = {"max"};
    f.welcome(2, 1);
    EXPECT_EQ(f.submitted(), (std::vector<std::uint32_t>{0, 0, 1}));
    f.start(5, 1, false, "min");
    const auto ended = f.take<Finished>();
    ASSERT_EQ(ended.size(), 1U) << "all are there, and nobody has it";
    EXPECT_EQ(ended[0].report.error->code, "not_found");
    EXPECT_NE(ended[0].report.error->sentence.find("'min'"), std::string::npos);
}

TEST(ClientPlacingTest, ACallWhoseWorkersAreFullHoldsUpOnlyItsOwnKind) {
    Fixture f(2);
    f.functions = {"slow"};
    f.welcome(0, 1, false, 1, 1);  // takes one task at a time
    f.functions = {"quick"};
    f.welcome(1, 2);
    f.start(1, 1, false, "slow");
    f.start(2, 1, false, "slow");
    f.start(3, 1, true, "slow");
    f.out.clear();
    f.start(4, 1, false, "quick");
    EXPECT_EQ(f.submitted(), (std::vector<std::uint32_t>{0, 1}));
    f.result(0, attempt(1));
    wire::Credit credit;
    credit.tasks = 1;
    f.say(0, wire::MessageType::credit, credit);
    EXPECT_TRUE(f.reactor.lease_of(attempt(3))) << "of high priority";
    EXPECT_FALSE(f.reactor.lease_of(attempt(2)));
    f.result(0, attempt(3));
    f.say(0, wire::MessageType::credit, credit);
    EXPECT_TRUE(f.reactor.lease_of(attempt(2)));
}

TEST(ClientPlacingTest, AProgramThatMustWaitForAWideWorkerHoldsUpOnlyItsOwnKind) {
    Fixture f(2);
    f.welcome(0, 4, false, 1, 1);
    f.start(1, 4);
    f.start(2, 4);
    f.welcome(1, 1);
    f.out.clear();
    f.start(3);
    EXPECT_EQ(f.submitted(), (std::vector<std::uint32_t>{0, 1}));
    EXPECT_FALSE(f.reactor.lease_of(attempt(2)));
}

TEST(ClientPlacingTest, WhatWaitsForCreditForItsBytesIsNotOvertakenThere) {
    Fixture f(2);
    f.functions = {"slow"};
    f.welcome(0, 4);  // with credit for 1 MiB
    Order order;
    order.function = f.reactor.function_number("slow");
    wire::append_call(order.task, attempt(1), "slow", std::string(700U << 10U, 'x'), 0ms,
                      Priority::normal);
    Order again = order;
    f.reactor.start(attempt(1), std::move(order), f.now);
    f.reactor.start(attempt(2), std::move(again), f.now);
    f.start(3);
    EXPECT_TRUE(f.reactor.lease_of(attempt(1)));
    EXPECT_FALSE(f.reactor.lease_of(attempt(3)))
        << "or the small ones take what the large one needs";
    f.functions.clear();
    f.welcome(1, 1);
    EXPECT_TRUE(f.reactor.lease_of(attempt(3))) << "another worker may have it";
    wire::Credit credit;
    credit.input_bytes = 700U << 10U;
    f.say(0, wire::MessageType::credit, credit);
    EXPECT_TRUE(f.reactor.lease_of(attempt(2)));
}

TEST(ClientPlacingTest, WhoIdlesTakesFromOthersThoughWhatItCannotRunWaits) {
    Fixture f(3);
    f.functions = {"slow"};
    f.welcome(0, 1, false, 1, 1);
    f.start(1, 1, false, "slow");
    f.start(2, 1, false, "slow");
    f.functions.clear();
    f.welcome(1, 1);
    f.start(3);
    f.start(4);
    f.out.clear();
    f.welcome(2, 1);
    EXPECT_EQ(f.listed(wire::MessageType::task_reclaim),
              std::vector<AttemptId>{f.lease(attempt(4))});
}

TEST(ClientPlacingTest, TheNewestProgramsAreGivenBackFirstWhateverTheyNeed) {
    Fixture f(1);
    f.start(1, 1, false, "f");
    f.start(2, 1, true);
    f.start(3, 2);
    f.start(4, 1, false);
    f.start(5, 1, false, "f");
    f.out.clear();
    EXPECT_EQ(f.reactor.give_back(2, f.now, f.out), 2U);
    const auto back = f.take<Returned>();
    ASSERT_EQ(back.size(), 2U);
    EXPECT_EQ(back[0].attempt, attempt(4));
    EXPECT_EQ(back[1].attempt, attempt(3));
    EXPECT_EQ(f.reactor.give_back(9, f.now, f.out), 1U) << "nobody else has functions";
    EXPECT_EQ(f.reactor.attempts(), 2U);
}

TEST(ClientPlacingTest, WhatWaitsEndsWithItsReasonWhateverItNeeds) {
    Fixture f(1);
    f.start(1, 1, false, "f");
    f.start(2, 1, true);
    f.start(3, 2);
    f.pass(11s);
    EXPECT_EQ(f.take<Finished>().size(), 3U);
    EXPECT_EQ(f.reactor.attempts(), 0U);
}

TEST(ClientPlacingTest, AFunctionIsWaitedForAsLongAsSomebodyMayHaveIt) {
    Fixture f(2);
    f.functions = {"mean"};
    f.welcome(0, 1);
    f.start(1, 1, false, "mode");
    f.pass(9s, {0});
    EXPECT_TRUE(f.take<Finished>().empty());
    f.pass(2s, {0});
    const auto ended = f.take<Finished>();
    ASSERT_EQ(ended.size(), 1U);
    EXPECT_EQ(ended[0].report.error->code, "not_found");
    f.functions = {"mode"};
    f.welcome(0, 1, false, 2);  // another life, with another function
    f.start(2, 1, false, "mode");
    EXPECT_EQ(f.submitted(), std::vector<std::uint32_t>{1});
}

}  // namespace
}  // namespace repartir::client
