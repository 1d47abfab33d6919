// SPDX-License-Identifier: MIT
#include <chrono>
#include <thread>

#include "repartir/detail/crew.hpp"
#include "repartir/detail/state.hpp"

namespace repartir::detail {

Result<void> StateBase::wait() noexcept {
    if (!ready() && !claim_and_run()) {
        sleep_until(nullptr);
    }
    sleep_until(nullptr);
    return {};
}

bool StateBase::wait_until(std::chrono::steady_clock::time_point deadline) noexcept {
    return sleep_until(&deadline);
}

bool StateBase::sleep_until(const std::chrono::steady_clock::time_point* deadline) noexcept {
    while (!ready()) {
        if (deadline != nullptr && std::chrono::steady_clock::now() >= *deadline) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    return true;
}

void StateBase::notify(std::uint32_t before) noexcept {
    if ((before & linked_bit) != 0) {
        crew_->post(*continuation_);
    }
}

void StateBase::attach(Continuation& continuation) noexcept {
    continuation_ = &continuation;
    // ORDER: releases continuation_ to publish(); acquires the result when it was there first
    if ((word_.fetch_or(linked_bit, std::memory_order_acq_rel) & ready_bit) != 0) {
        crew_->post(continuation);
    }
}

bool StateBase::detach_continuation() noexcept {
    // ORDER: either publish() saw the bit (then it posts) or we took it back before
    return (word_.fetch_and(~linked_bit, std::memory_order_acq_rel) & ready_bit) == 0;
}

}  // namespace repartir::detail
