// SPDX-License-Identifier: MIT
// A pool whose tasks run here and on workers.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
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
                .build();
        EXPECT_TRUE(made) << (made ? "" : made.error().sentence());
        worker_.emplace(std::move(*made));
        thread_ = std::thread([this] { EXPECT_TRUE(worker_->run()); });
    }
    ~PoolRemoteTest() override {
        stop();
        std::filesystem::remove_all(folder_);
    }
    void stop() {
        if (thread_.joinable()) {
            worker_->stop();
            thread_.join();
        }
    }
    std::string address() const { return "unix:" + folder_ + "/w"; }

    std::string folder_;
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
