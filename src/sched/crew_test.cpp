// SPDX-License-Identifier: MIT
#include "repartir/detail/crew.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <latch>
#include <memory>
#include <mutex>
#include <semaphore>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "repartir/function.hpp"
#include "repartir/task.hpp"
#include "sched/crew_fixture.hpp"

namespace repartir::detail {
namespace {

using namespace std::chrono_literals;

/// Waits at its end for all functions: what they refer to must be declared before it.
class Drain {
  public:
    explicit Drain(Crew& crew) : crew_(crew) {}
    Drain(const Drain&) = delete;
    Drain& operator=(const Drain&) = delete;
    ~Drain() { static_cast<void>(crew_.shutdown(Shutdown::drain)); }

  private:
    Crew& crew_;
};

TEST(CrewTest, RefusesOptionsThatCannotWork) {
    SchedulerOptions options;
    options.queue_capacity = 0;
    EXPECT_EQ(Crew::create(options).error().code(), Code::invalid_argument);
    options = {};
    options.workers = 100'000;
    EXPECT_EQ(Crew::create(options).error().code(), Code::invalid_argument);
    options = {};
    options.pin_workers = true;
    EXPECT_EQ(Crew::create(options).error().code(), Code::invalid_argument);
}

TEST(CrewTest, FunctionsGiveValuesResultsAndNothing) {
    const auto crew = make_crew(2);
    EXPECT_EQ(submit(*crew, [] { return 6 * 7; }).get().value(), 42);
    EXPECT_TRUE(submit(*crew, [] {}).get().has_value());
    EXPECT_EQ(*submit(*crew, [] { return std::make_unique<int>(3); }).get().value(), 3);
    auto owned = std::make_unique<int>(5);
    EXPECT_EQ(submit(*crew, [owned = std::move(owned)] { return *owned; }).get().value(), 5);
    EXPECT_EQ(submit(*crew, []() -> Result<int> { return 8; }).get().value(), 8);
    const auto failed =
        submit(*crew, []() -> Result<int> { return fail(cancelled_error()); }).get();
    EXPECT_EQ(failed.error().code(), Code::cancelled);
    const std::string text(1000, 'x');
    EXPECT_EQ(submit(*crew, [text]() -> const std::string& { return text; }).get().value(), text);
    std::array<char, 2000> large{};
    large[1999] = 'y';
    EXPECT_EQ(submit(*crew, [large] { return large[1999]; }).get().value(), 'y');
}

TEST(CrewTest, ResultsNeedNoAssignment) {
    const auto crew = make_crew(1);
    const auto closure = submit(*crew, [] {
                             int seven = 3;
                             seven += 4;
                             return [seven] { return seven; };
                         }).get();
    EXPECT_EQ(closure.value()(), 7);
}

TEST(CrewTest, WhoBeginsBehindACancellingShutdownIsToldToStop) {
    struct Told final : SharedState<int> {
        using SharedState::SharedState;
        void cancel() noexcept override { told = true; }
        bool told = false;
    };
    const auto crew = make_crew(1);
    EXPECT_TRUE(crew->shutdown(Shutdown::cancel));  // has looked who is running
    auto* const late = new Told(crew.get());        // its own last reference is released below
    Stoppable node(*late);
    crew->enlist(node);
    EXPECT_TRUE(late->told);
    crew->delist(node);
    late->release();
}

TEST(CrewTest, AFunctionThatWatchesItsTokenRunsOnWorkersOnly) {
    const auto crew = make_crew(1);
    for (int i = 0; i < 200; ++i) {
        EXPECT_TRUE(submit(*crew, [&](const std::stop_token&) { return crew->on_crew_thread(); })
                        .get()
                        .value());
    }
}

TEST(CrewTest, ExceptionsKeepTheirMessage) {
    const auto crew = make_crew(1);
    const auto thrown =
        submit(*crew, []() -> int { throw std::runtime_error("no such row"); }).get();
    ASSERT_FALSE(thrown);
    EXPECT_EQ(thrown.error().code(), Code::function_threw);
    EXPECT_EQ(thrown.error().domain(), Domain::function);
    EXPECT_NE(thrown.error().sentence().find("no such row"), std::string::npos);
    EXPECT_EQ(submit(*crew, [] { throw 3; }).get().error().code(), Code::function_threw);
}

TEST(CrewTest, WhatIsCancelledBeforeItsStartNeverRuns) {
    const auto crew = make_crew(1);
    Gate gate(*crew);
    bool ran = false;
    auto held = std::make_shared<int>(1);
    auto pending = submit(*crew, [&ran, held] { ran = true; });
    EXPECT_EQ(held.use_count(), 2);
    pending.cancel();
    pending.cancel();
    EXPECT_EQ(held.use_count(), 1) << "a cancelled callable ends at once";
    EXPECT_EQ(std::move(pending).get().error().code(), Code::cancelled);
    {
        const auto dropped = submit(*crew, [&ran] { ran = true; });
    }
    gate.open();
    EXPECT_TRUE(submit(*crew, [] {}).get());
    EXPECT_FALSE(ran);
}

TEST(CrewTest, RunningFunctionsSeeTheirStopToken) {
    const auto crew = make_crew(1);
    std::latch entered(1);
    std::binary_semaphore stopped(0);
    const Drain drain(*crew);
    auto pending = submit(*crew, [&](std::stop_token token) {
        entered.count_down();
        std::atomic<bool> asked{false};
        const std::stop_callback callback(token, [&] {
            asked = true;
            asked.notify_one();
        });
        asked.wait(false);
        stopped.release();
        return 1;
    });
    entered.wait();
    pending.cancel();
    EXPECT_EQ(std::move(pending).get().error().code(), Code::cancelled);
    stopped.acquire();
}

TEST(CrewTest, DetachedFunctionsRun) {
    const auto crew = make_crew(1);
    std::binary_semaphore ran(0);
    const Drain drain(*crew);
    submit(*crew, [&] { ran.release(); }).detach();
    ran.acquire();
}

TEST(CrewTest, AFunctionThatOverrunsItsTimeoutResolvesAtItsDeadline) {
    const auto crew = make_crew(1);
    std::atomic<bool> told{false};
    std::binary_semaphore returned(0);
    const Drain drain(*crew);
    auto slow = submit_function(*crew, Task::function([&](std::stop_token token) {
                                           std::atomic<bool> asked{false};
                                           const std::stop_callback callback(token, [&] {
                                               asked = true;
                                               asked.notify_one();
                                           });
                                           asked.wait(false);
                                           told = true;
                                           returned.release();
                                       })
                                           .timeout(3ms)
                                           .name("slow"));
    std::this_thread::yield();
    const Result<void> result = std::move(slow).get();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), Code::timed_out);
    EXPECT_NE(result.error().sentence().find("slow"), std::string::npos);
    returned.acquire();
    EXPECT_TRUE(told);
    std::binary_semaphore taken(0);
    auto deaf = submit_function(*crew, Task::function([&] { taken.acquire(); }).timeout(3ms));
    EXPECT_EQ(std::move(deaf).get().error().code(), Code::timed_out);  // at once, not when it ends
    taken.release();
    auto quick = submit_function(*crew, Task::function([] { return 4; }).timeout(1h));
    EXPECT_EQ(std::move(quick).get().value(), 4);
}

