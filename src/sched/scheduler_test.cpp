// SPDX-License-Identifier: MIT
#include "repartir/scheduler.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <latch>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "repartir/detail/crew.hpp"
#include "repartir/function.hpp"
#include "sched/fake_executor.hpp"

namespace repartir::sched {
namespace {

using namespace std::chrono_literals;

Scheduler make_scheduler(FakeState& state, std::uint32_t capacity, OnFull on_full = OnFull::wait) {
    SchedulerOptions options;
    options.workers = 1;
    options.queue_capacity = capacity;
    options.on_full = on_full;
    Result<Scheduler> made = Scheduler::create(options);
    EXPECT_TRUE(made.has_value());
    EXPECT_TRUE(made->register_backend(Backend::cpu, std::make_unique<FakeExecutor>(state)));
    return *std::move(made);
}

template <class F>
auto submit(Scheduler& scheduler, F work) {
    return detail::submit_function(scheduler.crew(), std::move(work), Priority::normal);
}

TEST(SchedulerTest, AWaitingSubmitterNeedsNoMoreThanOnePlace) {
    FakeState state;
    Scheduler scheduler = make_scheduler(state, 8);
    std::vector<Pending<Outcome>> all;
    for (int i = 0; i < 9; ++i) {  // one runs
        all.push_back(scheduler.schedule(Task::binary("a")));
    }
    auto waiting =
        std::async(std::launch::async, [&] { return scheduler.schedule(Task::binary("last")); });
    EXPECT_EQ(waiting.wait_for(50ms), std::future_status::timeout);  // it waits by now, most likely
    all.back().cancel();
    EXPECT_EQ(waiting.wait_for(20s), std::future_status::ready);
    EXPECT_TRUE(scheduler.shutdown(Shutdown::cancel));
}

TEST(SchedulerTest, AKeyIsFreeAsSoonAsItsTaskIsCancelled) {
    FakeState state;
    state.ends_on_cancel = false;
    state.can.slots = 2;
    Scheduler scheduler = make_scheduler(state, 8);
    auto first = scheduler.schedule(Task::binary("a").idempotency_key("k"));
    first.cancel();  // it has to end yet
    auto second = scheduler.schedule(Task::binary("a").idempotency_key("k"));
    auto third = scheduler.schedule(Task::binary("a").idempotency_key("k"));
    EXPECT_EQ(state.wait_running(2).size(), 2U);
    state.finish_first(ended(End::cancelled));
    EXPECT_EQ(std::move(first).get()->ending.end, End::cancelled);
    EXPECT_FALSE(second.ready());
    state.finish_first(ended(End::exited));
    EXPECT_TRUE(std::move(second).get()->ok());
    EXPECT_TRUE(std::move(third).get()->ok());
    EXPECT_EQ(state.started().size(), 2U);
}

TEST(SchedulerTest, AWideTaskIsNotOvertakenByThoseThatHaveAChoice) {
    FakeState narrow;
    FakeState wide;
    wide.can.slots = 2;
    Scheduler scheduler = make_scheduler(narrow, 8);
    ASSERT_TRUE(scheduler.register_backend(Backend::cpu, std::make_unique<FakeExecutor>(wide)));
    std::vector<Pending<Outcome>> all;
    for (const char* name : {"a", "b", "c", "d"}) {  // "d" waits
        all.push_back(scheduler.schedule(Task::binary(name)));
    }
    all.push_back(scheduler.schedule(Task::binary("both").cores(2)));
    all.push_back(scheduler.schedule(Task::binary("e")));
    wide.finish_first(ended(End::exited));
    wide.finish_first(ended(End::exited));
    EXPECT_EQ(wide.started(), (std::vector<std::string>{"b", "c", "d"}));
    wide.finish_first(ended(End::exited));
    EXPECT_EQ(wide.started().back(), "both");
    EXPECT_EQ(narrow.started(), std::vector<std::string>{"a"});
    EXPECT_TRUE(scheduler.shutdown(Shutdown::cancel));
}

/// An executor that calls one thread its own.
class OwnThreadExecutor final : public Executor {
  public:
    explicit OwnThreadExecutor(const std::atomic<std::thread::id>& own) : own_(own) {}
    [[nodiscard]] Capabilities capabilities() const override { return {}; }
    void start(const AttemptId& id, const Task& /*task*/, AttemptSink& sink) override {
        sink.finished(id, ended(End::exited));
    }
    void cancel(const AttemptId& /*id*/, CancelReason /*reason*/, bool /*force*/) override {}
    void shutdown() override {}
    [[nodiscard]] bool on_own_thread() const noexcept override {
        return std::this_thread::get_id() == own_.load();
    }

