// SPDX-License-Identifier: MIT
#pragma once
/// @file parker.hpp How the workers of a crew go to sleep and are woken: no lost wake-up, and no
/// system call where nobody sleeps or somebody is looking for work already.
#include <cstddef>
#include <cstdint>
#include <memory>

#include "repartir/detail/park_word.hpp"
#include "sched/futex.hpp"

namespace repartir::sched {

/// The parking protocol of one crew.
///
/// A worker is in one of three states: it runs tasks, it searches (awake, without work), or it
/// sleeps. One word (ParkWord) counts the searchers and holds the stack of sleepers. How a worker
/// uses it:
///
///     for (;;) {
///         run what the own deque and lanes hold;
///         parker.begin_search();
///         for (;;) {
///             for (some rounds; longer while parker.sole_searcher())
///                 if (found a task) goto found;
///             parker.announce_sleep(me);                              // announce ...
///             if (any queue is not empty, or the crew stops) {        // ... then look again
///                 parker.cancel_sleep(me);
///                 if (the crew stops) { parker.end_search(); return; }
///                 continue;
///             }
///             parker.sleep(me);
///         }
///       found:
///         if (parker.end_search() && any queue is not empty) parker.wake_one();
///         run the task;
///     }
///
/// and a submitter: publish the work, then look: parker.notify(). Stopping: write the flag
/// (seq_cst), then wake_all().
///
/// Invariants, for all interleavings (tests/model checks them on this very code):
/// I1 No lost wake-up. Announcing is a seq_cst write of the word before the sleeper's seq_cst reads
///    of the queues; publishing is a seq_cst write of a queue before the submitter's seq_cst read
///    of the word. In the single order of seq_cst accesses one of the two reads comes last and sees
///    the other's write: either the sleeper finds the work or the submitter finds the sleeper.
/// I2 A searcher stands for a wake-up. A submitter who sees a searcher wakes nobody. That searcher
///    either sleeps (I1: it looks again after its announcement) or leaves with some work; if it
///    was the last, it looks again after it left (end_search) and passes the duty on.
/// I3 One wake-up at a time. Whoever takes a sleeper off the stack counts it as a searcher in the
///    same exchange: until that worker has found work or sleeps again, others wake nobody.
/// I4 One system call per wake-up, and only for a worker that is in the kernel or on its way: a
///    worker that has announced its sleep but not parked yet is woken by a store.
/// I5 Exactly the chosen worker wakes: each has a word of its own. The last to sleep is the first
/// to
///    wake: its caches are the warmest.
///
/// The fast path of fork-join. WorkDeque::push publishes with a release store; a full fence behind
/// each push would double its cost. notify_own() has only a light (compiler) fence, and the sleeper
/// pays instead: announce_sleep passes a heavy fence, after which it sees every push of a thread
/// that did not see the announcement. One gap remains, on purpose: the last searcher leaving with
/// work passes no heavy fence, and may miss a push that is still in its owner's store buffer
/// (nanoseconds). Then a sleeper stays asleep until the next push, or the next time that anybody
/// searches. So notify_own is only for tasks that the pushing worker itself is going to run unless
/// someone is faster. Where the kernel has no heavy fence, notify_own passes a full fence.
///
/// Leaving the stack: a worker that cancels its sleep stays on the stack as a stale entry (it may
/// not be on top). Whoever pops a stale entry tries the next one; a worker that announces again
/// while its entry is still there just revives it.
///
/// Every function from any thread, except that each worker index belongs to one thread at a time.
template <class A = FutexAtomics>
class Parker {
  public:
    /// @param workers at most ParkWord::workers_max. Throws std::bad_alloc.
    /// @param asymmetric false: do without the heavy fence, as on a machine that has none.
    explicit Parker(std::uint32_t workers, bool asymmetric = true)
        : slots_(std::make_unique<Slot[]>(workers)),
          heavy_(asymmetric && A::enable_heavy_fence()),
          word_(detail::ParkWord::initial(!heavy_).bits()) {}
    Parker(const Parker&) = delete;
    Parker& operator=(const Parker&) = delete;
    ~Parker() = default;

    // The worker's side.

    /// A worker without work starts to look for some.
    void begin_search() noexcept {
        word_.fetch_add(detail::ParkWord::one_searcher, std::memory_order_seq_cst);
    }

