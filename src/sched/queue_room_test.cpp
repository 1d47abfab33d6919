// SPDX-License-Identifier: MIT
#include "sched/queue_room.hpp"

#include <gtest/gtest.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <fstream>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "repartir/detail/crew.hpp"
#include "repartir/function.hpp"
#include "repartir/task_group.hpp"
#include "sched/crew_fixture.hpp"
#include "sched/crew_impl.hpp"

namespace repartir::detail {
namespace {

bool refused(Pending<int>& pending) {
    if (!pending.ready()) {
        return false;
    }
    const Result<int> result = std::move(pending).get();
    return !result && result.error().code() == Code::queue_full;
}

/// @return whether a thread of this process is asleep.
bool sleeps(pid_t thread) {
    std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
    std::string line;
    std::getline(file, line);
    const std::size_t name_end = line.rfind(')');
    return name_end != std::string::npos && line.substr(name_end, 3) == ") S";
}

TEST(QueueRoomTest, WhatGetRunsItselfDoesNotFillTheQueue) {
    for (const Priority priority : {Priority::high, Priority::normal, Priority::low}) {
        const auto crew = make_crew(1, 10, OnFull::refuse);
        const Gate worker(*crew);
        for (int i = 0; i < 1000; ++i) {
            const auto got = submit(*crew, [i] { return i; }, priority).get();
            ASSERT_TRUE(got) << i << ": " << got.error().sentence();
            ASSERT_EQ(*got, i);
        }
    }
}

TEST(QueueRoomTest, NorWhereAWorkerSubmitsToALane) {
    for (const Priority priority : {Priority::high, Priority::low}) {
        const auto crew = make_crew(1, 10, OnFull::refuse);
        auto all = submit(*crew, [&] {
            int failed = 0;
            for (int i = 0; i < 1000; ++i) {
                failed += submit(*crew, [] {}, priority).get() ? 0 : 1;
            }
            return failed;
        });
        while (!all.ready()) {
            std::this_thread::yield();  // get() would run it here
        }
        EXPECT_EQ(std::move(all).get().value(), 0);
    }
}

TEST(QueueRoomTest, AWorkerThatCancelsAllItHasQueuedMayQueueAsManyAgain) {
    for (const std::uint32_t capacity : {10U, 1000U, 5000U}) {
        const auto crew = make_crew(1, capacity, OnFull::refuse);
        auto all = submit(*crew, [&] {
            int wrong = 0;
            for (int round = 0; round < 3; ++round) {
                std::vector<Pending<int>> held;
                for (std::uint32_t i = 0; i < capacity; ++i) {
                    held.push_back(submit(*crew, [] { return 1; }));
                    wrong += held.back().ready() ? 1 : 0;
                }
                auto over = submit(*crew, [] { return 1; });
                wrong += refused(over) ? 0 : 1;
            }
            return wrong;
        });
        while (!all.ready()) {
            std::this_thread::yield();
        }
        EXPECT_EQ(std::move(all).get().value(), 0) << capacity;
    }
}

TEST(QueueRoomTest, NeitherDoLargeFunctions) {
    const auto crew = make_crew(1, 10, OnFull::refuse);
    const Gate worker(*crew);
    std::array<char, 4000> large{};
    for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(submit(*crew, [large] { return large[0]; }).get());
    }
}

TEST(QueueRoomTest, CancelledFunctionsMakeRoomForExactlyAsMany) {
    const auto crew = make_crew(1, 10, OnFull::refuse);
    const Gate worker(*crew);
    std::vector<Pending<int>> held;
    for (int i = 0; i < 10; ++i) {
        held.push_back(submit(*crew, [] { return 1; }));
        ASSERT_FALSE(held.back().ready());
    }
    for (int round = 0; round < 100; ++round) {
        Pending<int> eleventh = submit(*crew, [] { return 1; });
        ASSERT_TRUE(refused(eleventh)) << round;
        held.erase(held.begin() + 2, held.begin() + 7);  // dropping cancels
        while (held.size() < 10) {
            held.push_back(submit(*crew, [] { return 1; }));
            ASSERT_FALSE(held.back().ready()) << round;
        }
    }
}

TEST(QueueRoomTest, ACancelledFunctionLetsAWaitingSubmitterGoOn) {
    const auto crew = make_crew(1, 1, OnFull::wait);
    const Gate worker(*crew);
    Pending<int> first = submit(*crew, [] { return 1; });
    std::thread submitter([&] {
        // runs it itself, or waits for the worker: it is there once it was accepted
        submit(*crew, [] { return 2; }).cancel();
    });
    first.cancel();
    submitter.join();
}

TEST(QueueRoomTest, AWaitingSubmitterNeedsOnePlaceThatComesWhenAFunctionBegins) {
    for (const std::uint32_t capacity : {1U, 16U}) {
        const auto crew = make_crew(1, capacity);
        std::latch taken(1);
        std::latch accepted(1);
        Gate gate(*crew);
        auto first = submit(*crew, [&] {
            taken.count_down();
            accepted.wait();
        });
        std::vector<Pending<int>> others;
        for (std::uint32_t i = 1; i < capacity; ++i) {
            others.push_back(submit(*crew, [] { return 1; }));
        }
        std::atomic<pid_t> thread{0};
        std::thread submitter([&] {
            thread = ::gettid();
            auto last = submit(*crew, [] {});
            accepted.count_down();  // never comes if the last waits for the first one's end
        });
        while (!crew->impl().room->awaited() || !sleeps(thread)) {
            std::this_thread::yield();
        }
        gate.open();
        taken.wait();
        submitter.join();
        EXPECT_TRUE(std::move(first).get());  // it uses what is declared behind the crew
    }
}

TEST(QueueRoomTest, ChildrenOfGroupsTakeNoRoom) {
    const auto crew = make_crew(1, 4, OnFull::refuse);
    std::latch spawned(1);
    std::latch tried(1);
    auto parent = submit(*crew, [&] {
        TaskGroup group(*crew);
        for (int i = 0; i < 100; ++i) {
            group.run([] {});
        }
        spawned.count_down();
        tried.wait();
        return group.wait().has_value();
    });
    spawned.wait();
    auto other = submit(*crew, [] { return 1; });
    EXPECT_FALSE(refused(other));
    tried.count_down();
    EXPECT_TRUE(std::move(parent).get().value());
}

TEST(QueueRoomTest, NorWhereTheirParentSubmits) {
    const auto crew = make_crew(1, 4, OnFull::refuse);
    auto parent = submit(*crew, [&] {
        TaskGroup group(*crew);
        for (int i = 0; i < 10; ++i) {
            group.run([] {});
        }
        std::vector<Pending<int>> all;
        for (int i = 0; i < 5; ++i) {
            all.push_back(submit(*crew, [] { return 1; }));
        }
        const auto many =
            std::count_if(all.begin(), all.end(), [](auto& one) { return refused(one); });
        EXPECT_TRUE(group.wait());
        return many;
    });
    ASSERT_TRUE(parent.wait_for(std::chrono::seconds(20)));
    EXPECT_EQ(std::move(parent).get().value(), 1);
}

TEST(QueueRoomTest, ManyThreadsTogetherNeverQueueMoreThanTheCapacity) {
    for (const std::uint32_t capacity : {1U, 10U, 5000U}) {
        const auto crew = make_crew(1, capacity, OnFull::refuse);
        const Gate worker(*crew);
        std::atomic<std::uint32_t> accepted{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < 20; ++i) {
            threads.emplace_back([&] {
                for (std::uint32_t tries = 0; tries < 2 * capacity; ++tries) {
                    auto pending = submit(*crew, [] { return 1; });
                    if (!pending.ready()) {
                        ++accepted;
                        std::move(pending).detach();
                    }
                }
            });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        EXPECT_LE(accepted, capacity);
        EXPECT_GE(accepted, capacity - capacity / 8);
    }
}

TEST(QueueRoomTest, AFunctionMayRunAnyNumberOfItsOwn) {
    const auto crew = make_crew(1, 10, OnFull::refuse);
    const auto all = submit(*crew, [&] {
                         int failed = 0;
                         for (int i = 0; i < 1000; ++i) {
                             failed += submit(*crew, [] {}).get() ? 0 : 1;
                         }
                         for (int i = 0; i < 1000; ++i) {  // the older first
                             auto older = submit(*crew, [] { return 1; });
                             auto newer = submit(*crew, [] { return 1; });
                             failed += std::move(older).get() ? 0 : 1;
                             failed += std::move(newer).get() ? 0 : 1;
                         }
                         for (int i = 0; i < 1000; ++i) {
                             auto dropped = submit(*crew, [] { return 1; });
                             failed += refused(dropped) ? 1 : 0;  // dropping cancels
                         }
                         return failed;
                     }).get();
    EXPECT_EQ(all.value(), 0);
}

TEST(QueueRoomTest, EndedFunctionsLeaveNoEndlessTrailAndTheOthersAllRun) {
    const auto crew = make_crew(1, 1U << 20U, OnFull::refuse);
    std::vector<int> ran;
    std::vector<Pending<void>> live;
    std::size_t longest = 0;
    {
        const Gate worker(*crew);
        for (int i = 0; i < 300'000; ++i) {
            if (i % 100 == 0) {
                live.push_back(submit(*crew, [&ran, i] { ran.push_back(i / 100); }));
            }
            ASSERT_TRUE(submit(*crew, [] {}).get());
            longest = std::max(longest, crew->impl().queued());
        }
    }
    EXPECT_TRUE(crew->shutdown(Shutdown::drain));
    EXPECT_LE(longest, 20'000U);
    ASSERT_EQ(ran.size(), 3000U);
    for (int i = 0; i < 3000; ++i) {  // a fair look may take one before what the worker has at hand
        ASSERT_NEAR(ran[static_cast<std::size_t>(i)], i, Crew::Impl::batch_max) << i;
    }
    std::sort(ran.begin(), ran.end());
    EXPECT_EQ(std::unique(ran.begin(), ran.end()), ran.end());
}

TEST(QueueRoomTest, OnAWorkerTooWhereTheFirstIsAlive) {
    const auto crew = make_crew(1, 1U << 20U, OnFull::refuse);
    const auto longest = submit(*crew, [&] {
                             const auto first = submit(*crew, [] {});
                             std::size_t most = 0;
                             for (int i = 0; i < 100'000; ++i) {
                                 const auto second = submit(*crew, [] {});
                                 auto third = submit(*crew, [] {});
                                 third.cancel();
                                 most = std::max(most, crew->impl().queued());
                             }
                             return most;
                         }).get();
    EXPECT_LE(longest.value(), 20'000U);
}

TEST(QueueRoomTest, NorInALaneWhoseOthersAllRunInTheirOrder) {
    for (const Priority priority : {Priority::high, Priority::low}) {
        const auto crew = make_crew(1, 1U << 20U, OnFull::refuse);
        std::vector<int> ran;
        std::vector<Pending<void>> live;
        std::size_t longest = 0;
        const auto add = [&](int i) {
            if (i % 100 == 0) {
                live.push_back(submit(*crew, [&ran, i] { ran.push_back(i / 100); }, priority));
            }
            submit(*crew, [] {}, priority).cancel();
            longest = std::max(longest, crew->impl().queued());
        };
        auto inside = submit(*crew, [&] {
            for (int i = 0; i < 50'000; ++i) {
                add(i);
            }
        });
        while (!inside.ready()) {
            std::this_thread::yield();  // get() would run it here
        }
        {
            const Gate worker(*crew);
            for (int i = 50'000; i < 100'000; ++i) {
                add(i);
            }
        }
        EXPECT_TRUE(crew->shutdown(Shutdown::drain));
        EXPECT_LE(longest, 20'000U);
        ASSERT_EQ(ran.size(), 1000U);
        EXPECT_TRUE(std::ranges::is_sorted(ran));
    }
}

}  // namespace
}  // namespace repartir::detail
