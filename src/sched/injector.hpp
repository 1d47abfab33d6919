// SPDX-License-Identifier: MIT
#pragma once
/// @file injector.hpp The queue through which threads outside the crew hand work to its workers.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>

#include "repartir/detail/atomics.hpp"

namespace repartir::sched {

/// Bounded queue, first in, first out, for any number of producers and consumers.
///
/// Source: D. Vyukov, "Bounded MPMC queue", 1024cores.net, 2010. Each cell carries a sequence
/// number: `position` when it is free for the producer of that position, `position + 1` when its
/// value is there, `position + capacity` when it was taken and is free for the next round.
///
/// A push costs one exchange, a pop of any batch one exchange. Nothing blocks, but a producer that
/// is suspended between its exchange and its publication hides the values behind its own: until it
/// goes on, pops come back empty while empty() is false. A worker must not sleep then (it may
/// yield), and it does not, as it asks empty() after it announced its sleep.
///
/// T is a small trivially copyable value, usually a pointer; the queue does not own what it points
/// to. Every function from any thread; construction and destruction alone.
template <class T, class A = detail::StdAtomics>
class Injector {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(std::uint64_t));

  public:
    /// @param capacity how many values fit; rounded up to a power of two, at least 2. Throws
    /// std::bad_alloc: whoever builds the crew turns that into an Error.
    explicit Injector(std::size_t capacity)
        : mask_(std::bit_ceil(capacity < 2 ? std::size_t{2} : capacity) - 1),
          cells_(std::make_unique<Cell[]>(mask_ + 1)) {
        for (std::size_t at = 0; at <= mask_; ++at) {
            // ORDER: relaxed, nobody else knows the queue yet.
            cells_[at].sequence.store(at, std::memory_order_relaxed);
        }
    }
    Injector(const Injector&) = delete;
    Injector& operator=(const Injector&) = delete;
    ~Injector() = default;

    /// Adds a value at the end. The exchange is seq_cst: a caller may look for sleepers right
    /// afterwards without a fence (Parker::notify).
    /// @return false when the queue is full.
    [[nodiscard]] bool try_push(T value) noexcept {
        // ORDER: relaxed, a guess that the exchange checks.
        std::uint64_t at = tail_.load(std::memory_order_relaxed);
        for (;;) {
            Cell& cell = cells_[at & mask_];
            // ORDER: acquire, pairs with the release store of the consumer who emptied the cell.
            const std::uint64_t sequence = cell.sequence.load(std::memory_order_acquire);
            if (sequence == at) {
                // ORDER: relaxed on failure: only a newer guess is taken from it.
                if (tail_.compare_exchange_weak(at, at + 1, std::memory_order_seq_cst,
                                                std::memory_order_relaxed)) {
                    // ORDER: relaxed, published by the release store of the sequence.
                    cell.value.store(value, std::memory_order_relaxed);
                    cell.sequence.store(at + 1, std::memory_order_release);
                    return true;
                }
            } else if (behind(sequence, at)) {
                return false;  // the value of the round before is still there
            } else {
                // ORDER: relaxed, a new guess.
                at = tail_.load(std::memory_order_relaxed);
            }
        }
    }

    /// Takes the oldest value. @return empty when there is none (or see above).
    [[nodiscard]] std::optional<T> try_pop() noexcept {
        std::optional<T> value;
        pop_batch(1, [&](T taken) { value = taken; });
        return value;
    }

    /// Takes up to `most` of the oldest values with one exchange, and gives them to `take(value)`
    /// in their order. @param take must not throw. @return how many were taken.
    template <class Take>
    std::size_t pop_batch(std::size_t most, Take&& take) noexcept {
        // ORDER: relaxed, a guess that the exchange checks.
        std::uint64_t at = head_.load(std::memory_order_relaxed);
        for (;;) {
            const std::size_t ready = count_ready(at, most);
            if (ready == 0) {
                // ORDER: relaxed, to tell an empty queue from an old guess.
                const std::uint64_t fresh = head_.load(std::memory_order_relaxed);
                if (fresh == at || most == 0) {
                    return 0;
                }
                at = fresh;
                continue;
            }
            // ORDER: release pairs with size(). The cells' sequence numbers carry the values.
            if (head_.compare_exchange_weak(at, at + ready, std::memory_order_release,
                                            std::memory_order_relaxed)) {
                for (std::size_t i = 0; i < ready; ++i) {
                    empty_cell(at + i, take);
                }
                return ready;
            }
        }
    }

    /// Whether `count` values can be taken; a hint for those who poll. It looks at the cells, where
    /// size() looks at the line that producers exchange on: polling that would slow each of them.
    [[nodiscard]] bool ready(std::size_t count = 1) const noexcept {
        // ORDER: relaxed, a guess.
        return count_ready(head_.load(std::memory_order_relaxed), count) == count;
    }
    /// How many values there are, claimed but unpublished ones included; a snapshot. It is never 0
    /// when a push that the caller can know of is still in the queue: seq_cst on tail_.
    [[nodiscard]] std::size_t size() const noexcept {
        // ORDER: acquire: who finds a value gone sees what its consumer had done before. An old
        // head only makes the queue look longer.
        const std::uint64_t head = head_.load(std::memory_order_acquire);
        const std::uint64_t tail = tail_.load(std::memory_order_seq_cst);
        return tail > head ? static_cast<std::size_t>(tail - head) : 0;
    }
    /// size() == 0; what a worker asks after it announced its sleep.
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    /// How many values fit.
    [[nodiscard]] std::size_t capacity() const noexcept { return mask_ + 1; }

  private:
    template <class U>
    using atomic = typename A::template atomic<U>;

    struct Cell {
        atomic<std::uint64_t> sequence{0};
        atomic<T> value{};
    };

    static bool behind(std::uint64_t sequence, std::uint64_t position) noexcept {
        return static_cast<std::int64_t>(sequence - position) < 0;
    }

    [[nodiscard]] std::size_t count_ready(std::uint64_t at, std::size_t most) const noexcept {
        std::size_t ready = 0;
        // ORDER: acquire, pairs with the release store of the producer: the value is there.
        while (ready < most && cells_[(at + ready) & mask_].sequence.load(
                                   std::memory_order_acquire) == at + ready + 1) {
            ++ready;
        }
        return ready;
    }

    template <class Take>
    void empty_cell(std::uint64_t at, Take&& take) noexcept {
        Cell& cell = cells_[at & mask_];
        // ORDER: relaxed, count_ready has acquired the value.
        const T value = cell.value.load(std::memory_order_relaxed);
        // ORDER: release, pairs with the producer of the next round: the value has been read.
        cell.sequence.store(at + mask_ + 1, std::memory_order_release);
        take(value);
    }

    const std::size_t mask_;
    const std::unique_ptr<Cell[]> cells_;
    alignas(detail::cache_line_bytes) atomic<std::uint64_t> tail_{0};  // next position to push
    alignas(detail::cache_line_bytes) atomic<std::uint64_t> head_{0};  // next position to pop
};

}  // namespace repartir::sched
