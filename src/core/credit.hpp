// SPDX-License-Identifier: MIT
#pragma once
/// @file credit.hpp How much may be on its way to one machine: backpressure per hop. Pure.
#include <cstdint>

#include "base/clock.hpp"

namespace repartir::core {

/// So many units (tasks, bytes) that the other end is ready to take. What was granted and not used
/// is the most that can come: the end that grants never holds more. One owner at a time.
class Allowance {
  public:
    explicit Allowance(std::uint64_t granted = 0) noexcept : left_(granted) {}

    /// The other end grants more. Saturates.
    void grant(std::uint64_t more) noexcept;
    /// Uses so many, or as many as are left. @return how many those were.
    std::uint64_t take(std::uint64_t most) noexcept;
    [[nodiscard]] std::uint64_t left() const noexcept { return left_; }  ///< units

  private:
    std::uint64_t left_;
};

/// Grants an allowance to the other end, in pieces large enough to be worth a message. One owner at
/// a time.
class Grantor {
  public:
    /// @param window the most that may be on its way or held here
    /// @param held what is here already
    explicit Grantor(std::uint64_t window, std::uint64_t held = 0) noexcept
        : window_(window), held_(held) {}

    /// So many arrived. @return whether the other end had been granted them: if not, it breaks the
    /// protocol.
    [[nodiscard]] bool arrived(std::uint64_t units) noexcept;
    /// So many that arrived need no room any more.
    void freed(std::uint64_t units) noexcept;
    /// @return how much more to grant now; 0 while it is less than a quarter of the window. It
    /// counts as granted.
    [[nodiscard]] std::uint64_t due() noexcept;
    /// @return whether due() would grant.
    [[nodiscard]] bool is_due() const noexcept { return more() != 0; }

    [[nodiscard]] std::uint64_t held() const noexcept { return held_; }  ///< arrived, not freed
    [[nodiscard]] std::uint64_t granted() const noexcept { return granted_; }  ///< and not arrived

  private:
    [[nodiscard]] std::uint64_t more() const noexcept;

    std::uint64_t window_;
    std::uint64_t granted_ = 0;
    std::uint64_t held_;
};

/// How many tasks to keep at a machine so that it never waits for the next: one for each slot, and
/// those that it can finish during a round trip. One owner at a time.
class Prefetch {
  public:
    /// @param slots tasks that the machine runs at once @param tasks_max the most ever
    Prefetch(std::uint32_t slots, std::uint32_t tasks_max) noexcept
        : slots_(slots), tasks_max_(tasks_max) {}

    /// A task ran so long there.
    void ran(base::BootTime time) noexcept;
    /// A message and its answer took so long.
    void round_trip(base::BootTime time) noexcept { round_trip_ = time; }
    /// @return how many may be there at once; before anything ran, two for each slot.
    [[nodiscard]] std::uint32_t tasks() const noexcept;

  private:
    std::uint32_t slots_;
    std::uint32_t tasks_max_;
    base::BootTime run_{-1};  // smoothed; negative: nothing ran yet
    base::BootTime round_trip_{0};
};

}  // namespace repartir::core
