// SPDX-License-Identifier: MIT
#include "repartir/pool.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <future>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "repartir/cpu_executor.hpp"

namespace repartir {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

Pool small_pool() {
    auto pool = Pool::builder().cpu_workers(2).build();
    EXPECT_TRUE(pool.has_value());
    return std::move(*pool);
}

TEST(Pool, RunsAProgram) {
    Pool pool = small_pool();
    auto pending = pool.submit(Task::binary("sh", "-c", "echo out; echo err >&2; exit 3"));
    const auto outcome = std::move(pending).get();
    ASSERT_TRUE(outcome.has_value());
    EXPECT_EQ(outcome->ending, (Ending{End::exited, 3}));
    EXPECT_EQ(outcome->out.bytes(), "out\n");
    EXPECT_EQ(outcome->err.bytes(), "err\n");
    EXPECT_GT(outcome->last().wall, 0ns);
    EXPECT_EQ(outcome->last().backend, Backend::cpu);
}

TEST(Pool, RunsAPipeline) {
    Pool pool = small_pool();
    const auto outcome =
        pool.submit(Task::pipeline(Task::binary("printf", "b\\na\\nb\\n"), Task::binary("sort"),
                                   Task::binary("uniq", "-c")))
            .get();
    ASSERT_TRUE(outcome.has_value());
    EXPECT_TRUE(outcome->ok());
    EXPECT_EQ(outcome->out.bytes(), "      1 a\n      2 b\n");
    EXPECT_EQ(outcome->last().stages.size(), 3U);
}

TEST(Pool, IsBuiltAsItIsAskedFor) {
    Topology machine = CpuExecutor::this_machine();
    machine.cpus.resize(1);
    const std::uint32_t cpu = machine.cpus.front().number;
    auto pool = Pool::builder()
                    .cpu_workers(1)
                    .pin_workers(true)
                    .topology(machine)
                    .spare_workers(0)
                    .capture_limit(16)
                    .queue_capacity(1)
                    .on_full(OnFull::refuse)
                    .build();
    ASSERT_TRUE(pool.has_value());
    std::promise<int> where;  // get() might run the function on this thread, which is not pinned
    pool->submit([&where] { where.set_value(::sched_getcpu()); }).detach();
    EXPECT_EQ(where.get_future().get(), static_cast<int>(cpu));
    const auto outcome = pool->submit(Task::binary("seq", "1000")).get();
    ASSERT_TRUE(outcome.has_value());
    EXPECT_FALSE(outcome->out.in_memory()) << "3,893 bytes are more than 16";
    EXPECT_EQ(outcome->out.size(), 3893U);
    auto running = pool->submit(Task::binary("sleep", "1000"));
    auto waiting = pool->submit(Task::binary("sleep", "1000"));
    auto refused = pool->submit(Task::binary("true"));
    if (!refused.ready()) {  // the first had been started before the second came
        refused = pool->submit(Task::binary("true"));
    }
    EXPECT_EQ(std::move(refused).get().error().code(), Code::queue_full);
}

TEST(Pool, AMissingProgramIsAnOutcomeNotAnError) {
    Pool pool = small_pool();
    const auto outcome = pool.submit(Task::binary("/no/such/program").retries(3)).get();
    ASSERT_TRUE(outcome.has_value());
    EXPECT_EQ(outcome->ending.end, End::not_started);
    EXPECT_EQ(outcome->exit_code(), 127);
    ASSERT_NE(outcome->error(), nullptr);
    EXPECT_THAT(outcome->error()->sentence(), HasSubstr("/no/such/program"));
    EXPECT_EQ(outcome->attempts.size(), 1U) << "the user's own mistake is not retried";
}

TEST(Pool, RetriesUntilItWorks) {
    const auto marker =
        std::filesystem::temp_directory_path() / ("repartir-pool-test-" + std::to_string(getpid()));
    Pool pool = small_pool();
    RetryPolicy retry;
    retry.max_retries = 5;
    retry.backoff = Backoff{1ms, 5ms, true};
    const std::string script = "f=" + marker.string() + "; echo x >> $f; test $(wc -l < $f) -ge 3";
    const auto outcome = pool.submit(Task::binary("sh", "-c", script).retry(retry)).get();
    std::filesystem::remove(marker);
    ASSERT_TRUE(outcome.has_value());
    EXPECT_TRUE(outcome->ok());
    EXPECT_EQ(outcome->attempts.size(), 3U);
}

TEST(Pool, TimesOutAndSaysSo) {
    Pool pool = small_pool();
    const auto outcome = pool.submit(Task::binary("sleep", "100").timeout(20ms)).get();
    ASSERT_TRUE(outcome.has_value());
    EXPECT_EQ(outcome->ending.end, End::timed_out);
    EXPECT_EQ(outcome->exit_code(), 4);
}

TEST(Pool, DroppingThePendingEndsTheProgram) {
    Pool pool = small_pool();
    { auto dropped = pool.submit(Task::binary("sleep", "1000")); }
    EXPECT_TRUE(pool.shutdown(Shutdown::drain).has_value());  // would take 1000 s otherwise
    EXPECT_EQ(pool.stats().tasks_finished, 1U);
}

TEST(Pool, ManyProgramsEachEndOnce) {
    Pool pool = small_pool();
    std::vector<Pending<Outcome>> all;
    for (int i = 0; i < 500; ++i) {
        all.push_back(pool.submit(Task::binary("echo", std::to_string(i))));
    }
    for (int i = 0; i < 500; ++i) {
        const auto outcome = std::move(all[static_cast<std::size_t>(i)]).get();
        ASSERT_TRUE(outcome.has_value());
        EXPECT_EQ(outcome->out.bytes(), std::to_string(i) + "\n");
    }
    EXPECT_EQ(pool.stats().tasks_accepted, 500U);
}

TEST(Pool, AnOutputCallbackNeitherHangsOnAFullQueueNorShutsThePoolDown) {
    auto pool = Pool::builder().cpu_workers(1).queue_capacity(1).build();
    ASSERT_TRUE(pool.has_value());
    std::vector<Code> refused;
    const auto callback = [&](Stream, std::span<const char>) {
        for (int i = 0; i < 2; ++i) {
            auto more = pool->submit(Task::binary("true"));
            if (more.ready()) {
                refused.push_back(std::move(more).get().error().code());
            } else {
                std::move(more).detach();
            }
        }
        const auto ended = pool->shutdown(Shutdown::cancel);
        refused.push_back(ended ? Code::internal : ended.error().code());
    };
    const auto outcome = pool->submit(Task::binary("echo", "once").on_output(callback)).get();
    ASSERT_TRUE(outcome.has_value());
    EXPECT_TRUE(outcome->ok());
    EXPECT_EQ(refused, (std::vector{Code::queue_full, Code::would_deadlock}));
}

TEST(Pool, AnOutputCallbackThatWaitsForATaskIsRefused) {
    auto pool = Pool::builder().cpu_workers(2).build().value();
    std::vector<Code> refused;
    const auto callback = [&](Stream, std::span<const char>) {
        for (const char* key : {"", "the same", "the same"}) {
            auto task = Task::binary("true");
            auto waited = pool.submit(std::move(task.idempotency_key(key))).get();
            refused.push_back(waited ? Code::internal : waited.error().code());
        }
    };
    EXPECT_TRUE(pool.submit(Task::binary("echo", "once").on_output(callback)).get().value().ok());
    EXPECT_EQ(refused, std::vector(3, Code::would_deadlock));
}

TEST(Pool, TimesThatTheClockDoesNotReachNeverCome) {
    constexpr auto ever = std::chrono::milliseconds::max();
    Pool pool = small_pool();
    const auto program = pool.submit(Task::binary("true").timeout(ever).kill_grace(ever)).get();
    ASSERT_TRUE(program.has_value());
    EXPECT_TRUE(program->ok()) << program->ending.describe();
    EXPECT_EQ(pool.submit(Task::function([] { return 1; }).timeout(ever)).get().value(), 1);
    auto pending = pool.submit(Task::binary("sleep", "0.05"));
    EXPECT_TRUE(pending.wait_for(std::chrono::hours::max()));
    auto longer = pool.submit(Task::binary("sleep", "60"));
    EXPECT_FALSE(longer.wait_for(std::chrono::hours::min()));
}

TEST(Pool, AWorkerThatWaitsForAnotherPoolHasAStandIn) {
    auto here = Pool::builder().cpu_workers(1).build();
    auto there = Pool::builder().cpu_workers(1).build();
    ASSERT_TRUE(here && there);
    auto back = here->submit([&] {
        std::promise<void> told;
        std::promise<void> begun;
        auto pending = there->submit([&] {
            begun.set_value();
            here->submit([&] { told.set_value(); }).detach();  // needs a thread of `here`
            return told.get_future().wait_for(10s) == std::future_status::ready;
        });
        begun.get_future().wait();  // it runs over there, and not in get()
        return std::move(pending).get().value();
    });
    ASSERT_TRUE(back.wait_for(20s));  // not get(), which would run it on this thread
    EXPECT_TRUE(std::move(back).get().value());
}

// That nobody gets into a plane that is gone is PlaneDoor's own test: the moment is too short to be
// met here. This one is for what is around it, and that it ends.
TEST(Pool, EndsWhileAnotherThreadDropsItsPendings) {
    for (int round = 0; round < 20; ++round) {
        auto pool = Pool::builder().cpu_workers(1).build();
        ASSERT_TRUE(pool.has_value());
        std::vector<Pending<Outcome>> pendings;
        for (int i = 0; i < 50; ++i) {
            pendings.push_back(pool->submit(Task::binary("sleep", "1000")));
            pendings.push_back(  // a follower: the second of its key
                pool->submit(Task::binary("sleep", "999").idempotency_key("the same")));
        }
        std::promise<void> begun;
        std::thread dropper([&] {
            begun.set_value();
            pendings.clear();
        });
        begun.get_future().wait();
        { const Pool ended(*std::move(pool)); }
        dropper.join();
    }
}

TEST(Pool, MayEndInOneOfItsOwnFunctions) {
    auto built = Pool::builder().cpu_workers(1).build();
    ASSERT_TRUE(built.has_value());
    auto pool = std::make_shared<Pool>(*std::move(built));
    auto program = pool->submit(Task::binary("sleep", "1000"));
    std::promise<void> alone;
    auto owner = pool->submit([held = pool, go = alone.get_future()]() mutable {
        go.wait();
        held.reset();
        return 5;
    });
    ASSERT_FALSE(owner.wait_for(1ms));  // it runs on the worker, not on this thread
    pool.reset();
    alone.set_value();
    const auto ended = std::move(program).get();
    ASSERT_TRUE(ended.has_value());
    EXPECT_EQ(ended->ending.end, End::cancelled);
    static_cast<void>(std::move(owner).get());  // its result, or that it was cancelled: no hang
}

TEST(PoolBuilder, RefusesMoreSlotsThanATableCouldHold) {
    const auto pool = Pool::builder().cpu_workers(1).program_slots(4'000'000'000U).build();
    ASSERT_FALSE(pool.has_value());
    EXPECT_EQ(pool.error().code(), Code::invalid_argument);
}

TEST(PoolBuilder, RefusesWhatThisReleaseLacks) {
    const auto remote = Pool::builder().remote_workers("host:9000").build();
    ASSERT_FALSE(remote.has_value());
    EXPECT_EQ(remote.error().code(), Code::permission_denied) << "TCP without certificates";
    const auto no_queue = Pool::builder().queue_capacity(0).build();
    ASSERT_FALSE(no_queue.has_value());
    EXPECT_EQ(no_queue.error().code(), Code::invalid_argument);
}

TEST(PoolBuilder, RefusesAProcessThatIgnoresSigchld) {
    const auto before = std::signal(SIGCHLD, SIG_IGN);
    const auto pool = Pool::builder().cpu_workers(1).build();
    std::signal(SIGCHLD, before);
    ASSERT_FALSE(pool.has_value());
    EXPECT_THAT(pool.error().sentence(), HasSubstr("SIGCHLD"));
}

TEST(PoolBuilder, RefusesANullExecutor) {
    const auto pool = Pool::builder().register_backend(Backend::cpu, nullptr).build();
    ASSERT_FALSE(pool.has_value());
    EXPECT_EQ(pool.error().code(), Code::invalid_argument);
}

TEST(PoolBuilder, ProgramSlotsAreApartFromWorkers) {
    auto pool = Pool::builder().cpu_workers(2).program_slots(3).build();
    ASSERT_TRUE(pool.has_value());
    EXPECT_EQ(pool->scheduler().capabilities().front().slots, 3U);
}

}  // namespace
}  // namespace repartir