TEST(CrewTest, HighGoesFirstAndOrderWithinALaneIsKept) {
    const auto crew = make_crew(1);
    Gate gate(*crew);
    std::vector<int> order;
    std::vector<Pending<void>> all;
    for (int i = 0; i < 5; ++i) {
        all.push_back(submit(*crew, [&order, i] { order.push_back(i); }));
    }
    all.push_back(submit(*crew, [&order] { order.push_back(20); }, Priority::low));
    for (int i = 10; i < 13; ++i) {
        all.push_back(submit(*crew, [&order, i] { order.push_back(i); }, Priority::high));
    }
    gate.open();
    static_cast<void>(crew->shutdown(Shutdown::drain));
    EXPECT_EQ(order, (std::vector{10, 11, 12, 0, 1, 2, 3, 4, 20}));
}

TEST(CrewTest, LowStartsWithinSixtyOneDispatchesOfAFlood) {
    for (const Priority flood : {Priority::normal, Priority::high}) {
        const auto crew = make_crew(1);
        Gate gate(*crew);
        int before_low = 0;
        bool low_ran = false;
        std::vector<Pending<void>> all;
        all.push_back(submit(*crew, [&] { low_ran = true; }, Priority::low));
        for (int i = 0; i < 500; ++i) {
            all.push_back(submit(*crew, [&] { before_low += low_ran ? 0 : 1; }, flood));
        }
        gate.open();
        static_cast<void>(crew->shutdown(Shutdown::drain));
        EXPECT_TRUE(low_ran);
        EXPECT_LE(before_low, 61);
    }
}

