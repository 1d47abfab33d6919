// SPDX-License-Identifier: MIT
#include "repartir/pending.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <coroutine>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "repartir/detail/crew.hpp"
#include "repartir/outcome.hpp"
#include "sched/crew_fixture.hpp"

namespace repartir {
namespace {

using namespace std::chrono_literals;

template <class T>
struct Probe final : detail::SharedState<T> {
    Probe(detail::Crew* crew, std::atomic<int>& cancels, std::atomic<int>& ends)
        : detail::SharedState<T>(crew), cancels_(cancels), ends_(ends) {}
    ~Probe() override { ++ends_; }
    void cancel() noexcept override { ++cancels_; }
    std::atomic<int>& cancels_;
    std::atomic<int>& ends_;
};

/// A coroutine that starts at once and destroys itself at its end.
struct Detached {
    struct promise_type {
        static Detached get_return_object() noexcept { return {}; }
        static std::suspend_never initial_suspend() noexcept { return {}; }
        static std::suspend_never final_suspend() noexcept { return {}; }
        static void return_void() noexcept {}
        static void unhandled_exception() noexcept { std::terminate(); }
    };
};

class PendingTest : public ::testing::Test {
  protected:
    PendingTest() { crew_ = detail::make_crew(2); }
    template <class T>
    Probe<T>* probe() {
        return new Probe<T>(crew_.get(), cancels_, ends_);
    }
    std::unique_ptr<detail::Crew> crew_;
    std::atomic<int> cancels_{0};
    std::atomic<int> ends_{0};
};

Error cancelled() {
    return Error(Domain::function, Code::cancelled, Fault::user, "the function was cancelled");
}

TEST_F(PendingTest, AQueuedProgramTasksStateIsSmall) {
    EXPECT_LE(sizeof(detail::SharedState<Outcome>), 64U);
}

TEST_F(PendingTest, GetReturnsWhatWasThereBefore) {
    auto* state = probe<int>();
    Pending<int> pending(state);
    EXPECT_FALSE(pending.ready());
    EXPECT_TRUE(state->resolve(7));
    EXPECT_TRUE(pending.ready());
    EXPECT_EQ(std::move(pending).get().value(), 7);
    EXPECT_EQ(ends_, 1);
    EXPECT_EQ(cancels_, 0);
}

TEST_F(PendingTest, TheFirstResolutionWins) {
    auto* state = probe<int>();
    Pending<int> pending(state);
    EXPECT_TRUE(state->resolve(fail(cancelled())));
    EXPECT_FALSE(state->resolve(7));
    EXPECT_EQ(std::move(pending).get().error().code(), Code::cancelled);
}

TEST_F(PendingTest, GetWaitsForAnotherThread) {
    auto* state = probe<std::unique_ptr<int>>();
    state->retain();
    Pending<std::unique_ptr<int>> pending(state);
    std::thread producer([state] {
        state->resolve(std::make_unique<int>(9));
        state->release();
    });
    EXPECT_EQ(*std::move(pending).get().value(), 9);
    producer.join();
    EXPECT_EQ(ends_, 1);
}

TEST_F(PendingTest, LargeResultsArriveWhole) {
    auto* state = probe<Outcome>();
    Pending<Outcome> pending(state);
    Outcome outcome;
    outcome.name = "sweep";
    state->resolve(std::move(outcome));
    EXPECT_EQ(std::move(pending).get().value().name, "sweep");
    EXPECT_EQ(ends_, 1);
}

TEST_F(PendingTest, WaitForGivesUpAtItsTime) {
    auto* state = probe<void>();
    Pending<void> pending(state);
    EXPECT_FALSE(pending.wait_for(2ms));
    state->resolve({});
    EXPECT_TRUE(pending.wait_for(0s));
    EXPECT_TRUE(std::move(pending).get().has_value());
}

TEST_F(PendingTest, DroppingCancelsAndDetachingDoesNot) {
    { const Pending<int> pending(probe<int>()); }
    EXPECT_EQ(cancels_, 1);
    EXPECT_EQ(ends_, 1);
    Pending<int>(probe<int>()).detach();
    EXPECT_EQ(cancels_, 1);
    EXPECT_EQ(ends_, 2);
    auto* state = probe<int>();
    Pending<int> first(state);
    Pending<int> second(probe<int>());
    second = std::move(first);
    EXPECT_EQ(cancels_, 2);
    state->resolve(1);
    EXPECT_EQ(std::move(second).get().value(), 1);
    EXPECT_EQ(cancels_, 2);
}

TEST_F(PendingTest, CallbacksRunOnAWorkerBeforeAndAfter) {
    for (const bool before : {true, false}) {
        auto* state = probe<int>();
        state->retain();
        Pending<int> pending(state);
        if (before) {
            state->resolve(3);
        }
        std::atomic<int> got{0};
        std::move(pending).on_ready([&](Result<int> result) {
            got = crew_->on_crew_thread() ? *result : -1;
            got.notify_all();
        });
        if (!before) {
            state->resolve(3);
        }
        state->release();
        got.wait(0);
        EXPECT_EQ(got, 3);
    }
}

struct Told final : Observer {
    void ready() noexcept override { times.fetch_add(1); }
    std::atomic<int> times{0};
};

TEST_F(PendingTest, AnObserverIsToldByWhoBringsTheResultWhichStays) {
    Told told;
    for (const bool before : {true, false}) {
        auto* state = probe<int>();
        Pending<int> pending(state);
        if (before) {
            state->resolve(3);
        }
        pending.observe(told);
        EXPECT_EQ(told.times, 1) << "at once, and not before";
        if (!before) {
            state->resolve(3);
            EXPECT_EQ(told.times, 2);
        }
        EXPECT_EQ(std::move(pending).get().value(), 3);
    }
    EXPECT_EQ(ends_, 2);
}

Detached await_into(Pending<std::string> pending, const detail::Crew& crew, std::string& text,
                    std::atomic<bool>& done) {
    Result<std::string> result = co_await std::move(pending);
    text = crew.on_crew_thread() ? std::move(*result) : "not on a worker";
    done = true;
    done.notify_all();
}

TEST_F(PendingTest, CoroutinesGoOnOnAWorker) {
    for (const bool before : {true, false}) {
        auto* state = probe<std::string>();
        state->retain();
        if (before) {
            state->resolve("there");
        }
        std::string text;
        std::atomic<bool> done{false};
        await_into(Pending<std::string>(state), *crew_, text, done);
        if (!before) {
            state->resolve("there");
        }
        state->release();
        done.wait(false);
        EXPECT_EQ(text, "there");
    }
    crew_.reset();
    EXPECT_EQ(ends_, 2);
}

/// A value that can be moved once.
struct Reluctant {
    Reluctant() = default;
    // NOLINTNEXTLINE(performance-noexcept-move-constructor): that is the point
    Reluctant(Reluctant&& other) : moves(other.moves + 1) {
        if (moves > 1) {
            throw std::runtime_error("moved once already");
        }
    }
    Reluctant(const Reluctant&) = delete;
    Reluctant& operator=(const Reluctant&) = delete;
    Reluctant& operator=(Reluctant&&) = delete;
    ~Reluctant() = default;
    int moves = 0;
};

TEST(PendingContinuationTest, AValueWhoseMoveThrowsIsAFailure) {
    const auto crew = detail::make_crew(1);
    const auto work = [] { return Reluctant(); };
    auto elsewhere = detail::submit(*crew, work);
    ASSERT_TRUE(elsewhere.wait_for(20s));  // on the worker
    detail::Gate busy(*crew);
    auto here = detail::submit(*crew, work);
    for (Pending<Reluctant>* const pending : {&elsewhere, &here}) {
        const Result<Reluctant> result = std::move(*pending).get();
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code(), Code::function_threw);
        EXPECT_NE(result.error().sentence().find("moved once"), std::string::npos);
    }
}

// Under the thread sanitizer: the last that on_ready() touches of the crew comes before its end.
TEST(PendingContinuationTest, MayEndTheCrewBeforeOnReadyReturns) {
    for (int round = 0; round < 20; ++round) {
        auto crew = detail::make_crew(1);
        auto pending = detail::submit(*crew, [] { return 1; });
        while (!pending.ready()) {
            std::this_thread::yield();
        }
        std::atomic<bool> told{false};
        std::thread other(
            [&] { std::move(pending).on_ready([&](const Result<int>&) { told = true; }); });
        while (!told) {
            std::this_thread::yield();
        }
        crew.reset();
        other.join();
    }
}

}  // namespace
}  // namespace repartir
