// SPDX-License-Identifier: MIT
// Many workers, many kinds of work, and who is not to wait for whom.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <variant>
#include <vector>

#include "client/reactor_fixture.hpp"

namespace repartir::client {
namespace {

using namespace std::chrono_literals;

std::uint32_t sum(const std::vector<std::uint32_t>& counts) {
    return std::accumulate(counts.begin(), counts.end(), 0U);
}

TEST(ClientManyTest, HoweverManyKindsWaitWhatOthersCanRunIsHandedOut) {
    constexpr WorkerId workers = 1000;
    constexpr std::uint32_t kinds = 50;
    Fixture f(workers);
    std::vector<std::string> names;
    for (std::uint32_t i = 0; i < kinds; ++i) {
        names.push_back("rare" + std::to_string(i));
    }
    f.functions.assign(names.begin(), names.end());
    f.welcome(0, 2, false, 1, 10);
    f.functions = {"common"};
    for (WorkerId id = 1; id < workers; ++id) {
        f.welcome(id);
    }
    std::uint32_t element = 0;
    for (int times = 0; times < 20; ++times) {
        for (const std::string& name : names) {
            f.start(++element, 1, false, name);
        }
    }
    EXPECT_EQ(sum(f.submitted()), 4U) << "the only worker is full";
    for (std::uint32_t i = 0; i < 100; ++i) {
        f.start(++element, 1, false, "common");
    }
    EXPECT_EQ(sum(f.submitted()), 100U);
    f.result(0, attempt(1));
    EXPECT_THAT(f.submitted(), testing::ElementsAre(1U))
        << "who was passed over, once there is room";
}

TEST(ClientManyTest, WorkIsTakenForAWorkerBehindManyThatCannotRunIt) {
    constexpr WorkerId others = 300;
    Fixture f(others + 2);
    f.functions = {"common"};
    for (WorkerId id = 0; id < others; ++id) {
        f.welcome(id);
    }
    f.functions = {"rare"};
    f.welcome(others);
    for (std::uint32_t element = 1; element <= 4; ++element) {
        f.start(element, 1, false, "rare");
    }
    f.out.clear();
    f.welcome(others + 1);
    EXPECT_EQ(f.told(wire::MessageType::task_reclaim), 1U);
}

TEST(ClientManyTest, WhatNobodyCanRunEndsThoughSomebodyElseComesAndGoes) {
    for (const std::string_view function : {"", "unknown"}) {
        Fixture f(3);
        f.functions = {"known"};
        f.welcome(0);
        f.welcome(1);
        f.start(1, 100, false, function);
        std::uint64_t incarnation = 1;
        int ended = 0;
        for (int times = 0; times < 5; ++times) {
            f.pass(3s, {0});
            f.reactor.disconnected(1, "it died", f.now, f.out);
            f.welcome(1, 2, false, ++incarnation);
            for (const Effect& effect : std::exchange(f.out, {})) {
                ended += std::holds_alternative<Finished>(effect) ? 1 : 0;
                if (const auto* const dial = std::get_if<Dial>(&effect)) {
                    f.reactor.disconnected(dial->worker, "no route", f.now, f.out);
                }
            }
        }
        EXPECT_EQ(ended, 1) << function;
    }
}

TEST(ClientManyTest, WhatWasSetAsideGoesToWhoeverCanRunItInItsOrder) {
    Fixture f(3);
    f.functions = {"a"};
    f.welcome(0);
    for (std::uint32_t element = 1; element <= 3; ++element) {
        f.start(element, 1, element == 3, "b");
        f.start(10 + element, 1, false, "c");
    }
    EXPECT_EQ(sum(f.submitted()), 0U);
    f.functions = {"c"};
    f.welcome(1);
    EXPECT_THAT(f.submitted(), testing::ElementsAre(0U, 3U));
    f.functions = {"b"};
    f.welcome(2);
    EXPECT_THAT(f.submitted(), testing::ElementsAre(0U, 0U, 3U));
    EXPECT_LT(f.lease(attempt(3)).epoch, f.lease(attempt(1)).epoch) << "of high priority";
    EXPECT_LT(f.lease(attempt(1)).epoch, f.lease(attempt(2)).epoch);
}

TEST(ClientManyTest, WhatWaitsAtAWorkerThatIsFullOfOthersWorkIsTakenForOneThatIdles) {
    Fixture f(2);
    f.welcome(0);
    f.start(1);
    f.start(2);
    f.out.clear();
    f.welcome(1);
    EXPECT_EQ(f.told(wire::MessageType::task_reclaim), 0U) << "both run, as far as is known";
    wire::Heartbeat full;
    full.running = 2;
    full.queued = 1;
    full.load_permille = 1000;
    f.say(0, wire::MessageType::heartbeat, full);
    EXPECT_EQ(f.listed(wire::MessageType::task_reclaim),
              std::vector<AttemptId>{f.lease(attempt(2))});
    f.ids(0, wire::MessageType::task_reclaimed, {});
    EXPECT_EQ(f.told(wire::MessageType::task_reclaim), 0U) << "that one had begun";
    f.say(0, wire::MessageType::heartbeat, full);
    EXPECT_EQ(f.listed(wire::MessageType::task_reclaim).size(), 2U) << "one of both waits, it says";
    f.ids(0, wire::MessageType::task_reclaimed, {attempt(1)});
    EXPECT_THAT(f.submitted(), testing::ElementsAre(0U, 1U));
}

TEST(ClientManyTest, WhoIsAskedForAllGivesWhatAnyThatIdlesTakes) {
    for (const bool idles : {false, true}) {
        Fixture f(3);
        f.functions = {"b"};
        f.welcome(0);
        f.start(1);
        f.start(2, 1, false, "b");
        f.welcome(2, 1);
        if (!idles) {
            f.start(3, 1, false, "b");
            ASSERT_THAT(f.submitted(), testing::ElementsAre(2U, 0U, 1U));
        }
        f.functions = {};
        f.welcome(1);
        f.out.clear();
        wire::Heartbeat full;
        full.running = 2;
        full.queued = 2;
        full.load_permille = 1000;
        f.say(0, wire::MessageType::heartbeat, full);
        EXPECT_EQ(f.listed(wire::MessageType::task_reclaim),
                  std::vector<AttemptId>{f.lease(attempt(1))})
            << "the newest that the first one takes";
        f.ids(0, wire::MessageType::task_reclaimed, {});
        f.say(0, wire::MessageType::heartbeat, full);
        EXPECT_EQ(f.listed(wire::MessageType::task_reclaim).size(), idles ? 2U : 1U);
    }
}

TEST(ClientManyTest, WhoIdlesTakesFromOneOfThoseThatHaveMuch) {
    Fixture f(3);
    for (const WorkerId id : {0U, 1U, 2U}) {
        f.welcome(id, 1);
    }
    wire::Heartbeat beat;
    beat.load_permille = 1000;  // with others' work
    f.say(2, wire::MessageType::heartbeat, beat);
    for (std::uint32_t element = 1; element <= 4; ++element) {
        f.start(element);
    }
    EXPECT_THAT(f.submitted(), testing::ElementsAre(2U, 2U));
    beat.load_permille = 0;
    f.say(2, wire::MessageType::heartbeat, beat);
    EXPECT_EQ(f.told(wire::MessageType::task_reclaim), 1U);
}

TEST(ClientManyTest, WhatIsLessUrgentGetsItsTurnThoughTheRestNeverEnds) {
    Fixture f(1);
    f.welcome(0, 1);
    std::uint32_t next = 1;
    f.start(++next, 1, true);
    f.start(++next, 1, true);  // it waits at the worker
    f.start(1);
    f.start(0);
    std::uint32_t done = 1;
    while (!f.held(1) && next < 100) {
        f.start(++next, 1, true);
        f.result(0, attempt(++done));
    }
    EXPECT_EQ(next, 32U) << "30 before it, one that has ended, and one that comes next";
    EXPECT_FALSE(f.held(0));
}

TEST(ClientManyTest, WhatIsOfLowPriorityComesLast) {
    Fixture f(1);
    const std::vector<Priority> priorities{Priority::low, Priority::normal, Priority::high};
    for (std::uint32_t element = 1; element <= 3; ++element) {
        Order order;
        order.priority = priorities[element - 1];
        wire::append_task(order.task, attempt(element), Task::binary("true"), false);
        f.reactor.start(attempt(element), std::move(order), f.now);
    }
    f.welcome(0, 4);
    EXPECT_LT(f.lease(attempt(3)).epoch, f.lease(attempt(2)).epoch);
    EXPECT_LT(f.lease(attempt(2)).epoch, f.lease(attempt(1)).epoch);
}

TEST(ClientManyTest, WhatMayHaveRunBeforeOlderTasksCountsAsLostWithItsWorker) {
    for (const bool is_urgent : {false, true}) {
        for (const bool is_heard : {false, true}) {
            Fixture f(1);
            f.welcome(0, 1);
            f.start(1);
            f.start(2, 1, is_urgent);
            ASSERT_THAT(f.submitted(), testing::ElementsAre(2U));
            if (is_heard) {
                f.say(0, wire::MessageType::task_output,
                      wire::TaskOutput{f.lease(attempt(2)), wire::Channel::out, 0, "it runs", 7});
            }
            f.out.clear();
            f.reactor.disconnected(0, "it died", f.now, f.out);
            f.pass(60s);
            std::size_t lost = 0;
            for (const Finished& finished : f.take<Finished>()) {
                lost += finished.report.where == "w0" ? 1 : 0;
            }
            EXPECT_EQ(lost, is_urgent || is_heard ? 2U : 1U);
        }
    }
}

}  // namespace
}  // namespace repartir::client
