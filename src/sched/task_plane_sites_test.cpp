// SPDX-License-Identifier: MIT
// One executor here and one that stands for machines that come and go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

#include "base/prng.hpp"
#include "sched/task_plane_fixture.hpp"

namespace repartir::sched {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Sites, ATaskThatNoExecutorAcceptsIsRefusedAndSaysWhy) {
    Two f(0, 1);
    f.remote.accepts = [](const Task& task) -> Result<void> {
        if (task.stdin_kind() == Input::inherit) {
            return fail(Error(Domain::task, Code::unsupported, Fault::user,
                              "our standard input cannot leave this machine: give it bytes"));
        }
        return {};
    };
    const auto refused =
        f.scheduler->schedule(Task::binary("a").backend(Backend::remote).stdin_inherit()).get();
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code(), Code::cannot_schedule);
    EXPECT_THAT(refused.error().sentence(), HasSubstr("standard input cannot leave this machine"));
    auto accepted = f.submit("b");
    EXPECT_THAT(f.remote.started(), ElementsAre("b"));
}

TEST(Sites, ATaskGoesOnlyToWhoAcceptsIt) {
    Two f(1, 8);
    f.remote.accepts = [](const Task&) -> Result<void> { return fail(gone()); };
    auto a = f.submit("a");
    auto b = f.submit("b");
    EXPECT_THAT(f.local.started(), ElementsAre("a"));
    EXPECT_THAT(f.remote.started(), IsEmpty());
    f.local.finish_first(ended(End::exited));
    EXPECT_THAT(f.local.started(), ElementsAre("a", "b"));
}

TEST(Sites, ANewcomerIsAskedForWhatWaits) {
    Two f(1, 0);
    auto a = f.submit("a");
    auto b = f.submit("b");
    auto c = f.submit("c");
    FakeState more;
    more.can.slots = 2;
    more.accepts = [](const Task& task) -> Result<void> {
        return task.program().path() == "b" ? Result<void>(fail(gone())) : Result<void>();
    };
    ASSERT_TRUE(f.scheduler->register_backend(Backend::cpu, std::make_unique<FakeExecutor>(more)));
    EXPECT_THAT(more.started(), ElementsAre("c"));
    EXPECT_TRUE(f.scheduler->shutdown(Shutdown::cancel));  // before `more` goes
}

TEST(Sites, TasksWaitUntilSomebodyIsThere) {
    Two f(0, 0);
    auto a = f.submit("a");
    auto b = f.submit("b");
    auto c = f.submit("c");
    EXPECT_EQ(f.scheduler->stats().tasks_queued, 3U);
    f.remote.resize(2);
    EXPECT_THAT(f.remote.started(), ElementsAre("a", "b"));
    f.remote.resize(3);
    EXPECT_THAT(f.remote.started(), ElementsAre("a", "b", "c"));
}

TEST(Sites, WhoShrinksGetsNothingUntilThereIsRoomAgain) {
    Two f(0, 3);
    std::vector<Pending<Outcome>> all;
    for (const char* name : {"a", "b", "c", "d"}) {
        all.push_back(f.submit(name));
    }
    f.remote.resize(1);
    f.remote.finish_first(ended(End::exited));
    f.remote.finish_first(ended(End::exited));
    EXPECT_THAT(f.remote.started(), ElementsAre("a", "b", "c"));
    f.remote.finish_first(ended(End::exited));
    EXPECT_THAT(f.remote.started(), ElementsAre("a", "b", "c", "d"));
}

TEST(Sites, WhatIsLargerThanAllThatIsThereWaitsAndHoldsNobodyBack) {
    Two f(0, 2);
    auto wide = f.submit("wide", 5);
    auto wider = f.submit("wider", 6);
    auto a = f.submit("a");
    EXPECT_THAT(f.remote.started(), ElementsAre("a"));
    EXPECT_EQ(f.scheduler->stats().tasks_queued, 2U);
    auto b = f.submit("b", 2);
    f.remote.resize(6);
    EXPECT_THAT(f.remote.started(), ElementsAre("a", "wide")) << "it came before b";
    f.remote.finish_first(ended(End::exited));
    f.remote.finish_first(ended(End::exited));
    EXPECT_THAT(f.remote.started(), ElementsAre("a", "wide", "wider")) << "and so did that";
    wide.cancel();
}

