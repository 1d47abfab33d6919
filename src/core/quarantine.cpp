// SPDX-License-Identifier: MIT
#include "core/quarantine.hpp"

#include <algorithm>

namespace repartir::core {

Standing Quarantine::ask(base::BootTime now) const noexcept {
    if (!on_trial_) {
        return Standing::good;
    }
    return now < until_ ? Standing::quarantined : Standing::probation;
}

void Quarantine::failed(base::BootTime now) noexcept {
    if (ask(now) == Standing::quarantined) {
        return;  // of an attempt that was there before
    }
    if (!on_trial_ && ++in_a_row_ < rule_.failures) {
        return;
    }
    if (!on_trial_ && now - good_since_ >= rule_.forgiven_after) {
        terms_ = 0;
    }
    constexpr std::uint32_t doublings_max = 20;  // 2^20 times the first is over any longest
    const base::BootTime term = rule_.first * (std::int64_t{1} << std::min(terms_, doublings_max));
    until_ = now + std::min(term, rule_.longest);
    ++terms_;
    in_a_row_ = 0;
    on_trial_ = true;
}

void Quarantine::succeeded(base::BootTime now) noexcept {
    in_a_row_ = 0;
    if (ask(now) == Standing::probation) {
        on_trial_ = false;
        good_since_ = now;
    }
}

}  // namespace repartir::core
