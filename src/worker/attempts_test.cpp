// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <chrono>

#include "worker/reactor.hpp"
#include "worker/reactor_fixture.hpp"

namespace repartir::worker {
namespace {

using namespace std::chrono_literals;
using wire::MessageType;

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

TEST(WorkerAttemptsTest, WhatHasEndedMeanwhileIsNotToldToBeAccepted) {
    Fixture f;
    const ConnectionId id = f.join();
    f.out.clear();
    f.flushes = false;
    f.submit(id, attempt(1));
    f.submit(id, attempt(2));
    f.finish(attempt(1));
    f.reactor.flush(f.out);
    EXPECT_EQ(f.listed(MessageType::task_accepted), std::vector<AttemptId>{attempt(2)});
    f.reactor.flush(f.out);
    EXPECT_TRUE(f.out.empty()) << "once is enough";
    f.submit(id, attempt(3));
    f.reactor.disconnected(id, f.now);
    f.reactor.flush(f.out);
    EXPECT_TRUE(f.listed(MessageType::task_accepted).empty());
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

TEST(WorkerAttemptsTest, WhatIsLessUrgentGetsItsTurnThoughTheRestNeverEnds) {
    for (const Priority less : {Priority::normal, Priority::low}) {
        Fixture f;
        const ConnectionId id = f.join();
        std::uint32_t next = 2;
        const auto urgent = [&] {
            f.submit(id, attempt(next++), Task::binary("now").priority(Priority::high));
        };
        urgent();
        urgent();
        f.submit(id, attempt(1), Task::binary("later").priority(less));
        f.submit(id, attempt(0), Task::binary("last").priority(less));
        std::vector<AttemptId> started = f.started();
        std::size_t starts = started.size();
        for (; started.back() != attempt(1) && starts < 100; ++starts) {
            urgent();
            f.finish(started.back());
            started = f.started();
            f.acknowledge(id, {starts - 1});
            ASSERT_EQ(started.size(), 1U);
        }
        EXPECT_EQ(starts, less == Priority::low ? 61U : 31U);
    }
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

TEST(WorkerAttemptsTest, WhatComesBeforeTheEndOfCreditIsRunThoughTheConnectionEnds) {
    Fixture f;
    const ConnectionId id = f.join();
    std::vector<std::string> tasks;
    for (std::uint32_t element = 1; element <= 9; ++element) {
        tasks.push_back(task_bytes(attempt(element), Task::binary("true")));
    }
    f.submit(id, tasks);
    const Outbox both = f.out;
    EXPECT_EQ(f.take<Close>().size(), 1U);
    f.out = both;
    EXPECT_EQ(f.started(), (std::vector<AttemptId>{attempt(1), attempt(2)}));
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
    EXPECT_EQ(f.listed(MessageType::task_accepted), std::vector<AttemptId>{attempt(1)})
        << "the result of the other one says it all";
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

TEST(WorkerAttemptsTest, TasksThatClaimToNeedNoCoreDoNotRunWithoutBound) {
    Fixture f;  // of two slots
    const ConnectionId id = f.join();
    f.out.clear();
    for (std::uint32_t element = 1; element <= 3; ++element) {
        f.submit(id, attempt(element), Task::binary("a").cores(0));
    }
    EXPECT_EQ(f.started(), (std::vector<AttemptId>{attempt(1), attempt(2)}));
    f.finish(attempt(1));
    EXPECT_EQ(f.started(), std::vector<AttemptId>{attempt(3)});
}

TEST(WorkerAttemptsTest, WhatRunsOnBeyondItsEndKeepsItsSlot) {
    Fixture f;  // of two slots
    const ConnectionId id = f.join();
    for (std::uint32_t element = 1; element <= 4; ++element) {
        f.submit(id, attempt(element));
    }
    f.out.clear();
    const auto end = [&](std::uint32_t element) {
        Ended ended;
        ended.report.ending = {End::cancelled, 0};
        f.reactor.finished(attempt(element), std::move(ended), f.now, f.out, true);
    };
    end(1);
    EXPECT_EQ(f.messages<wire::TaskResult>(MessageType::task_result).size(), 1U);
    EXPECT_TRUE(f.started().empty());
    f.acknowledge(id, {1});
    f.out.clear();
    f.submit(id, attempt(1));
    EXPECT_TRUE(f.started().empty());
    f.out.clear();
    f.reactor.freed(attempt(1), f.now, f.out);
    EXPECT_EQ(f.started(), std::vector<AttemptId>{attempt(3)});
    f.say(id, MessageType::goodbye, wire::Goodbye{wire::Parting::done, ""});
    f.out.clear();
    end(2);
    f.reactor.drain(f.now + 1s, "test", f.now, f.out);
    f.finish(attempt(3));
    EXPECT_TRUE(f.reactor.drained()) << "nobody waits for what runs on";
}

TEST(WorkerAttemptsTest, ShortFunctionsWaitAtTheThreadsAndLongOnesInTheQueue) {
    Options options = Fixture::defaults(1);
    options.tasks_max = 100;
    Fixture f(std::move(options));
    const ConnectionId id = f.join();
    const auto call = [&](std::uint32_t first, std::uint32_t last) {
        std::vector<std::string> tasks;
        for (std::uint32_t i = first; i <= last; ++i) {
            wire::append_call(tasks.emplace_back(), attempt(i), "mean", "", 0ms, Priority::normal);
        }
        f.submit(id, tasks);
        return f.take<Start>().size();
    };
    const auto finish = [&](std::uint32_t element, std::chrono::nanoseconds wall) {
        Ended ended;
        ended.report.ending = {End::exited, 0};
        ended.report.wall = wall;
        f.reactor.finished(attempt(element), std::move(ended), f.now, f.out);
        return f.take<Start>().size();
    };
    EXPECT_EQ(call(1, 20), 1U) << "nothing is known of it yet";
    EXPECT_EQ(finish(1, 20us), 11U) << "one in the slot, and 200 us of them ahead";
    EXPECT_EQ(finish(2, 20us), 1U);
    EXPECT_EQ(finish(3, 1s), 0U) << "it is long now: the slot is free when what was ahead is run";
    for (std::uint32_t i = 4; i <= 13; ++i) {
        finish(i, 1s);
    }
    EXPECT_EQ(f.reactor.attempts(), 20U) << "results wait for their client";
    std::size_t started = 0;
    for (std::uint32_t i = 14; i <= 19; ++i) {
        started += finish(i, 1s);
    }
    EXPECT_EQ(started, 6U) << "one at a time";
}

std::string shader_bytes(const AttemptId& id, std::uint64_t memory = 0) {
    std::string bytes;
    wire::append_shader(bytes, id, Task::shader(Shader()), "arguments", memory);
    return bytes;
}

TEST(WorkerAttemptsTest, ShadersAndProgramsDoNotWaitForEachOther) {
    Options options = Fixture::defaults(1);
    options.gpu_tasks_max = 2;
    Fixture f(std::move(options));
    const ConnectionId id = f.join();
    f.submit(id, attempt(1));
    f.submit(id, attempt(2));
    EXPECT_EQ(f.started(), std::vector{attempt(1)});
    f.submit(id, {shader_bytes(attempt(3)), shader_bytes(attempt(4)), shader_bytes(attempt(5))});
    EXPECT_EQ(f.started(), (std::vector{attempt(3), attempt(4)})) << "as many as GPUs take";
    f.finish(attempt(1));
    EXPECT_EQ(f.started(), std::vector{attempt(2)});
    f.finish(attempt(4));
    EXPECT_EQ(f.started(), std::vector{attempt(5)});
}

TEST(WorkerAttemptsTest, ShadersHaveTheMemoryThatThereIs) {
    Options options = Fixture::defaults(1);
    options.gpu_tasks_max = 8;
    options.site.memory_bytes = options.site.free_memory_bytes = 100;
    Fixture f(std::move(options));
    const ConnectionId id = f.join();
    f.submit(id, {shader_bytes(attempt(1), 60), shader_bytes(attempt(2), 60),
                  shader_bytes(attempt(3), 101)});
    const auto results = f.messages<wire::TaskResult>(wire::MessageType::task_result);
    ASSERT_EQ(results.size(), 1U);
    EXPECT_EQ(results[0].attempt, attempt(3));
    f.finish(attempt(1));
    EXPECT_EQ(f.started(), std::vector{attempt(2)});
}

TEST(WorkerAttemptsTest, WithoutGpusThereAreNoShaders) {
    Fixture f;
    const ConnectionId id = f.join();
    f.submit(id, {shader_bytes(attempt(1))});
    const auto results = f.messages<wire::TaskResult>(wire::MessageType::task_result);
    ASSERT_EQ(results.size(), 1U);
    EXPECT_EQ(results[0].report.ending.end, End::not_started);
    EXPECT_EQ(results[0].report.error->sentence, "worker 'w' has no GPU that runs shaders");
}

}  // namespace
}  // namespace repartir::worker
