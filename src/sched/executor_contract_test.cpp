// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

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
    void observe(AttemptSink& /*sink*/) override { throw std::runtime_error("no interest"); }
    std::uint32_t give_back(std::uint32_t /*most*/) override { throw 9; }
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

/// Cannot even say what it takes.
class UndecidedExecutor final : public Executor {
  public:
    [[nodiscard]] Capabilities capabilities() const override { return {}; }
    [[nodiscard]] Result<void> accepts(const Task& /*task*/) const override { throw 8; }
    void start(const AttemptId& id, const Task& /*task*/, AttemptSink& sink) override {
        sink.finished(id, ended(End::exited));
    }
    void cancel(const AttemptId& /*id*/, CancelReason /*reason*/, bool /*force*/) override {}
    void shutdown() override {}
};

TEST(Scheduler, AnExecutorThatThrowsInsteadOfAcceptingGetsNothing) {
    auto scheduler = Scheduler::create(SchedulerOptions{});
    ASSERT_TRUE(scheduler.has_value());
    ASSERT_TRUE(scheduler->register_backend(Backend::cpu, std::make_unique<UndecidedExecutor>()));
    const auto refused = scheduler->schedule(Task::binary("a")).get();
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code(), Code::cannot_schedule);
    EXPECT_THAT(refused.error().sentence(), HasSubstr("could not say"));
}

/// Elastic; everything waits in it for ever, until it is asked to give it back, inside the call.
class HoardingExecutor final : public Executor {
  public:
    [[nodiscard]] Capabilities capabilities() const override {
        Capabilities can;
        can.elastic = true;
        can.slots = 0;
        return can;
    }
    /// Grows before it is even registered.
    void observe(AttemptSink& sink) override {
        sink_ = &sink;
        resize(100);
    }
    void resize(std::uint32_t slots) {
        Capabilities can = capabilities();
        can.slots = slots;
        sink_->capacity_changed(*this, can);
    }
    void start(const AttemptId& id, const Task& /*task*/, AttemptSink& sink) override {
        const std::lock_guard lock(mutex_);
        held_.emplace_back(id, &sink);
    }
    void cancel(const AttemptId& id, CancelReason /*reason*/, bool /*force*/) override {
        std::unique_lock lock(mutex_);
        const auto found = std::ranges::find(held_, id, &Held::first);
        if (found != held_.end()) {
            AttemptSink* const sink = found->second;
            held_.erase(found);
            lock.unlock();
            sink->finished(id, ended(End::cancelled));
        }
    }
    std::uint32_t give_back(std::uint32_t most) override {
        std::uint32_t given = 0;
        for (; given < most; ++given) {
            std::unique_lock lock(mutex_);
            if (held_.empty()) {
                break;
            }
            const auto [id, sink] = held_.back();
            held_.pop_back();
            lock.unlock();
            sink->returned(id);
        }
        return given;
    }
    void shutdown() override {}

  private:
    using Held = std::pair<AttemptId, AttemptSink*>;
    std::mutex mutex_;
    std::vector<Held> held_;
    AttemptSink* sink_ = nullptr;
};

TEST(Scheduler, AnExecutorMayGrowInsideObserveAndReturnInsideGiveBack) {
    auto scheduler = Scheduler::create(SchedulerOptions{});
    ASSERT_TRUE(scheduler.has_value());
    ASSERT_TRUE(scheduler->register_backend(Backend::remote, std::make_unique<HoardingExecutor>()));
    std::vector<Pending<Outcome>> all;
    for (int i = 0; i < 50; ++i) {
        all.push_back(scheduler->schedule(Task::binary("a").affinity(Affinity::remote_allowed)));
    }
    EXPECT_EQ(scheduler->stats().tasks_running, 50U) << "it had grown to 100 slots";
    FakeState local;
    local.inline_result = [](const Task&) { return ended(End::exited); };
    ASSERT_TRUE(scheduler->register_backend(Backend::cpu, std::make_unique<FakeExecutor>(local)));
    all.push_back(scheduler->schedule(Task::binary("b").backend(Backend::cpu)));
    EXPECT_TRUE(std::move(all.back()).get()->ok());
    all.pop_back();
    EXPECT_EQ(scheduler->stats().attempts_returned, 0U) << "they were not meant for the newcomer";
    EXPECT_TRUE(scheduler->shutdown(Shutdown::cancel));
}

TEST(Scheduler, WhatIsHoardedRunsWhereThereIsRoom) {
    auto scheduler = Scheduler::create(SchedulerOptions{});
    ASSERT_TRUE(scheduler.has_value());
    FakeState local;
    local.can.slots = 2;
    ASSERT_TRUE(scheduler->register_backend(Backend::cpu, std::make_unique<FakeExecutor>(local)));
    auto owned = std::make_unique<HoardingExecutor>();
    HoardingExecutor& hoard = *owned;
    ASSERT_TRUE(scheduler->register_backend(Backend::remote, std::move(owned)));
    std::vector<Pending<Outcome>> all;
    for (int i = 0; i < 50; ++i) {
        all.push_back(scheduler->schedule(Task::binary("a").affinity(Affinity::remote_allowed)));
    }
    EXPECT_EQ(scheduler->stats().tasks_running, 50U);
    hoard.resize(0);  // nobody is there any more who could run what it has
    for (int i = 0; i < 50; ++i) {
        local.finish_first(ended(End::exited));
    }
    for (Pending<Outcome>& one : all) {
        const auto outcome = std::move(one).get();
        ASSERT_TRUE(outcome.has_value());
        EXPECT_EQ(outcome->attempts.size(), 1U);
        EXPECT_EQ(outcome->last().number, 1U) << "what did not begin is no attempt";
        EXPECT_EQ(outcome->last().backend, Backend::cpu);
    }
    EXPECT_EQ(scheduler->stats().attempts_returned, 48U);
    EXPECT_TRUE(scheduler->shutdown(Shutdown::drain));
}

}  // namespace
}  // namespace repartir::sched
