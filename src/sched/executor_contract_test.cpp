// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <stdexcept>

#include "repartir/scheduler.hpp"
#include "sched/fake_executor.hpp"

namespace repartir::sched {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

/// An executor that a careless user might write.
class ThrowingExecutor final : public Executor {
  public:
    explicit ThrowingExecutor(bool starts) : starts_(starts) {}
    [[nodiscard]] Capabilities capabilities() const override { return {}; }
    void start(const AttemptId& id, const Task& /*task*/, AttemptSink& sink) override {
        if (!starts_) {
            throw std::runtime_error("no start today");
        }
        sink.finished(id, ended(End::exited));
        throw 7;
    }
    void cancel(const AttemptId& /*id*/, CancelReason /*reason*/, bool /*force*/) override {
        throw std::runtime_error("no cancel");
    }
    void shutdown() override { throw std::runtime_error("no shutdown"); }

  private:
    const bool starts_;
};

TEST(Scheduler, WhatAnExecutorThrowsIsAFailureOfTheAttempt) {
    for (const bool starts : {false, true}) {
        SchedulerOptions options;
        options.workers = 1;
        auto scheduler = Scheduler::create(options);
        ASSERT_TRUE(scheduler.has_value());
        ASSERT_TRUE(
            scheduler->register_backend(Backend::cpu, std::make_unique<ThrowingExecutor>(starts))
                .has_value());
        RetryPolicy at_once;
        at_once.backoff.initial = 0ms;
        const auto outcome = scheduler->schedule(Task::binary("a").retry(at_once)).get();
        ASSERT_TRUE(outcome.has_value());
        EXPECT_EQ(outcome->ok(), starts) << "of two ends the first counts";
        if (!starts) {
            ASSERT_NE(outcome->error(), nullptr);
            EXPECT_THAT(outcome->error()->describe(), HasSubstr("no start today"));
        }
        EXPECT_TRUE(scheduler->shutdown(Shutdown::cancel).has_value());
    }
}

}  // namespace
}  // namespace repartir::sched
