// SPDX-License-Identifier: MIT
// Functions of workers, called by name.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <optional>
#include <semaphore>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "api/remote_fixture.hpp"

namespace repartir {
namespace {

using namespace std::literals;

TEST_F(PoolRemoteTest, FunctionsAreCalledByName) {
    auto pool = Pool::builder().remote_workers(address()).build().value();
    EXPECT_EQ(pool.submit_remote<double>("mean", std::vector{1.0, 2.0, 6.0}).get().value(), 3.0);
    EXPECT_EQ(pool.submit_remote<Point>("mirror", Point{1, 2}).get().value().x, 2.0);
    EXPECT_EQ(pool.submit_remote<int>("halve", 8).get().value(), 4);
    EXPECT_TRUE(pool.submit_remote<void>("nothing").get());
    EXPECT_EQ(pool.submit_remote<int>("halve", 7).get().error().sentence(),
              "odd numbers have no half");
    for (const auto& refused :
         {pool.submit_remote<int>("halve").get(), pool.submit_remote<int>("halve", 8, 8).get()}) {
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code(), Code::malformed);
        EXPECT_EQ(refused.error().sentence().find("the arguments do not fit the function "
                                                  "\"halve\" of the worker: "),
                  0U)
            << refused.error().sentence();
    }
    EXPECT_EQ(pool.submit_remote<int>("nobody").get().error().code(), Code::not_found);
    EXPECT_EQ(pool.submit_remote<int>("mean", std::vector{1.0}).get().error().code(),
              Code::malformed)
        << "it gives a double";
}

TEST_F(PoolRemoteTest, AWorkerMayHaveManyFunctions) {
    const std::string at = address() + "2";
    auto many = Worker::builder().listen(at);
    for (int i = 0; i < 1500; ++i) {
        many.function("one of a great many functions " + std::to_string(i), [i] { return i; });
    }
    auto worker = many.build();
    ASSERT_TRUE(worker) << worker.error().sentence();
    std::thread serving([&] { worker->run(); });
    {
        auto pool = Pool::builder().remote_workers(at).build();
        ASSERT_TRUE(pool);
        const auto got = pool->submit_remote<int>("one of a great many functions 1499").get();
        EXPECT_TRUE(got) << got.error().describe();
        EXPECT_EQ(got.value_or(0), 1499);
    }
    worker->stop();
    serving.join();
    many = Worker::builder().listen(at).function(std::string(64UL << 10U, 'f'), [] {});
    const auto refused = many.build();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::too_large);
}

TEST_F(PoolRemoteTest, WorkersMayHaveDifferentFunctions) {
    const std::string at = address() + "2";
    auto other = Worker::builder().listen(at).function("other", [] { return 2; }).build();
    ASSERT_TRUE(other) << other.error().sentence();
    std::thread serving([&] { other->run(); });
    {
        auto pool = Pool::builder().remote_workers(address(), at).build();
        ASSERT_TRUE(pool);
        std::vector<Pending<int>> calls;
        for (int i = 0; i < 50; ++i) {
            calls.push_back(pool->submit_remote<int>("other"));
            calls.push_back(pool->submit_remote<int>("halve", 2 * i));
        }
        for (Pending<int>& call : calls) {
            const auto got = std::move(call).get();
            EXPECT_TRUE(got) << got.error().describe();
        }
    }
    other->stop();
    serving.join();
}

TEST_F(PoolRemoteTest, ManyCallsAtOnce) {
    auto pool = Pool::builder().remote_workers(address()).build().value();
    std::vector<Pending<int>> all;
    for (int i = 0; i < 5000; ++i) {
        all.push_back(pool.submit_remote<int>("halve", 2 * i));
    }
    for (int i = 0; i < 5000; ++i) {
        ASSERT_EQ(std::move(all[static_cast<std::size_t>(i)]).get().value(), i);
    }
}

