// SPDX-License-Identifier: MIT
#include "worker/reactor.hpp"

#include <gtest/gtest.h>

#include <chrono>

#include "worker/reactor_fixture.hpp"

namespace repartir::worker {
namespace {

using namespace std::chrono_literals;
using wire::MessageType;
using wire::Parting;

/// Expects that the connection is refused. @return why, as it is told
std::string refusal(Fixture& f, ConnectionId id, Parting parting) {
    std::vector<Send> sent;
    bool closed = false;
    for (const Effect& effect : f.out) {
        if (const auto* close = std::get_if<Close>(&effect)) {
            closed = closed || close->connection == id;
            EXPECT_EQ(close->refused, parting == Parting::refused);
        }
    }
    EXPECT_TRUE(closed);
    const auto goodbyes = f.messages<wire::Goodbye>(MessageType::goodbye);
    EXPECT_EQ(goodbyes.size(), 1U);
    if (goodbyes.empty()) {
        return {};
    }
    EXPECT_EQ(goodbyes.front().parting, parting);
    return std::string(goodbyes.front().reason);
}

TEST(WorkerReactorTest, HelloIsAnsweredWithWhatTheWorkerIs) {
    Fixture f;
    f.join();
    ASSERT_GE(f.out.size(), 2U);
    EXPECT_TRUE(std::holds_alternative<Admit>(f.out.front())) << "before anything is sent";
    const auto welcome = f.messages<wire::Welcome>(MessageType::welcome);
    ASSERT_EQ(welcome.size(), 1U);
    EXPECT_EQ(welcome[0].slots, 2U);
    EXPECT_EQ(welcome[0].task_credit, 8U);
    EXPECT_EQ(welcome[0].version, wire::version_max);
    EXPECT_EQ(welcome[0].functions.size(), 1U);
    EXPECT_FALSE(welcome[0].session_known);
    f.join();
    EXPECT_TRUE(f.messages<wire::Welcome>(MessageType::welcome)[0].session_known);
}

TEST(WorkerReactorTest, WhoDoesNotSayHelloIsRefused) {
    Fixture f;
    f.reactor.connected(1, wire::Role::client, f.now);
    f.say(1, MessageType::credit, wire::Credit{});
    EXPECT_NE(refusal(f, 1, Parting::refused).find("hello"), std::string::npos);
    f.reactor.connected(2, wire::Role::client, f.now);
    f.say(2, MessageType::hello, wire::Credit{});
    refusal(f, 2, Parting::refused);
    f.reactor.connected(3, wire::Role::client, f.now);
    EXPECT_EQ(f.reactor.next(), f.now + 5s);
    f.tick(5s);
    refusal(f, 3, Parting::refused);
    EXPECT_EQ(f.reactor.sessions(), 0U);
}

TEST(WorkerReactorTest, TheRoleIsTheCertificatesAndAWorkerGivesNoWork) {
    Fixture f;
    const auto hello_as = [&](ConnectionId id, wire::Role certified, wire::Role said) {
        f.reactor.connected(id, certified, f.now);
        wire::Hello hello;
        hello.role = said;
        f.say(id, MessageType::hello, hello);
        return refusal(f, id, Parting::refused);
    };
    EXPECT_TRUE(hello_as(1, wire::Role::broker, wire::Role::client)
                    .starts_with("the certificate is for the role broker, and hello came as "
                                 "client: "));
    hello_as(2, wire::Role::client, wire::Role::broker);
    EXPECT_TRUE(hello_as(3, wire::Role::worker, wire::Role::worker)
                    .ends_with("each with a certificate of its role"));
}

TEST(WorkerReactorTest, AVersionThatIsNotSpokenIsRefusedByName) {
    Fixture f;
    f.reactor.connected(1, wire::Role::client, f.now);
    wire::Hello hello;
    hello.version_min = hello.version_max = 99;
    f.say(1, MessageType::hello, hello);
    EXPECT_NE(refusal(f, 1, Parting::refused).find("99"), std::string::npos);
}

TEST(WorkerReactorTest, ANewerConnectionOfASessionReplacesTheOlder) {
    Fixture f;
    const ConnectionId first = f.join();
    f.out.clear();
    const ConnectionId second = f.join();
    refusal(f, first, Parting::replaced);
    f.submit(first, attempt(1));
    EXPECT_TRUE(f.started().empty()) << "nobody listens to the older one";
    f.submit(second, attempt(1));
    EXPECT_EQ(f.started().size(), 1U);
    EXPECT_EQ(f.reactor.sessions(), 1U);
}

TEST(WorkerReactorTest, AnEarlierLifeOfASessionIsStale) {
    Fixture f;
    f.join(1, 5);
    f.out.clear();
    refusal(f, f.join(1, 4), Parting::replaced);
    EXPECT_EQ(f.reactor.stats().stale, 1U);
}

TEST(WorkerReactorTest, SessionsAreBounded) {
    Options options = Fixture::defaults(2);
    options.sessions_max = 2;
    Fixture f(options);
    f.join(1);
    f.join(2);
    f.out.clear();
    refusal(f, f.join(3), Parting::refused);
    f.join(2);
    EXPECT_EQ(f.messages<wire::Welcome>(MessageType::welcome).size(), 1U);
}

TEST(WorkerReactorTest, ASessionThatIsGoneAndLeftNothingMakesRoomForANewOne) {
    Options options = Fixture::defaults(2);
    options.sessions_max = 3;
    Fixture f(options);
    const ConnectionId works = f.join(1);
    f.submit(works, attempt(1));
    f.reactor.disconnected(works, f.now);
    f.reactor.disconnected(f.join(3), f.now + 1s);
    f.reactor.disconnected(f.join(2), f.now + 2s);
    f.out.clear();
    f.join(4);
    f.join(2);
    const auto welcome = f.messages<wire::Welcome>(MessageType::welcome);
    ASSERT_EQ(welcome.size(), 2U);
    EXPECT_TRUE(welcome[1].session_known) << "the other one was gone longer";
    refusal(f, f.join(3), Parting::refused);
    f.join(1);
    EXPECT_EQ(f.listed(MessageType::task_accepted), std::vector<AttemptId>{attempt(1)});
    EXPECT_EQ(f.reactor.sessions(), 3U);
}

TEST(WorkerReactorTest, ASilentPeerIsHungUpOnAndItsSessionKeptForAWhile) {
    Fixture f;
    const ConnectionId id = f.join();
    f.submit(id, attempt(1));
    f.out.clear();
    base::BootTime quiet{0};
    while (f.take<Close>().empty()) {
        ASSERT_LT(quiet, 10s);
        const base::BootTime step = f.reactor.next() - f.now;
        ASSERT_GT(step, 0s);
        quiet += step;
        f.tick(step);
    }
    EXPECT_EQ(quiet, 4s);
    EXPECT_EQ(f.reactor.attempts(), 1U);
    f.tick(60s - 1ns);
    EXPECT_EQ(f.reactor.sessions(), 1U);
    f.tick(1ns);
    EXPECT_EQ(f.reactor.sessions(), 0U);
    const auto stops = f.take<Stop>();
    ASSERT_EQ(stops.size(), 1U);
    EXPECT_TRUE(stops[0].force);
    f.finish(attempt(1));
    EXPECT_EQ(f.take<Forget>().size(), 1U);
    EXPECT_EQ(f.reactor.next(), base::BootTime::max());
}

TEST(WorkerReactorTest, HeartbeatsComeInTimeAndEchoThePeers) {
    Fixture f;
    const ConnectionId id = f.join();
    f.submit(id, attempt(1));
    f.say(id, MessageType::heartbeat, wire::Heartbeat{7, 0, 0ns, 0, 0, 0, 0});
    f.out.clear();
    f.tick(1s);
    const auto beats = f.messages<wire::Heartbeat>(MessageType::heartbeat);
    ASSERT_EQ(beats.size(), 1U);
    EXPECT_EQ(beats[0].sequence, 1U);
    EXPECT_EQ(beats[0].echo, 7U);
    EXPECT_EQ(beats[0].echo_age, 1s);
    EXPECT_EQ(beats[0].running, 1U);
    EXPECT_EQ(beats[0].load_permille, 500U);
    f.tick(500ms);
    EXPECT_TRUE(f.messages<wire::Heartbeat>(MessageType::heartbeat).empty());
}

TEST(WorkerReactorTest, AnAbsurdHeartbeatOrTimeToLiveIsBounded) {
    Fixture f;
    f.reactor.connected(1, wire::Role::client, f.now);
    wire::Hello hello;
    hello.heartbeat = hello.time_to_live = std::chrono::milliseconds::max();
    f.say(1, MessageType::hello, hello);
    EXPECT_EQ(f.messages<wire::Welcome>(MessageType::welcome)[0].heartbeat, 60s);
    f.reactor.disconnected(1, f.now);
    EXPECT_EQ(f.reactor.next(), f.now + 24h);
    f.reactor.connected(2, wire::Role::client, f.now);
    hello.heartbeat = hello.time_to_live = std::chrono::milliseconds::min();
    f.say(2, MessageType::hello, hello);
    EXPECT_EQ(f.messages<wire::Welcome>(MessageType::welcome)[0].heartbeat, 100ms);
}

TEST(WorkerReactorTest, AGoodbyeThatIsDoneLeavesNothingBehind) {
    Fixture f;
    const ConnectionId id = f.join();
    f.submit(id, attempt(1));
    f.submit(id, attempt(2));
    f.submit(id, attempt(3));
    f.out.clear();
    f.say(id, MessageType::goodbye, wire::Goodbye{Parting::done, ""});
    EXPECT_EQ(f.reactor.sessions(), 0U);
    EXPECT_EQ(f.take<Stop>().size(), 2U);
    f.finish(attempt(1));
    f.finish(attempt(2));
    EXPECT_TRUE(f.started().empty());
    EXPECT_EQ(f.reactor.attempts(), 0U);
}

TEST(WorkerReactorTest, AnUnknownMessageEndsTheConnectionNotTheSession) {
    Fixture f;
    const ConnectionId id = f.join();
    f.submit(id, attempt(1));
    f.out.clear();
    f.say(id, static_cast<MessageType>(77), wire::Credit{});
    refusal(f, id, Parting::failed);
    EXPECT_EQ(f.reactor.attempts(), 1U);
}

TEST(WorkerReactorTest, ADrainFinishesWhatRunsAndGivesBackWhatWaits) {
    Fixture f;
    const ConnectionId id = f.join();
    for (std::uint32_t i = 1; i <= 4; ++i) {
        f.submit(id, attempt(i));
    }
    f.out.clear();
    f.reactor.drain(f.now + 30s, "SIGTERM", f.now, f.out);
    Outbox both = f.out;
    const auto told = f.messages<wire::Drain>(MessageType::drain);
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].deadline, 30s);
    f.out = both;
    EXPECT_EQ(f.listed(MessageType::task_reclaimed),
              (std::vector<AttemptId>{attempt(3), attempt(4)}));
    f.submit(id, attempt(5));
    EXPECT_EQ(f.listed(MessageType::task_reclaimed), std::vector<AttemptId>{attempt(5)});
    f.finish(attempt(1));
    f.finish(attempt(2));
    EXPECT_EQ(f.messages<wire::TaskResult>(MessageType::task_result).size(), 2U);
    EXPECT_FALSE(f.reactor.drained()) << "their results are not acknowledged";
    f.acknowledge(id, {2, 1});
    EXPECT_TRUE(f.reactor.drained());
    f.out.clear();
    f.reactor.farewell(f.out);
    refusal(f, id, Parting::drained);
    refusal(f, f.join(9), Parting::drained);
}

TEST(WorkerReactorTest, WhatRunsAtTheEndOfADrainIsSomebodyElses) {
    Fixture f;
    const ConnectionId id = f.join();
    f.submit(id, attempt(1));
    f.reactor.drain(f.now + 3s, "SIGTERM", f.now, f.out);
    f.out.clear();
    f.tick(3s);
    EXPECT_EQ(f.take<Stop>().size(), 1U);
    f.finish(attempt(1));
    EXPECT_EQ(f.listed(MessageType::task_reclaimed), std::vector<AttemptId>{attempt(1)});
    EXPECT_TRUE(f.reactor.drained());
}

TEST(WorkerReactorTest, ADrainDoesNotWaitForeverForAClientThatIsGone) {
    Fixture f;
    const ConnectionId id = f.join();
    f.submit(id, attempt(1));
    f.reactor.drain(f.now + 3s, "SIGTERM", f.now, f.out);
    f.finish(attempt(1));
    f.reactor.disconnected(id, f.now);
    EXPECT_FALSE(f.reactor.drained()) << "it may come back until the deadline";
    f.tick(3s);
    EXPECT_TRUE(f.reactor.drained());
}

}  // namespace
}  // namespace repartir::worker