TEST(CrewTest, InjectedWorkStartsAlthoughAWorkerFeedsItself) {
    const auto crew = make_crew(1);
    Gate gate(*crew);
    std::atomic<bool> served{false};
    std::atomic<int> rounds{0};
    std::function<void()> again = [&] {
        if (!served && ++rounds < 100'000) {
            submit(*crew, [&] { again(); }).detach();
        }
    };
    submit(*crew, [&] { again(); }).detach();
    submit(*crew, [&] {
        served = true;
        served.notify_all();
    }).detach();
    gate.open();
    served.wait(false);
    static_cast<void>(crew->shutdown(Shutdown::drain));
    EXPECT_TRUE(served);
    EXPECT_LT(rounds, 200);
}

TEST(CrewTest, AWorkersOwnSubmissionsRunLastInFirstOut) {
    const auto crew = make_crew(1);
    std::vector<int> order;
    std::latch all(4);
    const Drain drain(*crew);
    submit(*crew, [&] {
        for (int i = 0; i < 4; ++i) {
            submit(*crew, [&, i] {
                order.push_back(i);
                all.count_down();
            }).detach();
        }
    }).detach();
    all.wait();
    EXPECT_EQ(order, (std::vector{3, 2, 1, 0}));
}

TEST(CrewTest, AFullQueueRefusesOrHoldsAsConfigured) {
    {
        const auto crew = make_crew(1, 3, OnFull::refuse);
        Gate gate(*crew);
        std::vector<Pending<int>> taken;
        for (int i = 0; i < 3; ++i) {
            taken.push_back(submit(*crew, [i] { return i; }));
        }
        EXPECT_EQ(submit(*crew, [] { return 9; }).get().error().code(), Code::queue_full);
        gate.open();
        for (int i = 0; i < 3; ++i) {
            EXPECT_EQ(std::move(taken[static_cast<std::size_t>(i)]).get().value(), i);
        }
    }
    const auto crew = make_crew(1, 2, OnFull::wait);
    Gate gate(*crew);
    std::atomic<int> sum{0};
    std::atomic<int> submitted{0};
    std::thread producer([&] {
        for (int i = 1; i <= 100; ++i) {
            submit(*crew, [&sum, i] { sum += i; }).detach();
            ++submitted;
        }
    });
    while (submitted < 2) {
        std::this_thread::yield();
    }
    gate.open();
    producer.join();
    static_cast<void>(crew->shutdown(Shutdown::drain));
    EXPECT_EQ(sum, 5050);
}

TEST(CrewTest, AWorkerIsNeverHeldByAFullQueue) {
    const auto crew = make_crew(1, 2, OnFull::wait);
    std::binary_semaphore done(0);
    int full = 0;
    const Drain drain(*crew);
    auto outer = submit(*crew, [&] {
        for (int i = 0; i < 5; ++i) {
            auto inner = submit(*crew, [] {});
            if (inner.ready() && std::move(inner).get().error().code() == Code::queue_full) {
                ++full;
            } else {
                std::move(inner).detach();
            }
        }
        done.release();
    });
    done.acquire();
    EXPECT_GE(full, 1);
}

