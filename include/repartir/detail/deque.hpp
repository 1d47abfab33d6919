// SPDX-License-Identifier: MIT
#pragma once
/// @file deque.hpp The work-stealing deque of one worker. In a public header because TaskGroup
/// inlines push and pop.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include "repartir/detail/atomics.hpp"

namespace repartir::detail {

/// Deque with one owner, who pushes and pops at the bottom (last in, first out), and any number of
/// thieves, who steal at the top (first in, first out).
///
/// Source: D. Chase, Y. Lev, "Dynamic Circular Work-Stealing Deque", SPAA 2005, with the orders of
/// N. M. Le, A. Pop, A. Cohen, F. Zappa Nardelli, "Correct and Efficient Work-Stealing for Weak
/// Memory Models", PPoPP 2013. Where the paper has a seq_cst fence this code has seq_cst accesses:
/// as fast on x86 and AArch64, and visible to thread sanitizers.
///
/// Bias. A pop has to order its store of bottom before its load of top, which costs more than all
/// the rest of it, and nearly always for nothing: no thief is near. So thieves announce themselves
/// (begin_raid), and an owner that sees no announcement orders nothing, but passes the light half
/// of an asymmetric fence; the thief whose announcement may not have been seen passes the heavy
/// half, once. From then on the owner is alert and its pops are the paper's, until `alert_pops` of
/// them have passed and no raid is under way: about what the heavy fence costs, so that no pattern
/// of raids makes either protocol much dearer than the better of the two. Source
/// of the fence: D. Dice, H. Huang, M. Yang, "Asymmetric Dekker Synchronization", Sun Microsystems,
/// 2001; docs/decisions/0009.
///
/// T is a small trivially copyable value, usually a pointer with tag bits. The deque never looks
/// into it and never frees it: whoever takes a value owns what it stands for.
///
/// Positions are 64-bit and only grow, so no position is ever used twice (no ABA). The values stand
/// at [top, bottom) in a ring of a power of two slots. The ring doubles when full; old rings live
/// until the deque dies, because a slow thief may still read one (all of them together are smaller
/// than the newest).
///
/// Layout, two cache lines:
///   line 0: top_, written by whoever takes the last or the oldest value, raids_, by thieves, and
///           ring_, which thieves read;
///   line 1: bottom_, written by the owner at each push and pop, and beside it what only the owner
///           touches. A push touches this line and the slot's, nothing else.
///
/// Threads: "owner" functions from one thread at a time (handing the deque over needs a
/// happens-before edge); "any" functions from any thread. Construction and destruction alone.
template <class T, class A = StdAtomics>
class alignas(cache_line_bytes) WorkDeque {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(std::uint64_t));

  public:
    /// Makes an empty deque with room for `capacity` values (rounded up to a power of two, at least
    /// 2). Where memory is short the deque starts without room and the first push tries again.
    /// @param alert_pops for how many pops the owner stays alert after a raid; 0: for ever. Then
    /// thieves need not announce themselves, and no heavy fence is needed.
    explicit WorkDeque(std::size_t capacity = 256, std::uint32_t alert_pops = 0) noexcept
        : raids_(alert_pops == 0 ? alert_bit | one_raid : 0),
          alert_pops_(alert_pops == 0 ? ~std::uint32_t{0} : alert_pops),
          first_capacity_(static_cast<std::int64_t>(std::bit_ceil(capacity < 2 ? 2 : capacity))) {
        static_cast<void>(replace_ring(first_capacity_, 0, 0));
    }
    WorkDeque(const WorkDeque&) = delete;
    WorkDeque& operator=(const WorkDeque&) = delete;
    ~WorkDeque() = default;

    /// Owner: adds a value at the bottom.
    /// @return false when the ring is full and there is no memory for a larger one; the deque is as
    /// it was, and the caller runs the task itself.
    [[nodiscard]] bool push(T value) noexcept {
        if (push_fast(value)) [[likely]] {
            return true;
        }
        // ORDER: relaxed, the owner's own last store.
        return make_room(bottom_.load(std::memory_order_relaxed)) && push_fast(value);
    }

