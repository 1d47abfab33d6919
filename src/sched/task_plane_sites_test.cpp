// SPDX-License-Identifier: MIT
// One executor here and one that stands for machines that come and go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
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
    EXPECT_THAT(f.local.started(), ElementsAre("a"));
    EXPECT_THAT(f.remote.started(), ElementsAre("b", "c"));
    EXPECT_THAT(f.remote.asked_back(), IsEmpty()) << "no core is idle";
    f.local.finish_first(ended(End::exited));
    EXPECT_THAT(f.remote.asked_back(), ElementsAre(1U));
    auto elsewhere = f.scheduler->schedule(Task::binary("x").backend(Backend::gpu));
    EXPECT_FALSE(elsewhere.wait_for(0s) && std::move(elsewhere).get().has_value());
    auto here = f.submit("d");
    f.local.finish_first(ended(End::exited));
    EXPECT_THAT(f.remote.asked_back(), ElementsAre(1U)) << "nothing has happened there since";
    f.remote.give_back(f.remote.wait_running(2).back().id);
    EXPECT_THAT(f.local.started(), ElementsAre("a", "d", "c"));
    f.local.finish_first(ended(End::exited));
    EXPECT_THAT(f.remote.asked_back(), ElementsAre(1U, 1U)) << "now something has";
    f.remote.finish_first(ended(End::exited));
    EXPECT_TRUE(std::move(b).get()->ok());
    EXPECT_THAT(f.remote.asked_back(), ElementsAre(1U, 1U)) << "there is nothing left";
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
