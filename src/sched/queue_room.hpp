// SPDX-License-Identifier: MIT
#pragma once
/// @file queue_room.hpp How many of a crew's queued functions have ended before a worker took them.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "repartir/detail/atomics.hpp"
#include "sched/futex.hpp"

namespace repartir::sched {

/// A function that get() runs itself, or that is cancelled, leaves a spent entry in its queue. Only
/// a worker takes it out, and workers may be busy: so what is bounded is the number of entries less
/// the spent ones. Here those are counted, and here submitters wait for room.
///
/// Shared by a crew and the storage of its functions: a Pending may be cancelled while the crew
/// ends.
///
/// Thread safety: every function from any thread.
class QueueRoom {
  public:
    QueueRoom() = default;
    QueueRoom(const QueueRoom&) = delete;
    QueueRoom& operator=(const QueueRoom&) = delete;

    /// A queued function has begun or ended elsewhere: its entry is spent.
    void spend() noexcept {
        spent_.fetch_add(1, std::memory_order_seq_cst);
        if (waiters_.load(std::memory_order_seq_cst) != 0) {
            wake();
        }
    }
    /// A spent entry has left its queue.
    void drop() noexcept { dropped_.fetch_add(1, std::memory_order_seq_cst); }
    /// @return how many spent entries have left their queue so far.
    [[nodiscard]] std::uint64_t dropped() const noexcept {
        return dropped_.load(std::memory_order_seq_cst);
    }
    /// @return how many entries have been spent so far.
    [[nodiscard]] std::uint64_t spent_ever() const noexcept {
        return spent_.load(std::memory_order_seq_cst);
    }
    /// @return how many spent entries are queued; a snapshot.
    [[nodiscard]] std::size_t spent() const noexcept {
        const std::uint64_t spent = spent_.load(std::memory_order_seq_cst);
        const std::uint64_t dropped = dropped_.load(std::memory_order_seq_cst);
        return spent > dropped ? static_cast<std::size_t>(spent - dropped) : 0;
    }

    /// Sleeps until `done()`, which is asked again after each wake() and now and then: workers do
    /// not wake a waiter for every place that becomes free, so it looks for itself whether there
    /// are some, after 1 ms and then ever more rarely, up to 64 ms.
    template <class Done>
    void await(Done&& done) noexcept {
        waiters_.fetch_add(1, std::memory_order_seq_cst);
        std::chrono::milliseconds pause{1};
        for (;;) {
            const std::uint32_t epoch = epoch_.load(std::memory_order_seq_cst);
            if (done()) {
                break;
            }
            if (!FutexAtomics::wait_while(epoch_, epoch,
                                          std::chrono::steady_clock::now() + pause)) {
                pause = std::min(2 * pause, std::chrono::milliseconds{64});
            }
        }
        waiters_.fetch_sub(1, std::memory_order_seq_cst);
    }
    /// @return whether somebody waits.
    [[nodiscard]] bool awaited() const noexcept {
        return waiters_.load(std::memory_order_seq_cst) != 0;
    }
    /// Has those who wait look again.
    void wake() noexcept {
        epoch_.fetch_add(1, std::memory_order_seq_cst);
        FutexAtomics::wake_all(epoch_);
    }

  private:
    // Apart: the first is written by those who wait for results, the second by workers.
    alignas(detail::cache_line_bytes) std::atomic<std::uint64_t> spent_{0};
    alignas(detail::cache_line_bytes) std::atomic<std::uint64_t> dropped_{0};
    alignas(detail::cache_line_bytes) std::atomic<std::uint32_t> waiters_{0};
    std::atomic<std::uint32_t> epoch_{0};
};

}  // namespace repartir::sched
