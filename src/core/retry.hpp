// SPDX-License-Identifier: MIT
#pragma once
/// @file retry.hpp Whether a failed attempt is tried again, and when. Pure.
#include <cstdint>
#include <optional>
#include <span>

#include "base/clock.hpp"
#include "base/prng.hpp"
#include "repartir/outcome.hpp"
#include "repartir/policy.hpp"

namespace repartir::core {

/// Which budget a failure draws on.
enum class Charge : std::uint8_t {
    none,   ///< no failure, or one that is never retried
    task,   ///< the task's own failure: RetryPolicy::max_retries
    start,  ///< a transient failure to start: RetryPolicy::max_start_retries
    node,   ///< the machine was lost: crash_limit
};

/// A task that was running on this many workers that died is poison.
inline constexpr std::uint32_t crash_limit = 5;

/// @return the budget that an attempt which ended like this draws on under `policy`.
[[nodiscard]] Charge charge(const Attempt& attempt, const RetryPolicy& policy) noexcept;

/// @return how long to wait before retry number `retry` (from 1): exponential backoff with full
/// jitter.
[[nodiscard]] base::BootTime backoff_delay(const Backoff& backoff, std::uint32_t retry,
                                           base::Prng& random) noexcept;

/// @return what is said of a task that is poison. @param attempts all of them; the last has an
/// error
[[nodiscard]] Error poison(std::span<const Attempt> attempts);

/// What one task has used of its budgets. One owner at a time.
class RetryBudget {
  public:
    /// Books a failed attempt. @return how long to wait before the next try; nothing when this was
    /// the last.
    [[nodiscard]] std::optional<base::BootTime> book(const Attempt& attempt,
                                                     const RetryPolicy& policy,
                                                     base::Prng& random) noexcept;
    /// @return whether crash_limit machines were lost: the task is poison.
    [[nodiscard]] bool poisoned() const noexcept { return nodes_ == crash_limit; }

  private:
    std::uint32_t own_ = 0;
    std::uint32_t starts_ = 0;
    std::uint32_t nodes_ = 0;
};

}  // namespace repartir::core
