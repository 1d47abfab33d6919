// SPDX-License-Identifier: MIT
#pragma once
/// @file futex.hpp The atomics policy of code that sleeps: the standard's atomics, a way to wait on
/// a word, and the heavy half of an asymmetric fence.
#include <chrono>
#include <cstdint>

#include "repartir/detail/atomics.hpp"

namespace repartir::sched {

/// What ships. The model checker has a policy with the same members (tests/model).
/// Stateless; every function from any thread.
struct FutexAtomics : detail::StdAtomics {
    /// Sleeps while the word holds `value`. May return early: callers loop.
    static void wait_while(const atomic<std::uint32_t>& word, std::uint32_t value) noexcept;
    /// As above, but not past a deadline. @return false when the deadline has passed.
    static bool wait_while(const atomic<std::uint32_t>& word, std::uint32_t value,
                           std::chrono::steady_clock::time_point deadline) noexcept;
    /// Wakes one of those who sleep on the word. One system call.
    static void wake_one(atomic<std::uint32_t>& word) noexcept;
    /// Wakes all of those who sleep on the word. One system call.
    static void wake_all(atomic<std::uint32_t>& word) noexcept;

    /// Makes heavy_fence usable in this process. @return false where the kernel has none (Linux
    /// before 4.14, other systems): then light_fence orders nothing.
    [[nodiscard]] static bool enable_heavy_fence() noexcept;
    /// Makes every thread of the process pass a full memory barrier: what a thread wrote before its
    /// light_fence is visible here, or what was written before this call is visible behind that
    /// light_fence. membarrier(2), PRIVATE_EXPEDITED; about 0.2 us plus an interrupt for each core
    /// that runs a thread of ours. @pre enable_heavy_fence() returned true
    static void heavy_fence() noexcept;
};

}  // namespace repartir::sched