  private:
    const std::atomic<std::thread::id>& own_;
};

TEST(SchedulerTest, AFullQueueOfFunctionsHoldsNoThreadOfAnExecutor) {
    std::atomic<std::thread::id> own;
    std::latch entered(1);  // before the scheduler, whose end waits for the function
    std::latch open(1);
    FakeState state;
    Scheduler scheduler = make_scheduler(state, 1);
    ASSERT_TRUE(scheduler.register_backend(Backend::cpu, std::make_unique<OwnThreadExecutor>(own)));
    auto busy = submit(scheduler, [&] { entered.count_down(), open.wait(); });
    entered.wait();
    auto queued = submit(scheduler, [] {});
    auto refused = std::async(std::launch::async, [&] {
        own = std::this_thread::get_id();
        return submit(scheduler, [] {});
    });
    EXPECT_EQ(refused.wait_for(20s), std::future_status::ready);
    open.count_down();
    const Result<void> result = refused.get().get();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), Code::queue_full);
}

TEST(SchedulerTest, NorTheThreadThatDeadlinesNeed) {
    std::latch entered(1);
    std::latch full(1);
    std::optional<Error> refused;
    FakeState state;
    Scheduler scheduler = make_scheduler(state, 1);
    auto work = [&](const std::stop_token& token) {
        const std::stop_callback told(token, [&] {
            full.wait();
            Result<void> result = submit(scheduler, [] {}).get();
            refused = result ? std::nullopt : std::optional(std::move(result).error());
        });
        entered.count_down();
        while (!token.stop_requested()) {
            std::this_thread::yield();
        }
    };
    auto late = detail::submit_function(scheduler.crew(), Task::function(work).timeout(1ms));
    entered.wait();
    auto queued = submit(scheduler, [] {});
    full.count_down();
    EXPECT_TRUE(queued.wait_for(20s));
    ASSERT_TRUE(refused.has_value());
    EXPECT_EQ(refused->code(), Code::queue_full);
}

/// An executor whose attempts end at once: the first fails. Tells of its own end.
class SecondTryExecutor final : public Executor {
  public:
    explicit SecondTryExecutor(std::shared_ptr<std::promise<int>> over) : over_(std::move(over)) {}
    SecondTryExecutor(const SecondTryExecutor&) = delete;
    SecondTryExecutor& operator=(const SecondTryExecutor&) = delete;
    ~SecondTryExecutor() override { over_->set_value(tries_); }
    [[nodiscard]] Capabilities capabilities() const override { return {}; }
    void start(const AttemptId& id, const Task& /*task*/, AttemptSink& sink) override {
        sink.finished(id, ended(End::exited, tries_++ == 0 ? 1 : 0));
    }
    void cancel(const AttemptId& /*id*/, CancelReason /*reason*/, bool /*force*/) override {}
    void shutdown() override {}

  private:
    const std::shared_ptr<std::promise<int>> over_;  // the test's too: either may end first
    std::atomic<int> tries_{0};
};