    /// A searcher has found work, or leaves for good.
    /// @return true: it was the last and somebody sleeps; the caller looks at all queues and calls
    /// wake_one() if there is more work. Before it runs what it found: that may take long.
    [[nodiscard]] bool end_search() noexcept {
        const detail::ParkWord before(
            word_.fetch_sub(detail::ParkWord::one_searcher, std::memory_order_seq_cst));
        return before.searching() == 1 && before.has_sleeper();
    }

    /// Whether the calling searcher is the only one: it should spin a while before it sleeps,
    /// others need not. A snapshot.
    [[nodiscard]] bool sole_searcher() const noexcept {
        // ORDER: relaxed, a hint.
        return detail::ParkWord(word_.load(std::memory_order_relaxed)).searching() <= 1;
    }

    /// A searcher says that it is going to sleep. It must look at every queue and at the stop flag
    /// afterwards, with seq_cst reads, and then call cancel_sleep() or sleep().
    void announce_sleep(std::uint32_t worker) noexcept {
        Slot& slot = slots_[worker];
        std::uint32_t state = listed;
        // Revives a stale entry. Fails when there is none: the state is 0 then and nobody else
        // touches the slot.
        if (slot.state.compare_exchange_strong(state, listed | asleep, std::memory_order_seq_cst,
                                               std::memory_order_seq_cst)) {
            word_.fetch_sub(detail::ParkWord::one_searcher, std::memory_order_seq_cst);
        } else {
            // ORDER: relaxed, published by the exchange of the word in push_sleeper.
            slot.state.store(listed | asleep, std::memory_order_relaxed);
            push_sleeper(worker);
        }
        if (heavy_) {
            A::heavy_fence();
        }
    }

    /// Takes the announcement back: the caller is a searcher again.
    void cancel_sleep(std::uint32_t worker) noexcept {
        std::uint32_t state = listed | asleep;
        if (slots_[worker].state.compare_exchange_strong(state, listed, std::memory_order_seq_cst,
                                                         std::memory_order_seq_cst)) {
            word_.fetch_add(detail::ParkWord::one_searcher, std::memory_order_seq_cst);
        }
        // else: somebody has woken us already, and counted us.
    }

    /// Sleeps until somebody wakes this worker: the caller is a searcher then.
    void sleep(std::uint32_t worker) noexcept {
        atomic<std::uint32_t>& state = slots_[worker].state;
        std::uint32_t expected = listed | asleep;
        constexpr std::uint32_t in_kernel = listed | asleep | parked;
        // ORDER: acquire on failure, pairs with the exchange in rouse.
        if (!state.compare_exchange_strong(expected, in_kernel, std::memory_order_seq_cst,
                                           std::memory_order_acquire)) {
            return;  // woken between the announcement and here
        }
        do {
            A::wait_while(state, in_kernel);
            // ORDER: acquire, pairs with the exchange in rouse.
        } while (state.load(std::memory_order_acquire) == in_kernel);
    }

    // The submitter's side.

    /// To be called after work was published by a seq_cst write (Injector::try_push).
    void notify() noexcept {
        if (detail::ParkWord(word_.load(std::memory_order_seq_cst)).wants_wake()) {
            static_cast<void>(wake_one());
        }
    }

    /// To be called after work was published by a release write (WorkDeque::push) when somebody
    /// may wait for it without running it: costs a full fence.
    void notify_after_release() noexcept {
        A::fence(std::memory_order_seq_cst);
        notify();
    }

    /// To be called after work was published by a release write, as notify_after_release(), which
    /// it does without a fence where nobody sleeps: whoever announces a sleep from now on finds the
    /// work behind the heavy fence. @return whether the caller has to call notify().
    [[nodiscard]] bool must_notify() noexcept {
        A::light_fence();
        // ORDER: relaxed, ordered behind the push by the sleeper's heavy fence.
        const detail::ParkWord seen(word_.load(std::memory_order_relaxed));
        if (heavy_ && !seen.has_sleeper()) [[likely]] {
            return false;
        }
        A::fence(std::memory_order_seq_cst);
        return true;
    }

