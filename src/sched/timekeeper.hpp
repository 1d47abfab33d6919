// SPDX-License-Identifier: MIT
#pragma once
/// @file timekeeper.hpp One thread that calls back at deadlines.
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "repartir/result.hpp"

namespace repartir::sched {

/// Something with a deadline: intrusive, so that cancelling costs no search and no allocation.
class Timed {
  public:
    Timed() = default;
    Timed(const Timed&) = delete;
    Timed& operator=(const Timed&) = delete;
    virtual ~Timed() = default;
    /// Called once, at or after the deadline, on the timekeeper's thread with no lock held: keep it
    /// short. It may destroy the object, and may schedule it or others again.
    virtual void due() noexcept = 0;

  private:
    friend class Timekeeper;
    static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);
    base::BootTime deadline_{0};
    std::size_t place_ = nowhere;  // in the heap; guarded by the timekeeper's mutex
};

/// Calls Timed objects at their deadlines. Its thread exists from the first schedule() on, sleeps
/// until the earliest deadline, and wakes for nothing else.
///
/// Thread safety: schedule and cancel from any thread, also from due(). What is scheduled must live
/// until it was cancelled, its due() was called, or the timekeeper is gone.
class Timekeeper {
  public:
    Timekeeper() = default;
    Timekeeper(const Timekeeper&) = delete;
    Timekeeper& operator=(const Timekeeper&) = delete;
    /// Waits for a due() that runs now; what is still scheduled is forgotten, not called.
    ~Timekeeper();

    /// Calls `timed.due()` once at `deadline`. It must not be scheduled already.
    /// Errors: out_of_resources (memory, or the thread cannot start).
    Result<void> schedule(Timed& timed, base::BootTime deadline);
    /// Takes `timed` back. @return true: due() will not be called. false: it was called, is being
    /// called now (this does not wait for it), or nothing was scheduled.
    bool cancel(Timed& timed) noexcept;
    /// @return whether the calling thread is the one that calls due().
    [[nodiscard]] bool on_own_thread() const noexcept;
    /// @return how many are scheduled.
    [[nodiscard]] std::size_t size() const;

  private:
    void serve();
    void place(std::size_t at, Timed* timed) noexcept;
    void sift_up(std::size_t at, Timed* timed) noexcept;
    void sift_down(std::size_t at, Timed* timed) noexcept;
    void remove(std::size_t at) noexcept;

    mutable std::mutex mutex_;
    std::condition_variable earlier_;
    std::vector<Timed*> heap_;  // binary, earliest first; not owned
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace repartir::sched
