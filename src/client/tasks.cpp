// SPDX-License-Identifier: MIT
// Which worker runs what, and what is told of it.
#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/in_words.hpp"
#include "client/reactor.hpp"
#include "wire/limits.hpp"
#include "wire/task.hpp"

namespace repartir::client {
namespace {

/// The longest time a worker may claim; a wall time of more says nothing of the next task's.
constexpr base::BootTime run_max = std::chrono::hours(24);

Tail tail_of(const wire::OutputTail& tail) {
    return {tail.offset, std::string(tail.bytes), tail.lost};
}

/// @return whether the end is the machine's fault, not the task's: it could not start it, or its
/// disk did not take what the task wrote.
bool by_machine(const wire::AttemptRecord& report) {
    return report.error && report.error->fault == "node";
}

}  // namespace

/// @return the attempt of which the worker has this lease; nullptr when it has not, or no more.
Reactor::Entry* Reactor::entry_at(const AttemptId& lease, WorkerId worker) {
    Entry* const entry = workers_[worker].here.find(lease.epoch);
    return entry != nullptr && Attempts::same(entry->first, lease) ? entry : nullptr;
}

std::optional<AttemptId> Reactor::lease_of(const AttemptId& id) const {
    const Entry* const found = attempts_.find(id);
    if (found == nullptr || found->first != id) {
        return std::nullopt;
    }
    return found->second.at.transform([&](WorkerId) { return leased(*found); });
}

void Reactor::start(const AttemptId& id, Order&& order, base::BootTime now) {
    now_ = now;
    Entry& entry = attempts_.at(id);
    entry.second.order = std::move(order);
    entry.second.arrival = ++arrival_;
    wait_again(entry);
    to_hand_out_ = true;
}

/// Puts an attempt that is at no worker back in its place in the queue.
void Reactor::wait_again(Entry& entry) {
    Held& held = entry.second;
    held.lease = 0;
    held.level = std::to_underlying(held.order.priority);
    held.at.reset();
    held.got = {};
    held.waits_since = now_;
    give_up_at_ = std::min(give_up_at_, now_ + options_.reach);  // where nobody is up
    waiting_.add(place_of(held), kind_of(held), entry);
}

void Reactor::finish(Entry& entry, Finished&& finished, Outbox& out) {
    Held& held = entry.second;
    if (held.at) {
        const WorkerId at = *held.at;
        workers_[at].in_vain = workers_[at].ask_all = false;
        workers_[at].here.remove(held.lease);
        rank(at, workers_[at]);
    } else {
        stop_waiting(held);
    }
    unwanted_ -= held.unwanted ? 1U : 0U;
    attempts_.erase(finished.attempt);
    ++stats_.finished;
    out.push_back(std::move(finished));
}

/// Ends an attempt of which no worker tells the end.
void Reactor::end_here(Entry& entry, End end, std::optional<Error> why, Outbox& out,
                       std::string_view where) {
    Finished finished;
    finished.attempt = entry.first;
    finished.report.ending = {end, 0};
    if (why) {
        finished.report.error = wire::to_record(*why);
    }
    const auto at = entry.second.at;
    finished.report.where = at ? options_.workers[*at] : where;
    finish(entry, std::move(finished), out);
}

void Reactor::cancel(const AttemptId& id, bool force, base::BootTime now, Outbox& out) {
    now_ = now;
    Entry* const found = attempts_.find(id);
    if (found == nullptr || found->first != id) {
        return;
    }
    Held& held = found->second;
    if (held.at && workers_[*held.at].link == Link::up) {
        held.cancelled = true;
        const AttemptId lease = leased(*found);
        send(*held.at, wire::MessageType::task_cancel,
             codec::fields(std::span<const AttemptId>(&lease, 1), force), out);
        if (!force || workers_[*held.at].detector.ask(now_) == core::Health::alive) {
            return;
        }
    }
    end_here(*found, End::cancelled, std::nullopt, out);
    place(out);
}

/// A worker is away: nobody waits for it to say how ended what was to end.
void Reactor::end_cancelled(Worker& worker, Outbox& out) {
    const Here before = worker.here;
    for (const auto& [epoch, entry] : before.all()) {
        if (entry->second.cancelled) {
            end_here(*entry, End::cancelled, std::nullopt, out);
        }
    }
}

/// A worker's attempts are no more: those that it may have been running end so, charged to the
/// machine; those that it had only queued are run elsewhere.
void Reactor::lose(WorkerId id, Worker& worker, Outbox& out) {
    std::array<std::uint64_t, 3> cores{};  // of what came there before, by priority
    bool any = false;
    settle_unwanted(worker);
    const auto here = std::exchange(worker.here, {});
    for (const auto& [epoch, entry] : here.all()) {
        Held& held = entry->second;
        // Of each priority it begins the oldest first, as many as it has room for.
        std::uint64_t& before = cores[std::to_underlying(held.order.priority)];
        const bool may_have_run =
            before < std::max(worker.site.slots, 1U) || held.got != decltype(held.got){};
        before += held.order.demand.cores;
        wait_again(*entry);
        if (may_have_run) {
            any = true;
            ++stats_.lost;
            end_here(
                *entry, End::not_started,
                Error(Domain::wire, Code::unreachable, Fault::node,
                      "worker '" + options_.workers[id] + "' was lost while it had the task (" +
                          worker.why + "): look at its log"),
                out, options_.workers[id]);
        } else {
            ++stats_.moved;
        }
    }
    if (any) {
        worker.quarantine.failed(now_);
    }
    rank(id, worker);
    set_timer(id, worker);
}

/// @return what a worker that was dialled has not done until now.
std::string Reactor::silence(const Worker& worker, base::BootTime now) {
    const std::string within = " within " + base::in_words(now - worker.dialled_at) + ": ";
    return worker.taken ? "it took the connection, but nothing answered" + within +
                              "see whether the process there is stopped or too busy, and its log"
                        : "no connection was made" + within + "check that machine and the network";
}

std::optional<Error> Reactor::unreachable(base::BootTime now) const {
    if (now - out_of_reach_ < options_.reach) {
        return std::nullopt;
    }
    std::string whom;
    for (WorkerId id = 0; id < workers_.size() && id < 3; ++id) {
        const Worker& worker = workers_[id];
        const bool silent = worker.link == Link::dialling || worker.link == Link::greeting;
        const std::string why = silent && worker.why.empty() ? silence(worker, now) : worker.why;
        whom += (whom.empty() ? "" : ", ") + options_.workers[id];
        whom += why.empty() ? "" : " (" + why + ")";
    }
    return Error(Domain::wire, Code::unreachable, Fault::policy,
                 "no worker could be reached: " + whom + "; start one, or check the addresses");
}

/// No worker in reach could run it.
void Reactor::end_unplaced(Entry& entry, Outbox& out) {
    const Order& order = entry.second.order;
    if (order.function == shaders_) {
        end_here(entry, End::not_started,
                 Error(Domain::gpu, Code::cannot_schedule, Fault::policy,
                       "no worker in reach has a GPU that runs shaders, and the memory for this"
                       " one: start one that has"),
                 out);
        return;
    }
    if (order.function != 0) {  // who has it could run it: a call asks for nothing else
        end_here(
            entry, End::not_started,
            Error(Domain::function, Code::not_found, Fault::user,
                  "no worker in reach has a function '" + *function_names_[order.function - 1] +
                      "': register it at one by that name"),
            out);
        return;
    }
    const core::Demand& demand = order.demand;
    end_here(entry, End::not_started,
             Error(Domain::scheduler, Code::cannot_schedule, Fault::policy,
                   "the task asks for " + std::to_string(demand.cores) + " cores and " +
                       std::to_string(demand.memory_bytes) +
                       " bytes of memory, and no worker in reach has them: start one that has, or "
                       "ask for less"),
             out);
}

/// When no worker can be reached for too long, or none that could run it, what waits ends.
void Reactor::give_up_waiting(Outbox& out) {
    while (!stranded_.empty() && now_ - stranded_.begin()->first.first >= options_.reach) {
        end_unplaced(*stranded_.begin()->second, out);
    }
    if (now_ < give_up_at_) {
        return;
    }
    give_up_at_ = base::never;
    const std::optional<Error> why = unreachable(now_);
    waiting_.each_head([&](Entry& head) {
        const base::BootTime until =
            std::max(head.second.waits_since, out_of_reach_) + options_.reach;
        if (until <= now_) {
            end_here(head, End::not_started, why, out);
        } else {
            give_up_at_ = std::min(give_up_at_, until);
        }
    });
}

/// A worker that comes back says first what it has: what it lacks waits again, and what it has
/// under a lease that is over is ended there.
void Reactor::reconcile(WorkerId id, Worker& worker, const wire::Message& message, Outbox& out) {
    const auto list = wire::decode<wire::Attempts>(message.type, message.body);
    if (!list) {
        hang_up(id, worker, "what it has cannot be read: use the same version on both sides", out);
        return;
    }
    worker.reconciling = false;
    std::set<AttemptId> there;
    std::vector<AttemptId> over;
    static_cast<void>(list->ids.each([&](const AttemptId& lease) {
        if (entry_at(lease, id) != nullptr) {
            there.insert(lease);
        } else {
            over.push_back(lease);
        }
    }));
    const Here before = worker.here;
    for (const auto& [epoch, entry] : before.all()) {
        Held& held = entry->second;
        if (there.contains(leased(*entry))) {
            continue;
        }
        worker.here.remove(held.lease);
        ++stats_.moved;
        wait_again(*entry);
        if (held.cancelled) {  // since it came back: what was before has ended with the link
            end_here(*entry, End::cancelled, std::nullopt, out);
        }
    }
    if (!over.empty()) {
        send(id, wire::MessageType::task_cancel,
             codec::fields(std::span<const AttemptId>(over), true), out);
    }
    rank(id, worker);
    place(out);
}

void Reactor::result(WorkerId id, Worker& worker, const wire::Message& message, Outbox& out) {
    const auto result = wire::decode<wire::TaskResult>(message.type, message.body);
    if (!result) {
        hang_up(id, worker, "a result cannot be read: use the same version on both sides", out);
        return;
    }
    worker.seen.push_back(result->sequence);
    worker.throughput.paused();
    worker.seen_bytes += message.body.size();
    Entry* const entry = entry_at(result->attempt, id);
    if (entry == nullptr) {
        ++stats_.stale;
        return;
    }
    const auto& got = entry->second.got;
    if (result->out.offset > got[0] || result->err.offset > got[1] ||
        result->value.offset > got[2]) {
        hang_up(id, worker, "it left a gap in a task's output", out);
        return;
    }
    if (by_machine(result->report)) {
        worker.quarantine.failed(now_);
    } else {
        worker.quarantine.succeeded(now_);
        worker.prefetch.ran(
            std::clamp(base::BootTime(result->report.wall), base::BootTime(0), run_max));
    }
    finish(*entry,
           Finished{entry->first, result->report, tail_of(result->out), tail_of(result->err),
                    tail_of(result->value), entry->second.lease},
           out);
    to_hand_out_ = true;
}

void Reactor::output(WorkerId id, Worker& worker, const wire::Message& message, Outbox& out) {
    const auto piece = wire::decode<wire::TaskOutput>(message.type, message.body);
    const auto channel = piece ? std::to_underlying(piece->channel) : 0U;
    if (!piece || channel > std::to_underlying(wire::Channel::value) ||
        !worker.output.arrived(piece->bytes.size())) {
        hang_up(id, worker, "it sent output that it had no credit for, or that cannot be read",
                out);
        return;
    }
    worker.output.freed(piece->bytes.size());  // whoever carries Output out keeps it at once
    if (const auto sample = worker.throughput.arrived(
            piece->bytes.size(), piece->bytes.size() >= wire::output_piece_bytes_max, now_)) {
        rate_ = core::smoothed_rate(rate_, *sample);
        count_slots(out);
    }
    Entry* const entry = entry_at(piece->attempt, id);
    if (entry == nullptr) {
        return;
    }
    std::uint64_t& got = entry->second.got[channel];
    if (piece->offset != got && piece->offset != 0) {
        hang_up(id, worker, "it left a gap in a task's output", out);
        return;
    }
    got = piece->offset + piece->bytes.size();
    out.emplace_back(Output{entry->first, piece->channel, piece->offset, piece->bytes, piece->total,
                            entry->second.lease});
}

/// The worker does not take an attempt, or could not read a message.
void Reactor::refused(WorkerId id, Worker& worker, const wire::Message& message, Outbox& out) {
    const auto told = wire::decode<wire::ErrorMessage>(message.type, message.body);
    if (!told || told->attempt == AttemptId()) {
        hang_up(id, worker,
                told ? std::string_view(told->error.sentence) : "it sent what cannot be read", out);
        return;
    }
    if (Entry* const entry = entry_at(told->attempt, id)) {
        end_here(*entry, End::not_started, wire::to_error(told->error), out);
        place(out);
    }
}

}  // namespace repartir::client