    /// To be called after WorkDeque::push of a task that the caller runs itself in the end.
    void notify_own() noexcept {
        A::light_fence();
        // ORDER: relaxed, ordered behind the push by the sleeper's heavy fence.
        if (detail::ParkWord(word_.load(std::memory_order_relaxed)).wants_wake()) [[unlikely]] {
            notify_own_slowly();
        }
    }
    /// The rest of notify_own(), for callers that have looked at word() themselves.
    [[gnu::noinline]] void notify_own_slowly() noexcept {
        if (!heavy_) {
            A::fence(std::memory_order_seq_cst);
        }
        static_cast<void>(wake_one());
    }

    /// Wakes the worker that fell asleep last, unless somebody searches or nobody sleeps.
    /// @return whether it woke one.
    bool wake_one() noexcept {
        detail::ParkWord seen(word_.load(std::memory_order_seq_cst));
        do {
            if (seen.searching() != 0 || !seen.has_sleeper()) {
                return false;
            }
        } while (!pop_sleeper(seen, 1));
        while (!rouse(seen.top())) {
            // A stale entry. Its place as a searcher goes to the next sleeper, or is given back
            // while the stack is empty: both in one exchange (I3).
            seen = detail::ParkWord(word_.load(std::memory_order_seq_cst));
            while (!(seen.has_sleeper() ? pop_sleeper(seen, 0) : replace(seen, seen.with(0, -1)))) {
            }
            if (!seen.has_sleeper()) {
                return false;
            }
        }
        return true;
    }

    /// Wakes everybody. Whoever announces a sleep from now on sees what was written before
    /// (the crew's stop flag).
    void wake_all() noexcept {
        detail::ParkWord seen(word_.load(std::memory_order_seq_cst));
        while (seen.has_sleeper()) {
            if (pop_sleeper(seen, 1)) {
                if (!rouse(seen.top())) {
                    word_.fetch_sub(detail::ParkWord::one_searcher, std::memory_order_seq_cst);
                }
                seen = detail::ParkWord(word_.load(std::memory_order_seq_cst));
            }
        }
    }

    /// The word that notify_own() looks at, for callers that inline it. Bits of a ParkWord.
    [[nodiscard]] const typename A::template atomic<std::uint64_t>& word() const noexcept {
        return word_;
    }

  private:
    template <class U>
    using atomic = typename A::template atomic<U>;

    // Bits of Slot::state. 0: awake, and not on the stack.
    static constexpr std::uint32_t listed = 1;  // on the stack (stale when nothing else is set)
    static constexpr std::uint32_t asleep = 2;  // announced: may be woken
    static constexpr std::uint32_t parked = 4;  // waits in the kernel, or is about to

    struct alignas(detail::cache_line_bytes) Slot {
        atomic<std::uint32_t> state{0};  // the futex word
        atomic<std::uint32_t> below{0};  // raw head of the rest of the stack while listed
    };

    bool replace(detail::ParkWord& seen, detail::ParkWord next) noexcept {
        std::uint64_t bits = seen.bits();
        if (word_.compare_exchange_strong(bits, next.bits(), std::memory_order_seq_cst,
                                          std::memory_order_seq_cst)) {
            return true;
        }
        seen = detail::ParkWord(bits);
        return false;
    }

    /// Takes seen.top() off the stack and counts it as `searchers`. On failure renews `seen`.
    bool pop_sleeper(detail::ParkWord& seen, int searchers) noexcept {
        // ORDER: relaxed, the word's release sequence published it; if the entry has changed since,
        // the tag has changed and the exchange fails.
        const std::uint32_t below = slots_[seen.top()].below.load(std::memory_order_relaxed);
        return replace(seen, seen.with(below, searchers));
    }

    void push_sleeper(std::uint32_t worker) noexcept {
        detail::ParkWord seen(word_.load(std::memory_order_seq_cst));
        do {
            // ORDER: relaxed, published by the exchange.
            slots_[worker].below.store(seen.head(), std::memory_order_relaxed);
        } while (!replace(seen, seen.with(worker + 1, -1)));
    }

    /// Wakes a worker that was taken off the stack. @return false when its entry was stale.
    bool rouse(std::uint32_t worker) noexcept {
        atomic<std::uint32_t>& state = slots_[worker].state;
        const std::uint32_t before = state.exchange(0, std::memory_order_seq_cst);
        if ((before & parked) != 0) {
            A::wake_one(state);
        }
        return (before & asleep) != 0;
    }

    const std::unique_ptr<Slot[]> slots_;
    const bool heavy_;
    alignas(detail::cache_line_bytes) atomic<std::uint64_t> word_;
};

}  // namespace repartir::sched
