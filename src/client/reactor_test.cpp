// SPDX-License-Identifier: MIT
#include "client/reactor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "client/reactor_fixture.hpp"

namespace repartir::client {
namespace {

using namespace std::chrono_literals;
using wire::MessageType;

TEST(ClientReactorTest, EveryWorkerIsDialledAndGreeted) {
    Fixture f(3);
    EXPECT_EQ(f.take<Dial>().size(), 3U);
    f.reactor.connected(1, f.now, f.out);
    const auto sent = f.take<Send>();
    ASSERT_EQ(sent.size(), 1U);
    const auto hello = wire::decode<wire::Hello>(MessageType::hello, sent[0].body);
    ASSERT_TRUE(hello);
    EXPECT_EQ(hello->session, (wire::Instance{1, 2}));
    EXPECT_EQ(hello->role, wire::Role::client);
    EXPECT_NE(hello->output_credit, 0U);
}

TEST(ClientReactorTest, CapacityFollowsWhoIsThere) {
    Fixture f(2);
    f.welcome(0, 4);
    EXPECT_EQ(f.take<Capacity>().at(0).slots, 4U);
    f.welcome(1, 2);
    EXPECT_EQ(f.take<Capacity>().at(0).slots, 6U);
    f.say(1, MessageType::drain, wire::Drain{});
    EXPECT_EQ(f.take<Capacity>().at(0).slots, 4U);
    f.reactor.disconnected(0, "reset", f.now, f.out);
    EXPECT_EQ(f.take<Capacity>().at(0).slots, 0U);
}

TEST(ClientReactorTest, CapacityTellsHowManySlotsRunNoProgramOfOurs) {
    Fixture f(1);
    f.functions = {"f"};
    f.welcome(0, 4);
    f.start(1, 1, false, "f");
    f.start(2);
    f.out.clear();
    wire::Heartbeat beat;
    const auto busy = [&](std::uint32_t permille) {
        beat.load_permille = permille;
        f.say(0, MessageType::heartbeat, beat);
        const auto told = f.take<Capacity>();
        return told.empty() ? -1 : static_cast<int>(told.back().busy);
    };
    EXPECT_EQ(busy(500), 1) << "the call";
    EXPECT_EQ(busy(1000), 3) << "and others' work";
    EXPECT_EQ(busy(1000), -1) << "as before";
    EXPECT_EQ(busy(250), 0) << "the program, as far as is known";
    beat.queued = 2;
    EXPECT_EQ(busy(1000), 4) << "both wait";
    f.reactor.disconnected(0, "reset", f.now, f.out);
    EXPECT_EQ(f.take<Capacity>().back().busy, 0U);
}

TEST(ClientReactorTest, AWorkerWithoutSlotsHasNoneInUseWhateverItSays) {
    Fixture f(1);
    f.welcome(0, 0);
    wire::Heartbeat beat;
    beat.load_permille = 1000;
    f.say(0, MessageType::heartbeat, beat);
    for (const Capacity& told : f.take<Capacity>()) {
        EXPECT_EQ(told.busy, 0U);
    }
}

TEST(ClientReactorTest, AWorkerThatIsGoneCountsOnlyWhileItHasSomething) {
    Fixture f(1);
    f.welcome(0, 4);
    f.start(1);
    f.reactor.disconnected(0, "reset", f.now, f.out);
    EXPECT_EQ(f.reactor.slots(), 4U) << "it may come back with what it has";
    f.out.clear();
    f.reactor.cancel(attempt(1), false, f.now, f.out);
    EXPECT_EQ(f.take<Capacity>().at(0).slots, 0U);
    EXPECT_EQ(f.reactor.slots(), 0U);
}

TEST(ClientReactorTest, ABrokenConnectionIsDialledAgainLaterAndLater) {
    Fixture f(1);
    f.out.clear();
    base::BootTime last = f.now;
    for (const base::BootTime wait : {100ms, 200ms, 400ms, 800ms}) {
        f.reactor.disconnected(0, "refused", f.now, f.out);
        EXPECT_EQ(f.reactor.next() - f.now, wait);
        f.pass(wait - 1ns);
        EXPECT_TRUE(f.take<Dial>().empty());
        f.pass(1ns);
        EXPECT_EQ(f.take<Dial>().size(), 1U);
        last = f.now;
    }
    f.welcome(0);
    f.reactor.disconnected(0, "reset", f.now, f.out);
    EXPECT_EQ(f.reactor.next() - f.now, 100ms) << "it was up: the count begins anew";
    EXPECT_LT(last, f.now + 1s);
}

TEST(ClientReactorTest, WhoDoesNotSayWelcomeIsHungUpOn) {
    Fixture f(3);
    f.reactor.connected(0, f.now, f.out);
    f.reactor.connected(1, f.now, f.out);
    f.reactor.connected(2, f.now, f.out);
    f.out.clear();
    f.say(0, MessageType::heartbeat, wire::Heartbeat{});
    EXPECT_EQ(f.take<Close>().at(0).worker, 0U);
    f.say(1, MessageType::goodbye, wire::Goodbye{wire::Parting::refused, "no room"});
    EXPECT_EQ(f.take<Close>().at(0).worker, 1U);
    f.pass(5s);
    EXPECT_EQ(f.take<Close>().at(0).worker, 2U);
}

TEST(ClientReactorTest, AWelcomeOfAnotherVersionOrRoleIsRefused) {
    Fixture f(2);
    wire::Welcome wrong;
    f.reactor.connected(0, f.now, f.out);
    wrong.version = 9;
    f.say(0, MessageType::welcome, wrong);
    EXPECT_EQ(f.take<Close>().size(), 1U);
    f.reactor.connected(1, f.now, f.out);
    wrong.version = 1;
    wrong.role = wire::Role::client;
    f.say(1, MessageType::welcome, wrong);
    EXPECT_EQ(f.take<Close>().size(), 1U);
}

TEST(ClientReactorTest, HeartbeatsAreSentAndSilenceEndsTheConnection) {
    Fixture f(1);
    f.welcome(0);
    f.out.clear();
    f.pass(3500ms, {0});
    std::size_t beats = 0;
    for (const Send& send : f.take<Send>()) {
        beats += send.type == MessageType::heartbeat ? 1 : 0;
    }
    EXPECT_EQ(beats, 3U);
    f.pass(3400ms);  // it was heard at 3 s last
    EXPECT_TRUE(f.take<Close>().empty());
    f.pass(200ms);
    EXPECT_EQ(f.take<Close>().size(), 1U);
}

// Like the age of a result that the fuzzer found: no time of a peer's is reckoned with unbounded.
TEST(ClientReactorTest, TimesThatCannotBeAreBroughtWithinBounds) {
    Fixture f(2);
    f.welcome(0, 2, false, 1, 100, std::chrono::milliseconds::max());
    f.welcome(1, 2, false, 1, 100, std::chrono::milliseconds::min());
    f.out.clear();
    f.pass(150ms, {0, 1});
    ASSERT_EQ(f.take<Send>().size(), 1U);  // of the second, whose beat cannot be below 100 ms
    wire::Heartbeat beat;
    beat.sequence = 1;
    beat.echo = 1;
    beat.echo_age = std::chrono::nanoseconds::min();
    f.say(1, MessageType::heartbeat, beat);
    beat.echo_age = std::chrono::nanoseconds::max();
    f.say(1, MessageType::heartbeat, beat);
    f.pass(60s, {0, 1});
    const auto sent = f.take<Send>();
    EXPECT_EQ(std::ranges::count(sent, 0U, &Send::worker), 1);
}

TEST(ClientReactorTest, ASuspectGetsNothingNewUntilItIsHeard) {
    Fixture f(2);
    f.welcome(0);
    f.welcome(1);
    f.pass(2500ms, {1});
    f.out.clear();
    f.start(1);
    f.start(2);
    f.start(3);
    EXPECT_EQ(f.submitted(), (std::vector<std::uint32_t>{0, 3}));
    f.say(0, MessageType::heartbeat, wire::Heartbeat{});
    f.tick(0s);
    f.start(4);
    EXPECT_EQ(f.submitted(), std::vector<std::uint32_t>{1});
}

TEST(ClientReactorTest, AWorkerThatComesBackGoesOnWithWhatItHad) {
    Fixture f(1);
    f.welcome(0);
    f.start(1);
    f.start(2);
    f.reactor.cancel(attempt(2), false, f.now, f.out);
    f.reactor.disconnected(0, "reset", f.now, f.out);
    f.pass(2s);
    f.out.clear();
    f.welcome(0, 2, true);
    f.ids(0, MessageType::task_accepted, {attempt(1), attempt(2)});
    Outbox both = f.out;
    EXPECT_TRUE(f.submitted().empty());
    f.out = both;
    EXPECT_TRUE(f.take<Finished>().empty());
    f.out = both;
    EXPECT_EQ(f.told(MessageType::task_cancel), 1U)
        << "it may not have heard that one is cancelled";
    EXPECT_EQ(f.reactor.stats().reattached, 1U);
    f.result(0, attempt(1), "kept");
    EXPECT_EQ(f.take<Finished>().at(0).out.bytes, "kept");
}

TEST(ClientReactorTest, WhatAWorkerThatComesBackLacksIsSentAgainAndWhatItHasTooMuchIsEnded) {
    Fixture f(1);
    f.welcome(0);
    f.start(1);
    f.start(2);
    const AttemptId lost = f.lease(attempt(2));
    f.reactor.disconnected(0, "reset", f.now, f.out);
    f.welcome(0, 2, true);
    f.start(3);
    f.out.clear();
    f.ids(0, MessageType::task_accepted, {attempt(1), attempt(9)});
    Outbox both = f.out;
    EXPECT_EQ(f.submitted(), std::vector<std::uint32_t>{2}) << "2, which it lacks, and 3";
    f.out = both;
    EXPECT_EQ(f.told(MessageType::task_cancel), 1U) << "9, which nobody wants";
    EXPECT_GT(f.lease(attempt(2)).epoch, lost.epoch);
}

TEST(ClientReactorTest, AWorkerThatWasRestartedHasLostItsTasksThoughItKnowsTheSession) {
    Fixture f(1);
    f.welcome(0, 1);
    f.start(1);
    const AttemptId before = f.lease(attempt(1));
    f.reactor.disconnected(0, "reset", f.now, f.out);
    f.out.clear();
    f.welcome(0, 1, true, 2);  // the welcome before this one did not come
    const auto finished = f.take<Finished>();
    ASSERT_EQ(finished.size(), 1U) << "it may have run, and counts as lost with its machine";
    ASSERT_TRUE(finished[0].report.error);
    EXPECT_EQ(wire::to_error(*finished[0].report.error).fault(), Fault::node);
    f.say(0, MessageType::task_accepted, codec::fields(std::span<const AttemptId>(&before, 1)));
    EXPECT_EQ(f.told(MessageType::task_cancel), 1U) << "what it says that it has is nobody's";
    EXPECT_EQ(f.reactor.stats().reattached, 0U);
    f.start(2);
    EXPECT_EQ(f.submitted(), std::vector<std::uint32_t>{1}) << "it gets more";
}

TEST(ClientReactorTest, AWorkerThatWasRestartedHasLostItsTasks) {
    Fixture f(2);
    f.welcome(0, 1);
    for (std::uint32_t i = 1; i <= 2; ++i) {
        f.start(i);
    }
    f.reactor.disconnected(0, "reset", f.now, f.out);
    f.out.clear();
    f.welcome(0, 1, false, 2);
    Outbox both = f.out;
    const auto ended = f.take<Finished>();
    ASSERT_EQ(ended.size(), 1U) << "the one that it may have been running";
    EXPECT_EQ(ended[0].attempt, attempt(1));
    EXPECT_EQ(ended[0].report.error->code, "unreachable");
    EXPECT_EQ(ended[0].report.error->fault, "node");
    f.out = both;
    EXPECT_EQ(f.submitted(), std::vector<std::uint32_t>{1}) << "the other one is sent anew";
}

TEST(ClientReactorTest, AWorkerThatStaysAwayLosesItsTasksToTheOthers) {
    Fixture f(2);
    f.welcome(0, 1);
    f.start(1);
    f.start(2);
    f.welcome(1, 1);
    f.reactor.disconnected(0, "reset", f.now, f.out);
    f.out.clear();
    f.pass(3900ms, {1});
    EXPECT_TRUE(f.take<Finished>().empty());
    f.pass(200ms, {1});
    Outbox both = f.out;
    const auto lost = f.take<Finished>();
    ASSERT_EQ(lost.size(), 1U);
    EXPECT_EQ(lost[0].report.where, "w0");
    f.out = both;
    EXPECT_EQ(f.submitted(), (std::vector<std::uint32_t>{0, 1}));
    // it comes back with what nobody wants any more
    f.welcome(0, 1, true);
    EXPECT_EQ(f.listed(MessageType::task_submit).size(), 0U);
    f.result(0, attempt(1), "late");
    EXPECT_TRUE(f.take<Finished>().empty());
    EXPECT_EQ(f.reactor.stats().stale, 1U);
}

TEST(ClientReactorTest, WithNobodyInReachTasksEndAfterAWhile) {
    Fixture f(1);
    f.start(1);
    f.reactor.disconnected(0, "connection refused", f.now, f.out);
    f.pass(9900ms);
    f.reactor.disconnected(0, "connection refused", f.now, f.out);
    EXPECT_TRUE(f.take<Finished>().empty());
    f.pass(200ms);
    const auto ended = f.take<Finished>();
    ASSERT_EQ(ended.size(), 1U);
    EXPECT_EQ(ended[0].report.error->code, "unreachable");
    EXPECT_NE(ended[0].report.error->sentence.find("w0 (connection refused)"), std::string::npos);
    f.start(2);
    f.pass(9900ms);
    EXPECT_TRUE(f.take<Finished>().empty()) << "it waits its own while";
}

TEST(ClientReactorTest, AWorkerThatIsSilentIsToldFromOneThatIsNotThere) {
    Options options = Fixture::options(4);
    options.reach = 2s;
    options.greeting = 3s;
    Fixture f(options);
    f.start(1);
    f.pass(500ms);
    f.reactor.taken(1);                    // and then shakes no hands
    f.reactor.connected(2, f.now, f.out);  // and then says no welcome
    f.reactor.disconnected(3, "it is full", f.now, f.out);
    f.pass(1600ms);
    const auto ended = f.take<Finished>();
    ASSERT_EQ(ended.size(), 1U);
    const std::string silence =
        "it took the connection, but nothing answered within 2.00 s: see "
        "whether the process there is stopped or too busy, and its log";
    EXPECT_EQ(ended[0].report.error->sentence,
              "no worker could be reached: w0 (no connection was made within 2.00 s: check that "
              "machine and the network), w1 (" +
                  silence + "), w2 (" + silence + "); start one, or check the addresses");
    f.reactor.disconnected(0, "connection refused", f.now, f.out);
    f.reactor.disconnected(1, "connection refused", f.now, f.out);
    f.pass(1s);  // its time to say welcome is over
    f.start(2);
    f.pass(2s);
    const auto later = f.take<Finished>();
    ASSERT_EQ(later.size(), 1U);
    EXPECT_THAT(later[0].report.error->sentence,
                testing::HasSubstr("w2 (it took the connection, but nothing answered within 3.50"));
}

TEST(ClientReactorTest, LeavingSaysGoodbye) {
    Fixture f(2);
    f.welcome(0);
    f.out.clear();
    f.reactor.leave(f.out);
    const auto sent = f.take<Send>();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(wire::decode<wire::Goodbye>(MessageType::goodbye, sent[0].body)->parting,
              wire::Parting::done);
}

TEST(ClientReactorTest, AWelcomeSaysHowFarAWorkerIs) {
    Fixture f(1);
    f.reactor.connected(0, f.now, f.out);
    f.now += 50ms;
    wire::Welcome message;
    message.heartbeat = 1s;
    message.slots = 2;
    message.task_credit = 100;
    message.input_credit = 1U << 20U;
    f.say(0, MessageType::welcome, message);
    EXPECT_EQ(f.take<Capacity>().at(0).round_trip, 50ms);
}

/// A client that was told two addresses of one worker, and is connected at the first.
class TwoAddresses : public ::testing::Test {
  protected:
    TwoAddresses() {
        welcome(0);
        f.out.clear();
    }
    /// The worker is reached at this address and says welcome: the other connection ends then.
    void welcome(WorkerId at) {
        f.reactor.connected(at, f.now, f.out);
        wire::Welcome message;
        message.instance = {7, 7};
        message.incarnation = 1;
        message.session_known = at != 0;
        message.heartbeat = 1s;
        message.slots = 2;
        message.task_credit = 100;
        message.input_credit = 1U << 20U;
        f.say(at, MessageType::welcome, message);
        if (message.session_known) {
            f.ids(at, MessageType::task_accepted, {});  // it has nothing
        }
    }
    Fixture f{2};
};

TEST_F(TwoAddresses, OneOfThemIsUsed) {
    f.start(1);
    f.out.clear();
    welcome(1);
    f.reactor.disconnected(0, "replaced", f.now, f.out);
    const auto closed = f.take<Close>();
    ASSERT_EQ(closed.size(), 1U);
    EXPECT_EQ(closed[0].worker, 1U);
    f.pass(10s);
    for (const Dial& dial : f.take<Dial>()) {
        EXPECT_EQ(dial.worker, 0U);
    }
}

TEST_F(TwoAddresses, ACallOfWhatTheWorkerLacksEndsAsSoonAsNobodyElseMayCome) {
    f.start(1, 1, false, "absent");
    EXPECT_TRUE(f.take<Finished>().empty()) << "who is at the other address may have it";
    welcome(1);
    EXPECT_EQ(f.take<Finished>().at(0).report.error->code, "not_found");
}

TEST_F(TwoAddresses, TheSecondIsUsedWhereTheFirstFails) {
    welcome(1);
    f.reactor.disconnected(0, "replaced", f.now, f.out);
    f.out.clear();
    for (int i = 0; i < 3; ++i) {
        f.pass(8s);
        f.reactor.disconnected(0, "refused", f.now, f.out);
    }
    f.pass(2s);
    const auto dials = f.take<Dial>();
    EXPECT_EQ(std::ranges::count(dials, 1U, &Dial::worker), 1);
    welcome(1);
    EXPECT_TRUE(f.take<Close>().empty());
    f.start(1);
    EXPECT_EQ(f.submitted(), (std::vector<std::uint32_t>{0, 1}));
    f.reactor.connected(0, f.now, f.out);
    f.out.clear();
    welcome(0);
    EXPECT_EQ(f.take<Close>().size(), 1U) << "now the first has to wait";
}

TEST_F(TwoAddresses, TheSecondIsNotUsedWhileTheFirstMayComeBackWithWhatItHas) {
    f.start(1);
    f.reactor.disconnected(0, "reset", f.now, f.out);
    for (int i = 0; i < 3; ++i) {
        f.pass(1s);
        f.reactor.disconnected(0, "refused", f.now, f.out);
    }
    f.out.clear();
    welcome(1);  // what it has would not be known as the first one's
    EXPECT_EQ(f.take<Close>().size(), 1U);
    f.pass(3s);
    welcome(1);
    EXPECT_TRUE(f.take<Close>().empty()) << "now it is lost";
}

TEST(ClientReactorTest, WhoHasManyWorkersAsksThemLessOften) {
    EXPECT_EQ(heartbeat_for(1, 1s), 1s);
    EXPECT_EQ(heartbeat_for(500, 1s), 1s);
    EXPECT_EQ(heartbeat_for(2000, 1s), 4s);
    EXPECT_EQ(heartbeat_for(1'000'000'000, 1s), 5s);
    EXPECT_EQ(heartbeat_for(2000, 100ms), 400ms);
    EXPECT_EQ(heartbeat_for(2000, 20s), 20s) << "never more often than is wanted";
}

}  // namespace
}  // namespace repartir::client
