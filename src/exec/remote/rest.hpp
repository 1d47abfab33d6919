// SPDX-License-Identifier: MIT
#pragma once
/// @file rest.hpp How the thread that has a loop leaves it to callers who wait for what it brings,
/// and comes back to it.
#include <atomic>
#include <cstdint>

#include "repartir/detail/atomics.hpp"

namespace repartir::exec {

/// One thread that rests, and callers who have the lead (loop::Lead) meanwhile, each for a turn.
/// While they come one after the other nobody wakes the thread: it looks up now and then, and comes
/// back where nobody came. It sleeps soundly, until it is recalled, while a caller keeps the lead
/// of which the thread wants to take over; and whoever adds work recalls it.
///
/// Two meetings are Dekker's pattern, in which each side writes its word and then reads the
/// other's, all seq_cst, so that one of two that meet sees the other:
/// - The thread says that it sleeps soundly, then tries once more to take the lead; a caller leaves
///   the lead, then looks whether the thread sleeps soundly.
/// - The thread says that it rests, then looks whether anything was asked; who asks puts it down,
///   then looks whether the thread rests.
/// @tparam Atomics as in detail::StdAtomics
template <class Atomics = detail::StdAtomics>
class Rest {
  public:
    /// The thread begins to rest; it is about to leave the lead, and then to look whether something
    /// was asked. @return how many turns there were
    [[nodiscard]] std::uint64_t begin() noexcept {
        resting_.store(true);
        return turns_.load();
    }
    /// Rests until the lead is to be had and wanted: the thread has it then. @param wanted
    /// something was asked @param turns as begin() said @param sleep given whether it is to sleep
    /// until it is recalled, or for an interval at most; gives whether it was recalled
    template <class Lead, class Sleep>
    void end(Lead& lead, bool wanted, std::uint64_t turns, Sleep&& sleep) {
        bool soundly = false;
        while (!wanted || !lead.take()) {
            if (sleep(soundly)) {
                wanted = true;
            } else {
                const std::uint64_t now = turns_.load();
                wanted = now == turns;
                turns = now;
            }
            // Who keeps the lead for so long sees to all, and recalls us when it leaves.
            soundly = wanted;
            sound_.store(soundly);
        }
        sound_.store(false);
        resting_.store(false);
    }
    /// A caller's turn ends: it leaves the lead. @return whether it must recall the thread
    template <class Lead>
    [[nodiscard]] bool turn_ends(Lead& lead) noexcept {
        turns_.fetch_add(1);
        lead.leave();
        return sound_.load();
    }
    /// @return whether who has put down what it asks for must recall the thread: it rests.
    [[nodiscard]] bool resting() const noexcept { return resting_.load(); }

  private:
    typename Atomics::template atomic<bool> resting_{true};
    typename Atomics::template atomic<bool> sound_{false};  // it sleeps until it is recalled
    typename Atomics::template atomic<std::uint64_t> turns_{0};
};

}  // namespace repartir::exec
