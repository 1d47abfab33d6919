// SPDX-License-Identifier: MIT
#pragma once
/// @file spawning.hpp Calling off the start of a program while its lane waits for it in the kernel.
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "proc/spawn.hpp"
#include "repartir/executor.hpp"
#include "repartir/id.hpp"

namespace repartir::exec {

class Spawning;

/// Calls off the starts whose time is up: the lanes that wait in them cannot. One thread for all
/// lanes of an executor; there is none before the first task with a timeout, and it sleeps until
/// the earliest deadline. A start with a deadline later than what is planned costs no wake-up.
/// Any thread.
class SpawnWatch {
  public:
    SpawnWatch() = default;
    SpawnWatch(const SpawnWatch&) = delete;
    SpawnWatch& operator=(const SpawnWatch&) = delete;
    ~SpawnWatch();

    /// A lane's place; it must be taken out before it is destroyed.
    void add(Spawning& spawning);
    void remove(Spawning& spawning) noexcept;
    /// To be called after a start with this deadline has been noted in its place.
    void expect(base::BootTime deadline);

  private:
    void run() noexcept;

    std::mutex mutex_;  // guards what follows, but for planned_
    std::condition_variable changed_;
    std::vector<Spawning*> watched_;
    std::thread thread_;
    bool sooner_ = false;  // a deadline came that is earlier than what is planned
    bool ending_ = false;
    std::atomic<std::int64_t> planned_{base::never.count()};  // when the thread wakes next
};

/// What a lane is starting just now. begin(), end() and reason() are the lane's thread's; the rest
/// is for any thread.
class Spawning {
  public:
    /// Both outlive it.
    Spawning(proc::Spawner& spawner, SpawnWatch& watch);
    Spawning(const Spawning&) = delete;
    Spawning& operator=(const Spawning&) = delete;
    ~Spawning();

    /// Says that an attempt is being started. @return false when it may not: close() was called.
    [[nodiscard]] bool begin(const AttemptId& id, base::BootTime deadline);
    /// Says that it is not any more.
    void end() noexcept;
    /// @return why the start was called off; nothing while it was not. Until the next begin().
    [[nodiscard]] std::optional<CancelReason> reason() const noexcept;

    /// Calls the start of this attempt off, if it is the one. The first reason counts.
    void call_off(const AttemptId& id, CancelReason reason) noexcept;
    /// Calls off what is being started and lets nothing begin any more.
    void close() noexcept;

    /// @return when call_off_late() is to be called; never, when nothing is being started.
    [[nodiscard]] base::BootTime deadline() const noexcept {
        return base::BootTime(deadline_.load());
    }
    /// Calls off what should have been started by now.
    void call_off_late(base::BootTime now) noexcept;

  private:
    void call_off_locked(CancelReason reason) noexcept;

    proc::Spawner& spawner_;
    SpawnWatch& watch_;
    mutable std::mutex mutex_;
    std::optional<AttemptId> id_;
    std::optional<CancelReason> reason_;
    bool closed_ = false;
    std::atomic<std::int64_t> deadline_{base::never.count()};
};

}  // namespace repartir::exec
