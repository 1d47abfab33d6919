// SPDX-License-Identifier: MIT
#pragma once
/// @file attempt.hpp The tries of one task: which is current, and what follows when one ends. Pure.
#include <cstdint>
#include <optional>

#include "core/retry.hpp"
#include "repartir/id.hpp"

namespace repartir::core {

/// Hands out the epochs of one issuer: every lease of an attempt gets a higher one. One owner at a
/// time.
class Issuer {
  public:
    explicit Issuer(std::uint64_t id) noexcept : id_(id) {}
    [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
    [[nodiscard]] std::uint64_t next_epoch() noexcept { return ++epoch_; }

  private:
    std::uint64_t id_;
    std::uint64_t epoch_ = 0;
};

/// The tries of one task. At most one attempt is current; a result from any other is refused, so
/// that execution is at least once and an accepted result exactly once. One owner at a time.
class AttemptState {
  public:
    /// Begins the next attempt; it becomes the current one.
    AttemptId begin(const TaskId& task, Issuer& issuer) noexcept;
    /// @return whether a result for `id` is to be accepted.
    [[nodiscard]] bool current(const AttemptId& id) const noexcept;
    /// @return the id of the attempt that runs.
    [[nodiscard]] AttemptId id(const TaskId& task, const Issuer& issuer) const noexcept {
        return AttemptId{task, number_, issuer.id(), epoch_};
    }
    /// @return whether an attempt runs.
    [[nodiscard]] bool running() const noexcept { return epoch_ != 0; }
    /// Ends the current attempt. @return how long to wait before the next; nothing when the task is
    /// done.
    [[nodiscard]] std::optional<base::BootTime> ended(const Attempt& attempt,
                                                      const RetryPolicy& policy,
                                                      base::Prng& random) noexcept;
    /// Takes the current attempt back, which has not begun: it leaves no trace but its epoch.
    void withdraw() noexcept;
    /// @return whether the task is poison: see RetryBudget.
    [[nodiscard]] bool poisoned() const noexcept { return budget_.poisoned(); }
    /// @return the number of the latest attempt; 0 before the first.
    [[nodiscard]] std::uint32_t number() const noexcept { return number_; }

  private:
    std::uint64_t epoch_ = 0;  // of the current attempt; 0: none runs
    std::uint32_t number_ = 0;
    RetryBudget budget_;
};

}  // namespace repartir::core
