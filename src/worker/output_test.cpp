// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "worker/reactor.hpp"
#include "worker/reactor_fixture.hpp"

namespace repartir::worker {
namespace {

using wire::MessageType;

TEST(WorkerOutputTest, LargeOutputTravelsInPiecesAsCreditAllows) {
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
            f.reactor.read(reads[0], std::string(reads[0].bytes, 'x'), f.now, f.out);
        }
    };
    serve();
    EXPECT_EQ(got, 40'000U);
    f.give_credit(id, 60'000);
    const auto reads = f.take<Read>();
    ASSERT_EQ(reads.size(), 1U);
    f.reactor.read(reads[0], std::string(reads[0].bytes, 'x'), f.now, f.out);
    got += reads[0].bytes;
    Outbox rest = f.out;
    serve();
    EXPECT_EQ(got, 100'000U);
}

TEST(WorkerOutputTest, TheResultFollowsItsOutputAndAReconnectionBeginsAnew) {
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
    const Read anew = f.take<Read>().at(0);
    EXPECT_EQ(anew.offset, 0U);
    f.reactor.read(lost, std::string(lost.bytes, 'x'), f.now, f.out);
    EXPECT_TRUE(f.out.empty()) << "it was for the connection before";
    std::uint64_t got = 0;
    for (Read read = anew;;) {
        f.reactor.read(read, std::string(read.bytes, 'x'), f.now, f.out);
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

TEST(WorkerOutputTest, OutputThatCannotBeReadIsSaidToBeLost) {
    Fixture f;
    f.submit(f.join(), attempt(1));
    f.out.clear();
    Ended ended;
    ended.out.bytes = 50'000;
    f.reactor.finished(attempt(1), std::move(ended), f.now, f.out);
    const Read read = f.take<Read>().at(0);
    f.reactor.read(read, "only this", f.now, f.out);
    const wire::TaskResult result = only_result(f);
    EXPECT_EQ(result.out.offset, 9U);
    EXPECT_EQ(result.out.lost, 50'000U - 9);
}

TEST(WorkerOutputTest, CreditThatOneLeavesIsAnothers) {
    Fixture f;
    const ConnectionId id = f.join(1, 1, 10'000);
    f.submit(id, attempt(1));
    f.submit(id, attempt(2));
    f.out.clear();
    for (const std::uint32_t element : {1U, 2U}) {
        Ended ended;
        ended.out.bytes = 10'000;
        f.reactor.finished(attempt(element), std::move(ended), f.now, f.out);
    }
    const Read first = f.take<Read>().at(0);
    EXPECT_EQ(first.attempt, attempt(1));
    EXPECT_EQ(first.bytes, 10'000U);
    f.reactor.read(first, "the disk lost the rest", f.now, f.out);
    const auto reads = f.take<Read>();
    ASSERT_EQ(reads.size(), 1U) << "nothing else gives the second one a turn";
    EXPECT_EQ(reads[0].attempt, attempt(2));
    EXPECT_EQ(reads[0].bytes, 10'000U - 22);
}

TEST(WorkerOutputTest, CreditOfWhatIsSupersededIsAnothers) {
    Fixture f;
    const ConnectionId id = f.join(1, 1, 10'000);
    f.submit(id, {task_bytes(attempt(1), Task::binary("a"), true)});
    f.submit(id, attempt(2));
    f.out.clear();
    f.reactor.grew(attempt(1), wire::Channel::out, 10'000, f.now, f.out);
    EXPECT_EQ(f.take<Read>().at(0).bytes, 10'000U);
    Ended ended;
    ended.out.bytes = 5000;
    f.reactor.finished(attempt(2), std::move(ended), f.now, f.out);
    EXPECT_TRUE(f.take<Read>().empty()) << "the first one has it all";
    f.submit(id, attempt(1, 2));
    const auto reads = f.take<Read>();
    ASSERT_EQ(reads.size(), 1U);
    EXPECT_EQ(reads[0].attempt, attempt(2));
}

TEST(WorkerOutputTest, OutputIsStreamedWhereItIsWanted) {
    Fixture f;
    const ConnectionId id = f.join();
    f.submit(id, {task_bytes(attempt(1), Task::binary("a"), true),
                  task_bytes(attempt(2), Task::binary("b"), false)});
    f.out.clear();
    f.reactor.grew(attempt(2), wire::Channel::out, 5, f.now, f.out);
    EXPECT_TRUE(f.take<Read>().empty());
    f.reactor.grew(attempt(1), wire::Channel::out, 5, f.now, f.out);
    f.reactor.grew(attempt(1), wire::Channel::out, 8, f.now, f.out);
    const auto reads = f.take<Read>();
    ASSERT_EQ(reads.size(), 1U) << "one at a time";
    f.reactor.read(reads[0], "01234", f.now, f.out);
    Outbox both = f.out;
    EXPECT_EQ(f.messages<wire::TaskOutput>(MessageType::task_output).at(0).bytes, "01234");
    f.out = both;
    const Read rest = f.take<Read>().at(0);
    EXPECT_EQ(rest.offset, 5U);
    EXPECT_EQ(rest.bytes, 3U);
}

TEST(WorkerOutputTest, OutputThatIsReadTooLateIsNotAnotherAttemptsOfTheSameId) {
    Fixture f(Fixture::defaults(1));
    const ConnectionId first = f.join();
    f.submit(first, {task_bytes(attempt(1), Task::binary("a"), true)});
    f.reactor.grew(attempt(1), wire::Channel::out, 100, f.now, f.out);
    const Read late = f.take<Read>().at(0);
    f.say(first, MessageType::goodbye, wire::Goodbye{wire::Parting::done, "done"});
    f.finish(attempt(1));
    const ConnectionId second = f.join(2);
    f.submit(second, {task_bytes(attempt(1), Task::binary("a"), true)});
    EXPECT_EQ(f.started(), std::vector<AttemptId>{attempt(1)});
    f.reactor.read(late, std::string(100, 'x'), f.now, f.out);
    EXPECT_TRUE(f.out.empty());
    f.reactor.grew(attempt(1), wire::Channel::out, 7, f.now, f.out);
    const Read read = f.take<Read>().at(0);
    EXPECT_EQ(read.offset, 0U);
    EXPECT_EQ(read.bytes, 7U);
}

TEST(WorkerOutputTest, AValueThatNobodyWaitsForIsCutShort) {
    Fixture f;
    const ConnectionId id = f.join();
    f.submit(id, attempt(1));
    f.out.clear();
    Ended ended;
    ended.report.ending = {End::exited, 0};
    ended.value.bytes = 1'000'000;
    f.reactor.finished(attempt(1), std::move(ended), f.now, f.out);
    const Read read = f.take<Read>().at(0);
    f.cancel(id, attempt(1));
    f.cancel(id, attempt(1));
    EXPECT_TRUE(f.messages<wire::TaskResult>(MessageType::task_result).empty())
        << "a piece is on its way";
    f.reactor.read(read, std::string(read.bytes, 'x'), f.now, f.out);
    const wire::TaskResult result = only_result(f);
    EXPECT_EQ(result.report.ending, (Ending{End::exited, 0}));
    EXPECT_EQ(result.value.offset, read.bytes);
    EXPECT_EQ(result.value.lost, 1'000'000 - read.bytes);
}

TEST(WorkerOutputTest, WhatHasAnOwnerIsLentToItsMessage) {
    Fixture f;
    const ConnectionId id = f.join();
    f.submit(id, attempt(1));
    f.out.clear();
    Ended ended;
    ended.report.ending = {End::exited, 0};
    ended.value.bytes = 1'000'000;
    f.reactor.finished(attempt(1), std::move(ended), f.now, f.out);
    const Read read = f.take<Read>().at(0);
    const auto text = std::make_shared<const std::string>(read.bytes, 'x');
    f.reactor.read(read, *text, f.now, f.out, text);
    const std::vector<Send> sent = f.take<Send>();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].lent.bytes.data(), text->data());
    EXPECT_EQ(sent[0].lent.owner, text);
    const std::string body = wire::whole_body(sent[0].body, sent[0].lent);
    const auto piece = wire::decode<wire::TaskOutput>(sent[0].type, body);
    ASSERT_TRUE(piece);
    EXPECT_EQ(piece->attempt, attempt(1));
    EXPECT_EQ(piece->channel, wire::Channel::value);
    EXPECT_EQ(piece->bytes, *text);
    EXPECT_EQ(piece->total, 1'000'000U);
}

TEST(WorkerOutputTest, AResultThatIsSentIsNotCutShort) {
    Fixture f;
    const ConnectionId id = f.join();
    f.submit(id, attempt(1));
    f.out.clear();
    Ended ended;
    ended.report.ending = {End::exited, 0};
    ended.value.bytes = 5;
    ended.value.inline_bytes = "value";
    f.reactor.finished(attempt(1), std::move(ended), f.now, f.out);
    f.cancel(id, attempt(1));
    EXPECT_EQ(only_result(f).value.bytes, "value");
}

}  // namespace
}  // namespace repartir::worker