    /// Owner: as push(), but gives up where that would have to look at top or make a larger ring.
    [[nodiscard]] bool push_fast(T value) noexcept {
        // ORDER: relaxed, the owner's own last store.
        const std::int64_t bottom = bottom_.load(std::memory_order_relaxed);
        if (bottom - top_seen_ >= capacity_) [[unlikely]] {
            return false;
        }
        // ORDER: relaxed, published by the release store of bottom_ below.
        slots_[bottom & (capacity_ - 1)].store(value, std::memory_order_relaxed);
        // ORDER: release, pairs with the load of bottom_ in steal_if. Every store to bottom_ that a
        // thief may act on is at least release: a relaxed one would end the release sequence.
        bottom_.store(bottom + 1, std::memory_order_release);
        return true;
    }

    /// Owner: takes the newest value. @return empty when there is none.
    [[nodiscard]] std::optional<T> pop() noexcept {
        T value{};
        return pop_into(value) ? std::optional<T>(value) : std::nullopt;
    }

    /// Owner: takes the newest value into `value`. @return false when there is none; `value` may
    /// have changed then. As pop(), for the hot path: g++ 12 builds an optional through memory.
    [[nodiscard]] bool pop_into(T& value) noexcept {
        // ORDER: relaxed, the owner's own last store.
        const std::int64_t bottom = bottom_.load(std::memory_order_relaxed) - 1;
        if (bottom < top_seen_) {
            return false;  // empty for certain: top only grows
        }
        // ORDER: release, see push_fast.
        bottom_.store(bottom, std::memory_order_release);
        A::light_fence();
        // Of an owner and a thief who meet at the last value, the thief sees the store above behind
        // its heavy fence, or the owner sees the thief's announcement behind the light one.
        // ORDER: relaxed, only the owner itself ever makes it 0.
        if (raids_.load(std::memory_order_relaxed) != 0) [[unlikely]] {
            return pop_alert(value, bottom);
        }
        // ORDER: relaxed, nobody has changed it since the owner became calm (calm_down).
        if (top_.load(std::memory_order_relaxed) > bottom) {
            return restore(bottom);
        }
        // Even the last value: a thief that comes now finds the deque empty.
        // ORDER: relaxed, the owner wrote the slot itself.
        value = slots_[bottom & (capacity_ - 1)].load(std::memory_order_relaxed);
        return true;
    }

    /// Any: a thief is about to steal. Before steal() and steal_if(), once for any number of them.
    /// @param heavy_fence the heavy half of A::light_fence(); called when the owner may not be
    /// alert yet
    template <class HeavyFence>
    void begin_raid(HeavyFence&& heavy_fence) noexcept {
        prefetch();
        // ORDER: acquire, pairs with the exchange below: the fence of whoever made the owner alert
        // counts for this thief too.
        const std::uint32_t before = raids_.fetch_add(one_raid, std::memory_order_acq_rel);
        if ((before & alert_bit) == 0) {
            heavy_fence();
            // ORDER: release, pairs with the above.
            raids_.fetch_or(alert_bit, std::memory_order_acq_rel);
        }
    }
    /// Any: that thief is done.
    void end_raid() noexcept {
        // ORDER: release, pairs with the exchange in calm_down.
        raids_.fetch_sub(one_raid, std::memory_order_release);
    }

    /// Any, within a raid: takes the oldest value.
    /// @return empty when there is none or when another thread took it first; empty() tells which.
    [[nodiscard]] std::optional<T> steal() noexcept {
        return steal_if([](T) { return true; });
    }

    /// Any, within a raid: takes the oldest value if `wanted(value)` holds.
    /// @param wanted called at most once, with a value that somebody else may be taking just now:
    /// it may look at the bits of the value (tags) but must not follow it. Must not throw.
    /// @return as steal(); empty as well when the value was not wanted.
    template <class Wanted>
    [[nodiscard]] std::optional<T> steal_if(Wanted&& wanted) noexcept {
        std::int64_t top = top_.load(std::memory_order_seq_cst);
        if (top >= bottom_.load(std::memory_order_seq_cst)) {
            return std::nullopt;
        }
        // ORDER: acquire, pairs with the release store in replace_ring: the slots are constructed
        // and copied. An older ring is as good: it holds the same value at `top`.
        const Ring* const ring = ring_.load(std::memory_order_acquire);
        // ORDER: relaxed, ordered by the load of bottom_ above; a value that was overwritten since
        // is thrown away, because then the exchange below fails.
        const T value = ring->slot(top).load(std::memory_order_relaxed);
        if (!wanted(value)) {
            return std::nullopt;
        }
        // ORDER: relaxed on failure: nothing is read afterwards.
        if (!top_.compare_exchange_strong(top, top + 1, std::memory_order_seq_cst,
                                          std::memory_order_relaxed)) {
            return std::nullopt;
        }
        return value;
    }

