// SPDX-License-Identifier: MIT
#pragma once
/// @file fake_executor.hpp An executor for the scheduler's tests: the test ends attempts by hand.
#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "repartir/executor.hpp"

namespace repartir::sched {

/// @return a result of an attempt that ended like this.
inline AttemptResult ended(End end, int code = 0) {
    AttemptResult result;
    result.attempt.ending = Ending{end, code};
    return result;
}

/// What the scheduler asked of a FakeExecutor, and the means to answer. Any thread.
class FakeState {
  public:
    struct Running {
        AttemptId id;
        std::string program;
        AttemptSink* sink;
    };
    Capabilities can;
    std::function<std::optional<AttemptResult>(const Task&)> inline_result;  // set: ends in start()
    bool ends_on_cancel = true;

    /// Waits for `count` attempts to run at once. @return them in order of start.
    std::vector<Running> wait_running(std::size_t count) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return running_.size() >= count; });
        return running_;
    }
    [[nodiscard]] std::vector<std::string> started() const {
        const std::lock_guard lock(mutex_);
        return started_;
    }
    [[nodiscard]] std::size_t cancels() const {
        const std::lock_guard lock(mutex_);
        return cancels_;
    }
    /// Ends the attempt that has run longest.
    void finish_first(AttemptResult result) {
        Running first = wait_running(1).front();
        finish(first.id, std::move(result));
    }
    void finish(const AttemptId& id, AttemptResult result) {
        AttemptSink* sink = nullptr;
        {
            const std::lock_guard lock(mutex_);
            const auto found = std::find_if(running_.begin(), running_.end(),
                                            [&](const Running& one) { return one.id == id; });
            if (found == running_.end()) {
                return;
            }
            sink = found->sink;
            running_.erase(found);
        }
        sink->finished(id, std::move(result));
    }
    void start(const AttemptId& id, const Task& task, AttemptSink& sink) {
        {
            const std::lock_guard lock(mutex_);
            started_.emplace_back(task.program().path());
            running_.push_back(Running{id, started_.back(), &sink});
        }
        changed_.notify_all();
        if (inline_result) {
            if (auto result = inline_result(task)) {
                finish(id, std::move(*result));
            }
        }
    }
    void cancel(const AttemptId& id) {
        {
            const std::lock_guard lock(mutex_);
            ++cancels_;
        }
        if (ends_on_cancel) {
            finish(id, ended(End::cancelled));
        }
    }

  private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Running> running_;
    std::vector<std::string> started_;
    std::size_t cancels_ = 0;
};

/// The executor that a scheduler owns; its state outlives it.
class FakeExecutor final : public Executor {
  public:
    explicit FakeExecutor(FakeState& state) : state_(state) {}
    [[nodiscard]] Capabilities capabilities() const override { return state_.can; }
    void start(const AttemptId& id, const Task& task, AttemptSink& sink) override {
        state_.start(id, task, sink);
    }
    void cancel(const AttemptId& id, CancelReason /*reason*/, bool /*force*/) override {
        state_.cancel(id);
    }
    void shutdown() override {}

  private:
    FakeState& state_;
};

}  // namespace repartir::sched
