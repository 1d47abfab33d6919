// SPDX-License-Identifier: MIT
#pragma once
/// @file watched_executor.hpp An executor of which the main loop knows what runs there.
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "base/fd.hpp"
#include "cli/progress.hpp"
#include "repartir/executor.hpp"
#include "repartir/pending.hpp"

namespace repartir::cli {

/// Wakes one sleeping thread, and costs a system call only when it sleeps. ring() from any thread,
/// the rest from the one that sleeps.
class Bell final : public Observer {
  public:
    Bell();
    /// Says that something has happened.
    void ring() noexcept;
    void ready() noexcept override { ring(); }
    /// @return how often it has rung; read before looking at what the rings announce.
    [[nodiscard]] std::uint64_t rings() const noexcept { return rings_.load(); }
    /// To be called before sleeping on fd(). @return false: it has rung since `seen`, do not sleep.
    [[nodiscard]] bool about_to_sleep(std::uint64_t seen) noexcept;
    /// To be called after sleeping.
    void awake() noexcept;
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

  private:
    base::Fd fd_;
    std::atomic<std::uint64_t> rings_{0};
    std::atomic<bool> asleep_{false};
};

/// Passes everything on to another executor, and knows what runs there.
class WatchedExecutor final : public Executor, public AttemptSink {
  public:
    explicit WatchedExecutor(std::unique_ptr<Executor> inner) : inner_(std::move(inner)) {}

    [[nodiscard]] Capabilities capabilities() const override { return inner_->capabilities(); }
    [[nodiscard]] Result<void> accepts(const Task& task) const override {
        return inner_->accepts(task);
    }
    void observe(AttemptSink& sink) override;
    void start(const AttemptId& id, const Task& task, AttemptSink& sink) override;
    void cancel(const AttemptId& id, CancelReason reason, bool force) override;
    std::uint32_t give_back(std::uint32_t most) override { return inner_->give_back(most); }
    void shutdown() override { inner_->shutdown(); }
    [[nodiscard]] bool on_own_thread() const noexcept override { return inner_->on_own_thread(); }
    void finished(const AttemptId& id, AttemptResult&& result) noexcept override;
    void returned(const AttemptId& id) noexcept override;
    void capacity_changed(Executor& executor, Capabilities now) noexcept override;

    /// @return how many attempts run there; those that wait there for their turn do not count. Any
    /// thread.
    [[nodiscard]] Busy busy() const;
    /// From now on a task's first try ends as cancelled instead of starting; what has started goes
    /// on, its retries too. For good. Any thread.
    void close() noexcept { closed_.store(true); }

  private:
    struct Running {
        AttemptId id;
        AttemptSink* sink = nullptr;
    };
    /// @return whom to tell of the attempt, which is not running any more; nullptr: nobody.
    [[nodiscard]] AttemptSink* leave(const AttemptId& id) noexcept;

    AttemptSink* observer_ = nullptr;  // set before anything is started
    std::atomic<bool> closed_{false};
    mutable std::mutex mutex_;
    std::unordered_map<TaskId, Running> running_;
    std::unique_ptr<Executor> inner_;  // last: its threads call back into the rest
};

}  // namespace repartir::cli
