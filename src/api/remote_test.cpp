// SPDX-License-Identifier: MIT
// A pool whose tasks run here and on workers.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "api/remote_fixture.hpp"

namespace repartir {
namespace {

using namespace std::literals;

TEST_F(PoolRemoteTest, ProgramsRunHereAndThere) {
    auto pool = Pool::builder().cpu_workers(1).remote_workers(address()).build().value();
    std::vector<Pending<Outcome>> all;
    for (int i = 0; i < 40; ++i) {
        all.push_back(pool.submit(Task::binary("/bin/sh", "-c", "sleep 0.02; echo done")));
    }
    std::map<std::string, int> where;
    for (auto& one : all) {
        const Outcome outcome = std::move(one).get().value();
        EXPECT_TRUE(outcome.ok());
        EXPECT_EQ(outcome.out.bytes(), "done\n");
        ++where[std::string(to_string(outcome.last().backend))];
    }
    EXPECT_GT(where["cpu"], 0);
    EXPECT_GT(where["remote"], 0);
}

TEST_F(PoolRemoteTest, ProgramsThatWaitBehindCallsComeBackToTheIdleCore) {
    auto pool = Pool::builder().cpu_workers(1).remote_workers(address()).build().value();
    auto first = pool.submit_remote<void>("pass", true);  // these two fill the worker
    auto second = pool.submit_remote<void>("pass", true);
    std::vector<Pending<Outcome>> all;
    for (int i = 0; i < 10; ++i) {
        all.push_back(pool.submit(Task::binary("sleep", "0.02")));
    }
    for (auto& one : all) {
        EXPECT_TRUE(one.wait_for(30s));
    }
    open_gate();
    EXPECT_TRUE(std::move(first).get());
    EXPECT_TRUE(std::move(second).get());
}

TEST_F(PoolRemoteTest, WhatIsCapturedBeyondTheLimitOfThePoolSpills) {
    for (const bool small : {false, true}) {
        auto builder = Pool::builder().remote_workers(address());
        if (small) {
            builder.capture_limit(100'000);
        }
        auto pool = std::move(builder).build().value();
        const Task task = Task::binary("head", "-c", "1000000", "/dev/zero");
        const auto outcome = pool.submit(Task(task).backend(Backend::remote)).get();
        EXPECT_EQ(outcome->out.size(), 1'000'000U);
        EXPECT_EQ(outcome->out.in_memory(), !small);
    }
}

TEST_F(PoolRemoteTest, ABackendIsObeyed) {
    auto pool = Pool::builder().remote_workers(address()).build().value();
    const auto where = [&](Backend backend) {
        return pool.submit(Task::binary("true").backend(backend)).get().value().last().backend;
    };
    EXPECT_EQ(where(Backend::remote), Backend::remote);
    EXPECT_EQ(where(Backend::cpu), Backend::cpu);
}

TEST_F(PoolRemoteTest, WithoutAWorkerInReachTasksEndAndSayWhy) {
    stop();
    RemoteOptions options;
    options.workers = {address()};
    options.reach = 300ms;
    auto pool = Pool::builder().remote(options).build().value();
    const Outcome lost = pool.submit(Task::binary("true").backend(Backend::remote)).get().value();
    ASSERT_NE(lost.error(), nullptr);
    EXPECT_EQ(lost.error()->code(), Code::unreachable);
    EXPECT_EQ(pool.submit_remote<int>("halve", 8).get().error().code(), Code::unreachable);
    EXPECT_TRUE(pool.submit(Task::binary("true")).get().value().ok()) << "it runs here";
}

TEST_F(PoolRemoteTest, WhatIsDroppedIsCancelledAndAPendingMayOutliveItsPool) {
    std::optional<Pending<int>> kept;
    {
        auto pool = Pool::builder().remote_workers(address()).build().value();
        static_cast<void>(pool.submit_remote<int>("halve", 2));
        kept.emplace(pool.submit_remote<int>("halve", 4));
    }
    EXPECT_TRUE(kept->ready());
    kept->cancel();
}

TEST(PoolWithoutRemoteTest, ACallSaysWhatIsMissing) {
    auto pool = Pool::builder().build().value();
    EXPECT_EQ(pool.submit_remote<int>("halve", 8).get().error().code(), Code::cannot_schedule);
}

}  // namespace
}  // namespace repartir