TEST(Sites, WhatIsTooLargeEndsOnceNobodyLargerIsToBeExpected) {
    Two f(0, 8);
    f.remote.can.task_slots_max = 2;
    f.remote.resize(8);
    auto wide = f.submit("wide", 5);
    auto a = f.submit("a");
    EXPECT_EQ(f.scheduler->stats().tasks_queued, 1U);
    f.remote.can.settled = true;
    f.remote.resize(8);
    const auto outcome = std::move(wide).get();
    ASSERT_NE(outcome->error(), nullptr);
    EXPECT_EQ(outcome->error()->code(), Code::cannot_schedule);
    EXPECT_EQ(outcome->error()->sentence(),
              "the task asks for 5 cores, the largest executor has 2: ask for less or add slots");
    auto late = f.submit("late", 3);
    EXPECT_EQ(std::move(late).get()->error()->code(), Code::cannot_schedule) << "at once";
    f.remote.can.settled = false;
    f.remote.can.task_slots_max = 4;
    f.remote.resize(8);
    auto other = f.submit("other", 5);
    auto fits = f.submit("fits", 4);
    EXPECT_THAT(f.remote.started(), ElementsAre("a", "fits"));
    EXPECT_EQ(f.scheduler->stats().tasks_queued, 1U) << "a larger one may come";
    other.cancel();
}

TEST(Sites, AKindThatSomeMachinesAreTooSmallForHoldsUpNoOther) {
    Two f(0, 6);
    f.remote.can.task_slots_max = 4;  // machines of 4, 1 and 1
    f.remote.resize(6);
    std::vector<Pending<Outcome>> all;
    for (const char* name : {"A", "B", "C"}) {
        all.push_back(f.submit(name, 4));
    }
    for (const char* name : {"a", "b", "c", "d", "e", "f", "g"}) {
        all.push_back(f.submit(name));
    }
    EXPECT_THAT(f.remote.started(), ElementsAre("A", "a", "b", "c", "d", "e", "f"));
    f.remote.finish_first(ended(End::exited));
    EXPECT_THAT(f.remote.started(), ElementsAre("A", "a", "b", "c", "d", "e", "f", "B"));
    f.remote.finish_first(ended(End::exited));
    EXPECT_EQ(f.remote.started().back(), "g");
    f.remote.give_back(f.remote.wait_running(1).back().id);
    EXPECT_EQ(f.remote.started().size(), 10U) << "it comes back to the room that it left";
    auto late = f.submit("late", 4);
    f.remote.can.task_slots_max = 6;  // one machine: kinds share it
    f.remote.resize(6);
    for (int i = 0; i < 5; ++i) {
        f.remote.finish_first(ended(End::exited));  // b to f
    }
    EXPECT_EQ(f.remote.started().size(), 10U) << "B and g leave one of six";
    f.remote.finish_first(ended(End::exited));
    EXPECT_EQ(f.remote.started().back(), "C");
    f.remote.finish_first(ended(End::exited));
    f.remote.finish_first(ended(End::exited));
    EXPECT_EQ(f.remote.started().back(), "late");
}

TEST(Sites, NoTaskGetsMoreThanTheLargestMachineHas) {
    Two f(0, 8);
    f.remote.can.task_slots_max = 4;
    f.remote.resize(8);
    auto wide = f.submit("wide", 5);
    auto a = f.submit("a", 4);
    EXPECT_THAT(f.remote.started(), ElementsAre("a"));
    wide.cancel();
    EXPECT_EQ(std::move(wide).get()->ending.end, End::cancelled);
    auto again = f.submit("again", 5);
    auto b = f.submit("b", 4);
    f.remote.can.task_slots_max = 8;
    f.remote.resize(8);
    f.remote.finish_first(ended(End::exited));
    f.remote.finish_first(ended(End::exited));
    EXPECT_THAT(f.remote.started(), ElementsAre("a", "b", "again"));
}

