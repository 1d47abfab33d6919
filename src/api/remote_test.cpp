// SPDX-License-Identifier: MIT
// A pool whose tasks run here and on workers.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <semaphore>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "repartir/pool.hpp"
#include "repartir/worker.hpp"

namespace repartir {
namespace {

using namespace std::literals;

struct Point {
    double x = 0;
    double y = 0;
    static constexpr auto codec_fields = std::tuple(&Point::x, &Point::y);
};

double mean(const std::vector<double>& values) {
    double sum = 0;
    for (const double value : values) {
        sum += value;
    }
    return sum / static_cast<double>(values.size());
}

class PoolRemoteTest : public ::testing::Test {
  protected:
    PoolRemoteTest() {
        char name[] = "/tmp/repartir-pool-test-XXXXXX";
        folder_ = ::mkdtemp(name);
        auto made =
            Worker::builder()
                .listen(address())
                .cpu_workers(2)
                .function("mean", mean)
                .function("mirror", [](Point p) { return Point{p.y, p.x}; })
                .function("halve",
                          [](int n) -> Result<int> {
                              if (n % 2 != 0) {
                                  return fail(Error(Domain::function, Code::invalid_argument,
                                                    Fault::task, "odd numbers have no half"));
                              }
                              return n / 2;
                          })
                .function("nothing", [] {})
                .function("scale",
                          [](std::vector<double> numbers) {
                              for (double& one : numbers) {
                                  one *= 2;
                              }
                              return numbers;
                          })
                .function("stay",
                          [this](const std::stop_token& token, bool stays) {
                              stays_ = stays;
                              stays_.notify_all();
                              std::atomic<bool> told = !stays;
                              const std::stop_callback listens(token, [&] {
                                  told = true;
                                  told.notify_all();
                              });
                              told.wait(false);
                          })
                .function("repeat",
                          [](const std::string& text, std::uint32_t times) {
                              std::string all;
                              for (std::uint32_t i = 0; i < times; ++i) {
                                  all += text;
                              }
                              return all;
                          })
                .function("fill",  // with no text, but what travels as one
                          [](std::uint32_t bytes, bool sealed) {
                              auto buffer = SharedBuffer::create(bytes);
                              for (std::byte& one : buffer->writable()) {
                                  one = std::byte{'f'};
                              }
                              return sealed && !buffer->seal() ? SharedBuffer::create(0) : buffer;
                          })
                .function("pass",
                          [this](bool kept) {
                              while (kept && !gate_.load()) {
                                  gate_.wait(false);
                              }
                          })
                .build();
        EXPECT_TRUE(made) << (made ? "" : made.error().sentence());
        worker_.emplace(std::move(*made));
        thread_ = std::thread([this] { worker_->run(); });
    }
    ~PoolRemoteTest() override {
        open_gate();
        stop();
        std::filesystem::remove_all(folder_);
    }
    void open_gate() {
        gate_ = true;
        gate_.notify_all();
    }
    void stop() {
        if (thread_.joinable()) {
            worker_->stop();
            thread_.join();
        }
    }
    std::string address() const { return "unix:" + folder_ + "/w"; }

    std::string folder_;
    std::atomic<bool> stays_{false};  // "stay" does
    std::atomic<bool> gate_{false};   // which "pass" waits for, if it is told to
    std::optional<Worker> worker_;
    std::thread thread_;
};

TEST_F(PoolRemoteTest, FunctionsAreCalledByName) {
    auto pool = Pool::builder().remote_workers(address()).build().value();
    EXPECT_EQ(pool.submit_remote<double>("mean", std::vector{1.0, 2.0, 6.0}).get().value(), 3.0);
    EXPECT_EQ(pool.submit_remote<Point>("mirror", Point{1, 2}).get().value().x, 2.0);
    EXPECT_EQ(pool.submit_remote<int>("halve", 8).get().value(), 4);
    EXPECT_TRUE(pool.submit_remote<void>("nothing").get());
    EXPECT_EQ(pool.submit_remote<int>("halve", 7).get().error().sentence(),
              "odd numbers have no half");
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
                auto task = pool.submit(Task::binary("true").backend(where)).get();
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

TEST_F(PoolRemoteTest, ProgramsRunHereAndThere) {
    auto pool = Pool::builder().cpu_workers(1).remote_workers(address()).build().value();
    std::vector<Pending<Outcome>> all;
    for (int i = 0; i < 40; ++i) {
        all.push_back(pool.submit(Task::binary("/bin/sh", "-c", "sleep 0.02; echo done")));
    }
    std::map<std::string, int> where;
    for (auto& one : all) {
        const Outcome outcome = std::move(one).get().value();
        EXPECT_TRUE(outcome.ok());
        EXPECT_EQ(outcome.out.bytes(), "done\n");
        ++where[std::string(to_string(outcome.last().backend))];
    }
    EXPECT_GT(where["cpu"], 0);
    EXPECT_GT(where["remote"], 0);
}

TEST_F(PoolRemoteTest, WhatIsCapturedBeyondTheLimitOfThePoolSpills) {
    for (const bool small : {false, true}) {
        auto builder = Pool::builder().remote_workers(address());
        if (small) {
            builder.capture_limit(100'000);
        }
        auto pool = std::move(builder).build().value();
        const Task task = Task::binary("head", "-c", "1000000", "/dev/zero");
        const auto outcome = pool.submit(Task(task).backend(Backend::remote)).get();
        EXPECT_EQ(outcome->out.size(), 1'000'000U);
        EXPECT_EQ(outcome->out.in_memory(), !small);
    }
}

TEST_F(PoolRemoteTest, ABackendIsObeyed) {
    auto pool = Pool::builder().remote_workers(address()).build().value();
    const auto where = [&](Backend backend) {
        return pool.submit(Task::binary("true").backend(backend)).get().value().last().backend;
    };
    EXPECT_EQ(where(Backend::remote), Backend::remote);
    EXPECT_EQ(where(Backend::cpu), Backend::cpu);
}

TEST_F(PoolRemoteTest, WithoutAWorkerInReachTasksEndAndSayWhy) {
    stop();
    RemoteOptions options;
    options.workers = {address()};
    options.reach = 300ms;
    auto pool = Pool::builder().remote(options).build().value();
    const Outcome lost = pool.submit(Task::binary("true").backend(Backend::remote)).get().value();
    ASSERT_NE(lost.error(), nullptr);
    EXPECT_EQ(lost.error()->code(), Code::unreachable);
    EXPECT_EQ(pool.submit_remote<int>("halve", 8).get().error().code(), Code::unreachable);
    EXPECT_TRUE(pool.submit(Task::binary("true")).get().value().ok()) << "it runs here";
}

TEST_F(PoolRemoteTest, WhatIsDroppedIsCancelledAndAPendingMayOutliveItsPool) {
    std::optional<Pending<int>> kept;
    {
        auto pool = Pool::builder().remote_workers(address()).build().value();
        static_cast<void>(pool.submit_remote<int>("halve", 2));
        kept.emplace(pool.submit_remote<int>("halve", 4));
    }
    EXPECT_TRUE(kept->ready());
    kept->cancel();
}

TEST(PoolWithoutRemoteTest, ACallSaysWhatIsMissing) {
    auto pool = Pool::builder().build().value();
    EXPECT_EQ(pool.submit_remote<int>("halve", 8).get().error().code(), Code::cannot_schedule);
}

}  // namespace
}  // namespace repartir
