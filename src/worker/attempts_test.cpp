// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <chrono>

#include "worker/reactor.hpp"
#include "worker/reactor_fixture.hpp"

namespace repartir::worker {
namespace {

using namespace std::chrono_literals;
using wire::MessageType;

wire::TaskResult only_result(Fixture& f) {
    const auto results = f.messages<wire::TaskResult>(MessageType::task_result);
    EXPECT_EQ(results.size(), 1U);
    return results.empty() ? wire::TaskResult() : results.front();
}

TEST(WorkerAttemptsTest, ATaskIsAcceptedRunAnsweredAndForgotten) {
    Fixture f;
    const ConnectionId id = f.join();
    f.out.clear();
    f.submit(id, attempt(1));
    Outbox both = f.out;
    EXPECT_EQ(f.listed(MessageType::task_accepted), std::vector<AttemptId>{attempt(1)});
    f.out = both;
    EXPECT_EQ(f.started(), std::vector<AttemptId>{attempt(1)});
    f.finish(attempt(1), "hello");
    const wire::TaskResult result = only_result(f);
    EXPECT_EQ(result.attempt, attempt(1));
    EXPECT_EQ(result.sequence, 1U);
    EXPECT_EQ(result.out.bytes, "hello");
    EXPECT_EQ(f.reactor.attempts(), 1U);
    f.acknowledge(id, {1});
    EXPECT_EQ(f.take<Forget>().size(), 1U);
    EXPECT_EQ(f.reactor.attempts(), 0U);
}

TEST(WorkerAttemptsTest, NoMoreRunThanThereIsRoomForAndHighComesFirst) {
    Fixture f;
    const ConnectionId id = f.join();
    f.submit(id, attempt(1), Task::binary("a").cores(2));
    f.submit(id, attempt(2));
    f.submit(id, attempt(3));
    f.submit(id, attempt(4), Task::binary("b").priority(Priority::high));
    EXPECT_EQ(f.started(), std::vector<AttemptId>{attempt(1)});
    f.finish(attempt(1));
    EXPECT_EQ(f.started(), (std::vector<AttemptId>{attempt(4), attempt(2)}));
    f.finish(attempt(2));
    EXPECT_EQ(f.started(), std::vector<AttemptId>{attempt(3)});
}

TEST(WorkerAttemptsTest, AWideTaskGetsItsTurn) {
    Fixture f;
    const ConnectionId id = f.join();
    f.submit(id, attempt(1));
    f.submit(id, attempt(2), Task::binary("wide").cores(2));
    f.submit(id, attempt(3));
    EXPECT_EQ(f.started(), std::vector<AttemptId>{attempt(1)}) << "3 does not overtake";
    f.finish(attempt(1));
    EXPECT_EQ(f.started(), std::vector<AttemptId>{attempt(2)});
}

TEST(WorkerAttemptsTest, ATaskThatComesAgainIsNotRunAgain) {
    Fixture f;
    const ConnectionId first = f.join();
    f.submit(first, attempt(1));
    f.submit(first, attempt(2));
    f.finish(attempt(2), "two");
    f.reactor.disconnected(first, f.now);
    f.out.clear();
    const ConnectionId second = f.join();
    Outbox greeting = f.out;
    EXPECT_EQ(f.listed(MessageType::task_accepted),
              (std::vector<AttemptId>{attempt(1), attempt(2)}));
    f.out = greeting;
    EXPECT_EQ(only_result(f).out.bytes, "two") << "sent again on the new connection";
    f.submit(second, {task_bytes(attempt(1), Task::binary("true")),
                      task_bytes(attempt(2), Task::binary("true"))});
    Outbox both = f.out;
    EXPECT_EQ(f.listed(MessageType::task_accepted).size(), 2U);
    f.out = both;
    EXPECT_TRUE(f.started().empty());
    EXPECT_EQ(f.reactor.stats().repeated, 2U);
    f.finish(attempt(1), "one");
    EXPECT_EQ(only_result(f).sequence, 2U);
}

TEST(WorkerAttemptsTest, AResultThatWasNotSeenIsNotForgotten) {
    Fixture f;
    const ConnectionId first = f.join();
    f.submit(first, attempt(1));
    f.reactor.disconnected(first, f.now);
    f.finish(attempt(1), "one");
    const ConnectionId second = f.join(1, 1, 0);
    f.out.clear();
    f.acknowledge(second, {});
    EXPECT_EQ(f.reactor.attempts(), 1U);
    f.acknowledge(second, {1, 1, 77});
    EXPECT_EQ(f.reactor.attempts(), 0U);
}

TEST(WorkerAttemptsTest, OneBadTaskLeavesTheOthersAlone) {
    Fixture f;
    const ConnectionId id = f.join();
    f.out.clear();
    std::string cut = task_bytes(attempt(2), Task::binary("true"));
    cut[0] = static_cast<char>(cut[0] - 20);
    cut.resize(cut.size() - 20);
    f.submit(id, {task_bytes(attempt(1), Task::binary("true")), cut, "?",
                  task_bytes(attempt(3), Task::binary("true"))});
    Outbox both = f.out;
    EXPECT_EQ(f.started(), (std::vector<AttemptId>{attempt(1), attempt(3)}));
    f.out = both;
    const auto errors = f.messages<wire::ErrorMessage>(MessageType::error);
    ASSERT_EQ(errors.size(), 2U);
    EXPECT_EQ(errors[0].attempt, attempt(2)) << "its id could be read";
    EXPECT_EQ(errors[0].error.code, "malformed");
    EXPECT_EQ(errors[1].attempt, AttemptId());
    f.say(id, MessageType::task_submit, std::uint8_t{1});
    EXPECT_EQ(f.messages<wire::ErrorMessage>(MessageType::error).size(), 1U);
}

TEST(WorkerAttemptsTest, WhoSendsBeyondItsCreditIsCutOff) {
    Fixture f;
    const ConnectionId id = f.join();
    for (std::uint32_t i = 0; i < 8; ++i) {
        f.submit(id, attempt(i));
    }
    EXPECT_TRUE(f.take<Close>().empty());
    f.submit(id, attempt(8));
    EXPECT_EQ(f.take<Close>().size(), 1U);
    EXPECT_EQ(f.reactor.attempts(), 8U) << "what it had is kept";
}

TEST(WorkerAttemptsTest, CreditComesBackAsResultsAreAcknowledged) {
    Fixture f;
    const ConnectionId id = f.join();
    for (std::uint32_t i = 0; i < 8; ++i) {
        f.submit(id, attempt(i));
    }
    f.finish(attempt(0));
    f.finish(attempt(1));
    f.out.clear();
    f.acknowledge(id, {1});
    EXPECT_TRUE(f.messages<wire::Credit>(MessageType::credit).empty()) << "one is no message worth";
    f.acknowledge(id, {2});
    const auto credit = f.messages<wire::Credit>(MessageType::credit);
    ASSERT_EQ(credit.size(), 1U);
    EXPECT_EQ(credit[0].tasks, 2U);
}

TEST(WorkerAttemptsTest, ALaterAttemptSupersedesAndAnEarlierIsRefused) {
    Fixture f;
    const ConnectionId id = f.join();
    f.submit(id, attempt(1, 5));
    f.out.clear();
    f.submit(id, attempt(1, 4));
    EXPECT_EQ(f.messages<wire::ErrorMessage>(MessageType::error).size(), 1U);
    f.submit(id, attempt(1, 6));
    Outbox both = f.out;
    EXPECT_EQ(f.started(), std::vector<AttemptId>{attempt(1, 6)});
    f.out = both;
    EXPECT_EQ(f.take<Stop>()[0].attempt, attempt(1, 5));
    f.finish(attempt(1, 5), "late");
    EXPECT_TRUE(f.messages<wire::TaskResult>(MessageType::task_result).empty());
    f.finish(attempt(1, 6), "right");
    EXPECT_EQ(only_result(f).out.bytes, "right");
}

TEST(WorkerAttemptsTest, AnotherSessionsAttemptIsNotTouched) {
    Fixture f;
    f.submit(f.join(1), attempt(1));
    const ConnectionId other = f.join(2);
    f.out.clear();
    f.submit(other, attempt(1));
    EXPECT_EQ(f.messages<wire::ErrorMessage>(MessageType::error).size(), 1U);
    f.cancel(other, attempt(1));
    EXPECT_TRUE(f.take<Stop>().empty());
    f.ids(other, MessageType::task_reclaim, {attempt(1)});
    EXPECT_TRUE(f.listed(MessageType::task_reclaimed).empty());
}

TEST(WorkerAttemptsTest, CancellingEndsWhatWaitsAtOnceAndStopsWhatRuns) {
    Fixture f(Fixture::defaults(1));
    const ConnectionId id = f.join();
    f.submit(id, attempt(1));
    f.submit(id, attempt(2));
    f.out.clear();
    f.cancel(id, attempt(2));
    EXPECT_EQ(only_result(f).report.ending.end, End::cancelled);
    f.cancel(id, attempt(1));
    EXPECT_FALSE(f.take<Stop>().at(0).force);
    f.cancel(id, attempt(1), true);
    EXPECT_TRUE(f.take<Stop>().at(0).force);
    f.cancel(id, attempt(7));
    EXPECT_TRUE(f.out.empty());
}

TEST(WorkerAttemptsTest, OnlyWhatHasNotBegunIsGivenBack) {
    Fixture f(Fixture::defaults(1));
    const ConnectionId id = f.join();
    f.submit(id, attempt(1));
    f.submit(id, attempt(2));
    f.submit(id, attempt(3));
    f.out.clear();
    f.ids(id, MessageType::task_reclaim, {attempt(1), attempt(2), attempt(9)});
    EXPECT_EQ(f.listed(MessageType::task_reclaimed), std::vector<AttemptId>{attempt(2)});
    f.finish(attempt(1));
    EXPECT_EQ(f.started(), std::vector<AttemptId>{attempt(3)});
    f.submit(id, attempt(2));  // it may come back, and is then run
    f.finish(attempt(3));
    EXPECT_EQ(f.started(), std::vector<AttemptId>{attempt(2)});
}

TEST(WorkerAttemptsTest, LargeOutputTravelsInPiecesAsCreditAllows) {
    Fixture f;
    const ConnectionId id = f.join(1, 1, 40'000);
    f.submit(id, attempt(1));
    f.out.clear();
    Ended ended;
    ended.report.ending = {End::exited, 0};
    ended.out.bytes = 100'000;
    f.reactor.finished(attempt(1), std::move(ended), f.now, f.out);
    std::uint64_t got = 0;
    const auto serve = [&] {
        for (auto reads = f.take<Read>(); !reads.empty(); reads = f.take<Read>()) {
            ASSERT_EQ(reads.size(), 1U);
            ASSERT_EQ(reads[0].offset, got);
            got += reads[0].bytes;
            f.reactor.read(attempt(1), wire::Channel::out, reads[0].offset,
                           std::string(reads[0].bytes, 'x'), f.now, f.out);
        }
    };
    serve();
    EXPECT_EQ(got, 40'000U);
    f.give_credit(id, 60'000);
    const auto reads = f.take<Read>();
    ASSERT_EQ(reads.size(), 1U);
    f.reactor.read(attempt(1), wire::Channel::out, reads[0].offset,
                   std::string(reads[0].bytes, 'x'), f.now, f.out);
    got += reads[0].bytes;
    Outbox rest = f.out;
    serve();
    EXPECT_EQ(got, 100'000U);
}

TEST(WorkerAttemptsTest, TheResultFollowsItsOutputAndAReconnectionBeginsAnew) {
    Fixture f;
    const ConnectionId first = f.join();
    f.submit(first, attempt(1));
    f.out.clear();
    Ended ended;
    ended.err.bytes = 40'000;
    f.reactor.finished(attempt(1), std::move(ended), f.now, f.out);
    const Read lost = f.take<Read>().at(0);
    f.reactor.disconnected(first, f.now);
    f.join();
    EXPECT_TRUE(f.take<Read>().empty()) << "the one before is still on its way";
    f.reactor.read(attempt(1), lost.channel, lost.offset, std::string(lost.bytes, 'x'), f.now,
                   f.out);
    Outbox both = f.out;
    EXPECT_TRUE(f.messages<wire::TaskOutput>(MessageType::task_output).empty());
    f.out = both;
    std::uint64_t got = 0;
    for (Read read = f.take<Read>().at(0);;) {
        f.reactor.read(attempt(1), read.channel, read.offset, std::string(read.bytes, 'x'), f.now,
                       f.out);
        got += read.bytes;
        if (got == 40'000) {
            break;
        }
        read = f.take<Read>().at(0);
    }
    const wire::TaskResult result = only_result(f);
    EXPECT_EQ(result.err.offset, 40'000U);
    EXPECT_TRUE(result.err.bytes.empty());
}

TEST(WorkerAttemptsTest, OutputThatCannotBeReadIsSaidToBeLost) {
    Fixture f;
    f.submit(f.join(), attempt(1));
    f.out.clear();
    Ended ended;
    ended.out.bytes = 50'000;
    f.reactor.finished(attempt(1), std::move(ended), f.now, f.out);
    const Read read = f.take<Read>().at(0);
    f.reactor.read(attempt(1), read.channel, read.offset, "only this", f.now, f.out);
    const wire::TaskResult result = only_result(f);
    EXPECT_EQ(result.out.offset, 9U);
    EXPECT_EQ(result.out.lost, 50'000U - 9);
}

TEST(WorkerAttemptsTest, OutputIsStreamedWhereItIsWanted) {
    Fixture f;
    const ConnectionId id = f.join();
    f.submit(id, {task_bytes(attempt(1), Task::binary("a"), true),
                  task_bytes(attempt(2), Task::binary("b"), false)});
    f.out.clear();
    f.reactor.grew(attempt(2), wire::Channel::out, 5, f.now, f.out);
    EXPECT_TRUE(f.take<Read>().empty());
    f.reactor.grew(attempt(1), wire::Channel::out, 5, f.now, f.out);
    f.reactor.grew(attempt(1), wire::Channel::out, 8, f.now, f.out);
    EXPECT_EQ(f.take<Read>().size(), 1U) << "one at a time";
    f.reactor.read(attempt(1), wire::Channel::out, 0, "01234", f.now, f.out);
    Outbox both = f.out;
    EXPECT_EQ(f.messages<wire::TaskOutput>(MessageType::task_output).at(0).bytes, "01234");
    f.out = both;
    const Read rest = f.take<Read>().at(0);
    EXPECT_EQ(rest.offset, 5U);
    EXPECT_EQ(rest.bytes, 3U);
}

TEST(WorkerAttemptsTest, WhatCanNeverRunHereIsAnsweredAtOnce) {
    Fixture f;
    const ConnectionId id = f.join();
    f.out.clear();
    f.submit(id, attempt(1), Task::binary("a").cores(3));
    EXPECT_EQ(only_result(f).report.error->code, "cannot_schedule");
    std::string call;
    wire::append_call(call, attempt(2), "median", "", 0ms, Priority::normal);
    f.submit(id, {call});
    const wire::TaskResult result = only_result(f);
    EXPECT_EQ(result.report.error->code, "not_found");
    EXPECT_NE(result.report.error->sentence.find("median"), std::string::npos);
    call.clear();
    wire::append_call(call, attempt(3), "mean", "", 0ms, Priority::normal);
    f.submit(id, {call});
    EXPECT_EQ(f.started(), std::vector<AttemptId>{attempt(3)});
}

}  // namespace
}  // namespace repartir::worker
