// SPDX-License-Identifier: MIT
// Which worker runs what, and what is told of it.
#include <algorithm>
#include <iterator>
#include <set>
#include <span>
#include <utility>

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

/// @return whether the end is the machine's fault, not the task's.
bool by_machine(const wire::AttemptRecord& report) {
    return report.ending.end == End::not_started && report.error && report.error->fault == "node";
}

}  // namespace

/// @return the attempt of which the worker has this lease; nullptr when it has not, or no more.
Reactor::Entry* Reactor::entry_at(const AttemptId& lease, WorkerId worker) {
    const auto known = leases_.find(lease);
    if (known == leases_.end()) {
        return nullptr;
    }
    Entry& entry = *attempts_.find(known->second);
    return entry.second.at == worker ? &entry : nullptr;
}

std::optional<AttemptId> Reactor::lease_of(const AttemptId& id) const {
    const auto found = attempts_.find(id);
    return found != attempts_.end() && found->second.at ? std::optional(leased(id, found->second))
                                                        : std::nullopt;
}

/// Brings what is counted of a worker up to date.
void Reactor::count(Worker& worker) {
    const bool up = worker.link == Link::up;
    const bool counts = worker.welcomed && !worker.draining && (up || !worker.here.empty());
    const std::uint32_t slots = counts ? worker.site.slots : 0;
    slots_sum_ = slots_sum_ - worker.counted_slots + slots;
    if (worker.counted_slots != slots) {
        worker.counted_slots = slots;
        largest_ = std::ranges::max(workers_, {}, &Worker::counted_slots).counted_slots;
    }
    const std::uint32_t window = counts ? std::max(worker.prefetch.tasks(), slots) : 0;
    window_sum_ = window_sum_ - worker.counted_window + window;
    worker.counted_window = window;
    up_ = up_ - (worker.counted_up ? 1 : 0) + (up ? 1 : 0);
    worker.counted_up = up;
}

/// Brings a worker's place among those that may get more up to date.
void Reactor::rank(WorkerId id, Worker& worker) {
    count(worker);
    std::uint64_t load = not_ready;
    if (worker.link == Link::up && !worker.reconciling && !worker.draining &&
        worker.site.slots != 0 && worker.detector.ask(now_) == core::Health::alive) {
        const core::Standing standing = worker.quarantine.ask(now_);
        const std::size_t most = standing == core::Standing::good        ? worker.prefetch.tasks()
                                 : standing == core::Standing::probation ? 1
                                                                         : 0;
        if (worker.here.size() < most && worker.tasks.left() != 0) {
            load = (std::uint64_t{worker.here.size()} << 20U) / worker.site.slots;
        }
    }
    const std::size_t busy = std::min<std::size_t>(worker.here.size(), worker.site.slots);
    const std::size_t backlog = worker.link == Link::up && !worker.reclaiming && !worker.reconciling
                                    ? worker.here.size() - busy
                                    : 0;
    if (backlog != worker.backlog) {
        backlogs_.erase({worker.backlog, id});
        worker.backlog = backlog;
        if (backlog != 0) {
            backlogs_.emplace(backlog, id);
        }
    }
    if (load != worker.load) {
        ready_.erase({worker.load, id});
        worker.load = load;
        if (load != not_ready) {
            ready_.emplace(load, id);
        }
    }
}

void Reactor::start(const AttemptId& id, Order&& order, base::BootTime now, Outbox& out) {
    now_ = now;
    Held& held = attempts_[id];
    held.order = std::move(order);
    held.arrival = ++arrival_;
    wait_again(id, held);
    place(out);
}

/// Puts an attempt that is at no worker back in its place in the queue.
void Reactor::wait_again(const AttemptId& id, Held& held) {
    leases_.erase(leased(id, held));
    held.at.reset();
    held.got = {};
    held.waits_since = now_;
    (held.order.high ? high_ : normal_).emplace(held.arrival, id);
}

