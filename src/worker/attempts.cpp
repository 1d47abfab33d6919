// SPDX-License-Identifier: MIT
// What becomes of tasks: from their arrival to the acknowledgement of their results.
#include <algorithm>
#include <limits>
#include <utility>

#include "core/turns.hpp"
#include "wire/dispatch.hpp"
#include "wire/limits.hpp"
#include "worker/reactor.hpp"

namespace repartir::worker {
namespace {

/// The first field of a task, for when the rest cannot be read.
struct AttemptOnly {
    AttemptId attempt;
    static constexpr auto codec_fields = std::tuple(&AttemptOnly::attempt);
};

AttemptId attempt_of(std::string_view task) {
    AttemptOnly only;
    static_cast<void>(codec::decode(task, only));  // all zero unless all of it is there
    return only.attempt;
}

core::Demand demand_of(const wire::TaskView& view) {
    core::Demand demand;
    demand.cores = std::max(view.cores, 1U);  // what takes no room would run without bound
    demand.memory_bytes = view.memory_bytes;
    demand.cgroup_limits = view.extras && (view.extras->limits.resident_bytes.has_value() ||
                                           view.extras->limits.processes.has_value());
    if (view.work == wire::Work::function && view.program.second == wire::shader_function) {
        demand.shader = true;
        demand.backend = Backend::cpu;  // its memory is this machine's; it needs no core of it
        demand.cores = 0;
    }
    return demand;
}

Error stale_error() {
    return Error(Domain::wire, Code::invalid_argument, Fault::policy,
                 "a later attempt of this task is here: this one is superseded and was not run");
}

Error foreign_error() {
    return Error(Domain::wire, Code::invalid_argument, Fault::policy,
                 "an attempt of this id belongs to another session: it was not taken");
}

Error unknown_function(const std::string& worker, std::string_view name) {
    if (name == wire::shader_function) {
        return Error(Domain::gpu, Code::cannot_schedule, Fault::user,
                     "worker '" + worker + "' has no GPU that runs shaders");
    }
    return Error(Domain::function, Code::not_found, Fault::user,
                 "worker '" + worker + "' has no function '" + std::string(name) +
                     "': register it there by that name");
}

}  // namespace

std::pair<Reactor::Session*, Reactor::Held*> Reactor::find(const AttemptId& id) {
    const auto owner = owners_.find(id);
    if (owner == owners_.end()) {
        return {nullptr, nullptr};
    }
    Session& session = sessions_.find(owner->second)->second;
    return {&session, &session.attempts.find(id)->second};
}

void Reactor::submit(ConnectionId id, const wire::Message& message, Outbox& out) {
    const auto tasks = wire::decode<wire::TaskSubmit>(message.type, message.body);
    if (!tasks || tasks->tasks.size() > wire::batch_max) {
        complain(id, message.correlation, {},
                 tasks ? codec::malformed("task_submit", codec::Problem::excess) : tasks.error(),
                 out);
        return;
    }
    std::vector<AttemptId> returned;
    bool welcome = true;
    static_cast<void>(tasks->tasks.each([&](std::string_view bytes) {
        welcome = welcome && take_task(id, message.correlation, bytes, returned, out);
    }));
    if (!welcome) {
        refuse(id, wire::Parting::failed,
               "it sent more than it had credit for: use the same version on both sides", out);
        start_next(out);  // what it had credit for
        return;
    }
    owed_.insert(id);
    send_ids(id, wire::MessageType::task_reclaimed, message.correlation, returned, out);
    start_next(out);
    grant(session_of(id), out);
}

/// @return whether the peer keeps to its credit.
bool Reactor::take_task(ConnectionId id, std::uint64_t correlation, std::string_view bytes,
                        std::vector<AttemptId>& returned, Outbox& out) {
    Connection& connection = connections_.find(id)->second;
    const wire::Instance& name = connection.session;
    Session& session = sessions_.find(name)->second;
    const Result<void> whole = wire::read_task(bytes, view_);
    const AttemptId attempt = attempt_of(bytes);
    const auto accept = [&] {
        connection.accepted.push_back(attempt);
        connection.asked = correlation;
    };
    const Session* const holder = find(attempt).first;
    if (holder == &session) {
        ++stats_.repeated;
        accept();
        return true;
    }
    if (!session.tasks.arrived(1) || !session.input.arrived(bytes.size())) {
        return false;
    }
    const bool fresh = fenced(session, attempt, out);
    if (whole && fresh && holder == nullptr && !orphans_.contains(attempt) &&
        !busy_.contains(attempt)) {
        if (draining_) {
            returned.push_back(attempt);
        } else {
            accept();
            admit(session, name, view_, bytes, out);
            return true;
        }
    } else {
        complain(id, correlation, attempt,
                 !whole   ? whole.error()
                 : !fresh ? stale_error()
                          : foreign_error(),
                 out);
    }
    session.tasks.freed(1);
    session.input.freed(bytes.size());
    return true;
}

void Reactor::flush(Outbox& out) {
    for (const ConnectionId id : owed_) {
        Connection& connection = connections_.at(id);
        std::erase_if(connection.accepted, [this](const AttemptId& attempt) {
            const Held* const held = find(attempt).second;
            return held == nullptr || held->result_sent;
        });
        send_ids(id, wire::MessageType::task_accepted, connection.asked, connection.accepted, out);
        connection.accepted.clear();
    }
    owed_.clear();
}

/// Ends what an attempt supersedes: a session has one attempt of a task at most, and one issuer of
/// epochs. @return whether it is the latest of its task itself.
bool Reactor::fenced(Session& session, const AttemptId& id, Outbox& out) {
    const auto found = session.attempts.find(id.task);
    if (found == session.attempts.end()) {
        return true;
    }
    const AttemptId older = found->first;
    if (older.epoch >= id.epoch) {
        ++stats_.stale;
        return false;
    }
    Held& held = found->second;
    if (held.phase == Phase::queued) {
        leave_queue(session, held);
    } else if (held.phase == Phase::running) {
        orphans_.emplace(older, held.demand);
        out.emplace_back(Stop{older, true});
        held.begun = false;  // its output is forgotten when it ends
    }
    forget(session, older, out);
    pump_all(session, out);
    return true;
}

/// Queues an attempt, or ends it at once where it can never run here.
void Reactor::admit(Session& session, const wire::Instance& name, const wire::TaskView& view,
                    std::string_view bytes, Outbox& out) {
    ++stats_.accepted;
    const AttemptId& id = view.attempt;
    owners_.emplace(id, name);
    Held& held = session.attempts[id];
    held.stream = view.stream;
    held.priority = view.priority;
    held.demand = demand_of(view);
    const std::span<const core::Site> sites(&options_.site, 1);
    const auto function = std::ranges::find(options_.functions, view.program.second);
    const bool known = view.work == wire::Work::programs || function != options_.functions.end();
    if (!known || core::eligible(held.demand, sites) == 0) {
        session.input.freed(bytes.size());
        end_early(session, id, held, repartir::End::not_started,
                  known ? Error(Domain::scheduler, Code::cannot_schedule, Fault::user,
                                core::why_never(held.demand, sites))
                        : unknown_function(options_.name, view.program.second),
                  out);
        return;
    }
    if (view.work == wire::Work::function) {
        held.function = static_cast<std::size_t>(function - options_.functions.begin());
    }
    held.task = bytes;
    held.arrival = ++arrival_;
    queue_of(held).emplace(std::pair(held.priority, held.arrival), id);
    ++session.queued;
}

/// Shaders need no core, and programs no GPU: none of them waits for the other.
Reactor::Queue& Reactor::queue_of(const Held& held) noexcept {
    return held.demand.shader ? shaders_ : queue_;
}

/// @return the task
std::string Reactor::leave_queue(Session& session, Held& held) {
    queue_of(held).erase({held.priority, held.arrival});
    --session.queued;
    session.input.freed(held.task.size());
    return std::exchange(held.task, {});
}

/// Handing a function to a thread, and its result back, costs more than one that is short takes. So
/// as many wait at the threads, without a slot, as are run in a moment: too little to be missed by
/// a worker that idles. @return whether this one may.
bool Reactor::runs_ahead(const Held& held) const {
    constexpr std::int64_t moment = 200'000;  // ns
    constexpr std::int64_t most = 256;        // for each slot
    if (!held.function || held.demand.cores != 1 || held.demand.memory_bytes != 0) {
        return false;
    }
    const base::BootTime run = run_times_[*held.function];
    if (run < base::BootTime(0)) {
        return false;
    }
    const std::int64_t each = std::min(most, moment / std::max(run.count(), std::int64_t{1}));
    return ahead_ < each * options_.site.slots;
}

/// A function ran so long here.
void Reactor::learn(const Held& held, const wire::AttemptRecord& report) {
    if (held.function && report.ending.end == repartir::End::exited) {
        base::BootTime& run = run_times_[*held.function];
        const base::BootTime now =
            wire::bounded(report.wall, base::BootTime(0), wire::duration_max);
        const bool first = run < base::BootTime(0);
        run = first ? now : run + (now - run) / 8;
    }
}

/// What an attempt had of the worker is free, unless it runs on.
void Reactor::release(const AttemptId& id, const core::Demand& demand, bool busy) {
    if (busy) {
        busy_.emplace(id, demand);
    } else {
        release(demand);
    }
}

/// What an attempt had of the worker is free.
void Reactor::release(const core::Demand& demand) {
    if (demand.shader) {
        --gpu_tasks_;
    } else if (demand.cores == 0) {
        --ahead_;
    }
    core::give_back(demand, site_);
}

/// Books what an attempt takes of the worker. @return whether there was room for it.
bool Reactor::book(Held& held) {
    const bool fits = core::place(held.demand, 1, std::span<const core::Site>(&site_, 1)) &&
                      (!held.demand.shader || gpu_tasks_ < options_.gpu_tasks_max);
    if (fits) {
        core::take(held.demand, site_);
        gpu_tasks_ += held.demand.shader ? 1U : 0U;
    } else if (runs_ahead(held)) {
        held.demand.cores = 0;
        ++ahead_;
    } else {
        return false;
    }
    return true;
}

void Reactor::start_next(Outbox& out) {
    start_next(queue_, out);
    start_next(shaders_, out);
}

void Reactor::start_next(Queue& queue, Outbox& out) {
    while (!queue.empty()) {
        const AttemptId id = queue.begin()->second;
        const auto [session, held] = find(id);
        if (!book(*held)) {
            return;  // the oldest waits for room, and the others behind it, so that it gets some
        }
        held->phase = Phase::running;
        held->begun = true;
        ++running_;
        out.emplace_back(Start{id, leave_queue(*session, *held)});
        grant(*session, out);
        if (const std::optional<Priority> turn = core::turn_after(++starts_)) {
            put_first(queue, *turn);
        }
    }
}

/// The oldest that waits of that priority goes before all that came later.
void Reactor::put_first(Queue& queue, Priority priority) {
    const auto oldest = queue.lower_bound({priority, 0});
    if (oldest != queue.end() && oldest->first.first == priority) {
        find(oldest->second).second->priority = Priority::high;
        auto node = queue.extract(oldest);
        node.key().first = Priority::high;
        queue.insert(std::move(node));
    }
}

void Reactor::freed(const AttemptId& id, base::BootTime now, Outbox& out) {
    now_ = now;
    const auto found = busy_.find(id);
    release(found->second);
    busy_.erase(found);
    start_next(out);
}

void Reactor::finished(const AttemptId& id, Ended&& ended, base::BootTime now, Outbox& out,
                       bool busy) {
    now_ = now;
    ++stats_.finished;
    --running_;
    if (const auto orphan = orphans_.find(id); orphan != orphans_.end()) {
        release(id, orphan->second, busy);
        orphans_.erase(orphan);
        out.emplace_back(Forget{id});
    } else {
        const auto [session, held] = find(id);
        release(id, held->demand, busy);
        learn(*held, ended.report);
        if (held->returned) {
            if (session->connection != 0) {
                send_ids(session->connection, wire::MessageType::task_reclaimed, ++asked_, {id},
                         out);
            }
            ++stats_.reclaimed;
            forget(*session, id, out);
            pump_all(*session, out);
        } else {
            end(*session, id, *held, std::move(ended), out);
        }
    }
    start_next(out);
}

/// Ends an attempt that was never started.
void Reactor::end_early(Session& session, const AttemptId& id, Held& held, repartir::End how,
                        std::optional<Error> why, Outbox& out) {
    Ended ended;
    ended.report.ending = {how, 0};
    if (why) {
        ended.report.error = wire::to_record(*why);
    }
    ended.report.where = options_.name;
    end(session, id, held, std::move(ended), out);
}

void Reactor::forget(Session& session, const AttemptId& id, Outbox& out) {
    const auto found = session.attempts.find(id);
    if (found->second.begun) {
        out.emplace_back(Forget{id});
    }
    for (const Flow& flow : found->second.flows) {
        session.output.grant(flow.reading);  // and not sent
    }
    session.results.erase(found->second.sequence);
    session.attempts.erase(found);
    owners_.erase(id);
    session.tasks.freed(1);
}

void Reactor::cancel(ConnectionId id, const wire::Message& message, Outbox& out) {
    const auto wanted = wire::decode<wire::Cancel>(message.type, message.body);
    if (!wanted) {
        complain(id, message.correlation, {}, wanted.error(), out);
        return;
    }
    Session& session = session_of(id);
    static_cast<void>(wanted->ids.each([&](const AttemptId& attempt) {
        const auto [owner, held] = find(attempt);
        if (owner != &session) {
            return;
        }
        if (held->phase == Phase::queued) {
            leave_queue(session, *held);
            end_early(session, attempt, *held, repartir::End::cancelled, std::nullopt, out);
        } else if (held->phase == Phase::running) {
            out.emplace_back(Stop{attempt, wanted->force});
        } else {
            cut_value(session, attempt, *held, out);
        }
    }));
    start_next(out);
    grant(session, out);
}

void Reactor::reclaim(ConnectionId id, const wire::Message& message, Outbox& out) {
    const auto wanted = wire::decode<wire::Attempts>(message.type, message.body);
    if (!wanted) {
        complain(id, message.correlation, {}, wanted.error(), out);
        return;
    }
    Session& session = session_of(id);
    std::vector<AttemptId> returned;
    static_cast<void>(wanted->ids.each([&](const AttemptId& attempt) {
        const auto [owner, held] = find(attempt);
        if (owner == &session && held->phase == Phase::queued) {
            leave_queue(session, *held);
            forget(session, attempt, out);
            returned.push_back(attempt);
        }
    }));
    stats_.reclaimed += returned.size();
    send(id, wire::MessageType::task_reclaimed, message.correlation,
         codec::fields(std::span<const AttemptId>(returned)), out);
    start_next(out);
    grant(session, out);
}

/// Gives all that waits back to its sessions.
void Reactor::return_queued(Outbox& out) {
    for (auto& [name, session] : sessions_) {
        std::vector<AttemptId> returned;
        for (auto& [id, held] : session.attempts) {
            if (held.phase == Phase::queued) {
                leave_queue(session, held);
                returned.push_back(id);
            }
        }
        for (const AttemptId& id : returned) {
            forget(session, id, out);
        }
        stats_.reclaimed += returned.size();
        if (session.connection != 0) {
            send_ids(session.connection, wire::MessageType::task_reclaimed, ++asked_, returned,
                     out);
        }
    }
}

void Reactor::credit(ConnectionId id, const wire::Message& message, Outbox& out) {
    const auto more = wire::decode<wire::Credit>(message.type, message.body);
    if (!more) {
        complain(id, message.correlation, {}, more.error(), out);
        return;
    }
    Session& session = session_of(id);
    static_cast<void>(more->results.each([&](std::uint64_t sequence) {
        const auto found = session.results.find(sequence);
        if (found == session.results.end()) {
            return;
        }
        const AttemptId attempt = found->second;
        if (session.attempts.find(attempt)->second.result_sent) {
            forget(session, attempt, out);
        }
    }));
    allow(session, more->output_bytes, out);
    grant(session, out);
}

/// Lets the session send more, where that is worth a message.
void Reactor::grant(Session& session, Outbox& out) {
    if (session.connection == 0 || draining_) {
        return;
    }
    wire::Credit more;
    more.tasks = static_cast<std::uint32_t>(session.tasks.due());
    more.input_bytes = session.input.due();
    if (more.tasks != 0 || more.input_bytes != 0) {
        send(session.connection, wire::MessageType::credit, ++asked_, more, out);
    }
}

}  // namespace repartir::worker
