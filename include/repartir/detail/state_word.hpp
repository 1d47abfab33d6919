// SPDX-License-Identifier: MIT
#pragma once
/// @file state_word.hpp The protocol between those who may fulfil a Pending and the one who waits
/// for it, apart from everything else so that the model checker can run it.
#include <cstdint>

#include "repartir/detail/atomics.hpp"

namespace repartir::detail {

/// One word that decides who runs the work, who writes the result, who tells the consumer, and who
/// destroys it all:
///
///     nothing -> started                  claim_start: by the one who runs the work
///     nothing -> claimed                  claim_unstarted: by a cancellation that came first
///     started -> claimed + ready          finish: the runner's result, which it has stored before
///     started -> claimed + ready + late   overtake: a cancellation or a deadline came before it
///     anything -> claimed                 claim: by the first who has a result (no runner)
///     claimed -> claimed + ready          publish: the result is there
///
/// Only the runner writes a result while the work runs: who overtakes it leaves a bit that stands
/// for the result. So a runner needs one exchange for everything at the end of its work: on a line
/// that a consumer may be looking at, each costs a trip between two caches.
///
/// Beside these the consumer sets waiting (it sleeps on the word) and linked (a continuation stands
/// by). Setting ready and looking at those two bits is one exchange, as is setting one of them and
/// looking at ready: either the publisher sees the bit and acts, or the consumer sees the result.
/// The upper bits count the owners.
///
/// Thread safety: every function from any thread; attach, detach and await by the one consumer.
template <class A = StdAtomics>
class StateWord {
  public:
    // What publish(), overtake() and finish() leave to do.
    static constexpr std::uint32_t waiting = 4;  ///< wake all who sleep on word()
    static constexpr std::uint32_t linked = 8;   ///< post the continuation
    // The same, finish() only.
    static constexpr std::uint32_t drop_result = 1;  ///< somebody was faster: end what was stored
    static constexpr std::uint32_t destroy = 2;      ///< the caller was the last owner
    // How overtake() can come before the result.
    static constexpr std::uint32_t cancelled = 32;
    static constexpr std::uint32_t expired = 64;

    explicit StateWord(std::uint32_t owners) noexcept : word_(owners * one_owner) {}
    StateWord(const StateWord&) = delete;
    StateWord& operator=(const StateWord&) = delete;

    /// @return whether the result is there; then it may be read.
    [[nodiscard]] bool ready() const noexcept {
        return (word_.load(std::memory_order_acquire) & published) != 0;  // ORDER: with publish()
    }
    /// @return whether claim_start() would fail; true for ever then, false is a hint.
    [[nodiscard]] bool begun() const noexcept {
        return (word_.load(std::memory_order_relaxed) & (started | taken)) != 0;  // ORDER: a hint
    }
    /// @return `cancelled` or `expired` when that is the result, else 0. After ready().
    [[nodiscard]] std::uint32_t overtaken() const noexcept {
        // ORDER: relaxed: set together with what ready() has seen, and never after it
        return word_.load(std::memory_order_relaxed) & (cancelled | expired);
    }
    /// @return true for the first caller: only it may store a result and publish it. Not while
    /// somebody runs the work.
    [[nodiscard]] bool claim() noexcept {
        // ORDER: who may write is decided here; what is written is released by publish()
        return (word_.fetch_or(taken, std::memory_order_acq_rel) & taken) == 0;
    }
    /// @return true for the first caller: only it may run the work. Fails once a result is claimed.
    [[nodiscard]] bool claim_start() noexcept { return take(started); }
    /// As claim(), but only while the work has not begun.
    [[nodiscard]] bool claim_unstarted() noexcept { return take(taken); }

