// SPDX-License-Identifier: MIT
#include "core/throughput.hpp"

#include <algorithm>
#include <utility>

namespace repartir::core {

std::optional<std::uint64_t> Throughput::arrived(std::uint64_t bytes, bool more,
                                                 base::BootTime now) noexcept {
    constexpr std::uint64_t ns_per_second = 1'000'000'000;
    constexpr std::uint64_t bytes_max = 1ULL << 33U;  // times ns_per_second is a number still
    const base::BootTime gap = now - std::exchange(last_, now);
    if (std::exchange(more_, more)) {
        time_ += gap;
        bytes_ = std::min(bytes_ + std::min(bytes, bytes_max), bytes_max);
    }
    if (bytes_ < sample_bytes) {
        return std::nullopt;
    }
    const auto took = static_cast<std::uint64_t>(std::exchange(time_, base::BootTime(0)).count());
    const std::uint64_t sent = std::exchange(bytes_, 0);
    if (took == 0) {
        return std::nullopt;  // faster than the clock ticks
    }
    return std::max<std::uint64_t>(sent * ns_per_second / took, 1);
}

std::uint64_t smoothed_rate(std::uint64_t before, std::uint64_t sample) noexcept {
    if (before == 0) {
        return sample;
    }
    return sample > before ? before + (sample - before) / 2 : before - (before - sample) / 8;
}

}  // namespace repartir::core