TEST_F(PoolRemoteTest, ALargeTextComesWhole) {
    auto pool = Pool::builder().remote_workers(address()).build().value();
    const std::string piece = "0123456789abcdefghijklmnopqrstuvwxyz!?\n";
    for (const std::uint32_t times : {0U, 1U, 5000U, 300'000U}) {
        const auto text = pool.submit_remote<std::string>("repeat", piece, times).get();
        ASSERT_TRUE(text) << text.error().sentence();
        ASSERT_EQ(text->size(), piece.size() * times);
        for (std::size_t at = 0; at < text->size(); at += piece.size()) {
            ASSERT_EQ(text->compare(at, piece.size(), piece), 0) << at;
        }
    }
}

TEST_F(PoolRemoteTest, WhatIsNoTextIsNotTakenForOne) {
    auto pool = Pool::builder().remote_workers(address()).build().value();
    const auto refused = [](auto result) {
        return !result && result.error().code() == Code::malformed;
    };
    EXPECT_TRUE(refused(pool.submit_remote<std::string>("halve", 8).get())) << "a number";
    EXPECT_TRUE(refused(pool.submit_remote<std::string>("nothing").get()));
    for (const std::uint32_t times : {1U, 100'000U}) {
        const std::vector<double> numbers(times, 1.0);
        EXPECT_TRUE(refused(pool.submit_remote<std::string>("scale", numbers).get())) << times;
        EXPECT_TRUE(refused(pool.submit_remote<int>("repeat", "text", times).get())) << times;
    }
}

TEST_F(PoolRemoteTest, ABufferTravelsAsAText) {
    auto pool = Pool::builder().remote_workers(address()).build().value();
    for (const std::uint32_t bytes : {0U, 1U, 65'532U, 65'533U, 65'536U, 65'537U, 5'000'000U}) {
        for (const bool sealed : {false, true}) {
            const auto text = pool.submit_remote<std::string>("fill", bytes, sealed).get();
            ASSERT_TRUE(text) << text.error().sentence();
            EXPECT_EQ(*text, std::string(bytes, 'f'));
        }
        const auto text = pool.submit_remote<std::string>("repeat", "f", bytes).get();
        ASSERT_TRUE(text) << text.error().sentence();
        EXPECT_EQ(*text, std::string(bytes, 'f'));
    }
}

// The caller sees to the network while it waits, the engine's thread rests, and comes back when
// there is other work, or none for a while.
TEST_F(PoolRemoteTest, ATextGoesIntoABuffer) {
    auto pool = Pool::builder().remote_workers(address()).build().value();
    SharedBuffer buffer = SharedBuffer::create(5'000'000).value();
    for (const std::uint32_t bytes : {0U, 1U, 65'532U, 65'533U, 65'536U, 65'537U, 5'000'000U}) {
        std::ranges::fill(buffer.writable(), std::byte{'-'});
        EXPECT_EQ(pool.submit_remote_into(buffer, "fill", bytes, false).get().value(), bytes);
        EXPECT_EQ(buffer.text().substr(0, bytes), std::string(bytes, 'f'));
        EXPECT_EQ(buffer.text().find_first_not_of('-', bytes), std::string::npos);
    }
    const auto refused = pool.submit_remote_into(buffer, "fill", 5'000'001U, false).get();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::too_large);
    EXPECT_EQ(pool.submit_remote_into(buffer, "halve", 8).get().error().code(), Code::malformed);
    CallOptions soon;
    soon.timeout = 50ms;
    EXPECT_EQ(pool.submit_remote_into_with(soon, buffer, "stay", true).get().error().code(),
              Code::timed_out);
    EXPECT_EQ(pool.submit_remote_into(buffer, "repeat", "ab", 3).get().value(), 6U);
    EXPECT_EQ(buffer.text().substr(0, 6), "ababab") << "it can be used again and again";
    ASSERT_TRUE(buffer.seal());
    EXPECT_EQ(pool.submit_remote_into(buffer, "repeat", "ab", 3).get().error().code(),
              Code::invalid_argument);
}

TEST_F(PoolRemoteTest, CallsOneByOneAndOtherWorkAmongThem) {
    auto pool = Pool::builder().remote_workers(address()).build().value();
    for (int round = 0; round < 20; ++round) {
        for (int i = 0; i < 100; ++i) {
            ASSERT_EQ(pool.submit_remote<int>("halve", 2 * i).get().value(), i);
        }
        auto program = pool.submit(Task::binary("true").backend(Backend::remote));
        auto unheard = pool.submit_remote<int>("halve", 8);  // nobody waits for it in get()
        ASSERT_EQ(pool.submit_remote<int>("halve", 10).get().value(), 5);
        ASSERT_TRUE(std::move(program).get().value().ok());
        ASSERT_TRUE(unheard.wait_for(20s));
        if (round % 5 == 0) {
            std::promise<int> heard;
            pool.submit_remote<int>("halve", 12).on_ready([&](Result<int> n) {
                heard.set_value(n.value());
            });
            ASSERT_EQ(heard.get_future().get(), 6);
        }
    }
}

TEST_F(PoolRemoteTest, ManyThreadsMayCallOneByOne) {
    auto pool = Pool::builder().remote_workers(address()).build().value();
    std::vector<std::thread> callers;
    std::atomic<int> right = 0;
    for (int thread = 0; thread < 4; ++thread) {
        callers.emplace_back([&] {
            for (int i = 0; i < 500; ++i) {
                right += pool.submit_remote<int>("halve", 2 * i).get().value() == i ? 1 : 0;
            }
        });
    }
    for (std::thread& caller : callers) {
        caller.join();
    }
    EXPECT_EQ(right, 2000);
}

TEST_F(PoolRemoteTest, FunctionsOfThePoolMayCallToo) {
    auto pool = Pool::builder().cpu_workers(2).remote_workers(address()).build().value();
    std::vector<Pending<int>> all;
    for (int i = 0; i < 50; ++i) {
        all.push_back(pool.submit(
            [&pool, i] { return pool.submit_remote<int>("halve", 2 * i).get().value_or(-1); }));
    }
    for (int i = 0; i < 50; ++i) {
        EXPECT_EQ(std::move(all[static_cast<std::size_t>(i)]).get().value(), i);
    }
}

// On the network's thread, or on one that waits in get() and sees to the network meanwhile.
TEST_F(PoolRemoteTest, AnOutputCallbackThatWaitsForACallOrATaskIsRefused) {
    auto pool = Pool::builder().cpu_workers(2).remote_workers(address()).build().value();
    for (const bool waits_in_a_call : {false, true}) {
        std::vector<Code> refused;
        gate_ = false;
        const auto callback = [&](Stream, std::span<const char>) {
            auto call = pool.submit_remote<int>("halve", 8).get();
            refused.push_back(call ? Code::internal : call.error().code());
            for (const Backend where : {Backend::cpu, Backend::remote}) {
                // Not one that may have ended before it is waited for: that is no deadlock.
                auto task = pool.submit(Task::binary("sleep", "60").backend(where)).get();
                refused.push_back(task ? Code::internal : task.error().code());
            }
            open_gate();
        };
        auto task = Task::binary("echo", "once").backend(Backend::remote);
        auto echo = pool.submit(std::move(task.on_output(callback)));
        if (waits_in_a_call) {
            EXPECT_TRUE(pool.submit_remote<void>("pass", true).get());
        }
        EXPECT_TRUE(std::move(echo).get().value().ok());
        EXPECT_EQ(refused, std::vector(3, Code::would_deadlock));
    }
}

// The worker calls short functions on the thread that sees to its network. One that is short no
// more must not keep the others, nor the heartbeats.
TEST_F(PoolRemoteTest, AShortFunctionThatTakesLongAfterAllKeepsNobodyWaiting) {
    RemoteOptions options;
    options.workers = {address()};
    options.heartbeat = 100ms;  // three of them missing, and the worker is suspected
    auto pool = Pool::builder().remote(options).build().value();
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 200; ++i) {
            ASSERT_TRUE(pool.submit_remote<void>("pass", false).get());
        }
        gate_ = false;
        std::vector<Pending<void>> others;
        others.push_back(pool.submit_remote<void>("pass", false));
        auto kept = pool.submit_remote<void>("pass", true);
        for (int i = 0; i < 50; ++i) {
            others.push_back(pool.submit_remote<void>("pass", false));
        }
        for (auto& one : others) {
            ASSERT_TRUE(std::move(one).get());
        }
        ASSERT_TRUE(pool.submit(Task::binary("sleep", "0.5").backend(Backend::remote)).get()->ok());
        ASSERT_FALSE(kept.ready());
        open_gate();
        ASSERT_TRUE(std::move(kept).get());
    }
}

