// SPDX-License-Identifier: MIT
#include <chrono>
#include <optional>

#include "base/clock.hpp"
#include "repartir/detail/crew.hpp"
#include "repartir/detail/state.hpp"
#include "sched/futex.hpp"

namespace repartir::detail {

namespace {
/// How long an outside thread spins for a result before it sleeps: about what waking it would cost.
constexpr std::chrono::microseconds spin_time{20};
}  // namespace

Result<void> StateBase::wait() noexcept {
    if (crew_->on_crew_thread()) {
        return crew_->wait_on_worker(*this);
    }
    if (!claim_and_run()) {
        const base::BootTime end = base::now() + spin_time;
        while (!ready() && base::now() < end) {}
    }
    sleep();
    return {};
}

bool StateBase::wait_until(std::chrono::steady_clock::time_point deadline) noexcept {
    const bool spare = crew_->on_crew_thread() && crew_->begin_block();
    const bool there = sleep_until(&deadline);
    if (spare) {
        crew_->end_block();
    }
    return there;
}

bool StateBase::sleep_until(const std::chrono::steady_clock::time_point* deadline) noexcept {
    // ORDER: acquire pairs with publish(): the result is read after this
    std::uint32_t seen = word_.load(std::memory_order_acquire);
    while ((seen & ready_bit) == 0) {
        if ((seen & waiting_bit) == 0) {
            // ORDER: acq_rel: publish() sees the bit, or we see its result
            seen = word_.fetch_or(waiting_bit, std::memory_order_acq_rel) | waiting_bit;
            continue;
        }
        if (deadline == nullptr) {
            sched::FutexAtomics::wait_while(word_, seen);
        } else if (!sched::FutexAtomics::wait_while(word_, seen, *deadline)) {
            return ready();
        }
        seen = word_.load(std::memory_order_acquire);
    }
    return true;
}

void StateBase::notify(std::uint32_t before) noexcept {
    if ((before & waiting_bit) != 0) {
        sched::FutexAtomics::wake_all(word_);
    }
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