TEST(CrewTest, GetOnAWorkerNestsDeeperThanWorkers) {
    for (const std::uint32_t workers : {1U, 2U}) {
        const auto crew = make_crew(workers);
        std::function<int(int)> depth = [&](int n) -> int {
            if (n == 0) {
                return 0;
            }
            return submit(*crew, [&, n] { return depth(n - 1) + 1; }).get().value();
        };
        std::binary_semaphore done(0);
        int reached = 0;
        const Drain drain(*crew);
        submit(*crew, [&] {
            reached = depth(50);
            done.release();
        }).detach();
        done.acquire();
        EXPECT_EQ(reached, 50);
    }
}

TEST(CrewTest, ASpareStandsInForAWorkerThatBlocks) {
    const auto crew = make_crew(1);
    auto* state = new SharedState<int>(crew.get(), 2);
    std::binary_semaphore waiting(0);
    std::binary_semaphore done(0);
    int got = 0;
    const Drain drain(*crew);
    submit(*crew, [&, pending = Pending<int>(state)]() mutable {
        waiting.release();
        got = std::move(pending).get().value();
        done.release();
    }).detach();
    waiting.acquire();
    submit(*crew,
           [&] {  // only a spare can run this: the one worker waits for it
               state->resolve(11);
               state->release();
           })
        .detach();
    done.acquire();
    EXPECT_EQ(got, 11);
}

TEST(CrewTest, WithoutASpareWaitingIsRefused) {
    const auto crew = make_crew(1, 16, OnFull::wait, 0);
    auto* state = new SharedState<int>(crew.get(), 2);
    std::binary_semaphore done(0);
    Code code = Code::internal;
    const Drain drain(*crew);
    submit(*crew, [&, pending = Pending<int>(state)]() mutable {
        code = std::move(pending).get().error().code();
        done.release();
    }).detach();
    done.acquire();
    EXPECT_EQ(code, Code::would_deadlock);
    state->release();
}

TEST(CrewTest, ShutdownDrainsAndThenRefuses) {
    const auto crew = make_crew(2);
    std::atomic<int> ran{0};
    for (int i = 0; i < 1000; ++i) {
        submit(*crew, [&] { ++ran; }).detach();
    }
    EXPECT_TRUE(crew->shutdown(Shutdown::drain));
    EXPECT_EQ(ran, 1000);
    EXPECT_EQ(submit(*crew, [] {}).get().error().code(), Code::shut_down);
    EXPECT_TRUE(crew->shutdown(Shutdown::drain));
}

TEST(CrewTest, ShutdownCancelEndsWhatWaitsAndAsksWhatRuns) {
    const auto crew = make_crew(1);
    std::latch entered(1);
    auto running = submit(*crew, [&](std::stop_token token) {
        entered.count_down();
        while (!token.stop_requested()) {
            std::this_thread::yield();
        }
    });
    entered.wait();
    bool ran = false;
    auto waiting = submit(*crew, [&] { ran = true; });
    EXPECT_TRUE(crew->shutdown(Shutdown::cancel));
    EXPECT_EQ(std::move(running).get().error().code(), Code::cancelled);
    EXPECT_EQ(std::move(waiting).get().error().code(), Code::cancelled);
    EXPECT_FALSE(ran);
}

TEST(CrewTest, AWorkerCannotShutItsOwnCrewDown) {
    const auto crew = make_crew(1);
    std::binary_semaphore done(0);
    Code code = Code::internal;
    const Drain drain(*crew);
    submit(*crew, [&] {
        code = crew->shutdown(Shutdown::drain).error().code();
        done.release();
    }).detach();
    done.acquire();
    EXPECT_EQ(code, Code::would_deadlock);
}

TEST(CrewTest, APendingMayOutliveItsCrew) {
    auto crew = make_crew(1);
    auto done = submit(*crew, [] { return std::string("kept"); });
    EXPECT_TRUE(done.wait_for(10s));
    Gate gate(*crew);
    auto never = submit(*crew, [] { return 1; });
    gate.open();
    crew.reset();
    EXPECT_EQ(std::move(done).get().value(), "kept");
    static_cast<void>(std::move(never).get());
}

}  // namespace
}  // namespace repartir::detail