TEST(Sites, WhatComesBackUnbegunWaitsInItsOldPlaceAndIsChargedNothing) {
    Two f(0, 2);
    auto a = f.submit("a");
    auto b = f.submit("b");
    auto c = f.submit("c");
    const auto first = f.remote.wait_running(2);
    f.remote.resize(0);
    f.remote.give_back(first[1].id);
    f.remote.give_back(first[0].id);
    EXPECT_EQ(f.scheduler->stats().tasks_queued, 3U);
    EXPECT_EQ(f.scheduler->stats().attempts_returned, 2U);
    f.remote.resize(1);
    const auto again = f.remote.wait_running(1).front();
    EXPECT_EQ(again.program, "a") << "the oldest, though it came back last";
    EXPECT_EQ(again.id.number, 1U);
    EXPECT_GT(again.id.epoch, first[0].id.epoch);
    first[0].sink->finished(first[0].id, ended(End::exited, 9));  // superseded
    first[0].sink->returned(first[0].id);                         // likewise
    EXPECT_FALSE(a.ready());
    f.remote.finish_first(ended(End::exited));
    const auto outcome = std::move(a).get();
    EXPECT_TRUE(outcome->ok());
    ASSERT_EQ(outcome->attempts.size(), 1U);
    EXPECT_EQ(outcome->last().number, 1U);
    f.remote.finish_first(ended(End::exited));
    EXPECT_THAT(f.remote.started(), ElementsAre("a", "b", "a", "b", "c"));
}

TEST(Sites, ATaskThatIsCancelledWhileItComesBackEndsSo) {
    Two f(0, 1);
    f.remote.ends_on_cancel = false;
    auto a = f.submit("a");
    const auto held = f.remote.wait_running(1).front();
    a.cancel();
    EXPECT_FALSE(a.ready());
    f.remote.give_back(held.id);
    const auto outcome = std::move(a).get();
    EXPECT_EQ(outcome->ending.end, End::cancelled);
    EXPECT_TRUE(outcome->attempts.empty()) << "it never began";
    EXPECT_THAT(f.remote.started(), ElementsAre("a"));
}

TEST(Sites, AnIdleCoreAsksOnceForWhatItCouldRun) {
    Two f(1, 4);
    auto a = f.submit("a");
    auto b = f.submit("b");
    auto c = f.submit("c");
    auto d = f.submit("d");
    EXPECT_THAT(f.local.started(), ElementsAre("a"));
    EXPECT_THAT(f.remote.started(), ElementsAre("b", "c", "d")) << "of which b runs";
    EXPECT_THAT(f.remote.asked_back(), IsEmpty()) << "no core is idle";
    f.local.finish_first(ended(End::exited));
    EXPECT_THAT(f.remote.asked_back(), ElementsAre(1U));
    auto here = f.submit("e");
    f.local.finish_first(ended(End::exited));
    EXPECT_THAT(f.remote.asked_back(), ElementsAre(1U)) << "nothing has happened there since";
    f.remote.give_back(f.remote.wait_running(3).back().id);
    EXPECT_THAT(f.local.started(), ElementsAre("a", "e", "d"));
    f.local.finish_first(ended(End::exited));
    EXPECT_THAT(f.remote.asked_back(), ElementsAre(1U, 1U)) << "now something has";
    f.remote.finish_first(ended(End::exited));
    EXPECT_TRUE(std::move(b).get()->ok());
    EXPECT_THAT(f.remote.asked_back(), ElementsAre(1U, 1U)) << "what is left has begun";
}