/// @return the least loaded worker that can ever run it and may get it now.
std::optional<WorkerId> Reactor::choose(const Held& held) const {
    for (const auto& [load, id] : ready_) {
        const Worker& worker = workers_[id];
        if (worker.input.left() >= held.order.task.size() &&
            core::eligible(held.order.demand, std::span<const core::Site>(&worker.site, 1)) != 0) {
            return id;
        }
    }
    return std::nullopt;
}

/// Hands out what waits, the oldest first, one message for each worker.
void Reactor::place(Outbox& out) {
    std::map<WorkerId, std::vector<AttemptId>> batches;
    while (!ready_.empty() && (!high_.empty() || !normal_.empty())) {
        auto& lane = high_.empty() ? normal_ : high_;
        const AttemptId id = lane.begin()->second;
        Held& held = attempts_.find(id)->second;
        const std::optional<WorkerId> chosen = choose(held);
        if (!chosen) {
            break;
        }
        lane.erase(lane.begin());
        Worker& worker = workers_[*chosen];
        held.at = chosen;
        held.lease = ++lease_;
        wire::set_epoch(held.order.task, held.lease);
        leases_.emplace(leased(id, held), id);
        worker.here.emplace(held.arrival, id);
        static_cast<void>(worker.tasks.take(1));
        static_cast<void>(worker.input.take(held.order.task.size()));
        batches[*chosen].push_back(id);
        rank(*chosen, worker);
    }
    for (const auto& [worker, ids] : batches) {
        submit(worker, ids, out);
        set_timer(worker, workers_[worker]);
    }
    steal(out);
    count_slots(out);
}

void Reactor::submit(WorkerId id, const std::vector<AttemptId>& ids, Outbox& out) {
    for (std::size_t at = 0; at < ids.size();) {
        std::vector<std::string_view> tasks;
        std::size_t bytes = 0;
        for (; at < ids.size() && tasks.size() < wire::batch_max; ++at) {
            const std::string_view task = attempts_.find(ids[at])->second.order.task;
            if (!tasks.empty() && bytes + task.size() > wire::frame_body_bytes_max) {
                break;
            }
            bytes += task.size();
            tasks.push_back(task);
        }
        stats_.sent += tasks.size();
        send(id, wire::MessageType::task_submit,
             codec::fields(std::span<const std::string_view>(tasks)), out);
    }
}

void Reactor::finish(const AttemptId& id, Finished&& finished, Outbox& out) {
    const auto found = attempts_.find(id);
    Held& held = found->second;
    if (held.at) {
        const WorkerId at = *held.at;
        workers_[at].here.erase(held.arrival);
        rank(at, workers_[at]);
    } else {
        (held.order.high ? high_ : normal_).erase(held.arrival);
    }
    unwanted_ -= held.unwanted ? 1U : 0U;
    leases_.erase(leased(id, held));
    attempts_.erase(found);
    ++stats_.finished;
    out.push_back(std::move(finished));
}

/// Ends an attempt of which no worker tells the end.
void Reactor::end_here(const AttemptId& id, End end, std::optional<Error> why, Outbox& out) {
    Finished finished;
    finished.attempt = id;
    finished.report.ending = {end, 0};
    if (why) {
        finished.report.error = wire::to_record(*why);
    }
    const Held& held = attempts_.find(id)->second;
    if (held.at) {
        finished.report.where = options_.workers[*held.at];
    }
    finish(id, std::move(finished), out);
}

void Reactor::cancel(const AttemptId& id, bool force, base::BootTime now, Outbox& out) {
    now_ = now;
    const auto found = attempts_.find(id);
    if (found == attempts_.end()) {
        return;
    }
    Held& held = found->second;
    if (held.at && workers_[*held.at].link == Link::up) {
        held.cancelled = true;  // where it is not known yet whether it is there, it is told then
        const AttemptId lease = leased(id, held);
        send(*held.at, wire::MessageType::task_cancel,
             codec::fields(std::span<const AttemptId>(&lease, 1), force), out);
        return;
    }
    end_here(id, End::cancelled, std::nullopt, out);
    place(out);
}

