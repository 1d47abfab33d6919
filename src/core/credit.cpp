// SPDX-License-Identifier: MIT
#include "core/credit.hpp"

#include <algorithm>
#include <limits>

namespace repartir::core {

void Allowance::grant(std::uint64_t more) noexcept {
    left_ += std::min(more, std::numeric_limits<std::uint64_t>::max() - left_);
}

std::uint64_t Allowance::take(std::uint64_t most) noexcept {
    const std::uint64_t taken = std::min(most, left_);
    left_ -= taken;
    return taken;
}

bool Grantor::arrived(std::uint64_t units) noexcept {
    if (units > granted_) {
        return false;
    }
    granted_ -= units;
    held_ += units;
    return true;
}

void Grantor::freed(std::uint64_t units) noexcept { held_ -= std::min(units, held_); }

std::uint64_t Grantor::more() const noexcept {
    const std::uint64_t more = window_ - std::min(window_, granted_ + held_);
    return more < window_ / 4 ? 0 : more;
}

std::uint64_t Grantor::due() noexcept {
    const std::uint64_t now = more();
    granted_ += now;
    return now;
}

void Prefetch::ran(base::BootTime time) noexcept {
    constexpr base::BootTime shortest{1000};  // below 1 us, the message costs more than the task
    time = std::max(time, shortest);
    run_ = run_ < base::BootTime(0) ? time : run_ + (time - run_) / 8;
}

std::uint32_t Prefetch::tasks() const noexcept {
    if (run_ < base::BootTime(0)) {
        return static_cast<std::uint32_t>(
            std::min<std::uint64_t>(2 * std::uint64_t{slots_}, tasks_max_));
    }
    // Within a millisecond or so it is not the way that counts, but who wakes whom when.
    constexpr base::BootTime least{1'000'000};
    const base::BootTime trip = round_trip_ < least && run_ < least / 10 ? least : round_trip_;
    const std::int64_t during = trip / std::max(run_, base::BootTime(1)) + 1;  // per slot
    const std::int64_t slots = std::max(slots_, 1U);
    const std::int64_t enough = tasks_max_ / slots + 1;
    return static_cast<std::uint32_t>(
        std::min<std::int64_t>(tasks_max_, slots * (1 + std::min(during, enough))));
}

}  // namespace repartir::core