TEST(Sites, AnIdleCoreAsksForWhatWaitsBehindOthersWork) {
    Two f(1, 4);
    auto a = f.submit("a");
    auto b = f.submit("b");
    f.local.finish_first(ended(End::exited));
    EXPECT_THAT(f.remote.started(), ElementsAre("b"));
    EXPECT_THAT(f.remote.asked_back(), IsEmpty()) << "it runs, as far as is known";
    f.remote.can.busy_slots = 1;
    f.remote.resize(4);
    EXPECT_THAT(f.remote.asked_back(), ElementsAre(1U));
    f.remote.finish_first(ended(End::exited));
}

TEST(Sites, WhatComesBackStaysHereEvenIfItIsFasterThere) {
    Two f(1, 4);
    f.remote.can.round_trip = 1ms;
    f.remote.resize(4);
    const auto took = [](std::chrono::nanoseconds wall) {
        AttemptResult result = ended(End::exited);
        result.attempt.wall = wall;
        return result;
    };
    auto here = f.submit("a");
    auto there = f.submit("a");
    f.local.finish_first(took(10s));
    f.remote.finish_first(took(1s));
    auto a = f.submit("a");
    EXPECT_EQ(f.remote.started().size(), 2U) << "it is faster there";
    f.remote.give_back(f.remote.wait_running(1).front().id);  // unasked
    EXPECT_EQ(f.local.started().size(), 2U) << "or it would come and go for ever";
}

TEST(Sites, AnAttemptSaysWhyItRanWhereItRan) {
    FakeState local;
    FakeState remote;
    local.can.description = "here";
    remote.can = {Backend::remote, 2, 0, false, "there"};
    remote.can.elastic = true;
    remote.can.round_trip = 50ms;
    SchedulerOptions options;
    options.explain = true;
    auto scheduler = Scheduler::create(options);
    ASSERT_TRUE(scheduler);
    ASSERT_TRUE(scheduler->register_backend(Backend::cpu, std::make_unique<FakeExecutor>(local)));
    ASSERT_TRUE(
        scheduler->register_backend(Backend::remote, std::make_unique<FakeExecutor>(remote)));
    const auto submit = [&] {
        return scheduler->schedule(Task::binary("a").affinity(Affinity::remote_allowed));
    };
    AttemptResult second = ended(End::exited);
    second.attempt.wall = 1s;
    auto first = submit();
    local.finish_first(second);
    EXPECT_THAT(explain(std::move(first).get()->last()),
                HasSubstr("chosen  here: how long such tasks run is not known yet; has room"));
    auto here = submit();
    auto there = submit();
    remote.finish_first(second);
    const auto outcome = std::move(there).get();
    ASSERT_EQ(outcome->last().candidates.size(), 2U);
    EXPECT_FALSE(outcome->last().candidates[0].chosen);
    EXPECT_EQ(outcome->last().candidates[0].finish(), 2s);
    EXPECT_FALSE(outcome->last().candidates[0].room);
    EXPECT_TRUE(outcome->last().candidates[1].chosen);
    EXPECT_EQ(outcome->last().candidates[1].finish(), 1050ms);
    EXPECT_THAT(explain(outcome->last()), HasSubstr("chosen  there: done in 1.05 s"));
    auto cpu = scheduler->schedule(Task::binary("a").backend(Backend::cpu));
    local.finish_first(second);
    local.finish_first(second);
    EXPECT_EQ(std::move(cpu).get()->last().candidates.size(), 1U) << "it had no choice";
    EXPECT_TRUE(scheduler->shutdown(Shutdown::cancel));
}

TEST(Sites, NothingIsExplainedUnasked) {
    Two f(1, 1);
    auto a = f.submit("a");
    f.local.finish_first(ended(End::exited));
    EXPECT_TRUE(std::move(a).get()->last().candidates.empty());
}

