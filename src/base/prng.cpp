// SPDX-License-Identifier: MIT
#include "base/prng.hpp"

#include <sys/random.h>

#include <chrono>

namespace repartir::base {

std::uint64_t random_seed() noexcept {
    std::uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) == static_cast<ssize_t>(sizeof seed)) {
        return seed;
    }
    const auto ticks = std::chrono::steady_clock::now().time_since_epoch().count();
    // SAFETY: the address is only mixed into a seed.
    return static_cast<std::uint64_t>(ticks) ^ reinterpret_cast<std::uintptr_t>(&seed);
}

}  // namespace repartir::base
