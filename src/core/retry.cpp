// SPDX-License-Identifier: MIT
#include "core/retry.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace repartir::core {
namespace {

bool listed(const std::vector<int>& list, int value) {
    return std::find(list.begin(), list.end(), value) != list.end();
}

Charge charge_failed_start(const Attempt& attempt) noexcept {
    if (!attempt.error) {
        return Charge::none;
    }
    switch (attempt.error->fault()) {
        case Fault::system:
            return Charge::start;
        case Fault::node:
            return Charge::node;
        case Fault::task:
            return Charge::task;
        case Fault::user:
        case Fault::policy:
            return Charge::none;
    }
    return Charge::none;
}

}  // namespace

Charge charge(const Attempt& attempt, const RetryPolicy& policy) noexcept {
    const bool any = policy.exit_codes.empty() && policy.signals.empty();
    const Ending& ending = attempt.ending;
    switch (ending.end) {
        case End::exited:
            if (ending.code == 0) {
                return Charge::none;
            }
            return any || listed(policy.exit_codes, ending.code) ? Charge::task : Charge::none;
        case End::signaled:
            return any || listed(policy.signals, ending.code) ? Charge::task : Charge::none;
        case End::timed_out:
        case End::out_of_memory:
        case End::output_lost:
        case End::device_failed:
            return any ? Charge::task : Charge::none;
        case End::cancelled:
            return Charge::none;
        case End::not_started:
            return charge_failed_start(attempt);
    }
    return Charge::none;
}

base::BootTime backoff_delay(const Backoff& backoff, std::uint32_t retry,
                             base::Prng& random) noexcept {
    constexpr std::int64_t ns_per_ms = 1'000'000;
    const std::int64_t max_ms =
        std::clamp<std::int64_t>(backoff.max.count(), 0, INT64_MAX / ns_per_ms);
    std::int64_t ceiling_ms = std::clamp<std::int64_t>(backoff.initial.count(), 0, max_ms);
    for (std::uint32_t doubled = 1; doubled < retry && ceiling_ms != 0 && ceiling_ms < max_ms;
         ++doubled) {
        ceiling_ms = ceiling_ms > max_ms / 2 ? max_ms : ceiling_ms * 2;
    }
    const std::int64_t ceiling = ceiling_ms * ns_per_ms;
    if (!backoff.jitter || ceiling == 0) {
        return base::BootTime(ceiling);
    }
    const auto bound = static_cast<std::uint64_t>(ceiling) + 1;
    return base::BootTime(static_cast<std::int64_t>(random.below(bound)));
}

Error poison(std::span<const Attempt> attempts) {
    const auto by_machine = [](const Attempt& attempt) {
        return attempt.error && attempt.error->fault() == Fault::node;
    };
    const bool died = std::ranges::all_of(attempts, [&](const Attempt& attempt) {
        return !by_machine(attempt) || attempt.error->code() == Code::unreachable;
    });
    const std::string times = std::to_string(std::ranges::count_if(attempts, by_machine));
    return Error(Domain::scheduler, Code::poisoned, Fault::task,
                 (died ? "the task was running on " + times + " workers that died"
                       : "whoever had the task failed " + times + " times") +
                     ": it is not tried again; find out whether it brings them down",
                 *attempts.back().error);
}

std::optional<base::BootTime> RetryBudget::book(const Attempt& attempt, const RetryPolicy& policy,
                                                base::Prng& random) noexcept {
    std::uint32_t* used = nullptr;
    std::uint32_t allowed = 0;
    switch (charge(attempt, policy)) {
        case Charge::none:
            return std::nullopt;
        case Charge::task:
            used = &own_, allowed = policy.max_retries;
            break;
        case Charge::start:
            used = &starts_, allowed = policy.max_start_retries;
            break;
        case Charge::node:
            if (nodes_ + 1 >= crash_limit) {
                nodes_ = crash_limit;
                return std::nullopt;
            }
            used = &nodes_, allowed = crash_limit - 1;
            break;
    }
    if (*used >= allowed) {
        return std::nullopt;
    }
    ++*used;
    return backoff_delay(policy.backoff, *used, random);
}

}  // namespace repartir::core
