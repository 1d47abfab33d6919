// SPDX-License-Identifier: MIT
#pragma once
/// @file clockwork.hpp Simulated time: what happens when, in one order for one seed; and machines
/// whose clocks run otherwise, or that sleep.
#include <algorithm>
#include <cstdint>
#include <deque>
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

/// A machine in simulated time: its clock drifts and jumps, and while it sleeps nothing happens on
/// it: what comes meanwhile happens when it wakes, in the order in which it came. One owner; the
/// clockwork must outlive it, and it must stay where it is while the clockwork runs.
class Machine {
  public:
    explicit Machine(Clockwork& clock) : clock_(&clock), since_(clock.now()), shown_(clock.now()) {}

    /// @return what its clock shows.
    [[nodiscard]] base::BootTime now() const {
        return shown_ + (clock_->now() - since_) * rate_ppm_ / nominal_ppm;
    }
    /// Its clock runs that fast from here on. @param drift_ppm above zero: fast
    void drift(std::int64_t drift_ppm) {
        shown_ = now();
        since_ = clock_->now();
        rate_ppm_ = nominal_ppm + drift_ppm;
    }
    /// @return when it will be that late by its clock, or a few minutes on where that is later.
    [[nodiscard]] base::BootTime when(base::BootTime local) const {
        const base::BootTime ahead =
            std::clamp(local - now(), base::BootTime(0), base::BootTime(ahead_max));
        return clock_->now() + ahead * nominal_ppm / rate_ppm_ + base::BootTime(1);
    }
    /// Something happens on it: at once, or when it wakes.
    void happens(std::function<void()> action) {
        if (clock_->now() < asleep_until_ || !waiting_.empty()) {
            waiting_.push_back(std::move(action));
        } else {
            action();
        }
    }
    /// @return for how long it has been awake; zero while it sleeps.
    [[nodiscard]] base::BootTime awake() const {
        return std::max(clock_->now() - asleep_until_, base::BootTime(0));
    }
    /// It sleeps so long, and its clock shows so much more afterwards.
    void sleep(base::BootTime length, base::BootTime jump) {
        asleep_until_ = std::max(asleep_until_, clock_->now() + length);
        clock_->at(asleep_until_, [this, jump] {
            shown_ += jump;
            while (!waiting_.empty() && clock_->now() >= asleep_until_) {
                const auto next = std::move(waiting_.front());
                next();
                waiting_.pop_front();  // only now: what comes of it happens behind the others
            }
        });
    }

  private:
    static constexpr std::int64_t nominal_ppm = 1'000'000;
    static constexpr base::BootTime ahead_max = std::chrono::minutes(10);
    Clockwork* clock_;
    base::BootTime since_;  // of the latest change of its rate
    base::BootTime shown_;  // at that time
    std::int64_t rate_ppm_ = nominal_ppm;
    base::BootTime asleep_until_{0};
    std::deque<std::function<void()>> waiting_;
};

}  // namespace repartir::sim
