// SPDX-License-Identifier: MIT
#pragma once
/// @file timer.hpp Timers as intrusive nodes of a pairing heap. Pure: the time is an argument.
#include <cstddef>
#include <cstdint>

#include "base/clock.hpp"

namespace repartir::loop {

/// Something that happens at a time. Owned by whoever derives from it; a TimerQueue only links it.
/// Must be cancelled, or have fired, before it is destroyed (asserted).
class Timer {
  public:
    Timer() = default;
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    /// Called once, disarmed already, so that it may set itself again or be destroyed.
    /// @param now the time that fire() was given, at or after deadline()
    virtual void on_timer(base::BootTime now) noexcept = 0;
    [[nodiscard]] bool armed() const noexcept { return place_ != Place::nowhere; }  ///< is it set
    [[nodiscard]] base::BootTime deadline() const noexcept { return deadline_; }    ///< last set to

  protected:
    virtual ~Timer();

  private:
    friend class TimerQueue;
    enum class Place : std::uint8_t { nowhere, heap, due };

    Timer* child_ = nullptr;     // first child
    Timer* next_ = nullptr;      // next sibling; next in the due list
    Timer* previous_ = nullptr;  // previous sibling, or the parent of a first child
    base::BootTime deadline_{0};
    std::uint64_t order_ = 0;  // among equal deadlines the first set fires first
    Place place_ = Place::nowhere;
};

/// Armed timers, earliest first. set is O(1), cancel and fire O(log n) amortised; allocates
/// nothing. Source: M. Fredman et al., "The pairing heap: a new form of self-adjusting heap",
/// Algorithmica 1986. One thread at a time.
class TimerQueue {
  public:
    TimerQueue() = default;
    TimerQueue(const TimerQueue&) = delete;
    TimerQueue& operator=(const TimerQueue&) = delete;
    /// Arms `timer`, again when it is armed already. @param deadline in boot time, past ones
    /// included
    void set(Timer& timer, base::BootTime deadline) noexcept;
    /// Disarms `timer`; nothing when it is not armed.
    void cancel(Timer& timer) noexcept;
    /// @return when the earliest timer is due; base::never when none is armed.
    [[nodiscard]] base::BootTime next() const noexcept;
    /// Calls on_timer of all that were due when it was called, earliest first. What they set anew,
    /// even in the past, waits for the next call. Not reentrant. @return how many fired.
    std::size_t fire(base::BootTime now) noexcept;

  private:
    [[nodiscard]] static bool before(const Timer& a, const Timer& b) noexcept;
    [[nodiscard]] static Timer* meld(Timer* a, Timer* b) noexcept;
    [[nodiscard]] static Timer* combine(Timer* first) noexcept;
    void remove_from_heap(Timer& timer) noexcept;
    void remove_from_due(Timer& timer) noexcept;

    Timer* root_ = nullptr;
    Timer* due_ = nullptr;  // what fire() still has to call
    std::uint64_t order_ = 0;
};

}  // namespace repartir::loop
