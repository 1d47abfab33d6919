// SPDX-License-Identifier: MIT
#include "sched/inlet.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <latch>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "repartir/function.hpp"
#include "sched/crew_fixture.hpp"
#include "sched/crew_impl.hpp"

namespace repartir::sched {
namespace {

using detail::make_crew;

TEST(InletTest, EachThreadHasItsOwnUntilThereAreTooMany) {
    Inlets inlets(std::make_shared<QueueRoom>());
    Inlet* const mine = inlets.mine();
    ASSERT_NE(mine, nullptr);
    EXPECT_EQ(inlets.mine(), mine);
    EXPECT_EQ(inlets.count(), 1U);
    constexpr std::size_t threads = Inlets::inlets_max + 44;
    std::vector<Inlet*> given(threads);
    std::latch all(threads);
    std::vector<std::thread> running;
    for (Inlet*& place : given) {
        running.emplace_back([&] {
            place = inlets.mine();
            all.arrive_and_wait();  // all live at once: no name twice
            EXPECT_EQ(inlets.mine(), place);
        });
    }
    for (std::thread& thread : running) {
        thread.join();
    }
    EXPECT_LE(inlets.count(), Inlets::inlets_max);
    std::set<Inlet*> distinct(given.begin(), given.end());
    EXPECT_FALSE(distinct.contains(mine));
    EXPECT_TRUE(distinct.contains(nullptr)) << "more threads than places";
    distinct.erase(nullptr);
    EXPECT_EQ(distinct.size(), inlets.count() - 1);
}

TEST(InletTest, ThreadsBeyondThePlacesSubmitAllTheSame) {
    const auto crew = make_crew(2);
    constexpr std::size_t threads = Inlets::inlets_max + 44;
    std::atomic<std::size_t> ran{0};
    std::latch all(threads);
    std::vector<std::thread> running;
    for (std::size_t i = 0; i < threads; ++i) {
        running.emplace_back([&] {
            all.arrive_and_wait();
            for (int k = 0; k < 20; ++k) {
                detail::submit_function(*crew, [&ran] { ++ran; }, Priority::normal).detach();
            }
        });
    }
    for (std::thread& thread : running) {
        thread.join();
    }
    EXPECT_TRUE(crew->shutdown(Shutdown::drain));
    EXPECT_EQ(ran, threads * 20);
}

TEST(InletTest, AFloodThroughOneLetsTheOthersIn) {
    const auto crew = make_crew(1);
    std::latch open(1);
    auto gate = detail::submit_function(*crew, [&] { open.wait(); }, Priority::normal);
    int flooded = 0;
    for (int i = 0; i < 10'000; ++i) {
        detail::submit_function(*crew, [&] { ++flooded; }, Priority::normal).detach();
    }
    int before = -1;
    std::thread([&] {
        detail::submit_function(*crew, [&] { before = flooded; }, Priority::normal).detach();
    }).join();
    open.count_down();
    EXPECT_TRUE(crew->shutdown(Shutdown::drain));
    EXPECT_EQ(flooded, 10'000);
    EXPECT_GE(before, 0);
    EXPECT_LE(before, 2 * static_cast<int>(detail::Crew::Impl::batch_max));
    EXPECT_TRUE(std::move(gate).get());
}

TEST(InletTest, WhatAThreadSubmittedOutlivesIt) {
    const auto crew = make_crew(1);
    std::atomic<int> ran{0};
    std::latch open(1);
    auto gate = detail::submit_function(*crew, [&] { open.wait(); }, Priority::normal);
    for (int i = 0; i < 50; ++i) {  // most have the name of the one before
        std::thread([&] {
            detail::submit_function(*crew, [&ran] { ++ran; }, Priority::normal).detach();
        }).join();
    }
    EXPECT_LE(crew->impl().inlets.count(), 51U);
    open.count_down();
    EXPECT_TRUE(crew->shutdown(Shutdown::drain));
    EXPECT_EQ(ran, 50);
    EXPECT_TRUE(std::move(gate).get());
}

TEST(InletTest, ADrainBesideSubmittersLosesNothing) {
    for (int round = 0; round < 50; ++round) {
        const auto crew = make_crew(2);
        std::atomic<std::size_t> ran{0};
        std::atomic<std::size_t> accepted{0};
        std::vector<std::thread> submitters;
        for (int i = 0; i < 3; ++i) {
            submitters.emplace_back([&] {
                for (;;) {
                    auto pending =
                        detail::submit_function(*crew, [&ran] { ++ran; }, Priority::normal);
                    if (!pending.ready()) {
                        ++accepted;
                        std::move(pending).detach();
                        continue;
                    }
                    if (std::move(pending).get()) {
                        ++accepted;  // was quick
                        continue;
                    }
                    return;
                }
            });
        }
        while (ran < 1000) {
            std::this_thread::yield();
        }
        EXPECT_TRUE(crew->shutdown(Shutdown::drain));
        const std::size_t then = ran;
        for (std::thread& thread : submitters) {
            thread.join();
        }
        EXPECT_EQ(ran, then) << "a function ran after the drain";
        EXPECT_EQ(ran, accepted);
    }
}

}  // namespace
}  // namespace repartir::sched