TEST(Sites, AnAttemptThatRanMuchLongerThanExpectedSaysSo) {
    Two f(1, 0);
    const auto run = [&](std::chrono::nanoseconds wall) {
        auto pending = f.submit("a");
        AttemptResult result = ended(End::exited);
        result.attempt.wall = wall;
        f.local.finish_first(std::move(result));
        return std::move(pending).get()->last().notes;
    };
    EXPECT_THAT(run(3s), IsEmpty()) << "nothing was expected yet";
    EXPECT_THAT(run(10s - 1ns), IsEmpty()) << "three times, and a second";
    EXPECT_THAT(run(3s), IsEmpty());
    EXPECT_THAT(run(25s), ElementsAre(HasSubstr("ran 25.0 s where 4.31 s were expected")));
}

TEST(Sites, WhatMayNotRunHereIsNotAskedFor) {
    Two f(1, 4);
    auto a = f.scheduler->schedule(Task::binary("a").backend(Backend::remote));
    auto wide = f.submit("wide", 2);
    auto b = f.submit("b");
    f.local.finish_first(ended(End::exited));
    EXPECT_THAT(f.remote.started(), ElementsAre("a", "wide"));
    EXPECT_THAT(f.remote.asked_back(), IsEmpty());
}

TEST(Sites, WhenNobodyIsThereForTooLongWhatOnlyTheyCouldRunEnds) {
    Two f(1, 0);
    auto only = f.scheduler->schedule(Task::binary("only").backend(Backend::remote).cores(3));
    auto busy = f.submit("busy");
    auto both = f.submit("both");
    EXPECT_FALSE(only.ready());
    f.remote.can.unreachable = gone();
    f.remote.resize(0);
    const auto outcome = std::move(only).get();
    ASSERT_TRUE(outcome.has_value());
    EXPECT_EQ(outcome->ending.end, End::not_started);
    ASSERT_NE(outcome->error(), nullptr);
    EXPECT_EQ(outcome->error()->code(), Code::unreachable);
    EXPECT_EQ(outcome->last().backend, Backend::remote);
    EXPECT_FALSE(both.ready()) << "it can run here";
    auto late = f.scheduler->schedule(Task::binary("late").backend(Backend::remote));
    EXPECT_EQ(std::move(late).get()->error()->code(), Code::unreachable) << "at once";
    f.remote.can.unreachable.reset();
    f.remote.resize(1);
    auto again = f.scheduler->schedule(Task::binary("again").backend(Backend::remote));
    EXPECT_THAT(f.remote.started(), ElementsAre("both"));
    EXPECT_FALSE(again.ready());
}

/// What a consumer hears of: it rings where the result comes, and get() may wait for it.
struct Rings final : Observer {
    void ready() noexcept override {
        rung = true;
        rung.notify_all();
    }
    std::atomic<bool> rung{false};
};

TEST(Sites, ARetryThatComesDueOutOfReachEndsAndWhoeverWaitsIsTold) {
    Two f(0, 1);
    f.remote.inline_result = [](const Task&) { return ended(End::exited, 1); };
    const auto task = [] {
        return Task::binary("a")
            .backend(Backend::remote)
            .retry(RetryPolicy{99, 3, Backoff{100ms, 100ms, false}, {}, {}});
    };
    auto waited_for = f.scheduler->schedule(task());
    auto observed = f.scheduler->schedule(task());
    Rings rings;
    observed.observe(rings);
    auto handed_on = f.scheduler->schedule(task());
    std::atomic<bool> called{false};
    std::move(handed_on).on_ready([&called](const Result<Outcome>& outcome) {
        called = outcome->error()->code() == Code::unreachable;
        called.notify_all();
    });
    f.remote.can.unreachable = gone();
    f.remote.resize(0);  // while they wait to be tried again
    const auto outcome = std::move(waited_for).get();
    EXPECT_EQ(outcome->ending.end, End::not_started);
    EXPECT_GE(outcome->attempts.size(), 2U);
    EXPECT_EQ(outcome->error()->code(), Code::unreachable);
    rings.rung.wait(false);
    EXPECT_EQ(std::move(observed).get()->error()->code(), Code::unreachable);
    called.wait(false);
    EXPECT_TRUE(f.scheduler->shutdown(Shutdown::drain));  // before what is called goes
}

