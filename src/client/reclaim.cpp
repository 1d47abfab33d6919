// SPDX-License-Identifier: MIT
// Taking back what has not begun: for a worker that idles, or for somebody else.
#include <algorithm>
#include <ranges>
#include <span>
#include <utility>
#include <vector>

#include "client/reactor.hpp"
#include "wire/messages.hpp"

namespace repartir::client {
/// Brings the order of those that have tasks waiting up to date.
void Reactor::settle_backlogs() {
    for (const WorkerId id : unsettled_) {
        Worker& worker = workers_[id];
        worker.unsettled = false;
        if (!std::exchange(worker.unmatched, true)) {
            unmatched_.push_back(id);
        }
        const bool may =
            worker.link == Link::up && !worker.reclaiming && !worker.in_vain && !worker.reconciling;
        const std::size_t backlog = may ? backlog_of(worker) : 0;
        const std::uint64_t left = load_of(worker, worker.here.size() - (backlog + 1) / 2);
        if (backlog == worker.backlog && (left == worker.left || backlog == 0)) {
            continue;
        }
        backlogs_.erase({worker.left, id});
        worker.backlog = backlog;
        worker.left = left;
        if (backlog != 0) {
            backlogs_.emplace(left, id);
        }
    }
    unsettled_.clear();
}

/// @return how many of the attempts that a worker has are taken to wait there: what does not fit
/// into its slots, or more where it said so, since it runs others' work.
std::size_t Reactor::backlog_of(const Worker& worker) {
    const std::size_t all = worker.here.size();
    return std::max(all - std::min<std::size_t>(all, worker.site.slots),
                    std::min<std::size_t>(all, worker.queued));
}

/// @return what is needed for that.
std::set<Reactor::Kind> Reactor::waiting_at(const Worker& worker) {
    std::set<Kind> kinds;
    for (const auto& [lease, entry] : worker.here.all().last(backlog_of(worker))) {
        kinds.insert(kind_of(entry->second));
    }
    return kinds;
}

/// @return whether a worker that may get more has a slot that is free for it.
bool Reactor::idles(const Worker& worker) {
    return !worker.kept && worker.here.size() < worker.site.slots;
}

/// When a worker idles and nothing waits here that it could run: asks another for half of what
/// waits there. Only those with whom something has changed are looked at, each beside all others:
/// who has much, beside those who idle, the least loaded first; who idles, beside those who have
/// the most.
void Reactor::steal(Outbox& out) {
    const auto idle = [&](const auto& ready) { return idles(workers_[ready.second]); };
    if (ready_.empty() || !idle(*ready_.begin())) {
        return;
    }
    settle_backlogs();
    for (const WorkerId id : std::exchange(unmatched_, {})) {
        Worker& worker = workers_[id];
        worker.unmatched = false;
        if (worker.backlog != 0) {
            const auto less = [&](const auto& to) { return to.first < worker.left; };
            const std::set<Kind> kinds =
                less(*ready_.begin()) ? waiting_at(worker) : std::set<Kind>{};
            static_cast<void>(std::ranges::any_of(
                ready_ | std::views::take_while(less) | std::views::filter(idle),
                [&](const auto& to) { return move_half(id, kinds, to.second, out); }));
        } else if (idles(worker)) {
            const auto more = [&](const auto& from) { return worker.load < from.first; };
            static_cast<void>(std::ranges::any_of(
                backlogs_ | std::views::reverse | std::views::take_while(more),
                [&](const auto& from) {
                    return move_half(from.second, waiting_at(workers_[from.second]), id, out);
                }));
        }
    }
}

/// Asks a worker for half of what waits there, for one that idles. @param kinds what waits
/// @return whether there was any
bool Reactor::move_half(WorkerId from, const std::set<Kind>& kinds, WorkerId to, Outbox& out) {
    const Worker& busy = workers_[from];
    const Worker& idle = workers_[to];
    return !busy.reclaiming &&
           std::ranges::any_of(kinds, [&](const Kind& kind) { return could(idle, kind); }) &&
           ask_back(from, (busy.backlog + 1) / 2, &idle, out) != 0;
}

/// Asks a worker for its newest attempts, unless they have begun; for all, once it says that some
/// wait though the newest did not: then also for what some other idle worker takes, since who knows
/// which of them have begun. @param idle the worker that they are for, which must take them;
/// nullptr: they go back to their owner @return how many
std::uint32_t Reactor::ask_back(WorkerId id, std::size_t most, const Worker* idle, Outbox& out) {
    Worker& worker = workers_[id];
    const bool unwanted = idle == nullptr;
    std::vector<AttemptId> wanted;
    const auto all = worker.here.all();
    const bool any = std::exchange(worker.ask_all, false) && !unwanted;
    const std::size_t last = any ? all.size() : backlog_of(worker);
    const auto less = [&](const auto& other) { return other.first < worker.left; };
    const auto is_wanted = [&](const Held& held) {
        if (unwanted) {
            return held.order.function == 0;
        }
        return takes(*idle, held) ||
               (any &&
                std::ranges::any_of(ready_ | std::views::take_while(less), [&](const auto& other) {
                    const Worker& some = workers_[other.second];
                    return idles(some) && takes(some, held);
                }));
    };
    for (const auto& [lease, entry] : all.last(last) | std::views::reverse) {
        if (wanted.size() == most && !any) {
            break;
        }
        if (is_wanted(entry->second)) {
            entry->second.unwanted = unwanted;
            wanted.push_back(leased(*entry));
        }
    }
    if (wanted.empty()) {
        return 0;
    }
    unwanted_ += unwanted ? static_cast<std::uint32_t>(wanted.size()) : 0;
    worker.reclaiming = true;
    rank(id, worker);
    send(id, wire::MessageType::task_reclaim, codec::fields(std::span<const AttemptId>(wanted)),
         out);
    return static_cast<std::uint32_t>(wanted.size());
}

std::uint32_t Reactor::give_back(std::uint32_t most, base::BootTime now, Outbox& out) {
    now_ = now;
    if (unwanted_ != 0) {
        return 0;
    }
    std::uint32_t returned = 0;
    const auto is_program = [](const Kind& kind) { return kind.first == 0; };
    const Entry* last = nullptr;
    for (; returned < most && (last = waiting_.last_if(is_program)) != nullptr; ++returned) {
        const AttemptId id = last->first;
        stop_waiting(last->second);
        attempts_.erase(id);
        out.emplace_back(Returned{id});
    }
    settle_backlogs();
    std::uint32_t asked = 0;
    for (auto busy = backlogs_.rbegin(); busy != backlogs_.rend() && asked == 0; ++busy) {
        asked = ask_back(busy->second,
                         std::min<std::size_t>(most - returned, workers_[busy->second].backlog),
                         nullptr, out);
    }
    return returned + asked;
}

/// What was asked back of a worker and did not come has begun, or is lost with it.
void Reactor::settle_unwanted(Worker& worker) {
    for (const auto& [lease, entry] : worker.here.all()) {
        unwanted_ -= std::exchange(entry->second.unwanted, false) ? 1U : 0U;
    }
}

void Reactor::reclaimed(WorkerId id, Worker& worker, const wire::Message& message, Outbox& out) {
    worker.reclaiming = false;
    const auto list = wire::decode<wire::Attempts>(message.type, message.body);
    if (!list) {
        return;
    }
    // all that it has has begun, or ended and waits for the way: to ask again at once is in vain
    // too
    worker.in_vain = list->ids.size() == 0;
    static_cast<void>(list->ids.each([&](const AttemptId& attempt) {
        Entry* const entry = entry_at(attempt, id);
        if (entry == nullptr) {
            return;
        }
        const AttemptId own = entry->first;
        Held& held = entry->second;
        worker.here.remove(held.lease);
        ++stats_.moved;
        const bool unwanted = std::exchange(held.unwanted, false);
        unwanted_ -= unwanted ? 1U : 0U;
        wait_again(*entry);
        if (held.cancelled) {
            end_here(*entry, End::cancelled, std::nullopt, out);
        } else if (unwanted) {
            stop_waiting(held);
            attempts_.erase(own);
            out.emplace_back(Returned{own});
        }
    }));
    settle_unwanted(worker);
    rank(id, worker);
    place(out);
}

}  // namespace repartir::client
