// SPDX-License-Identifier: MIT
#include "core/attempt.hpp"

namespace repartir::core {

AttemptId AttemptState::begin(const TaskId& task, Issuer& issuer) noexcept {
    epoch_ = issuer.next_epoch();
    ++number_;
    return AttemptId{task, number_, issuer.id(), epoch_};
}

bool AttemptState::current(const AttemptId& id) const noexcept {
    return running() && id.epoch == epoch_ && id.number == number_;
}

void AttemptState::withdraw() noexcept {
    epoch_ = 0;
    --number_;
}

std::optional<base::BootTime> AttemptState::ended(const Attempt& attempt, const RetryPolicy& policy,
                                                  base::Prng& random) noexcept {
    epoch_ = 0;
    return budget_.book(attempt, policy, random);
}

}  // namespace repartir::core
