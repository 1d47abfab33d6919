// SPDX-License-Identifier: MIT
#include "core/detector.hpp"

#include <algorithm>

namespace repartir::core {

Detector::Detector(const Patience& patience, base::BootTime now) noexcept
    : patience_(patience), last_(now), mean_(patience.interval) {}

base::BootTime Detector::timeout() const noexcept {
    const base::BootTime seen = std::max(2 * patience_.interval, mean_ + 4 * deviation_);
    return std::min(seen + widened_, std::max(patience_.timeout_max, 2 * patience_.interval));
}

base::BootTime Detector::next() const noexcept {
    return last_ + (health_ == Health::alive ? 1 : 2) * timeout();
}

Health Detector::ask(base::BootTime now) noexcept {
    if (health_ != Health::dead && now >= last_ + 2 * timeout()) {
        health_ = Health::dead;
    } else if (health_ == Health::alive && now >= last_ + timeout()) {
        health_ = Health::suspected;
    }
    return health_;
}

void Detector::heard(base::BootTime now) noexcept {
    if (ask(now) == Health::dead) {
        return;
    }
    const base::BootTime gap = now - last_;
    if (health_ == Health::suspected) {
        // at least what would have sufficed, and at least an interval, so that mistakes end
        widened_ += std::max(gap - timeout(), base::BootTime(0)) + patience_.interval;
        ++mistakes_;
        health_ = Health::alive;
    } else if (gap >= patience_.interval / 2) {  // messages in a burst say nothing of its silence
        const base::BootTime off = gap - mean_;
        mean_ += off / 8;
        deviation_ += ((off < base::BootTime(0) ? -off : off) - deviation_) / 4;
    }
    last_ = now;
}

}  // namespace repartir::core
