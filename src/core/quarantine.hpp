// SPDX-License-Identifier: MIT
#pragma once
/// @file quarantine.hpp Keeps work from a machine that fails again and again. Pure.
#include <chrono>
#include <cstdint>

#include "base/clock.hpp"

namespace repartir::core {

/// Whether a machine gets work.
enum class Standing : std::uint8_t {
    good,         ///< as much as it can take
    probation,    ///< one task at a time, until one succeeds
    quarantined,  ///< none
};

/// When a machine is shut out, and for how long.
struct QuarantineRule {
    std::uint32_t failures = 3;  ///< node faults in a row that shut it out
    base::BootTime first = std::chrono::seconds(10);
    /// Short: it may be the only machine, for which all that waits has to wait, and one task in so
    /// long is a small loss where it is not.
    base::BootTime longest = std::chrono::seconds(30);
    base::BootTime forgiven_after =
        std::chrono::minutes(10);  ///< good standing that clears its record
};

/// What one machine did lately. Faults of the machine count, those of tasks do not: a program that
/// fails everywhere shuts nobody out. Its way back is a probation of one task; each failed one
/// doubles the next quarantine. One owner at a time.
///
/// Source of the pattern: M. Nygard, "Release It!", 2007, "Circuit Breaker".
class Quarantine {
  public:
    explicit Quarantine(const QuarantineRule& rule) noexcept : rule_(rule) {}

    /// An attempt failed because of the machine, or the machine was lost with attempts on it.
    void failed(base::BootTime now) noexcept;
    /// An attempt ended, well or by its own fault.
    void succeeded(base::BootTime now) noexcept;
    /// @return what it may have at this time, which must not go back.
    [[nodiscard]] Standing ask(base::BootTime now) const noexcept;
    /// @return when a quarantine ends; the past when there is none.
    [[nodiscard]] base::BootTime until() const noexcept { return until_; }

  private:
    QuarantineRule rule_;
    base::BootTime until_ = base::BootTime::min();  // of the latest quarantine
    base::BootTime good_since_{0};                  // when probation was passed
    std::uint32_t in_a_row_ = 0;                    // failures
    std::uint32_t terms_ = 0;                       // quarantines on its record
    bool on_trial_ = false;                         // no success since the latest quarantine
};

}  // namespace repartir::core
