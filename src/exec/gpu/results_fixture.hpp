// SPDX-License-Identifier: MIT
#pragma once
/// @file results_fixture.hpp What tests of executors share.
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>

#include "repartir/executor.hpp"

namespace repartir::gpu {

/// Keeps how attempts ended.
class Results final : public AttemptSink {
  public:
    void finished(const AttemptId& id, AttemptResult&& result) noexcept override {
        const std::lock_guard lock(mutex_);
        EXPECT_FALSE(results_.contains(id));
        results_[id] = std::move(result);
        came_.notify_all();
    }
    AttemptResult wait(const AttemptId& id) {
        std::unique_lock lock(mutex_);
        EXPECT_TRUE(
            came_.wait_for(lock, std::chrono::seconds(60), [&] { return results_.contains(id); }));
        return std::move(results_[id]);
    }

  private:
    std::mutex mutex_;
    std::condition_variable came_;
    std::map<AttemptId, AttemptResult> results_;
};

}  // namespace repartir::gpu
