// SPDX-License-Identifier: MIT
#pragma once
/// @file wake_gate.hpp How a thread that sleeps in the kernel is woken only when it must be.
#include <atomic>

#include "repartir/detail/atomics.hpp"

namespace repartir::loop {

/// One sleeper, any number of wakers. After a knock() the sleeper runs take() once more before it
/// sleeps, or is woken; only a knock() that finds it asleep asks for the system call that wakes it.
/// It is Dekker's pattern: each side writes its flag and then reads the other's, all seq_cst, so
/// that one of two that meet sees the other.
/// @tparam Atomics as in detail::StdAtomics
template <class Atomics = detail::StdAtomics>
class WakeGate {
  public:
    /// The sleeper is about to sleep. @return whether it may; if not, somebody has knocked.
    [[nodiscard]] bool lie_down() noexcept {
        asleep_.store(true);
        return !pending_.load();
    }
    /// The sleeper does not sleep (any more), whatever lie_down() said.
    void get_up() noexcept {
        // ORDER: relaxed: a waker that still reads true makes a needless system call, nothing else;
        // the next lie_down() is seq_cst again.
        asleep_.store(false, std::memory_order_relaxed);
    }
    /// @return whether somebody knocked since the last take(); what was done before the knock is
    /// visible then.
    [[nodiscard]] bool take() noexcept {
        // ORDER: relaxed: saves the exchange when nothing is there; what it misses, the next
        // lie_down() or take() sees.
        return pending_.load(std::memory_order_relaxed) && pending_.exchange(false);
    }
    /// @return whether somebody knocked that take() has not answered: a hint for who looks again.
    [[nodiscard]] bool knocked() const noexcept {
        return pending_.load(std::memory_order_relaxed);  // ORDER: take() is what orders
    }
    /// A waker has something for the sleeper. @return whether it must now wake it by a system call.
    [[nodiscard]] bool knock() noexcept {
        // An exchange, not a store: a take() that finds the last of several knocks must see what
        // was done before each of them, and a plain store would end the earlier ones' release
        // sequence.
        pending_.exchange(true);
        return asleep_.load() && asleep_.exchange(false);
    }

  private:
    typename Atomics::template atomic<bool> pending_{false};
    typename Atomics::template atomic<bool> asleep_{false};
};

}  // namespace repartir::loop
