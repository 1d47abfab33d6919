// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <chrono>
#include <set>

#include "client/reactor.hpp"
#include "client/reactor_fixture.hpp"

namespace repartir::client {
namespace {

using namespace std::chrono_literals;
using wire::MessageType;

TEST(ClientTasksTest, TheLeastLoadedWorkerGetsTheNextTask) {
    Fixture f(2);
    f.welcome(0, 1);
    f.welcome(1, 3);
    f.out.clear();
    for (std::uint32_t i = 0; i < 8; ++i) {
        f.start(i);
    }
    EXPECT_EQ(f.submitted(), (std::vector<std::uint32_t>{2, 6})) << "two for each slot";
    f.start(8);
    f.start(9);
    EXPECT_TRUE(f.submitted().empty()) << "the rest waits here, where it can go anywhere";
    f.result(1, attempt(1));
    EXPECT_EQ(f.submitted(), (std::vector<std::uint32_t>{0, 1}));
}

TEST(ClientTasksTest, WhatHasNotBegunCanBeHadBackTheNewestFirst) {
    Fixture f(1);
    f.welcome(0, 1);
    for (std::uint32_t i = 0; i < 6; ++i) {
        f.start(i);  // 0 and 1 go to the worker
    }
    f.out.clear();
    EXPECT_EQ(f.reactor.give_back(3, f.now, f.out), 3U);
    const auto first = f.take<Returned>();
    ASSERT_EQ(first.size(), 3U);
    EXPECT_EQ(first[0].attempt, attempt(5));
    EXPECT_EQ(f.reactor.give_back(9, f.now, f.out), 2U) << "2 waits here, 1 at the worker";
    EXPECT_EQ(f.take<Returned>().at(0).attempt, attempt(2));
    EXPECT_EQ(f.reactor.give_back(9, f.now, f.out), 0U) << "one request at a time";
    f.ids(0, MessageType::task_reclaimed, {attempt(1)});
    EXPECT_EQ(f.take<Returned>().at(0).attempt, attempt(1));
    EXPECT_EQ(f.reactor.attempts(), 1U);
    EXPECT_EQ(f.reactor.give_back(9, f.now, f.out), 0U) << "what runs stays";
}

TEST(ClientTasksTest, AWorkerWithManyTasksEndsThemInAnyOrder) {
    constexpr std::uint32_t count = 90;
    Fixture f(1);
    f.welcome(0, count / 2);
    for (std::uint32_t i = 0; i < count; ++i) {
        f.start(i);
    }
    f.out.clear();
    for (std::uint32_t i = 0; i < 70; ++i) {
        f.result(0, attempt(i ^ 1U));  // nearly the oldest first
        f.result(0, attempt(i ^ 1U, 1000));
    }
    EXPECT_EQ(f.take<Finished>().size(), 70U);
    EXPECT_EQ(f.reactor.stats().stale, 70U);
    f.reactor.cancel(attempt(80), false, f.now, f.out);
    f.result(0, attempt(80));
    EXPECT_EQ(f.take<Finished>().at(0).attempt, attempt(80)) << "from the middle";
    f.reactor.disconnected(0, "gone", f.now, f.out);
    f.pass(20s);
    std::set<std::uint32_t> ended;
    for (const Finished& finished : f.take<Finished>()) {
        ended.insert(finished.attempt.task.element);
    }
    EXPECT_EQ(ended.size(), 19U) << "of each that was left, once";
    EXPECT_EQ(*ended.begin(), 70U);
    EXPECT_EQ(f.reactor.attempts(), 0U);
}

TEST(ClientTasksTest, WhatWasAskedBackAndHasBegunGoesOn) {
    Fixture f(1);
    f.welcome(0, 1);
    f.start(0);
    f.start(1);
    EXPECT_EQ(f.reactor.give_back(1, f.now, f.out), 1U);
    f.ids(0, MessageType::task_reclaimed, {});
    f.start(2);
    EXPECT_EQ(f.reactor.give_back(1, f.now, f.out), 1U) << "the earlier request is answered";
    f.result(0, attempt(1));
    EXPECT_EQ(f.take<Finished>().size(), 1U);
}

TEST(ClientTasksTest, WhatWasAskedBackOfALostWorkerIsRunByAnother) {
    Fixture f(2);
    f.welcome(0, 1);
    f.start(0);
    f.start(1);
    EXPECT_EQ(f.reactor.give_back(1, f.now, f.out), 1U);
    f.reactor.disconnected(0, "gone", f.now, f.out);
    f.welcome(1, 4);
    f.out.clear();
    f.pass(5s, {1});
    EXPECT_EQ(f.take<Finished>().at(0).attempt, attempt(0)) << "it may have run";
    EXPECT_EQ(f.reactor.attempts(), 1U);
    EXPECT_EQ(f.reactor.give_back(1, f.now, f.out), 0U) << "it runs, as far as one can tell";
}

TEST(ClientTasksTest, HighGoesBeforeWhatWaits) {
    Fixture f(1);
    f.welcome(0, 1);
    for (std::uint32_t i = 0; i < 4; ++i) {
        f.start(i);
    }
    f.start(9, 1, true);
    f.out.clear();
    f.result(0, attempt(0));
    f.result(0, attempt(9));
    EXPECT_EQ(f.take<Finished>().size(), 2U) << "it was there";
}

TEST(ClientTasksTest, ATaskGoesOnlyWhereItCanRun) {
    Fixture f(2);
    f.welcome(0, 1);
    f.welcome(1, 4);
    f.out.clear();
    f.start(1, 4);
    EXPECT_EQ(f.submitted(), (std::vector<std::uint32_t>{0, 1}));
}

TEST(ClientTasksTest, CreditIsNeverExceeded) {
    Fixture f(1);
    f.welcome(0, 4, false, 1, 3);
    f.out.clear();
    for (std::uint32_t i = 0; i < 8; ++i) {
        f.start(i);
    }
    Outbox all = f.out;
    EXPECT_EQ(f.submitted(), std::vector<std::uint32_t>{3});
    wire::Credit more;
    more.tasks = 2;
    f.say(0, MessageType::credit, more);
    EXPECT_EQ(f.submitted(), std::vector<std::uint32_t>{2});
}

/// @return how many results each message acknowledges; all effects are gone then.
std::vector<std::uint64_t> acknowledged(Fixture& f) {
    std::vector<std::uint64_t> counts;
    for (const Send& send : f.take<Send>()) {
        if (send.type == MessageType::credit) {
            counts.push_back(wire::decode<wire::Credit>(send.type, send.body)->results.size());
        }
    }
    return counts;
}

TEST(ClientTasksTest, AResultIsToldOnceAndAcknowledged) {
    Fixture f(1);
    f.welcome(0);
    f.start(1);
    f.out.clear();
    f.result(0, attempt(1), "done");
    f.result(0, attempt(1), "again");
    const auto ended = f.take<Finished>();
    ASSERT_EQ(ended.size(), 1U);
    EXPECT_EQ(ended[0].out.bytes, "done");
    EXPECT_EQ(f.reactor.stats().stale, 1U);
    f.tick(1s);
    EXPECT_EQ(acknowledged(f), std::vector<std::uint64_t>{2});
    f.tick(1s);
    EXPECT_TRUE(acknowledged(f).empty()) << "once is enough";
}

TEST(ClientTasksTest, SmallResultsAreAcknowledgedWithTheNextMessage) {
    Fixture f(1);
    f.welcome(0);
    f.start(1);
    f.out.clear();
    f.result(0, attempt(1), "done");
    f.reactor.flush(0, f.out);
    EXPECT_TRUE(acknowledged(f).empty());
    f.start(2);
    EXPECT_EQ(acknowledged(f), std::vector<std::uint64_t>{1});
}

TEST(ClientTasksTest, ManyResultsLargeOnesAndThoseOfAFullOrDrainingWorkerAreAcknowledgedAtOnce) {
    Fixture many(1);
    many.welcome(0, 64);
    for (std::uint32_t i = 0; i < 32; ++i) {
        many.start(i);
    }
    many.out.clear();
    for (std::uint32_t i = 0; i < 32; ++i) {
        many.reactor.flush(0, many.out);
        EXPECT_TRUE(acknowledged(many).empty()) << i;
        many.result(0, attempt(i));
    }
    many.reactor.flush(0, many.out);
    EXPECT_EQ(acknowledged(many), std::vector<std::uint64_t>{32});

    Fixture large(1);
    large.welcome(0);
    large.start(1);
    large.result(0, attempt(1), std::string(20'000, 'x'));
    large.out.clear();
    large.reactor.flush(0, large.out);
    EXPECT_EQ(acknowledged(large), std::vector<std::uint64_t>{1});

    Fixture full(1);
    full.welcome(0, 2, false, 1, 2);  // it takes two, and no third before one is acknowledged
    full.start(1);
    full.start(2);
    full.result(0, attempt(1));
    full.out.clear();
    full.reactor.flush(0, full.out);
    EXPECT_EQ(acknowledged(full), std::vector<std::uint64_t>{1});

    Fixture draining(1);
    draining.welcome(0);
    draining.start(1);
    draining.result(0, attempt(1));
    draining.out.clear();
    draining.say(0, MessageType::drain, wire::Drain{});
    EXPECT_EQ(acknowledged(draining), std::vector<std::uint64_t>{1});
}

TEST(ClientTasksTest, OnlyTheCurrentAttemptsResultCounts) {
    Fixture f(2);
    f.welcome(0);
    f.welcome(1);
    f.start(1);
    f.out.clear();
    f.result(1, attempt(1), "from one that does not have it");
    f.result(0, attempt(1, 7), "of another epoch");
    EXPECT_TRUE(f.take<Finished>().empty());
    EXPECT_EQ(f.reactor.stats().stale, 2U);
    f.result(0, attempt(1), "right");
    EXPECT_EQ(f.take<Finished>().at(0).out.bytes, "right");
}

TEST(ClientTasksTest, WhatRunsAnewSaysSoWithWhatIsHeardOfIt) {
    Fixture f(1);
    f.welcome(0, 1);
    f.start(1);
    for (const int run : {1, 2}) {
        f.out.clear();
        const std::uint64_t lease = f.lease(attempt(1)).epoch;
        f.say(0, MessageType::task_output,
              wire::TaskOutput{f.lease(attempt(1)), wire::Channel::out, 0, "it runs", 7});
        EXPECT_EQ(f.take<Output>().at(0).lease, lease);
        if (run == 2) {
            f.result(0, attempt(1));
            EXPECT_EQ(f.take<Finished>().at(0).lease, lease);
            break;
        }
        f.ids(0, MessageType::task_reclaimed, {attempt(1)});  // as one does that has to end
        EXPECT_GT(f.lease(attempt(1)).epoch, lease);
    }
}

TEST(ClientTasksTest, ALeaseThatIsOverCountsNoMoreOnItsOwnWorkerEither) {
    Fixture f(1);
    f.welcome(0, 1);
    f.start(0);
    f.start(1);
    const AttemptId before = f.lease(attempt(1));
    f.reactor.disconnected(0, "reset", f.now, f.out);
    f.pass(5s);  // both are lost: 0 ended, 1 had not begun and waits
    f.out.clear();
    f.welcome(0, 1, true);  // the worker had them all the time
    f.ids(0, MessageType::task_accepted, {before});
    const AttemptId after = f.lease(attempt(1));
    EXPECT_GT(after.epoch, before.epoch);
    wire::TaskResult late;
    late.sequence = 1;
    late.attempt = before;
    late.report.ending = {End::cancelled, 0};  // as it was told when it came back
    f.say(0, MessageType::task_result, late);
    EXPECT_TRUE(f.take<Finished>().empty());
    f.result(0, attempt(1), "right");
    EXPECT_EQ(f.take<Finished>().at(0).out.bytes, "right");
}

TEST(ClientTasksTest, AnIdleWorkerTakesHalfOfTheLongestQueue) {
    Fixture f(2);
    f.welcome(0, 1);
    f.start(0);
    f.start(1);
    f.out.clear();
    f.welcome(1, 1);
    EXPECT_EQ(f.listed(MessageType::task_reclaim), std::vector<AttemptId>{f.lease(attempt(1))});
    f.tick(0s);
    EXPECT_TRUE(f.listed(MessageType::task_reclaim).empty()) << "one question at a time";
    f.ids(0, MessageType::task_reclaimed, {attempt(1)});
    EXPECT_EQ(f.submitted(), (std::vector<std::uint32_t>{0, 1}));
    EXPECT_EQ(f.reactor.stats().moved, 1U);
    f.result(1, attempt(1), "elsewhere");
    EXPECT_EQ(f.take<Finished>().at(0).out.bytes, "elsewhere");
}

TEST(ClientTasksTest, WhatTheIdleWorkerCannotRunIsNotTakenForIt) {
    Fixture f(2);
    f.welcome(0, 4);
    for (std::uint32_t i = 1; i <= 6; ++i) {
        f.start(i, 4);
    }
    f.out.clear();
    f.welcome(1, 1);  // nothing would go there: all would come back to the first, again and again
    EXPECT_EQ(f.told(MessageType::task_reclaim), 0U);
}

TEST(ClientTasksTest, WhatTheIdleWorkerCanRunIsTakenFromBehindWhatItCannot) {
    Fixture f(2);
    f.welcome(0, 4);
    for (std::uint32_t i = 1; i <= 8; ++i) {
        f.start(i, i < 6 ? 1 : 4);
    }
    f.out.clear();
    f.welcome(1, 1);
    EXPECT_EQ(f.listed(MessageType::task_reclaim), std::vector{f.lease(attempt(5))});
}

TEST(ClientTasksTest, AnIdleWorkerThatCannotHelpHidesNoneThatCan) {
    Fixture f(3);
    f.welcome(0, 4);
    for (std::uint32_t i = 1; i <= 8; ++i) {
        f.start(i, 4);
    }
    f.welcome(1, 1);
    f.out.clear();
    f.welcome(2, 4);
    EXPECT_EQ(f.told(MessageType::task_reclaim), 1U);
}

TEST(ClientTasksTest, WhatWouldComeBackToTheSameWorkerIsNotTakenFromIt) {
    Fixture f(2);
    f.welcome(0, 1);
    f.welcome(1, 1);
    wire::Heartbeat busy;
    busy.sequence = 1;
    busy.load_permille = 1000;  // with others' work
    f.say(1, MessageType::heartbeat, busy);
    f.start(1);
    f.out.clear();
    f.start(2);
    Outbox both = f.out;
    EXPECT_EQ(f.submitted(), (std::vector<std::uint32_t>{1}));
    f.out = both;
    EXPECT_EQ(f.told(MessageType::task_reclaim), 0U);
}

TEST(ClientTasksTest, WhatCouldNotBeTakenBackStaysWhereItIs) {
    Fixture f(2);
    f.welcome(0, 1);
    f.start(0);
    f.start(1);
    f.welcome(1, 1);
    f.out.clear();
    f.ids(0, MessageType::task_reclaimed, {});
    f.result(0, attempt(1), "it had begun");
    EXPECT_EQ(f.take<Finished>().size(), 1U);
}

TEST(ClientTasksTest, WhoHasNothingToGiveBackIsNotAskedAgainUntilSomethingChangesThere) {
    Fixture f(2);
    f.welcome(0, 2);
    for (std::uint32_t i = 0; i < 4; ++i) {
        f.start(i);
    }
    f.welcome(1, 1);
    f.out.clear();
    f.ids(0, MessageType::task_reclaimed, {});  // all have ended, and the way back is slow
    EXPECT_EQ(f.told(MessageType::task_reclaim), 0U);
    f.result(0, attempt(0), "at last");
    f.reactor.hand_out(f.now, f.out);
    EXPECT_EQ(f.told(MessageType::task_reclaim), 1U);
}

TEST(ClientTasksTest, ALossNamesItsReasonAlsoWhenTheWorkerIsBackInAnotherLife) {
    Fixture f(1);
    f.welcome(0);
    f.start(1);
    f.reactor.disconnected(0, "the cable was cut", f.now, f.out);
    f.out.clear();
    f.welcome(0, 2, false, 2);
    const auto ended = f.take<Finished>();
    ASSERT_EQ(ended.size(), 1U);
    EXPECT_NE(ended[0].report.error->sentence.find("(the cable was cut)"), std::string::npos);
}

TEST(ClientTasksTest, OutputComesInOrderOrEndsTheConnection) {
    Fixture f(1);
    f.welcome(0);
    f.start(1);
    f.out.clear();
    const auto piece = [&](std::uint64_t offset, std::string_view bytes) {
        f.say(0, MessageType::task_output,
              wire::TaskOutput{f.lease(attempt(1)), wire::Channel::out, offset, bytes});
    };
    piece(0, "abc");
    piece(3, "de");
    const auto got = f.take<Output>();
    ASSERT_EQ(got.size(), 2U);
    EXPECT_EQ(got[1].bytes, "de");
    piece(0, "abc");
    EXPECT_EQ(f.take<Output>().size(), 1U) << "it begins anew after a reconnection";
    piece(7, "gap");
    EXPECT_EQ(f.take<Close>().size(), 1U);
}

TEST(ClientTasksTest, OutputBeyondItsCreditEndsTheConnection) {
    Options options = Fixture::options(1);
    options.output_bytes_max = 10;
    Fixture f(options);
    f.welcome(0);
    f.start(1);
    f.out.clear();
    f.say(0, MessageType::task_output,
          wire::TaskOutput{f.lease(attempt(1)), wire::Channel::out, 0, "0123456789"});
    EXPECT_TRUE(f.take<Close>().empty());
    f.say(0, MessageType::task_output,
          wire::TaskOutput{f.lease(attempt(1)), wire::Channel::out, 10, "x"});
    EXPECT_EQ(f.take<Close>().size(), 1U);
}

TEST(ClientTasksTest, AWorkerThatFailsAgainAndAgainIsLeftAlone) {
    Fixture f(2);
    f.welcome(0, 4);
    f.out.clear();
    for (std::uint32_t i = 0; i < 3; ++i) {
        f.start(i);
        wire::TaskResult message;
        message.sequence = i + 1;
        message.attempt = f.lease(attempt(i));
        message.report.ending = {End::not_started, 0};
        message.report.error = wire::to_record(
            Error(Domain::process, Code::out_of_resources, Fault::node, "no more processes"));
        f.say(0, MessageType::task_result, message);
    }
    f.out.clear();
    f.start(3);
    EXPECT_TRUE(f.submitted().empty());
    f.pass(10s, {0});
    EXPECT_EQ(f.submitted(), std::vector<std::uint32_t>{1}) << "one on probation";
    f.start(4);
    EXPECT_TRUE(f.submitted().empty());
    f.result(0, attempt(3));
    EXPECT_EQ(f.submitted(), std::vector<std::uint32_t>{1});
}

TEST(ClientTasksTest, WhatTheWorkerRefusesEndsWithItsSentence) {
    Fixture f(1);
    f.welcome(0);
    f.start(1);
    f.out.clear();
    f.say(0, MessageType::error,
          wire::ErrorMessage{f.lease(attempt(1)),
                             {"wire", "malformed", "user", "no such thing", {}}});
    const auto ended = f.take<Finished>();
    ASSERT_EQ(ended.size(), 1U);
    EXPECT_EQ(ended[0].report.error->sentence, "no such thing");
    f.say(0, MessageType::error, wire::ErrorMessage{{}, {"wire", "malformed", "user", "?", {}}});
    EXPECT_EQ(f.take<Close>().size(), 1U);
}

// 33 pieces of 32 KiB, one each millisecond: 32 MB/s.
TEST(ClientTasksTest, HowFastOutputComesIsMeasured) {
    Fixture f(1);
    f.welcome(0);
    f.start(1);
    f.out.clear();
    const std::string piece(wire::output_piece_bytes_max, 'x');
    for (std::uint64_t i = 0; i < 33; ++i) {
        f.now += 1ms;
        f.say(0, wire::MessageType::task_output,
              wire::TaskOutput{f.lease(attempt(1)), wire::Channel::out, i * piece.size(), piece});
    }
    const auto told = f.take<Capacity>();
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].bytes_per_second, piece.size() * 1000);
    EXPECT_EQ(told[0].slots, 2U);
}

}  // namespace
}  // namespace repartir::client