    /// Makes the stored result visible. After claim(), once.
    /// @return what is left to do, of `waiting` and `linked`.
    [[nodiscard]] std::uint32_t publish() noexcept {
        // ORDER: release pairs with ready(); acquire with attach(), whose continuation is read
        return word_.fetch_or(published, std::memory_order_acq_rel) & (waiting | linked);
    }
    /// Makes `how` the result of work that somebody runs now.
    /// @param left what is left to do, of `waiting` and `linked`; unless false is returned
    /// @return false when there is a result already.
    [[nodiscard]] bool overtake(std::uint32_t how, std::uint32_t& left) noexcept {
        // ORDER: as publish(); acquire on failure, because the result is there then
        std::uint32_t seen = word_.load(std::memory_order_acquire);
        while ((seen & taken) == 0) {
            if (word_.compare_exchange_weak(seen, seen | taken | published | how,
                                            std::memory_order_acq_rel, std::memory_order_acquire)) {
                left = seen & (waiting | linked);
                return true;
            }
        }
        return false;
    }
    /// Makes the result that the runner has stored visible. After claim_start(), once.
    /// @param give_up the caller gives up its ownership, unless something is left to do
    /// @return what is left to do; the caller is an owner still where that is neither 0 nor
    /// `destroy`.
    [[nodiscard]] std::uint32_t finish(bool give_up) noexcept {
        std::uint32_t seen = word_.load(std::memory_order_relaxed);  // ORDER: a guess
        for (;;) {
            if ((seen & taken) != 0) {
                return drop_result;
            }
            const std::uint32_t left = seen & (waiting | linked);
            const std::uint32_t less = give_up && left == 0 ? one_owner : 0;
            // ORDER: release pairs with ready(), and with the last owner's acquire in release();
            // acquire with attach(), whose continuation is read, and with the others' last uses
            if (word_.compare_exchange_weak(seen, (seen | taken | published) - less,
                                            std::memory_order_acq_rel, std::memory_order_relaxed)) {
                return less != 0 && seen / one_owner == 1 ? destroy : left;
            }
        }
    }

    /// One owner more; the caller is one already.
    void retain() noexcept {
        word_.fetch_add(one_owner, std::memory_order_relaxed);  // ORDER: the caller keeps it alive
    }
    /// One less. @return whether the caller was the last and destroys the object.
    [[nodiscard]] bool release() noexcept {
        // ORDER: acquire/release pairs the owners' last uses with the destruction. A sole owner
        // needs no read-modify-write: nobody is left who could retain.
        return word_.load(std::memory_order_acquire) / one_owner == 1 ||
               word_.fetch_sub(one_owner, std::memory_order_acq_rel) / one_owner == 1;
    }

    /// Says that a continuation stands by. @return false: the result was there before; the caller
    /// posts the continuation itself.
    [[nodiscard]] bool attach() noexcept {
        // ORDER: releases the continuation to publish(); acquires the result when it was first
        return (word_.fetch_or(linked, std::memory_order_acq_rel) & published) == 0;
    }
    /// Takes that back. @return false when the continuation is posted already.
    [[nodiscard]] bool detach() noexcept {
        // ORDER: either publish() saw the bit (then it is posted) or it was taken back before
        return (word_.fetch_and(~linked, std::memory_order_acq_rel) & published) == 0;
    }

    /// Sleeps until the result is there.
    /// @param wait `wait(word, value)`: sleeps while the word holds the value; false to give up.
    /// @return ready().
    template <class Wait>
    bool await(Wait&& wait) noexcept {
        // ORDER: acquire pairs with publish(): the result is read after this
        std::uint32_t seen = word_.load(std::memory_order_acquire);
        while ((seen & published) == 0) {
            if ((seen & waiting) == 0) {
                // ORDER: acq_rel: publish() sees the bit, or we see its result
                seen = word_.fetch_or(waiting, std::memory_order_acq_rel) | waiting;
                continue;
            }
            if (!wait(word_, seen)) {
                return ready();
            }
            // ORDER: as above
            seen = word_.load(std::memory_order_acquire);
        }
        return true;
    }

    /// What a publisher wakes.
    [[nodiscard]] typename A::template atomic<std::uint32_t>& word() noexcept { return word_; }

  private:
    static constexpr std::uint32_t taken = 1;      // somebody writes or has written the result
    static constexpr std::uint32_t published = 2;  // the result is there
    static constexpr std::uint32_t started = 16;   // the work has begun
    static constexpr std::uint32_t one_owner = 256;

    [[nodiscard]] bool take(std::uint32_t bit) noexcept {
        // ORDER: the relaxed look only skips work; the exchange orders start against cancellation
        std::uint32_t seen = word_.load(std::memory_order_relaxed);
        while ((seen & (started | taken)) == 0) {
            if (word_.compare_exchange_weak(seen, seen | bit, std::memory_order_acq_rel,
                                            std::memory_order_relaxed)) {
                return true;
            }
        }
        return false;
    }

    typename A::template atomic<std::uint32_t> word_;
};

}  // namespace repartir::detail
