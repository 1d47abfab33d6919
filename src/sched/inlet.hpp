// SPDX-License-Identifier: MIT
#pragma once
/// @file inlet.hpp The way in for one thread outside the crew: a queue that only it fills.
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "repartir/detail/crew.hpp"
#include "repartir/detail/deque.hpp"
#include "sched/futex.hpp"
#include "sched/queue_room.hpp"
#include "sched/slab.hpp"

namespace repartir::sched {

/// While it lives, its thread uses its inlet: looks whether the crew is closed, and submits. A
/// shutdown that has closed the crew and passed a heavy fence waits for the end of every Hold it
/// sees (Inlets::await_holds); every other one begins after the fence and finds the crew closed.
/// Not recursive.
template <class A = FutexAtomics>
class Hold {
  public:
    using Flag = typename A::template atomic<std::uint32_t>;

    /// @param held the inlet's
    /// @param fenced this machine has no heavy fence
    Hold(Flag& held, bool fenced) noexcept : held_(held) {
        // ORDER: acquire pairs with the release of an ended thread of the same name
        static_cast<void>(held_.load(std::memory_order_acquire));
        // ORDER: relaxed, ordered before the look at `closed` by the fence
        held_.store(1, std::memory_order_relaxed);
        if (fenced) {
            A::fence(std::memory_order_seq_cst);
        }
        A::light_fence();
    }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold() { held_.store(0, std::memory_order_release); }  // ORDER: with await_holds()

  private:
    Flag& held_;
};

/// A queue and storage that belong to one outside thread: it submits without a lock and without an
/// atomic exchange, and workers take batches from the other end, first in, first out. Its thread
/// never takes anything back, so one exchange may take many (WorkDeque::steal_batch).
///
/// Thread safety: workers use `queue` only, to take; everything else is its thread's, in a Hold.
struct alignas(detail::cache_line_bytes) Inlet {
    Inlet(std::uintptr_t owner, std::shared_ptr<QueueRoom> room)
        : thread(owner), slab(Slab::create(std::move(room))) {}

    const std::uintptr_t thread;
    std::atomic<std::size_t> credit{0};  // functions that there is room for; its thread writes
    std::size_t tidy_at = 4096;          // length at which spent entries are looked for
    Hold<>::Flag held{0};
    Slab::Owner slab;
    detail::WorkDeque<detail::Word> queue;
};

/// The inlets of a crew, found by thread. They live as long as the crew: what a thread has
/// submitted outlives it. A thread is known by where its thread-local storage lies, which no two
/// threads share while they live; a later one at the same place goes on with the inlet.
///
/// Thread safety: every function from any thread.
class Inlets {
  public:
    static constexpr std::size_t inlets_max = 256;

    explicit Inlets(std::shared_ptr<QueueRoom> room) : room_(std::move(room)) {}
    Inlets(const Inlets&) = delete;
    Inlets& operator=(const Inlets&) = delete;

    /// @return the calling thread's, made when it first asks; nullptr when too many threads have
    /// asked before, or memory is short.
    [[nodiscard]] Inlet* mine() noexcept {
        const std::uintptr_t thread = name_of_thread();
        // ORDER: acquire pairs with the release in find_or_add()
        Inlet* const guess = table_[place_of(thread)].load(std::memory_order_acquire);
        return guess != nullptr && guess->thread == thread ? guess : find_or_add(thread);
    }
    /// How many there are; they never become fewer.
    [[nodiscard]] std::size_t count() const noexcept {
        return count_.load(std::memory_order_acquire);  // ORDER: with find_or_add()
    }
    /// @param index below count()
    [[nodiscard]] Inlet& at(std::size_t index) const noexcept {
        return *all_[index].load(std::memory_order_relaxed);  // ORDER: count() has acquired it
    }
    /// Waits until each Hold has ended that can have begun before the caller's heavy fence.
    void await_holds() const noexcept;
    /// A number that differs between threads that live at the same time.
    [[nodiscard]] static std::uintptr_t name_of_thread() noexcept {
        // SAFETY: only the number is used
        return reinterpret_cast<std::uintptr_t>(&detail::current_worker);
    }

  private:
    static constexpr std::size_t places = 512;
    static constexpr std::size_t probes = 8;

    static std::size_t place_of(std::uintptr_t thread) noexcept {
        return thread * 0x9E3779B97F4A7C15ULL >> (64U - std::bit_width(places - 1));
    }
    Inlet* find_or_add(std::uintptr_t thread) noexcept;

    const std::shared_ptr<QueueRoom> room_;
    std::array<std::atomic<Inlet*>, places> table_{};
    std::array<std::atomic<Inlet*>, inlets_max> all_{};
    std::atomic<std::size_t> count_{0};
    std::mutex mutex_;
    std::vector<std::unique_ptr<Inlet>> owned_;  // guarded by mutex_
};

}  // namespace repartir::sched
