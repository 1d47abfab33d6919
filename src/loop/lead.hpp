// SPDX-License-Identifier: MIT
#pragma once
/// @file lead.hpp Which of several threads drives a loop.
#include <atomic>
#include <thread>

#include "repartir/detail/atomics.hpp"

namespace repartir::loop {

/// The lead of a loop, which one thread at a time has: it alone calls the loop and touches what the
/// loop's callbacks touch. Pattern: Leader/Followers (Schmidt, Stal, Rohnert, Buschmann,
/// Pattern-Oriented Software Architecture 2, 2000, chapter 5), with nobody who waits for the lead
/// in here: who does not get it does something else.
///
/// Thread safety: every function from any thread. What a leader did is visible to the next.
/// @tparam Atomics as in detail::StdAtomics
template <class Atomics = detail::StdAtomics>
class BasicLead {
  public:
    /// @return whether the calling thread leads from here on. Never blocks; false for the leader.
    [[nodiscard]] bool take() noexcept {
        std::thread::id nobody;
        return leader_.load() == nobody &&
               leader_.compare_exchange_strong(nobody, std::this_thread::get_id(),
                                               std::memory_order_seq_cst,
                                               std::memory_order_seq_cst);
    }
    /// The leader leads no more.
    void leave() noexcept { leader_.store(std::thread::id()); }
    /// @return whether the calling thread leads.
    [[nodiscard]] bool mine() const noexcept {
        return leader_.load() == std::this_thread::get_id();
    }

  private:
    typename Atomics::template atomic<std::thread::id> leader_;
    static_assert(std::atomic<std::thread::id>::is_always_lock_free);
};

using Lead = BasicLead<>;

}  // namespace repartir::loop
