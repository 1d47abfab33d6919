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
    std::function<Result<void>(const Task&)> accepts;                        // unset: all of them
    bool ends_on_cancel = true;
    Executor* executor = nullptr;     // once the scheduler has it
    AttemptSink* observer = nullptr;  // likewise

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
        if (const auto one = take_out(id)) {
            one->sink->finished(id, std::move(result));
        }
    }
    /// Hands an attempt back unbegun.
    void give_back(const AttemptId& id) {
        if (const auto one = take_out(id)) {
            one->sink->returned(id);
        }
    }
    /// It has so many slots from now on.
    void resize(std::uint32_t slots) {
        can.slots = slots;
        observer->capacity_changed(*executor, can);
    }
    /// @return how many the scheduler asked for at each request to give back.
    [[nodiscard]] std::vector<std::uint32_t> asked_back() const {
        const std::lock_guard lock(mutex_);
        return asked_back_;
    }
    std::uint32_t asked_to_give_back(std::uint32_t most) {
        const std::lock_guard lock(mutex_);
        asked_back_.push_back(most);
        return most;
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
    std::optional<Running> take_out(const AttemptId& id) {
        const std::lock_guard lock(mutex_);
        const auto found = std::find_if(running_.begin(), running_.end(),
                                        [&](const Running& one) { return one.id == id; });
        if (found == running_.end()) {
            return std::nullopt;
        }
        Running one = *found;
        running_.erase(found);
        return one;
    }

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::uint32_t> asked_back_;
    std::vector<Running> running_;
    std::vector<std::string> started_;
    std::size_t cancels_ = 0;
};

/// The executor that a scheduler owns; its state outlives it.
class FakeExecutor final : public Executor {
  public:
    explicit FakeExecutor(FakeState& state) : state_(state) { state.executor = this; }
    [[nodiscard]] Capabilities capabilities() const override { return state_.can; }
    [[nodiscard]] Result<void> accepts(const Task& task) const override {
        return state_.accepts ? state_.accepts(task) : Result<void>();
    }
    void observe(AttemptSink& sink) override { state_.observer = &sink; }
    std::uint32_t give_back(std::uint32_t most) override { return state_.asked_to_give_back(most); }
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