TEST_F(PoolRemoteTest, AShortFunctionThatStaysIsToldWhenItsWorkerStopsOrItIsCancelled) {
    auto pool = Pool::builder().remote_workers(address()).build().value();
    const auto warm_up = [&] {
        for (int i = 0; i < 200; ++i) {
            ASSERT_TRUE(pool.submit_remote<void>("stay", false).get());
        }
    };
    warm_up();
    auto cancelled = pool.submit_remote<void>("stay", true);
    stays_.wait(false);
    cancelled.cancel();
    EXPECT_FALSE(std::move(cancelled).get());
    warm_up();
    auto stays = pool.submit_remote<void>("stay", true);
    stays_.wait(false);
    stop();  // hangs, where the function is not told
}

TEST_F(PoolRemoteTest, AWorkerThatHasEndedHoldsNeitherItsClientsNorItsAddress) {
    auto pool = Pool::builder().remote_workers(address()).build().value();
    EXPECT_EQ(pool.submit_remote<int>("halve", 8).get().value(), 4);
    stop();  // the Worker lives on
    auto next =
        Worker::builder().listen(address()).function("halve", [](int) { return 5; }).build();
    ASSERT_TRUE(next) << next.error().sentence();
    std::thread runs([&] { next->run(); });
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(pool.submit_remote<int>("halve", 8).get().value(), 5);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s);  // a silent one is given 4
    next->stop();
    runs.join();
}

