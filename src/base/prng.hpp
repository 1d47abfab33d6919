// SPDX-License-Identifier: MIT
#pragma once
/// @file prng.hpp A small fast generator for victims and jitter; not for secrets.
#include <array>
#include <bit>
#include <cstdint>

namespace repartir::base {

/// xoshiro256** seeded by splitmix64.
/// Source: D. Blackman, S. Vigna, "Scrambled Linear Pseudorandom Number Generators", ACM TOMS 2021.
/// One owner at a time.
class Prng {
  public:
    explicit constexpr Prng(std::uint64_t seed) noexcept {
        for (std::uint64_t& word : state_) {
            seed += 0x9E3779B97F4A7C15ULL;
            std::uint64_t mixed = seed;
            mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9ULL;
            mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EBULL;
            word = mixed ^ (mixed >> 31U);
        }
    }
    /// @return 64 uniform bits.
    constexpr std::uint64_t next() noexcept {
        const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
        const std::uint64_t carried = state_[1] << 17U;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= carried;
        state_[3] = std::rotl(state_[3], 45);
        return result;
    }
    /// @return uniform in [0, bound); 0 when bound is 0. Bias below 2^-32 for bounds below 2^32.
    constexpr std::uint64_t below(std::uint64_t bound) noexcept {
        if (bound == 0) {
            return 0;
        }
        return bound <= 0xFFFFFFFFULL ? ((next() >> 32U) * bound) >> 32U : next() % bound;
    }

  private:
    std::array<std::uint64_t, 4> state_{};
};

/// @return 64 bits from the kernel's generator; falls back on clock and address where getrandom
/// fails.
[[nodiscard]] std::uint64_t random_seed() noexcept;

}  // namespace repartir::base
