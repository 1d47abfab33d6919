// SPDX-License-Identifier: MIT
#pragma once
/// @file clockwork.hpp Simulated time: what happens when, in one order for one seed.
#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "base/clock.hpp"

namespace repartir::sim {

/// Runs actions in the order of their times; of two at one time, the one that was asked for first.
/// Nothing else moves the clock. One owner.
class Clockwork {
  public:
    [[nodiscard]] base::BootTime now() const noexcept { return now_; }
    /// Does this at that time, or now if that is past.
    void at(base::BootTime when, std::function<void()> action) {
        actions_.emplace(std::pair(std::max(when, now_), ++asked_), std::move(action));
    }
    /// Does this so much later.
    void after(base::BootTime delay, std::function<void()> action) {
        at(now_ + delay, std::move(action));
    }
    /// Does the next thing. @return whether there was one before `end`; else it is `end` now.
    bool step(base::BootTime end) {
        if (actions_.empty() || actions_.begin()->first.first > end) {
            now_ = std::max(now_, end);
            return false;
        }
        auto next = actions_.extract(actions_.begin());
        now_ = next.key().first;
        next.mapped()();
        return true;
    }

  private:
    base::BootTime now_{1'000'000'000};
    std::uint64_t asked_ = 0;
    std::map<std::pair<base::BootTime, std::uint64_t>, std::function<void()>> actions_;
};

}  // namespace repartir::sim