TEST_F(PoolRemoteTest, ACallerWhoWaitsIsToldWhenThePoolEnds) {
    for (const int warm : {0, 50}) {
        gate_ = false;
        std::optional<Pool> pool = Pool::builder().remote_workers(address()).build().value();
        for (int i = 0; i < warm; ++i) {
            ASSERT_TRUE(pool->submit_remote<void>("nothing").get());
        }
        std::atomic<bool> waits = false;
        auto pending = pool->submit_remote<void>("pass", true);
        std::thread caller([&] {
            waits = true;
            EXPECT_FALSE(std::move(pending).get());
        });
        while (!waits) {
            std::this_thread::yield();
        }
        pool.reset();
        caller.join();
        open_gate();
    }
}

TEST_F(PoolRemoteTest, ACallThatBringsItsWorkersDownIsPoison) {
    std::counting_semaphore<> falls(0);
    const auto host = [&](const std::string& at) {
        auto worker = Worker::builder()
                          .listen(at)
                          .function("fall",
                                    [&](const std::stop_token& token) {
                                        falls.release();
                                        while (!token.stop_requested()) {
                                            std::this_thread::sleep_for(1ms);
                                        }
                                    })
                          .build();
        EXPECT_TRUE(worker) << worker.error().sentence();
        return std::jthread([worker = std::move(*worker)](const std::stop_token& token) mutable {
            const std::stop_callback stops(token, [&] { worker.stop(); });
            worker.run();
        });
    };
    const std::string one = address() + "1";
    const std::string two = address() + "2";  // or the first would have to stay in quarantine
    std::jthread first = host(one);
    std::jthread second = host(two);
    auto pool = Pool::builder().remote_workers(one, two).build();
    ASSERT_TRUE(pool);
    auto call = pool->submit_remote<void>("fall");
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(falls.try_acquire_for(20s)) << i;
        first = {};
        second = {};
        first = host(one);
        second = host(two);
    }
    const auto ended = std::move(call).get();
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code(), Code::poisoned);
    EXPECT_EQ(ended.error().sentence().find("the task was running on 5 workers that died"), 0U)
        << ended.error().describe();
}

}  // namespace
}  // namespace repartir