TEST(SchedulerTest, MayEndWithATaskThatWasTriedAgain) {
    const auto over = std::make_shared<std::promise<int>>();
    auto tries = over->get_future();
    auto scheduler = std::make_shared<Scheduler>(*Scheduler::create(SchedulerOptions{}));
    ASSERT_TRUE(
        scheduler->register_backend(Backend::cpu, std::make_unique<SecondTryExecutor>(over)));
    RetryPolicy policy;
    policy.max_retries = 1;
    policy.backoff = {200ms, 200ms, false};
    Scheduler& last = *scheduler;
    Task task = Task::binary("a").retry(policy).on_output(
        [owner = std::move(scheduler)](Stream, std::span<const char>) {});
    last.schedule(std::move(task)).detach();  // ends on the thread that brings it back
    ASSERT_EQ(tries.wait_for(20s), std::future_status::ready);
    EXPECT_EQ(tries.get(), 2);
}

TEST(SchedulerTest, AWorkerThatShutsAnotherSchedulerDownHasAStandIn) {
    FakeState state;
    Scheduler here = make_scheduler(state, 8);
    auto shut = submit(here, [&] {
        Scheduler there = make_scheduler(state, 8);
        std::latch begun(1);
        const auto told = std::make_shared<std::promise<void>>();  // set_value() may end last
        auto needs_us = submit(there, [&] {
            begun.count_down();
            submit(here, [told] { told->set_value(); }).detach();  // needs a thread of `here`
            return told->get_future().wait_for(10s) == std::future_status::ready;
        });
        begun.wait();
        EXPECT_TRUE(there.shutdown(Shutdown::drain));
        return std::move(needs_us).get().value();
    });
    ASSERT_TRUE(shut.wait_for(20s));  // not get(), which would run it on this thread
    EXPECT_TRUE(std::move(shut).get().value());
}

TEST(SchedulerTest, AWorkerThatWaitsForRoomInAnotherHasAStandIn) {
    FakeState state;
    FakeState nobody;
    Scheduler there = make_scheduler(state, 1);
    Scheduler here = make_scheduler(nobody, 8);
    auto running = there.schedule(Task::binary("a"));
    auto queued = there.schedule(Task::binary("b"));
    std::atomic<bool> cancelled{false};
    auto held = submit(here, [&] {
        submit(here, [&] {
            cancelled = true;
            queued.cancel();
        }).detach();
        auto more = there.schedule(Task::binary("c"));  // waits until that has run
        return cancelled.load();
    });
    const bool ended = held.wait_for(10s);
    EXPECT_TRUE(ended);
    if (!ended) {
        queued.cancel();
    }
    EXPECT_TRUE(std::move(held).get().value());
}

TEST(SchedulerTest, LowStartsAlthoughAWorkerLivesOnWhatItSteals) {
    SchedulerOptions options;
    options.workers = 2;
    Result<Scheduler> scheduler = Scheduler::create(options);
    ASSERT_TRUE(scheduler.has_value());
    std::atomic<bool> low_ran{false};
    std::atomic<int> queued{0};
    std::atomic<int> ran{0};
    const auto feed = [&] {  // until the low one has started, or far beyond 61 of them
        for (; !low_ran && ran < 3000;) {
            for (; queued < 12; ++queued) {
                submit(*scheduler, [&] {
                    const auto end = std::chrono::steady_clock::now() + 20us;
                    while (std::chrono::steady_clock::now() < end) {}
                    --queued;
                    if (++ran == 100) {
                        auto low = Task::function([&] { low_ran = true; }).priority(Priority::low);
                        detail::submit_function(scheduler->crew(), std::move(low)).detach();
                    }
                }).detach();
            }
        }
    };
    auto feeder = submit(*scheduler, feed);
    ASSERT_TRUE(feeder.wait_for(60s));
    EXPECT_TRUE(scheduler->shutdown(Shutdown::drain));
    EXPECT_LT(ran, 1000);
}

}  // namespace
}  // namespace repartir::sched
