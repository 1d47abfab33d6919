// SPDX-License-Identifier: MIT
#include "repartir/task_group.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <latch>
#include <memory>
#include <numeric>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "repartir/detail/parallel.hpp"
#include "repartir/function.hpp"
#include "sched/crew_fixture.hpp"

namespace repartir {
namespace {

using detail::make_crew;

/// Runs `work` on a worker of the crew, and waits for it from outside.
template <class F>
void on_worker(detail::Crew& crew, F work) {
    auto pending = detail::submit_function(crew, std::move(work), Priority::normal);
    while (!pending.wait_for(std::chrono::hours(1))) {  // get() would run it here
    }
    EXPECT_TRUE(std::move(pending).get());
}

long fib(detail::Crew& crew, int n) {
    if (n < 2) {
        return n;
    }
    long a = 0;
    TaskGroup group(crew);
    Spawned left([&] { a = fib(crew, n - 1); });
    group.run(left);
    const long b = fib(crew, n - 2);
    EXPECT_TRUE(group.wait());
    return a + b;
}

TEST(TaskGroupTest, FibInsideAndOutside) {
    for (const std::uint32_t workers : {1U, 2U, 4U}) {
        const auto crew = make_crew(workers);
        EXPECT_EQ(fib(*crew, 18), 2584);
        long inside = 0;
        on_worker(*crew, [&] { inside = fib(*crew, 20); });
        EXPECT_EQ(inside, 6765);
    }
}

TEST(TaskGroupTest, AStolenChildThatWaitsRunsNothingThatWasThereBeforeIt) {
    static thread_local int depth;
    const auto crew = make_crew(2);
    std::latch begun(2);
    std::latch end_slow(1);
    std::latch open(1);
    auto slow = detail::submit_function(
        *crew, [&] { begun.count_down(), end_slow.wait(); }, Priority::normal);
    auto gate =
        detail::submit_function(*crew, [&] { begun.count_down(), open.wait(); }, Priority::normal);
    begun.wait();  // both workers are busy
    std::atomic<bool> first{true};
    std::atomic<int> nested{0};
    std::latch others(7);
    TaskGroup group(*crew);
    for (int i = 0; i < 8; ++i) {
        group.run([&] {
            nested += depth++;
            if (first.exchange(false)) {
                EXPECT_TRUE(std::move(slow).get());
            } else {
                others.count_down();
            }
            --depth;
        });
    }
    open.count_down();  // that worker steals several, and runs one
    others.wait();      // a spare runs the others
    end_slow.count_down();
    EXPECT_TRUE(group.wait());
    EXPECT_TRUE(std::move(gate).get());
    EXPECT_EQ(nested, 0);
}

TEST(TaskGroupTest, ClosuresOfAllSizesRunOnce) {
    const auto crew = make_crew(2);
    std::atomic<int> sum{0};
    TaskGroup group(*crew);
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 200; ++i) {
            group.run([&sum] { ++sum; });
            std::array<int, 40> large{};
            large[39] = 1;
            group.run([&sum, large] { sum += large[39]; });
            std::array<int, 400> huge{};
            huge[399] = 1;
            group.run([&sum, huge] { sum += huge[399]; });
        }
        EXPECT_TRUE(group.wait());
        EXPECT_EQ(sum, 600 * (round + 1));
    }
}

TEST(TaskGroupTest, TheFirstFailureIsWaitsError) {
    const auto crew = make_crew(2);
    std::atomic<int> ran{0};
    TaskGroup group(*crew);
    Spawned throws([&] {
        ++ran;
        throw std::runtime_error("bad leaf");
    });
    Spawned fine([&] { ++ran; });
    group.run(throws);
    group.run(fine);
    const Result<void> result = group.wait();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), Code::function_threw);
    EXPECT_NE(result.error().sentence().find("bad leaf"), std::string::npos);
    EXPECT_EQ(ran, 2);
    Spawned refuses([]() -> Result<void> {
        return fail(Error(Domain::task, Code::not_found, Fault::user, "no input"));
    });
    group.run(refuses);
    EXPECT_EQ(group.wait().error().code(), Code::not_found);
    group.run([] {});
    EXPECT_TRUE(group.wait());
}

TEST(TaskGroupTest, UnwindingCancelsAndJoins) {
    const auto crew = make_crew(2);
    for (int i = 0; i < 200; ++i) {
        std::atomic<int> alive{0};
        const auto work = [&] {
            ++alive;
            std::this_thread::yield();
            --alive;
        };
        try {
            TaskGroup group(*crew);
            Spawned a(work);
            Spawned b(work);
            group.run(a);
            group.run([held = std::make_unique<int>(1), &work] { work(); });
            group.run(b);
            throw std::runtime_error("out");
        } catch (const std::runtime_error&) {}
        EXPECT_EQ(alive, 0);
    }
}

TEST(TaskGroupTest, CancelSkipsWhatHasNotBegun) {
    const auto crew = make_crew(1);
    std::binary_semaphore busy(0);
    std::binary_semaphore go(0);
    detail::submit_function(
        *crew,
        [&] {
            busy.release();
            go.acquire();
        },
        Priority::normal)
        .detach();
    busy.acquire();
    bool ran = false;
    TaskGroup group(*crew);
    group.run([&] { ran = true; });
    group.cancel();
    EXPECT_TRUE(group.wait());
    EXPECT_FALSE(ran);
    go.release();
    EXPECT_TRUE(crew->shutdown(Shutdown::drain));
}

