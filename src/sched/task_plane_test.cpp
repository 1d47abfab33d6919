// SPDX-License-Identifier: MIT
#include "sched/task_plane.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "repartir/scheduler.hpp"
#include "sched/fake_executor.hpp"

namespace repartir::sched {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

struct Fixture {
    explicit Fixture(std::uint32_t slots = 1, std::uint32_t capacity = 1000,
                     OnFull on_full = OnFull::refuse) {
        state.can.slots = slots;
        state.can.description = "fake";
        SchedulerOptions options;
        options.workers = 1;
        options.queue_capacity = capacity;
        options.on_full = on_full;
        auto created = Scheduler::create(options);
        EXPECT_TRUE(created.has_value());
        scheduler.emplace(std::move(*created));
        EXPECT_TRUE(scheduler->register_backend(Backend::cpu, std::make_unique<FakeExecutor>(state))
                        .has_value());
    }
    Pending<Outcome> submit(Task task) { return scheduler->schedule(std::move(task)); }

    FakeState state;  // outlives the scheduler
    std::optional<Scheduler> scheduler;
};

Code refusal(Pending<Outcome> pending) {
    const auto result = std::move(pending).get();
    EXPECT_FALSE(result.has_value());
    return result ? Code::internal : result.error().code();
}

TEST(TaskPlane, ATaskEndsInItsOutcome) {
    Fixture f;
    auto pending = f.submit(Task::binary("a").name("first"));
    AttemptResult result = ended(End::exited, 3);
    result.out = Captured("text");
    f.state.finish_first(std::move(result));
    const auto outcome = std::move(pending).get();
    ASSERT_TRUE(outcome.has_value());
    EXPECT_EQ(outcome->ending, (Ending{End::exited, 3}));
    EXPECT_EQ(outcome->name, "first");
    EXPECT_EQ(outcome->out.bytes(), "text");
    ASSERT_EQ(outcome->attempts.size(), 1U);
    EXPECT_EQ(outcome->last().number, 1U);
    EXPECT_EQ(outcome->last().backend, Backend::cpu);
}

TEST(TaskPlane, NeverMoreThanTheSlotsAtOnce) {
    Fixture f(2);
    std::vector<Pending<Outcome>> all;
    for (const char* name : {"a", "b", "c"}) {
        all.push_back(f.submit(Task::binary(name)));
    }
    EXPECT_THAT(f.state.started(), ElementsAre("a", "b"));
    EXPECT_EQ(f.scheduler->stats().tasks_queued, 1U);
    EXPECT_EQ(f.scheduler->stats().tasks_running, 2U);
    f.state.finish_first(ended(End::exited));
    EXPECT_THAT(f.state.started(), ElementsAre("a", "b", "c"));
}

TEST(TaskPlane, ATaskThatNeedsManyCoresIsNotOvertaken) {
    Fixture f(2);
    auto a = f.submit(Task::binary("a"));
    auto wide = f.submit(Task::binary("wide").cores(2));
    auto c = f.submit(Task::binary("c"));
    auto low = f.submit(Task::binary("low").priority(Priority::low));
    EXPECT_THAT(f.state.started(), ElementsAre("a"));
    f.state.finish_first(ended(End::exited));
    EXPECT_THAT(f.state.started(), ElementsAre("a", "wide"));
    f.state.finish_first(ended(End::exited));
    EXPECT_THAT(f.state.started(), ElementsAre("a", "wide", "c", "low"));
}

TEST(TaskPlane, HighBeforeNormalBeforeLow) {
    Fixture f;
    auto first = f.submit(Task::binary("first"));
    auto low = f.submit(Task::binary("low").priority(Priority::low));
    auto normal = f.submit(Task::binary("normal"));
    auto high = f.submit(Task::binary("high").priority(Priority::high));
    for (int i = 0; i < 4; ++i) {
        f.state.finish_first(ended(End::exited));
    }
    EXPECT_THAT(f.state.started(), ElementsAre("first", "high", "normal", "low"));
}

TEST(TaskPlane, LowStartsWithinSixtyOneStartsOfHigh) {
    Fixture f(1, 100'000);
    f.state.inline_result = [](const Task& task) -> std::optional<AttemptResult> {
        if (task.program().path() == "gate") {
            return std::nullopt;
        }
        return ended(End::exited);
    };
    auto gate = f.submit(Task::binary("gate"));
    std::vector<Pending<Outcome>> all;
    all.push_back(f.submit(Task::binary("low").priority(Priority::low)));
    all.push_back(f.submit(Task::binary("normal")));
    for (int i = 0; i < 500; ++i) {
        all.push_back(f.submit(Task::binary("high").priority(Priority::high)));
    }
    f.state.finish_first(ended(End::exited));
    for (auto& one : all) {
        EXPECT_TRUE(std::move(one).get().has_value());
    }
    const auto order = f.state.started();
    const auto at = [&](const char* name) {
        return std::find(order.begin(), order.end(), name) - order.begin();
    };
    EXPECT_LE(at("low"), 61);
    EXPECT_GT(at("low"), 2) << "high goes first";
    EXPECT_LE(at("normal"), 31);
}

TEST(TaskPlane, AnExecutorMayFinishInsideStart) {
    Fixture f(1, 100'000);
    f.state.inline_result = [](const Task&) { return ended(End::exited); };
    std::vector<Pending<Outcome>> all;
    for (int i = 0; i < 20'000; ++i) {
        all.push_back(f.submit(Task::binary("a")));
    }
    for (auto& one : all) {
        EXPECT_TRUE(std::move(one).get().has_value());
    }
}

TEST(TaskPlane, RetriesAsThePolicySaysAndKeepsEveryAttempt) {
    Fixture f;
    RetryPolicy retry;
    retry.max_retries = 2;
    retry.backoff = Backoff{1ms, 1ms, false};
    auto pending = f.submit(Task::binary("a").retry(retry));
    f.state.finish_first(ended(End::exited, 1));
    f.state.finish_first(ended(End::signaled, 9));
    f.state.finish_first(ended(End::exited, 0));
    const auto outcome = std::move(pending).get();
    ASSERT_TRUE(outcome.has_value());
    EXPECT_TRUE(outcome->ok());
    ASSERT_EQ(outcome->attempts.size(), 3U);
    EXPECT_EQ(outcome->attempts[0].ending, (Ending{End::exited, 1}));
    EXPECT_EQ(outcome->attempts[1].ending, (Ending{End::signaled, 9}));
    EXPECT_EQ(outcome->attempts[2].number, 3U);
    EXPECT_EQ(f.scheduler->stats().attempts_retried, 2U);
}

TEST(TaskPlane, WithoutBackoffARetryIsQueuedAtOnce) {
    Fixture f;
    RetryPolicy retry;
    retry.max_retries = 1;
    retry.backoff = Backoff{0ms, 0ms, true};
    auto pending = f.submit(Task::binary("a").retry(retry));
    f.state.finish_first(ended(End::exited, 1));
    f.state.finish_first(ended(End::exited, 2));
    EXPECT_EQ(std::move(pending).get()->ending.code, 2);
}

TEST(TaskPlane, AResultFromASupersededAttemptIsRefused) {
    Fixture f;
    RetryPolicy retry;
    retry.max_retries = 1;
    retry.backoff = Backoff{0ms, 0ms, true};
    auto pending = f.submit(Task::binary("a").retry(retry));
    const auto first = f.state.wait_running(1).front();
    f.state.finish(first.id, ended(End::exited, 1));
    f.state.wait_running(1);
    first.sink->finished(first.id, ended(End::exited, 0));  // told twice
    EXPECT_FALSE(pending.ready());
    f.state.finish_first(ended(End::exited, 7));
    EXPECT_EQ(std::move(pending).get()->ending.code, 7);
}

TEST(TaskPlane, CancelOfAQueuedTaskNeverStartsIt) {
    Fixture f;
    auto running = f.submit(Task::binary("a"));
    auto queued = f.submit(Task::binary("b"));
    queued.cancel();
    queued.cancel();
    const auto outcome = std::move(queued).get();
    ASSERT_TRUE(outcome.has_value());
    EXPECT_EQ(outcome->ending.end, End::cancelled);
    EXPECT_TRUE(outcome->attempts.empty());
    f.state.finish_first(ended(End::exited));
    EXPECT_TRUE(std::move(running).get()->ok());
    EXPECT_THAT(f.state.started(), ElementsAre("a"));
}

TEST(TaskPlane, CancelOfARunningTaskAsksTheExecutorAndEndsRetries) {
    Fixture f;
    auto pending = f.submit(Task::binary("a").retries(5));
    f.state.wait_running(1);
    pending.cancel();
    EXPECT_EQ(std::move(pending).get()->ending.end, End::cancelled);
    EXPECT_EQ(f.state.cancels(), 1U);
    EXPECT_THAT(f.state.started(), ElementsAre("a"));
}

TEST(TaskPlane, OfResultAndCancelTheFirstAcceptedWins) {
    Fixture f;
    f.state.ends_on_cancel = false;
    auto pending = f.submit(Task::binary("a").retries(5));
    f.state.wait_running(1);
    pending.cancel();
    f.state.finish_first(ended(End::exited, 1));
    EXPECT_EQ(std::move(pending).get()->ending, (Ending{End::exited, 1}));
    EXPECT_THAT(f.state.started(), ElementsAre("a")) << "a cancelled task is not tried again";
}

TEST(TaskPlane, CancelDuringBackoffResolvesAtOnceAndKeepsTheAttempts) {
    Fixture f;
    RetryPolicy retry;
    retry.max_retries = 1;
    retry.backoff = Backoff{1h, 1h, false};
    auto pending = f.submit(Task::binary("a").retry(retry));
    f.state.finish_first(ended(End::exited, 1));
    EXPECT_EQ(f.scheduler->stats().tasks_queued, 1U);
    pending.cancel();
    const auto outcome = std::move(pending).get();
    EXPECT_EQ(outcome->ending.end, End::cancelled);
    EXPECT_EQ(outcome->attempts.size(), 1U);
}

TEST(TaskPlane, DroppingAPendingCancelsItsTask) {
    Fixture f;
    {
        auto dropped = f.submit(Task::binary("a"));
        f.state.wait_running(1);
    }
    EXPECT_EQ(f.state.cancels(), 1U);
    f.submit(Task::binary("b")).detach();
    f.state.finish_first(ended(End::exited));
    EXPECT_EQ(f.state.cancels(), 1U);
}

TEST(TaskPlane, RefusesWhatCanNeverRun) {
    Fixture f(2);
    EXPECT_EQ(refusal(f.submit(Task::binary("a").cores(3))), Code::cannot_schedule);
    EXPECT_EQ(refusal(f.submit(Task::binary("a").backend(Backend::gpu))), Code::cannot_schedule);
    EXPECT_EQ(refusal(f.submit(Task::binary(""))), Code::invalid_task);
    Limits limits;
    limits.processes = 1;
    EXPECT_EQ(refusal(f.submit(Task::binary("a").limits(limits))), Code::cannot_schedule);
    EXPECT_EQ(f.scheduler->stats().tasks_accepted, 0U);
}

/// One task runs, one is queued, and a third one's submitter has to wait for room.
struct FullQueue : Fixture {
    FullQueue() : Fixture(1, 1, OnFull::wait) {}
    Pending<Outcome> running = submit(Task::binary("a"));
    Pending<Outcome> queued = submit(Task::binary("b"));
    std::future<Pending<Outcome>> waiting =
        std::async(std::launch::async, [this] { return submit(Task::binary("c")); });
};

TEST(TaskPlane, AFullQueueRefusesWhenAskedTo) {
    Fixture f(1, 1);
    auto running = f.submit(Task::binary("a"));
    auto queued = f.submit(Task::binary("b"));
    EXPECT_EQ(refusal(f.submit(Task::binary("c"))), Code::queue_full);
    queued.cancel();
    auto accepted = f.submit(Task::binary("d"));
    EXPECT_FALSE(accepted.ready());
}

TEST(TaskPlane, ACancelledTaskLetsAWaitingSubmitterGoOn) {
    FullQueue f;
    f.queued.cancel();
    auto third = f.waiting.get();
    EXPECT_FALSE(third.ready());
}

TEST(TaskPlane, AFullQueueHoldsTheCallerUntilThereIsRoom) {
    FullQueue f;
    f.state.finish_first(ended(End::exited));
    auto third = f.waiting.get();
    f.state.finish_first(ended(End::exited));
    f.state.finish_first(ended(End::exited));
    EXPECT_TRUE(std::move(third).get()->ok());
    EXPECT_THAT(f.state.started(), ElementsAre("a", "b", "c"));
}

TEST(TaskPlane, AWaitingSubmitterIsRefusedAtShutdown) {
    FullQueue f;
    EXPECT_TRUE(f.scheduler->shutdown(Shutdown::cancel).has_value());
    EXPECT_EQ(refusal(f.waiting.get()), Code::shut_down);
    EXPECT_EQ(std::move(f.queued).get()->ending.end, End::cancelled);
}

TEST(TaskPlane, DrainRunsWhatWasAcceptedAndRefusesTheRest) {
    Fixture f;
    auto a = f.submit(Task::binary("a"));
    auto b = f.submit(Task::binary("b"));
    auto drained =
        std::async(std::launch::async, [&] { return f.scheduler->shutdown(Shutdown::drain); });
    f.state.finish_first(ended(End::exited));
    f.state.finish_first(ended(End::exited));
    EXPECT_TRUE(drained.get().has_value());
    EXPECT_TRUE(a.ready());
    EXPECT_TRUE(std::move(b).get()->ok());
    EXPECT_EQ(refusal(f.submit(Task::binary("c"))), Code::shut_down);
    EXPECT_TRUE(f.scheduler->shutdown(Shutdown::cancel).has_value()) << "idempotent";
}

TEST(TaskPlane, ACancelTurnsADrainIntoACancel) {
    Fixture f;
    RetryPolicy retry;
    retry.max_retries = 1;
    retry.backoff = Backoff{1h, 1h, false};
    auto backing_off = f.submit(Task::binary("a").retry(retry));
    f.state.finish_first(ended(End::exited, 1));
    auto running = f.submit(Task::binary("b"));
    auto drained =
        std::async(std::launch::async, [&] { return f.scheduler->shutdown(Shutdown::drain); });
    EXPECT_EQ(drained.wait_for(20ms), std::future_status::timeout);
    EXPECT_TRUE(f.scheduler->shutdown(Shutdown::cancel).has_value());
    EXPECT_TRUE(drained.get().has_value());
    EXPECT_EQ(std::move(backing_off).get()->ending.end, End::cancelled);
    EXPECT_EQ(std::move(running).get()->ending.end, End::cancelled);
}

TEST(TaskPlane, ASecondSubmissionOfAKeyJoinsTheFirst) {
    Fixture f;
    auto first = f.submit(Task::binary("a").idempotency_key("k"));
    auto second = f.submit(Task::binary("a").idempotency_key("k"));
    EXPECT_EQ(refusal(f.submit(Task::binary("b").idempotency_key("k"))),
              Code::idempotency_conflict);
    f.state.finish_first(ended(End::exited, 9));
    const auto one = std::move(first).get();
    const auto two = std::move(second).get();
    EXPECT_EQ(one->ending.code, 9);
    EXPECT_EQ(two->ending.code, 9);
    EXPECT_EQ(one->id, two->id);
    EXPECT_EQ(f.submit(Task::binary("a").idempotency_key("k")).ready(), true) << "remembered";
    EXPECT_THAT(f.state.started(), ElementsAre("a"));
}

TEST(TaskPlane, AJoinedTaskEndsOnlyWhenAllHaveCancelled) {
    Fixture f;
    auto first = f.submit(Task::binary("a").idempotency_key("k"));
    auto second = f.submit(Task::binary("a").idempotency_key("k"));
    auto third = f.submit(Task::binary("a").idempotency_key("k"));
    first.cancel();
    EXPECT_EQ(std::move(first).get()->ending.end, End::cancelled);
    second.cancel();
    EXPECT_EQ(f.state.cancels(), 0U);
    third.cancel();
    EXPECT_EQ(f.state.cancels(), 1U);
    EXPECT_EQ(std::move(third).get()->ending.end, End::cancelled);
}

TEST(TaskPlane, AKeyWhoseTaskWasCancelledIsFreeAgain) {
    Fixture f;
    { auto dropped = f.submit(Task::binary("a").idempotency_key("k")); }
    auto again = f.submit(Task::binary("a").idempotency_key("k"));
    EXPECT_FALSE(again.ready());
    f.state.finish_first(ended(End::exited));
    EXPECT_TRUE(std::move(again).get()->ok());
}

TEST(TaskPlane, AnExecutorThatStopsWithoutAWordLosesNoTask) {
    Fixture f;
    f.state.ends_on_cancel = false;
    auto silent = f.submit(Task::binary("a"));
    f.state.wait_running(1);
    EXPECT_TRUE(f.scheduler->shutdown(Shutdown::cancel).has_value());
    const auto outcome = std::move(silent).get();
    ASSERT_TRUE(outcome.has_value());
    EXPECT_EQ(outcome->ending.end, End::not_started);
    EXPECT_THAT(outcome->error()->sentence(), testing::HasSubstr("never told"));
}

TEST(TaskPlane, RegisterChecksWhatItIsGiven) {
    Fixture f;
    const auto code = [](const Result<void>& result) { return result.error().code(); };
    EXPECT_EQ(code(f.scheduler->register_backend(Backend::cpu, nullptr)), Code::invalid_argument);
    FakeState state;
    EXPECT_EQ(
        code(f.scheduler->register_backend(Backend::any, std::make_unique<FakeExecutor>(state))),
        Code::invalid_argument);
    state.can.slots = 0;
    EXPECT_EQ(
        code(f.scheduler->register_backend(Backend::cpu, std::make_unique<FakeExecutor>(state))),
        Code::invalid_argument);
    EXPECT_EQ(f.scheduler->capabilities().size(), 1U);
    EXPECT_TRUE(f.scheduler->shutdown(Shutdown::drain).has_value());
    state.can.slots = 1;
    EXPECT_EQ(
        code(f.scheduler->register_backend(Backend::cpu, std::make_unique<FakeExecutor>(state))),
        Code::shut_down);
}

TEST(TaskPlane, ANewExecutorTakesWhatAlreadyWaits) {
    Fixture f;
    auto a = f.submit(Task::binary("a"));
    auto b = f.submit(Task::binary("b"));
    FakeState more;
    more.can.slots = 1;
    ASSERT_TRUE(f.scheduler->register_backend(Backend::cpu, std::make_unique<FakeExecutor>(more))
                    .has_value());
    EXPECT_THAT(more.started(), ElementsAre("b"));
    EXPECT_TRUE(f.scheduler->shutdown(Shutdown::cancel).has_value());  // before `more` goes
}

TEST(TaskPlane, OneBusyBackendHoldsNoTaskOfAnother) {
    Fixture f;
    FakeState gpu;
    gpu.can.slots = 1;
    ASSERT_TRUE(f.scheduler->register_backend(Backend::gpu, std::make_unique<FakeExecutor>(gpu))
                    .has_value());
    auto a = f.submit(Task::binary("a").backend(Backend::gpu).priority(Priority::high));
    auto b = f.submit(Task::binary("b").backend(Backend::gpu).priority(Priority::high));
    auto c = f.submit(Task::binary("c"));
    EXPECT_THAT(gpu.started(), ElementsAre("a"));
    EXPECT_THAT(f.state.started(), ElementsAre("c"));
    EXPECT_TRUE(f.scheduler->shutdown(Shutdown::cancel).has_value());
}

TEST(TaskPlane, EveryTaskEndsOnceUnderRandomCancelAndFailure) {
    Fixture f(4, 100'000, OnFull::wait);
    std::atomic<std::uint32_t> counter{0};
    f.state.inline_result = [&](const Task&) -> std::optional<AttemptResult> {
        switch (counter.fetch_add(1) % 3) {
            case 0:
                return ended(End::exited, 0);
            case 1:
                return ended(End::exited, 1);
            default:
                return ended(End::signaled, 9);
        }
    };
    RetryPolicy retry;
    retry.max_retries = 2;
    retry.backoff = Backoff{1ms, 2ms, true};
    constexpr int each = 2000;
    std::atomic<int> done{0};
    {
        std::vector<std::jthread> submitters;
        for (int t = 0; t < 3; ++t) {
            submitters.emplace_back([&, t] {
                std::vector<Pending<Outcome>> mine;
                for (int i = 0; i < each; ++i) {
                    mine.push_back(f.submit(Task::binary("a").retry(retry)));
                    if (i % 5 == t) {
                        mine[static_cast<std::size_t>(i) / 2].cancel();
                    }
                }
                for (auto& one : mine) {
                    const auto outcome = std::move(one).get();
                    ASSERT_TRUE(outcome.has_value());
                    ASSERT_LE(outcome->attempts.size(), 3U);
                    done.fetch_add(1);
                }
            });
        }
    }
    EXPECT_EQ(done.load(), 3 * each);
    const SchedulerStats stats = f.scheduler->stats();
    EXPECT_EQ(stats.tasks_accepted, stats.tasks_finished);
    EXPECT_EQ(stats.tasks_queued + stats.tasks_running, 0U);
}

TEST(Scheduler, RefusesAQueueWithoutRoom) {
    SchedulerOptions options;
    options.queue_capacity = 0;
    const auto created = Scheduler::create(options);
    ASSERT_FALSE(created.has_value());
    EXPECT_EQ(created.error().code(), Code::invalid_argument);
}

TEST(Scheduler, MovesAndEndsWhatItLeaves) {
    Fixture f;
    auto pending = f.submit(Task::binary("a"));
    SchedulerOptions options;
    options.workers = 1;
    *f.scheduler = std::move(*Scheduler::create(options));
    EXPECT_EQ(std::move(pending).get()->ending.end, End::cancelled);
    EXPECT_EQ(refusal(f.submit(Task::binary("b"))), Code::cannot_schedule);
}

TEST(TaskRecord, AQueuedTaskIsSmall) { EXPECT_LE(sizeof(detail::TaskRecord), 264U); }

}  // namespace
}  // namespace repartir::sched
