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
namespace {

/// So many pairs are looked at of a worker that idles and one at which something waits.
constexpr std::size_t tries_max = 16;

}  // namespace

/// Brings the order of those that have tasks waiting up to date.
void Reactor::settle_backlogs() {
    for (const WorkerId id : unsettled_) {
        Worker& worker = workers_[id];
        worker.unsettled = false;
        const std::size_t busy = std::min<std::size_t>(worker.here.size(), worker.site.slots);
        const bool may =
            worker.link == Link::up && !worker.reclaiming && !worker.in_vain && !worker.reconciling;
        const std::size_t backlog = may ? worker.here.size() - busy : 0;
        if (backlog != worker.backlog) {
            backlogs_.erase({worker.backlog, id});
            worker.backlog = backlog;
            if (backlog != 0) {
                backlogs_.emplace(backlog, id);
            }
        }
    }
    unsettled_.clear();
}

/// When a worker idles and nothing waits here that it could run: asks another for half of what
/// waits there, the one with the longest queue first.
void Reactor::steal(Outbox& out) {
    if (cut_short_ || ready_.empty()) {
        return;
    }
    const Worker& first = workers_[ready_.begin()->second];
    if (first.here.size() >= first.site.slots) {
        return;
    }
    settle_backlogs();
    std::size_t tries = tries_max;
    for (const auto& [backlog, id] : backlogs_ | std::views::reverse) {
        const Worker& busy = workers_[id];
        const std::size_t half = (backlog + 1) / 2;
        const std::uint64_t left = load_of(busy, busy.here.size() - half);
        for (const auto& [load, to] : ready_) {
            if (load >= left) {
                break;  // who has more to do than that one is left with would get nothing
            }
            if (tries-- == 0) {
                return;
            }
            const Worker& idle = workers_[to];
            if (idle.here.size() < idle.site.slots && idle.kept_in != pass_ &&
                ask_back(id, half, &idle, out) != 0) {
                return;
            }
        }
    }
}

/// Asks a worker for its newest attempts, unless they have begun. @param idle the worker that they
/// are for, which must take them; nullptr: they go back to their owner @return how many
std::uint32_t Reactor::ask_back(WorkerId id, std::size_t most, const Worker* idle, Outbox& out) {
    Worker& worker = workers_[id];
    const bool unwanted = idle == nullptr;
    std::vector<AttemptId> wanted;
    const auto all = worker.here.all();
    const std::size_t waiting = all.size() - std::min<std::size_t>(all.size(), worker.site.slots);
    for (const auto& [lease, entry] : all.last(waiting) | std::views::reverse) {
        if (wanted.size() == most) {
            break;
        }
        if (unwanted || takes(*idle, entry->second)) {
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
    for (; returned < most && waiting_.size() != 0; ++returned) {
        const Entry& last = *waiting_.last();
        const AttemptId id = last.first;
        stop_waiting(last.second);
        attempts_.erase(id);
        out.emplace_back(Returned{id});
    }
    settle_backlogs();
    if (!backlogs_.empty()) {
        const auto [backlog, id] = *backlogs_.rbegin();
        returned += ask_back(id, std::min<std::size_t>(most - returned, backlog), nullptr, out);
    }
    return returned;
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
