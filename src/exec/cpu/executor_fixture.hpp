// SPDX-License-Identifier: MIT
#pragma once
/// @file executor_fixture.hpp What the tests of CpuExecutor share: a sink that remembers, short
/// calls.
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "repartir/cpu_executor.hpp"
#include "repartir/task.hpp"

namespace repartir::exec {

/// Remembers results by attempt; waiting for one takes it out. Any thread.
class RecordingSink final : public AttemptSink {
  public:
    void finished(const AttemptId& id, AttemptResult&& result) noexcept override {
        const std::scoped_lock lock(mutex_);
        results_.emplace(id, std::move(result));
        ++told_;
        changed_.notify_all();
    }
    [[nodiscard]] AttemptResult wait(const AttemptId& id) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return results_.contains(id); });
        return std::move(results_.extract(id).mapped());
    }
    [[nodiscard]] std::size_t told() const {
        const std::scoped_lock lock(mutex_);
        return told_;
    }

  private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::multimap<AttemptId, AttemptResult> results_;
    std::size_t told_ = 0;
};

/// An executor with a sink; start and wait in one call.
class ExecutorTest : public ::testing::Test {
  protected:
    ExecutorTest() { make({}); }
    ~ExecutorTest() override { executor_.reset(); }

    /// Replaces the executor.
    void make(CpuExecutorOptions options) {
        executor_.reset();
        auto made = CpuExecutor::create(std::move(options));
        if (!made) {
            ADD_FAILURE() << made.error().describe();
            std::abort();
        }
        executor_ = std::move(*made);
    }
    [[nodiscard]] AttemptId start(const Task& task) {
        const AttemptId id = next_id();
        executor_->start(id, task, sink_);
        return id;
    }
    [[nodiscard]] AttemptResult run(const Task& task) { return sink_.wait(start(task)); }
    [[nodiscard]] AttemptId next_id() { return {{job_, element_++}, 1, 1, 1}; }

    RecordingSink sink_;
    std::unique_ptr<CpuExecutor> executor_;

  private:
    const JobId job_ = JobId::random();
    std::uint32_t element_ = 0;
};

/// A shell script as a task.
[[nodiscard]] inline Task shell(std::string_view script) {
    return Task::binary("/bin/sh", "-c", script);
}

}  // namespace repartir::exec
