// SPDX-License-Identifier: MIT
#pragma once
/// @file spin.hpp Whether to look for what one waits for, before one sleeps.
#include <algorithm>
#include <chrono>

#include "base/clock.hpp"

namespace repartir::loop {

/// To look again and again costs a core, to sleep and be woken costs tens of microseconds: but next
/// to nothing where the one who is waited for runs on the same core, which then looks in vain. So
/// this one tries: some waits asleep, some awake, and stays with what was shorter (the adaptive
/// choice of Karlin, Li, Manasse, Owicki, "Empirical studies of competitive spinning for a
/// shared-memory multiprocessor", SOSP 1991, section 4, with measured means of both). Who waits
/// long never looks. A value; pure.
class Spin {
  public:
    /// So long one looks, then one sleeps: about what a wake-up costs.
    static constexpr base::BootTime most = std::chrono::microseconds(50);
    /// Longer waits are slept through, always. More than twice `most`: where both ends of a
    /// conversation sleep, each wait has the other's wake-up in it.
    static constexpr base::BootTime worth = std::chrono::microseconds(120);

    /// @return how long to look this time; 0: sleep at once.
    [[nodiscard]] base::BootTime budget() const noexcept {
        return awake_ ? most : base::BootTime(0);
    }
    /// A wait took so long.
    void waited(base::BootTime took) noexcept {
        sum_ += std::clamp(took, base::BootTime(0), longest);
        if (++count_ < window && sum_ <= window * worth) {
            return;
        }
        const base::BootTime mean = sum_ / count_;
        sum_ = base::BootTime(0);
        count_ = 0;
        if (!awake_) {
            asleep_mean_ = mean;
            asleep_left_ = std::max(asleep_left_ - window, 0);
            awake_ = mean <= worth && asleep_left_ == 0;
        } else if (mean < asleep_mean_) {
            pause_ = pause_min;  // it pays
        } else {
            awake_ = false;
            pause_ = std::min(2 * pause_, pause_max);
            asleep_left_ = pause_;
        }
    }

  private:
    static constexpr int window = 8;  // waits that are judged together
    // Waits from one try to the next; vain tries make them more.
    static constexpr int pause_min = 16;
    static constexpr int pause_max = 8192;
    static constexpr base::BootTime longest = std::chrono::milliseconds(1);

    base::BootTime sum_{0};  // of the waits of this window
    int count_ = 0;
    base::BootTime asleep_mean_{0};
    int pause_ = pause_min;
    int asleep_left_ = 0;  // waits until it is tried again
    bool awake_ = false;
};

}  // namespace repartir::loop
