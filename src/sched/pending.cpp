// SPDX-License-Identifier: MIT
#include <atomic>
#include <chrono>
#include <cstdint>

#include "base/clock.hpp"
#include "repartir/detail/call.hpp"
#include "repartir/detail/crew.hpp"
#include "repartir/detail/state.hpp"
#include "sched/crew_impl.hpp"
#include "sched/futex.hpp"

namespace repartir::detail {

namespace {
/// How long an outside thread spins for a result before it sleeps: about what waking it would cost.
constexpr std::chrono::microseconds spin_time{20};

}  // namespace

void Continuation::due(Crew& crew) noexcept { crew.post(*this); }

Result<void> StateBase::wait() noexcept {
    if (Worker* const member = crew_->own_member(); member != nullptr) {
        return crew_->wait_on_worker(*member, *this);
    }
    const base::BootTime end = base::now() + spin_time;
    while (!ready() && base::now() < end) {}
    if (!ready()) {
        const StandIn spare;
        sleep();
    }
    return {};
}

bool StateBase::wait_until(std::chrono::steady_clock::time_point deadline) noexcept {
    if (std::chrono::steady_clock::now() >= deadline) {
        return ready();
    }
    const StandIn spare;
    return sleep_until(&deadline);
}

bool StateBase::sleep_until(const std::chrono::steady_clock::time_point* deadline) noexcept {
    return word_.await([&](const std::atomic<std::uint32_t>& word, std::uint32_t value) {
        if (deadline != nullptr) {
            return sched::FutexAtomics::wait_while(word, value, *deadline);
        }
        sched::FutexAtomics::wait_while(word, value);
        return true;
    });
}

void StateBase::notify(std::uint32_t left) noexcept {
    if ((left & StateWord<>::waiting) != 0) {
        sched::FutexAtomics::wake_all(word_.word());
    }
    if ((left & StateWord<>::linked) != 0) {
        continuation_->due(*crew_);
    }
}

bool StateBase::end_finish(std::uint32_t left, bool give_up) noexcept {
    switch (left) {
        case StateWord<>::drop_result:
            return false;
        case StateWord<>::destroy:
            destroy();
            return true;
        default:
            notify(left);
            if (give_up) {
                release();
            }
            return true;
    }
}

Error StateBase::overtaken_error(bool expired) const {
    static_cast<void>(expired);
    return cancelled_error();
}

void StateBase::attach(Continuation& continuation) noexcept {
    continuation_ = &continuation;
    if (!word_.attach()) {
        continuation.due(*crew_);
    }
}

bool StateBase::detach_continuation() noexcept { return word_.detach(); }

}  // namespace repartir::detail