TEST(TaskGroupTest, ChildrenAreStolenOldestFirst) {
    const auto crew = make_crew(1);
    std::vector<int> order;
    std::latch finished(8);
    TaskGroup group(*crew);  // this thread is a guest; the one worker steals
    for (int i = 0; i < 8; ++i) {
        group.run([&, i] {
            order.push_back(i);  // the one thief
            finished.count_down();
        });
    }
    finished.wait();
    EXPECT_TRUE(group.wait());
    // Steal half moves them in order, the thief runs its own part newest first: what it took
    // singly comes out in order, and the very oldest always first.
    EXPECT_EQ(order.front(), 0);
}

TEST(TaskGroupTest, SubmittedFunctionsInsideAGroupRun) {
    const auto crew = make_crew(2);
    std::atomic<int> sum{0};
    on_worker(*crew, [&] {
        TaskGroup group(*crew);
        for (int i = 0; i < 20; ++i) {
            group.run([&] {
                auto inner =
                    detail::submit_function(*crew, [&sum] { return ++sum; }, Priority::normal);
                EXPECT_TRUE(std::move(inner).get());
            });
        }
        EXPECT_TRUE(group.wait());
    });
    EXPECT_EQ(sum, 20);
}

TEST(TaskGroupTest, RunsItsOwnChildrenWhereFunctionsBelowItWereTaken) {
    const auto crew = make_crew(1);
    on_worker(*crew, [&] {
        const std::thread::id here = std::this_thread::get_id();
        auto below = detail::submit_function(*crew, [] { return 1; }, Priority::normal);
        TaskGroup group(*crew);
        EXPECT_TRUE(std::move(below).get());  // runs it here: the deque is shorter than before
        std::thread::id there;
        Spawned child([&] { there = std::this_thread::get_id(); });
        group.run(child);
        EXPECT_TRUE(group.wait());
        EXPECT_EQ(there, here);
    });
}

TEST(TaskGroupTest, AWorkerWithoutAStandInRunsWhatItsChildrenWaitFor) {
    const auto crew = make_crew(2, 1U << 20U, OnFull::wait, 0);
    std::latch busy(1);
    std::latch spawned(1);
    std::latch stolen(1);
    std::latch end(1);
    TaskGroup guest(*crew);
    guest.run([&] { busy.count_down(), end.wait(); });
    busy.wait();  // one worker is busy with it, and this thread has somebody to wait for
    auto parent = detail::submit_function(
        *crew,
        [&] {
            TaskGroup group(*crew);
            group.run([&] {  // runs on the guest
                stolen.count_down();
                std::this_thread::sleep_for(std::chrono::milliseconds(20));  // its owner sleeps
                auto pending = detail::submit_function(
                    *crew, [](std::stop_token) { return 1; }, Priority::normal);
                EXPECT_TRUE(pending.wait_for(std::chrono::seconds(20)));
                end.count_down();
            });
            spawned.count_down();
            stolen.wait();
            return group.wait().has_value();
        },
        Priority::normal);
    spawned.wait();
    EXPECT_TRUE(guest.wait());
    EXPECT_TRUE(std::move(parent).get().value());
}

TEST(TaskGroupTest, ManyOutsideThreadsAtOnce) {
    const auto crew = make_crew(2);
    std::atomic<long> sum{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 80; ++t) {  // more than there are guests' places
        threads.emplace_back([&] { sum += fib(*crew, 12); });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(sum, 80 * 144);
}

TEST(ParallelForTest, CoversTheRangeOnce) {
    for (const std::uint32_t workers : {1U, 2U}) {
        const auto crew = make_crew(workers);
        for (const std::size_t n :
             {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{10'000}}) {
            std::vector<std::atomic<int>> seen(n);
            auto body = [&](std::size_t i) { ++seen[i]; };
            EXPECT_TRUE(detail::parallel_for(*crew, 0, n, body));
            for (const auto& count : seen) {
                ASSERT_EQ(count, 1);
            }
        }
    }
}

TEST(ParallelForTest, NestsAndStopsAtTheFirstFailure) {
    const auto crew = make_crew(2);
    std::atomic<int> sum{0};
    auto outer = [&](std::size_t) {
        auto inner = [&](std::size_t) { ++sum; };
        return detail::parallel_for(*crew, 0, 100, inner);
    };
    EXPECT_TRUE(detail::parallel_for(*crew, 0, 100, outer));
    EXPECT_EQ(sum, 10'000);
    auto failing = [&](std::size_t i) {
        if (i == 500) {
            throw std::out_of_range("row 500");
        }
    };
    const Result<void> result = detail::parallel_for(*crew, 0, 100'000, failing);
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().sentence().find("row 500"), std::string::npos);
}

TEST(MapTest, OwnsItsInputsAndKeepsTheirOrder) {
    const auto crew = make_crew(2);
    std::vector<int> inputs(1000);
    std::iota(inputs.begin(), inputs.end(), 0);
    auto square = [](int x) { return static_cast<long>(x) * x; };
    auto pending = detail::submit_function(*crew,
                                           detail::MapWork<std::vector<int>, decltype(square)>(
                                               *crew, std::move(inputs), std::move(square)),
                                           Priority::normal);
    const Result<std::vector<long>> result = std::move(pending).get();
    ASSERT_TRUE(result);
    ASSERT_EQ(result->size(), 1000U);
    EXPECT_EQ((*result)[999], 999L * 999L);
}

}  // namespace
}  // namespace repartir
