// SPDX-License-Identifier: MIT
#pragma once
/// @file short_calls.hpp Calls that one thread makes one after the other, until another steps in.
#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "worker/daemon/runner.hpp"

namespace repartir::worker {

/// A list of calls. The thread that makes them may be kept by one; then another thread steps in and
/// has what has ended and what has not begun. The late thread has that one call.
///
/// load() and make(): one thread, again and again. step_in(): another, at most once for each
/// load().
class ShortCalls {
  public:
    using Call = Runner::Call;
    using Called = Runner::Called;

    /// The next list, which is empty afterwards.
    void load(std::vector<Call>& calls);
    /// Makes the calls of the list. @param called gets those that are the caller's to tell of: all,
    /// or where somebody stepped in the last that was begun
    void make(std::vector<Called>& called);
    /// Takes over. Nothing where all have ended. @param called gets those that ended, @param calls
    /// those that have not begun
    void step_in(std::vector<Called>& called, std::vector<Call>& calls);

  private:
    static constexpr std::uint32_t over = 1U << 31U;  // nobody may begin more

    std::vector<Call> calls_;
    std::vector<std::optional<Called>> called_;
    std::atomic<std::uint32_t> begun_{over};
};

}  // namespace repartir::worker
