// SPDX-License-Identifier: MIT
#pragma once
/// @file park_word.hpp The one word in which a crew counts who searches and who sleeps. Here and
/// not with the parker (src/sched/parker.hpp), because TaskGroup::run looks at it inline.
#include <cstdint>

namespace repartir::detail {

/// A snapshot of the crew's park word, as a value:
///
///     bit 63     fenced: this machine has no heavy fence (see Parker); constant
///     bits 32-62 tag: counts changes of the head, so that a stale exchange fails (no ABA)
///     bits 16-31 searching: awake workers without work, who look for some
///     bits 0-15  head: the sleeper on top of the stack, plus 1; 0: nobody sleeps
///
/// searching and head are one half word: "nobody searches and somebody sleeps" is one comparison.
class ParkWord {
  public:
    static constexpr std::uint32_t workers_max = 0xFFFE;
    static constexpr std::uint64_t one_searcher = std::uint64_t{1} << 16U;

    constexpr explicit ParkWord(std::uint64_t bits) noexcept : bits_(bits) {}
    static constexpr ParkWord initial(bool fenced) noexcept {
        return ParkWord(fenced ? fenced_bit : 0);
    }

    [[nodiscard]] constexpr std::uint64_t bits() const noexcept { return bits_; }
    [[nodiscard]] constexpr std::uint32_t searching() const noexcept {
        return static_cast<std::uint32_t>(bits_) >> 16U;
    }
    /// Whether the stack of sleepers holds anybody.
    [[nodiscard]] constexpr bool has_sleeper() const noexcept { return (bits_ & 0xFFFFU) != 0; }
    /// The worker on top of the stack. @pre has_sleeper()
    [[nodiscard]] constexpr std::uint32_t top() const noexcept {
        return static_cast<std::uint32_t>(bits_ & 0xFFFFU) - 1;
    }
    /// The raw head, as it is kept in the link of the sleeper above; 0: none.
    [[nodiscard]] constexpr std::uint32_t head() const noexcept {
        return static_cast<std::uint32_t>(bits_ & 0xFFFFU);
    }
    [[nodiscard]] constexpr bool fenced() const noexcept { return (bits_ & fenced_bit) != 0; }

    /// Whether work that was just published calls for a wake-up: somebody sleeps and nobody
    /// searches. Always true on a fenced machine: the slow path looks again behind a fence.
    [[nodiscard]] constexpr bool wants_wake() const noexcept {
        return static_cast<std::uint32_t>(bits_) - 1 < 0xFFFFU || fenced();
    }

    /// The word after the head became `head`, and the count of searchers changed by `searchers`.
    [[nodiscard]] constexpr ParkWord with(std::uint32_t head, int searchers) const noexcept {
        const std::uint64_t tag = (bits_ + (std::uint64_t{1} << 32U)) & tag_bits;
        const auto count =
            static_cast<std::uint64_t>(static_cast<std::int64_t>(searching()) + searchers);
        return ParkWord((bits_ & fenced_bit) | tag | count << 16U | head);
    }

  private:
    static constexpr std::uint64_t fenced_bit = std::uint64_t{1} << 63U;
    static constexpr std::uint64_t tag_bits = 0x7FFFFFFF00000000ULL;

    std::uint64_t bits_;
};

}  // namespace repartir::detail
