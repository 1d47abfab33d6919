// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <numeric>
#include <semaphore>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "repartir/function.hpp"
#include "repartir/pool.hpp"
#include "repartir/task_group.hpp"

namespace repartir {
namespace {

using namespace std::chrono_literals;

Pool make_pool(std::uint32_t workers) {
    Result<Pool> pool = Pool::builder().cpu_workers(workers).program_slots(1).build();
    EXPECT_TRUE(pool) << pool.error().sentence();
    return std::move(*pool);
}

TEST(FunctionsTest, OptionsThatMakeNoSenseAreRefused) {
    Pool pool = make_pool(1);
    const auto code = [&](auto task) {
        const auto result = pool.submit(std::move(task)).get();
        return result ? Code::internal : result.error().code();
    };
    EXPECT_EQ(code(Task::function([] {}).timeout(-1ms)), Code::invalid_task);
    EXPECT_EQ(code(Task::function([] {}).priority(static_cast<Priority>(3))), Code::invalid_task);
}

TEST(FunctionsTest, SubmitTakesCallablesAndFunctionTasks) {
    Pool pool = make_pool(2);
    EXPECT_EQ(pool.submit([] { return 6 * 7; }).get().value(), 42);
    auto named = Task::function([owned = std::make_unique<int>(2)] { return *owned; });
    named.priority(Priority::high).name("two");
    EXPECT_EQ(pool.submit(std::move(named)).get().value(), 2);
    const auto late = pool.submit(Task::function([](std::stop_token token) {
                                      std::binary_semaphore told(0);
                                      const std::stop_callback tell(token, [&] { told.release(); });
                                      told.acquire();
                                  }).timeout(2ms))
                          .get();
    EXPECT_EQ(late.error().code(), Code::timed_out);
    EXPECT_EQ(pool.workers(), 2U);
    EXPECT_FALSE(Pool::on_pool_thread());
    std::binary_semaphore seen(0);
    bool inside = false;
    pool.submit([&] {
            inside = Pool::on_pool_thread();
            seen.release();
        })
        .detach();
    seen.acquire();
    EXPECT_TRUE(inside);
    EXPECT_TRUE(pool.shutdown(Shutdown::drain));
}

TEST(FunctionsTest, AWorkerWaitsForItsOwnPoolInsideAnotherPoolsGroup) {
    Pool outer = make_pool(1);
    Pool inner = make_pool(1);
    auto answer = outer.submit([&] {
        int got = 0;
        inner.parallel_for(0, 1, [&](std::size_t) {  // may run here, as a guest of the inner pool
            auto pending = outer.submit([] { return 5; });
            EXPECT_TRUE(pending.wait_for(1h));  // runs nothing itself
            got = std::move(pending).get().value();
        });
        return got;
    });
    while (!answer.ready()) {
        std::this_thread::yield();  // get() would lend a hand
    }
    EXPECT_EQ(std::move(answer).get().value(), 5);
}

TEST(FunctionsTest, AFunctionWaitsForAProgramOnAOneWorkerPool) {
    Pool pool = make_pool(1);
    std::binary_semaphore done(0);
    int code = -1;
    pool.submit([&] {
            code = pool.submit(Task::binary("/bin/sh", "-c", "exit 3")).get().value().exit_code();
            done.release();
        })
        .detach();
    done.acquire();
    EXPECT_EQ(code, 3);
    EXPECT_TRUE(pool.shutdown(Shutdown::drain));
}

TEST(FunctionsTest, MapKeepsOrderAndStopsAtTheFirstFailure) {
    Pool pool = make_pool(2);
    std::vector<int> inputs(5000);
    std::iota(inputs.begin(), inputs.end(), 0);
    auto squares = pool.map(inputs, [](int x) { return std::to_string(x * 2); });
    const Result<std::vector<std::string>> all = std::move(squares).get();
    ASSERT_TRUE(all) << all.error().sentence();
    ASSERT_EQ(all->size(), 5000U);
    EXPECT_EQ((*all)[4999], "9998");
    const auto failed = pool.map(inputs,
                                 [](int x) -> Result<bool> {
                                     if (x == 77) {
                                         return fail(Error(Domain::task, Code::not_found,
                                                           Fault::user, "row 77 is missing"));
                                     }
                                     return true;
                                 })
                            .get();
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code(), Code::not_found);
    EXPECT_TRUE(pool.map(std::vector<int>(), [](int x) { return x; }).get()->empty());
    static const std::array<int, 3> fixed{1, 2, 3};
    EXPECT_EQ(pool.map(std::span(fixed), [](int x) { return x + 1; }).get().value(),
              (std::vector{2, 3, 4}));
}

TEST(FunctionsTest, ParallelForNestsInsideMapAndGroups) {
    Pool pool = make_pool(2);
    std::atomic<long> sum{0};
    EXPECT_TRUE(pool.parallel_for(0, 100, [&](std::size_t) {
        return pool.parallel_for(0, 100, [&](std::size_t i) { sum += static_cast<long>(i); });
    }));
    EXPECT_EQ(sum, 100L * 4950);
    TaskGroup group(pool);
    for (int i = 0; i < 10; ++i) {
        group.run([&] { return pool.parallel_for(0, 10, [&](std::size_t) { ++sum; }); });
    }
    EXPECT_TRUE(group.wait());
    EXPECT_EQ(sum, 100L * 4950 + 100);
    std::vector<double> values(100'000, 1.0);
    EXPECT_TRUE(pool.parallel_for(0, values.size(), [&](std::size_t i) { values[i] *= 2.5; }));
    EXPECT_EQ(std::accumulate(values.begin(), values.end(), 0.0), 250'000.0);
}

TEST(FunctionsTest, NothingIsAcceptedAfterShutdown) {
    Pool pool = make_pool(1);
    auto accepted = pool.submit([] { return 1; });
    EXPECT_TRUE(pool.shutdown(Shutdown::drain));
    EXPECT_EQ(std::move(accepted).get().value(), 1);
    EXPECT_EQ(pool.submit([] { return 1; }).get().error().code(), Code::shut_down);
    EXPECT_EQ(pool.map(std::vector{1}, [](int x) { return x; }).get().error().code(),
              Code::shut_down);
}

}  // namespace
}  // namespace repartir
