// SPDX-License-Identifier: MIT
#pragma once
/// @file events.hpp The fuzzer's input as a sequence of choices, for the fuzzers of state machines.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "base/clock.hpp"

namespace repartir::fuzz {

/// Reads choices from the input; once that is at its end, every choice is the first one.
class Events {
  public:
    explicit Events(std::string_view bytes) noexcept : bytes_(bytes) {}

    [[nodiscard]] bool over() const noexcept { return bytes_.empty(); }
    std::uint8_t byte() noexcept {
        if (bytes_.empty()) {
            return 0;
        }
        const auto first = static_cast<std::uint8_t>(bytes_.front());
        bytes_.remove_prefix(1);
        return first;
    }
    /// @return less than `bound`, which is at least 1 and at most 256.
    std::size_t below(std::size_t bound) noexcept { return byte() % bound; }
    bool flag() noexcept { return (byte() & 1U) != 0; }
    /// @return some bytes of the input, at most 255.
    std::string_view bytes() noexcept {
        const std::string_view some = bytes_.substr(0, byte());
        bytes_.remove_prefix(some.size());
        return some;
    }
    /// @return a number as peers send and one that none should.
    std::uint64_t number() noexcept {
        constexpr auto most = std::numeric_limits<std::uint64_t>::max();
        constexpr std::array<std::uint64_t, 16> some{
            0,          1,          2,          3,           8,        100,      1000,     65'536,
            0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000000, most / 2, most / 4, most - 1, most};
        const std::uint8_t chosen = byte();
        return chosen < 128 ? chosen : some.at(chosen % some.size());
    }
    std::uint32_t number32() noexcept { return static_cast<std::uint32_t>(number()); }
    /// @return as above, as a time: any count of nanoseconds or milliseconds, negative ones too.
    template <class Duration>
    Duration duration() noexcept {
        const std::uint64_t count = number();
        const bool negative = flag();
        return Duration(static_cast<Duration::rep>(negative ? ~count : count));
    }
    /// @return how much later the next thing happens: nothing to a year.
    base::BootTime pause() noexcept {
        using namespace std::chrono_literals;
        constexpr std::array<base::BootTime, 8> some{0ns,   1ns, 1ms,   100ms,
                                                     999ms, 7s,  10min, 24h * 365};
        return some.at(below(some.size()));
    }

  private:
    std::string_view bytes_;
};

}  // namespace repartir::fuzz