TEST(Sites, ATaskThatWasRunningOnFiveWorkersThatDiedIsNotTriedAgain) {
    Two f(0, 1);
    auto pending =
        f.scheduler->schedule(Task::binary("a")
                                  .backend(Backend::remote)
                                  .retry(RetryPolicy{9, 3, Backoff{0ms, 0ms, false}, {}, {}}));
    for (int worker = 1; worker <= 5; ++worker) {
        f.remote.give_back(f.remote.wait_running(1).front().id);  // none of these counts
        AttemptResult lost = ended(End::not_started);
        lost.attempt.error = Error(Domain::wire, Code::unreachable, Fault::node,
                                   "worker " + std::to_string(worker) + " was lost");
        f.remote.finish_first(std::move(lost));
    }
    const auto outcome = std::move(pending).get();
    ASSERT_TRUE(outcome.has_value());
    EXPECT_EQ(outcome->ending.end, End::not_started);
    EXPECT_EQ(outcome->attempts.size(), 5U);
    ASSERT_NE(outcome->error(), nullptr);
    EXPECT_EQ(outcome->error()->code(), Code::poisoned);
    EXPECT_THAT(outcome->error()->describe(),
                HasSubstr("was running on 5 workers that died: it is not tried again"));
    EXPECT_THAT(outcome->error()->describe(), HasSubstr("worker 5 was lost"));
}

TEST(Sites, EveryTaskEndsOnceHoweverMachinesComeAndGo) {
    Two f(2, 4);
    constexpr int tasks = 3000;
    std::atomic<bool> over{false};
    const auto end_some = [&over](FakeState& state, std::uint64_t seed, bool comes_and_goes) {
        base::Prng random(seed);
        while (!over.load()) {
            const auto now = state.wait_running(0);
            if (now.empty()) {
                std::this_thread::yield();
            } else {
                const AttemptId& id = now[random.below(now.size())].id;
                if (comes_and_goes && random.below(3) == 0) {
                    state.give_back(id);
                } else {
                    state.finish(id, ended(End::exited, random.below(4) == 0 ? 1 : 0));
                }
            }
            if (comes_and_goes && random.below(8) == 0) {
                state.resize(static_cast<std::uint32_t>(random.below(6)));
            }
        }
    };
    std::jthread here(end_some, std::ref(f.local), 1, false);
    std::jthread there(end_some, std::ref(f.remote), 2, true);
    std::vector<Pending<Outcome>> all;
    base::Prng random(3);
    for (int i = 0; i < tasks; ++i) {
        all.push_back(
            f.scheduler->schedule(Task::binary("a")
                                      .affinity(Affinity::remote_allowed)
                                      .cores(1 + static_cast<std::uint32_t>(random.below(2)))
                                      .retry(RetryPolicy{1, 3, Backoff{0ms, 0ms, false}, {}, {}})));
        if (random.below(5) == 0) {
            all[random.below(all.size())].cancel();
        }
    }
    for (Pending<Outcome>& one : all) {
        const auto outcome = std::move(one).get();
        ASSERT_TRUE(outcome.has_value());
        EXPECT_LE(outcome->attempts.size(), 2U);
        for (std::size_t i = 0; i < outcome->attempts.size(); ++i) {
            EXPECT_EQ(outcome->attempts[i].number, i + 1);
        }
    }
    over = true;
    const SchedulerStats stats = f.scheduler->stats();
    EXPECT_EQ(stats.tasks_accepted, stats.tasks_finished);
    EXPECT_EQ(stats.tasks_queued + stats.tasks_running, 0U);
    EXPECT_GT(stats.attempts_returned, 0U);
}

}  // namespace
}  // namespace repartir::sched