/// A worker's attempts are no more: those that it may have been running end so, charged to the
/// machine; those that it had only queued are run elsewhere.
void Reactor::lose(WorkerId id, Worker& worker, Outbox& out) {
    std::uint64_t cores = 0;
    bool any = false;
    settle_unwanted(worker);
    const auto here = std::exchange(worker.here, {});
    for (const auto& [arrival, attempt] : here) {
        Held& held = attempts_.find(attempt)->second;
        // it runs the oldest first, as many as it has room for
        const bool may_have_run = cores < std::max(worker.site.slots, 1U);
        cores += held.order.demand.cores;
        wait_again(attempt, held);
        if (held.cancelled) {
            end_here(attempt, End::cancelled, std::nullopt, out);
        } else if (may_have_run) {
            any = true;
            ++stats_.lost;
            end_here(
                attempt, End::not_started,
                Error(Domain::wire, Code::unreachable, Fault::node,
                      "worker '" + options_.workers[id] + "' was lost while it had the task (" +
                          worker.why + "): look at its log; the task is run again elsewhere"),
                out);
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

std::optional<Error> Reactor::unreachable(base::BootTime now) const {
    if (out_of_reach_ == base::BootTime::max() || now - out_of_reach_ < options_.reach) {
        return std::nullopt;
    }
    std::string whom;
    for (WorkerId id = 0; id < workers_.size() && id < 3; ++id) {
        whom += (whom.empty() ? "" : ", ") + options_.workers[id];
        whom += workers_[id].why.empty() ? "" : " (" + workers_[id].why + ")";
    }
    return Error(Domain::wire, Code::unreachable, Fault::policy,
                 "no worker could be reached: " + whom + "; start one, or check the addresses");
}

/// When no worker can be reached for too long, what waits ends.
void Reactor::give_up_waiting(Outbox& out) {
    const std::optional<Error> why = unreachable(now_);
    if (!why) {
        return;
    }
    for (auto* lane : {&high_, &normal_}) {
        while (!lane->empty()) {
            const AttemptId id = lane->begin()->second;
            if (now_ - attempts_.find(id)->second.waits_since < options_.reach) {
                break;
            }
            end_here(id, End::not_started, why, out);
        }
    }
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
    std::vector<AttemptId> cancelled;
    for (const auto& [arrival, attempt] : std::map(worker.here)) {
        Held& held = attempts_.find(attempt)->second;
        const AttemptId lease = leased(attempt, held);
        if (there.contains(lease)) {
            if (held.cancelled) {
                cancelled.push_back(lease);
            }
            continue;
        }
        worker.here.erase(arrival);
        ++stats_.moved;
        wait_again(attempt, held);
        if (held.cancelled) {
            end_here(attempt, End::cancelled, std::nullopt, out);
        }
    }
    for (const auto& [ids, force] : {std::pair(&over, true), std::pair(&cancelled, false)}) {
        if (!ids->empty()) {
            send(id, wire::MessageType::task_cancel,
                 codec::fields(std::span<const AttemptId>(*ids), force), out);
        }
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
    const Entry* const entry = entry_at(result->attempt, id);
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
    const AttemptId attempt = entry->first;
    finish(attempt,
           Finished{attempt, result->report, tail_of(result->out), tail_of(result->err),
                    tail_of(result->value)},
           out);
    place(out);
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
    out.emplace_back(
        Output{entry->first, piece->channel, piece->offset, std::string(piece->bytes)});
}

/// The worker does not take an attempt, or could not read a message.
void Reactor::refused(WorkerId id, Worker& worker, const wire::Message& message, Outbox& out) {
    const auto told = wire::decode<wire::ErrorMessage>(message.type, message.body);
    if (!told || told->attempt == AttemptId()) {
        hang_up(id, worker,
                told ? std::string_view(told->error.sentence) : "it sent what cannot be read", out);
        return;
    }
    if (const Entry* const entry = entry_at(told->attempt, id)) {
        end_here(AttemptId(entry->first), End::not_started, wire::to_error(told->error), out);
        place(out);
    }
}

}  // namespace repartir::client
