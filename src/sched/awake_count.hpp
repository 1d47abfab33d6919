// SPDX-License-Identifier: MIT
#pragma once
/// @file awake_count.hpp How a shutdown knows that a crew has come to rest.
#include <cstdint>

#include "repartir/detail/atomics.hpp"

namespace repartir::sched {

/// Counts the members of a crew that are awake: only they move work between queues or run it.
///
/// Looking at one queue after the other is no snapshot: work may move from one that was not looked
/// at yet into one that was. But if nobody was awake before the first look and nobody has woken
/// until after the last, nothing has moved. So the word holds, beside the count, how often a member
/// woke: equal words with a count of 0 on both sides of the looks make them one snapshot.
///
/// Thread safety: every function from any thread.
template <class A = detail::StdAtomics>
class AwakeCount {
  public:
    AwakeCount() = default;
    AwakeCount(const AwakeCount&) = delete;
    AwakeCount& operator=(const AwakeCount&) = delete;

    /// A member has woken; before it touches a queue.
    void wake() noexcept { word_.fetch_add(one_wake + one_awake, std::memory_order_seq_cst); }
    /// A member goes to sleep; it holds no work. @return whether nobody is awake now.
    bool rest() noexcept {
        return (word_.fetch_sub(one_awake, std::memory_order_seq_cst) & awake_bits) == one_awake;
    }
    /// @param empty looks at all queues, with seq_cst reads.
    /// @return whether there was a moment at which nobody was awake and every queue was empty.
    template <class Empty>
    [[nodiscard]] bool quiet(Empty&& empty) const noexcept {
        const std::uint64_t before = word_.load(std::memory_order_seq_cst);
        return (before & awake_bits) == 0 && empty() &&
               word_.load(std::memory_order_seq_cst) == before;
    }

  private:
    static constexpr std::uint64_t one_awake = 1;
    static constexpr std::uint64_t awake_bits = 0xFFFFFFFFU;
    static constexpr std::uint64_t one_wake = std::uint64_t{1} << 32U;

    typename A::template atomic<std::uint64_t> word_{0};
};

}  // namespace repartir::sched