    /// Any, where the owner never pops: takes up to `most` of the oldest values with one exchange.
    /// (Beside an owner that pops, an exchange over several values could jump over one that it is
    /// taking.)
    /// @param into room for `most` values @return how many were taken.
    std::size_t steal_batch(T* into, std::size_t most) noexcept {
        // ORDER: relaxed, a guess that the exchange checks.
        std::int64_t top = top_.load(std::memory_order_relaxed);
        for (;;) {
            // ORDER: acquire, pairs with push_fast: the values are there.
            const std::int64_t bottom = bottom_.load(std::memory_order_acquire);
            const std::int64_t count = std::min(bottom - top, static_cast<std::int64_t>(most));
            if (count <= 0) {
                return 0;
            }
            // ORDER: as in steal_if.
            const Ring* const ring = ring_.load(std::memory_order_acquire);
            for (std::int64_t i = 0; i < count; ++i) {
                into[i] = ring->slot(top + i).load(std::memory_order_relaxed);
            }
            // ORDER: seq_cst, as in steal_if; release pairs with make_room: the values were read.
            // Relaxed on failure: only a newer guess is taken from it.
            if (top_.compare_exchange_weak(top, top + count, std::memory_order_seq_cst,
                                           std::memory_order_relaxed)) {
                return static_cast<std::size_t>(count);
            }
        }
    }

