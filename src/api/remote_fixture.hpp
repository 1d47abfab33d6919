// SPDX-License-Identifier: MIT
#pragma once
/// @file remote_fixture.hpp A worker in this process, with functions of all kinds.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "repartir/pool.hpp"
#include "repartir/worker.hpp"

namespace repartir {

struct Point {
    double x = 0;
    double y = 0;
    static constexpr auto codec_fields = std::tuple(&Point::x, &Point::y);
};

inline double mean(const std::vector<double>& values) {
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

}  // namespace repartir