    /// Any: how many values there are; a snapshot while others push and take, exact when quiet.
    /// seq_cst, so that a worker that has announced its sleep may rely on it (parker.hpp).
    [[nodiscard]] std::size_t size() const noexcept {
        const std::int64_t top = top_.load(std::memory_order_seq_cst);
        const std::int64_t bottom = bottom_.load(std::memory_order_seq_cst);
        return bottom > top ? static_cast<std::size_t>(bottom - top) : 0;
    }
    /// Any: size() == 0.
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }

    /// Owner: the position behind the newest value. Values pushed after a call stand at or above
    /// the position that it returned: `while (deque.position() > mark) pop` takes only those (or,
    /// once thieves were there, none).
    [[nodiscard]] std::int64_t position() const noexcept {
        // ORDER: relaxed, the owner's own last store.
        return bottom_.load(std::memory_order_relaxed);
    }

    /// Owner: how many of the values `wanted(value)` holds for, by its bits as in steal_if(). Looks
    /// at each.
    template <class Wanted>
    [[nodiscard]] std::size_t count_if(Wanted&& wanted) const noexcept {
        const std::int64_t bottom = position();
        std::size_t count = 0;
        // ORDER: relaxed: the owner wrote the slots; what thieves take meanwhile may be counted
        for (std::int64_t at = top_.load(std::memory_order_relaxed); at < bottom; ++at) {
            count += wanted(slots_[at & (capacity_ - 1)].load(std::memory_order_relaxed)) ? 1 : 0;
        }
        return count;
    }

    /// Owner: slots of the present ring.
    [[nodiscard]] std::size_t capacity() const noexcept {
        return static_cast<std::size_t>(capacity_);
    }

  private:
    template <class U>
    using atomic = typename A::template atomic<U>;

    struct Ring {
        std::int64_t capacity = 0;
        std::unique_ptr<atomic<T>[]> slots;
        std::unique_ptr<Ring> older;

        [[nodiscard]] atomic<T>& slot(std::int64_t position) const noexcept {
            return slots[static_cast<std::size_t>(position & (capacity - 1))];
        }
    };

    static constexpr std::uint32_t alert_bit = 1;  // the owner has seen that there are thieves
    static constexpr std::uint32_t one_raid = 2;   // thieves that are stealing now, counted

    /// Asks for what a thief is going to read from the owner's caches, all at once.
    void prefetch() const noexcept {
        __builtin_prefetch(&bottom_);
        // ORDER: as in steal_if; top is a guess.
        const Ring* const ring = ring_.load(std::memory_order_acquire);
        if (ring != nullptr) {
            const std::int64_t top = top_.load(std::memory_order_relaxed);
            constexpr std::int64_t values_per_line = cache_line_bytes / sizeof(T);
            __builtin_prefetch(&ring->slot(top));
            __builtin_prefetch(&ring->slot(top + values_per_line));
        }
    }

    /// pop_into() of an alert owner: the paper's.
    [[gnu::noinline]] bool pop_alert(T& value, std::int64_t bottom) noexcept {
        if (++pops_alert_ >= alert_pops_) {
            calm_down();
        }
        // The store and the load are seq_cst, as are the loads in steal_if and both exchanges: of
        // an owner and a thief who meet at the last value, at least one sees the other.
        bottom_.store(bottom, std::memory_order_seq_cst);
        std::int64_t top = top_.load(std::memory_order_seq_cst);
        // ORDER: relaxed, the owner wrote the slot itself. Not used unless the owner gets it.
        value = slots_[bottom & (capacity_ - 1)].load(std::memory_order_relaxed);
        if (top < bottom) {
            return true;
        }
        // ORDER: relaxed on failure: nothing is read afterwards.
        const bool got =
            top == bottom && top_.compare_exchange_strong(top, top + 1, std::memory_order_seq_cst,
                                                          std::memory_order_relaxed);
        static_cast<void>(restore(bottom));
        return got;
    }

    /// Ends the owner's alertness, unless a raid is under way.
    void calm_down() noexcept {
        pops_alert_ = 0;
        std::uint32_t quiet = alert_bit;
        // ORDER: acquire, pairs with end_raid; relaxed on failure: nothing is read afterwards.
        static_cast<void>(raids_.compare_exchange_strong(quiet, 0, std::memory_order_acquire,
                                                         std::memory_order_relaxed));
    }

    /// The end of a pop that found the deque empty or took the last value by an exchange: bottom_
    /// becomes what top_ is. @return false
    bool restore(std::int64_t bottom) noexcept {
        // ORDER: relaxed. The deque is empty now, top == bottom + 1: a thief who acts on this store
        // with an older top loses its exchange.
        bottom_.store(bottom + 1, std::memory_order_relaxed);
        top_seen_ = bottom + 1;
        return false;
    }

    /// Brings top_seen_ up to date, and doubles the ring if it is full indeed.
    [[gnu::noinline, gnu::cold]] bool make_room(std::int64_t bottom) noexcept {
        // ORDER: acquire, pairs with the exchange of the thief who took the value whose slot the
        // owner is about to overwrite: the thief has read it.
        top_seen_ = top_.load(std::memory_order_acquire);
        if (bottom - top_seen_ < capacity_) {
            return true;
        }
        const std::int64_t capacity = capacity_ == 0 ? first_capacity_ : capacity_ * 2;
        return replace_ring(capacity, top_seen_, bottom);
    }

    /// Makes a ring of `capacity` slots the present one and copies [top, bottom) into it.
    bool replace_ring(std::int64_t capacity, std::int64_t top, std::int64_t bottom) noexcept {
        std::unique_ptr<Ring> ring(new (std::nothrow) Ring);
        if (ring == nullptr) {
            return false;
        }
        ring->slots.reset(new (std::nothrow) atomic<T>[static_cast<std::size_t>(capacity)]);
        if (ring->slots == nullptr) {
            return false;
        }
        ring->capacity = capacity;
        for (std::int64_t at = top; at < bottom; ++at) {
            // ORDER: relaxed, the owner wrote the old slots; the release store publishes the new.
            ring->slot(at).store(slots_[at & (capacity_ - 1)].load(std::memory_order_relaxed),
                                 std::memory_order_relaxed);
        }
        slots_ = ring->slots.get();
        capacity_ = capacity;
        // ORDER: release, pairs with the load of ring_ in steal_if.
        ring_.store(ring.get(), std::memory_order_release);
        ring->older = std::move(newest_);
        newest_ = std::move(ring);
        return true;
    }

    atomic<std::int64_t> top_{0};
    atomic<std::uint32_t> raids_;  // alert_bit, and thieves times one_raid
    atomic<Ring*> ring_{nullptr};
    alignas(cache_line_bytes) atomic<std::int64_t> bottom_{0};
    // Only the owner touches what follows.
    atomic<T>* slots_ = nullptr;
    std::int64_t capacity_ = 0;
    std::int64_t top_seen_ = 0;     // a past value of top_: free slots are counted without its line
    std::uint32_t pops_alert_ = 0;  // since the owner is alert
    const std::uint32_t alert_pops_;
    const std::int64_t first_capacity_;
    std::unique_ptr<Ring> newest_;  // owns the chain of rings
};

}  // namespace repartir::detail
