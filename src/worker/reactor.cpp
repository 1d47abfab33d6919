// SPDX-License-Identifier: MIT
// Connections and sessions; attempts.cpp has what becomes of tasks, output.cpp what they leave.
#include "worker/reactor.hpp"

#include <algorithm>
#include <span>

#include "wire/dispatch.hpp"
#include "wire/limits.hpp"

namespace repartir::worker {
namespace {

std::chrono::milliseconds in_ms(base::BootTime time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time);
}

/// @return why it gives no work here.
std::string wrong_role(wire::Role certified, wire::Role said) {
    return "the certificate is for the role " + std::string(to_string(certified)) +
           ", and hello came as " + std::string(to_string(said)) +
           ": only clients and brokers give work to a worker, each with a certificate of its role";
}

}  // namespace

Reactor::Reactor(Options options) : options_(std::move(options)), site_(options_.site) {
    if (options_.gpu_tasks_max != 0) {
        options_.functions.emplace_back(wire::shader_function);
    }
    run_times_.assign(options_.functions.size(), base::BootTime(-1));
}

void Reactor::send_ids(ConnectionId to, wire::MessageType type, std::uint64_t correlation,
                       const std::vector<AttemptId>& ids, Outbox& out) {
    if (!ids.empty()) {
        send(to, type, correlation, codec::fields(std::span(ids)), out);
    }
}

void Reactor::complain(ConnectionId id, std::uint64_t correlation, const AttemptId& attempt,
                       const Error& error, Outbox& out) {
    send(id, wire::MessageType::error, correlation,
         wire::ErrorMessage{attempt, wire::to_record(error)}, out);
}

/// Ends a connection without a word; its session goes on without it.
void Reactor::hang_up(ConnectionId id, std::string_view why, Outbox& out) {
    out.emplace_back(Close{id, std::string(why)});
    disconnected(id, now_);
}

/// Ends a connection with a reason.
void Reactor::refuse(ConnectionId id, wire::Parting parting, std::string_view reason, Outbox& out) {
    send(id, wire::MessageType::goodbye, ++asked_, wire::Goodbye{parting, reason}, out);
    out.emplace_back(Close{id, std::string(reason), parting == wire::Parting::refused});
    disconnected(id, now_);
}

/// @param id of a connection that said hello @return the session that it belongs to.
Reactor::Session& Reactor::session_of(ConnectionId id) {
    return sessions_.at(connections_.at(id).session);
}

void Reactor::connected(ConnectionId id, wire::Role role, base::BootTime now) {
    now_ = now;
    connections_.emplace(id, Connection(role, now));
}

void Reactor::disconnected(ConnectionId id, base::BootTime now) {
    now_ = now;
    const auto found = connections_.find(id);
    if (found == connections_.end()) {
        return;
    }
    if (found->second.greeted) {
        Session& session = session_of(id);
        session.connection = 0;
        session.gone_since = now;
        for (auto& [attempt, held] : session.attempts) {
            held.result_sent = false;
            for (Flow& flow : held.flows) {  // what was on its way is lost
                flow.sent = 0;
                flow.read = flow.reading = 0;
            }
        }
    }
    owed_.erase(id);
    connections_.erase(found);
}

void Reactor::received(ConnectionId id, const wire::Message& message, base::BootTime now,
                       Outbox& out) {
    now_ = now;
    const auto found = connections_.find(id);
    if (found == connections_.end()) {
        return;
    }
    if (!found->second.greeted) {
        greet(id, found->second, message, out);
        return;
    }
    found->second.detector.heard(now);
    dispatch(id, found->second, message, out);
}

void Reactor::greet(ConnectionId id, Connection& connection, const wire::Message& message,
                    Outbox& out) {
    using wire::Parting;
    if (message.type != wire::MessageType::hello) {
        refuse(id, Parting::refused, "the first message of a connection must be hello", out);
        return;
    }
    const auto hello = wire::decode<wire::Hello>(message.type, message.body);
    if (!hello) {
        refuse(id, Parting::refused, hello.error().sentence(), out);
        return;
    }
    const auto version =
        wire::agree(wire::version_min, wire::version_max, hello->version_min, hello->version_max);
    const auto known = sessions_.find(hello->session);
    if (!version) {
        refuse(id, Parting::refused, version.error().sentence(), out);
    } else if (hello->role != connection.role || hello->role == wire::Role::worker) {
        refuse(id, Parting::refused, wrong_role(connection.role, hello->role), out);
    } else if (known != sessions_.end() && hello->epoch < known->second.epoch) {
        ++stats_.stale;
        refuse(id, Parting::replaced, "a later life of this session is connected", out);
    } else if (known == sessions_.end() && draining_) {
        refuse(id, Parting::drained, "this worker drains and takes no more work", out);
    } else if (known == sessions_.end() && !make_room()) {
        refuse(id, Parting::refused,
               "this worker has as many sessions as it takes: try again later, or another one",
               out);
    } else {
        attach(id, connection, *hello, *version, message.correlation, out);
    }
}

/// A session that is not connected and has nothing here is kept only so that its client finds what
/// it knew: where there are many, the one that is gone longest is forgotten for a new one.
/// @return whether one more may come
bool Reactor::make_room() {
    if (sessions_.size() < options_.sessions_max) {
        return true;
    }
    const auto since = [](const auto& each) {
        const Session& session = each.second;
        return session.connection == 0 && session.attempts.empty() ? session.gone_since
                                                                   : base::never;
    };
    const auto longest = std::ranges::min_element(sessions_, {}, since);
    if (since(*longest) == base::never) {
        return false;
    }
    sessions_.erase(longest);
    return true;
}

void Reactor::attach(ConnectionId id, Connection& connection, const wire::Hello& hello,
                     std::uint16_t version, std::uint64_t correlation, Outbox& out) {
    const bool known = sessions_.contains(hello.session);
    Session& session = sessions_[hello.session];
    if (session.connection != 0) {
        refuse(session.connection, wire::Parting::replaced,
               "a newer connection of the same session took this one's place", out);
    }
    session.connection = id;
    session.epoch = hello.epoch;
    session.time_to_live =
        wire::bounded(hello.time_to_live, base::BootTime(0), options_.time_to_live_max);
    connection.greeted = true;
    connection.session = hello.session;
    connection.heartbeat = wire::bounded(hello.heartbeat, wire::heartbeat_min, wire::heartbeat_max);
    connection.detector = core::Detector({connection.heartbeat, 30 * connection.heartbeat}, now_);
    connection.next_beat = now_ + connection.heartbeat;

    // All credit begins anew.
    std::uint64_t input = 0;
    for (const auto& [attempt, held] : session.attempts) {
        input += held.task.size();
    }
    session.tasks = core::Grantor(options_.tasks_max, session.attempts.size());
    session.input = core::Grantor(options_.input_bytes_max, input);
    session.output = core::Allowance(hello.output_credit);

    const std::uint64_t both =
        hello.capabilities & (options_.compression ? wire::capability_lz4 : 0);
    const std::vector<std::string_view> names(options_.functions.begin(), options_.functions.end());
    std::string functions;
    wire::Welcome welcome;
    welcome.version = version;
    welcome.capabilities = both;
    welcome.instance = options_.instance;
    welcome.incarnation = options_.incarnation;
    welcome.session_known = known;
    welcome.heartbeat = in_ms(connection.heartbeat);
    welcome.slots = options_.site.slots;
    welcome.memory_bytes = options_.site.memory_bytes;
    welcome.task_credit = static_cast<std::uint32_t>(session.tasks.due());
    welcome.input_credit = session.input.due();
    welcome.name = options_.name;
    welcome.functions = codec::list_of(std::span(names), functions);
    out.emplace_back(Admit{id, version, (both & wire::capability_lz4) != 0});
    send(id, wire::MessageType::welcome, correlation, welcome, out);
    if (known) {
        std::vector<AttemptId> held;
        for (const auto& [attempt, what] : session.attempts) {
            held.push_back(attempt);
        }
        send(id, wire::MessageType::task_accepted, correlation,
             codec::fields(std::span<const AttemptId>(held)), out);
    }
    if (draining_) {
        send(id, wire::MessageType::drain, ++asked_,
             wire::Drain{in_ms(std::max(drain_by_ - now_, base::BootTime(0))), "it drains"}, out);
    }
    pump_all(session, out);
}

void Reactor::dispatch(ConnectionId id, Connection& connection, const wire::Message& message,
                       Outbox& out) {
    switch (message.type) {
        case wire::MessageType::task_submit:
            submit(id, message, out);
            return;
        case wire::MessageType::task_cancel:
            cancel(id, message, out);
            return;
        case wire::MessageType::task_reclaim:
            reclaim(id, message, out);
            return;
        case wire::MessageType::credit:
            credit(id, message, out);
            return;
        case wire::MessageType::heartbeat:
            if (const auto beat = wire::decode<wire::Heartbeat>(message.type, message.body)) {
                connection.heard = beat->sequence;
                connection.heard_at = now_;
            }
            return;
        case wire::MessageType::goodbye:
            part(id, connection, message, out);
            return;
        default:
            // there is nothing to do about an error; and a client that drains sends no more tasks
            if (message.type != wire::MessageType::error &&
                message.type != wire::MessageType::drain) {
                refuse(id, wire::Parting::failed,
                       "a worker takes no such message: use the same version on both sides", out);
            }
    }
}

/// The peer says its last word: a session that is done leaves nothing behind.
void Reactor::part(ConnectionId id, Connection& connection, const wire::Message& message,
                   Outbox& out) {
    const auto goodbye = wire::decode<wire::Goodbye>(message.type, message.body);
    if (!goodbye) {
        hang_up(id, "the peer's last word could not be read", out);
        return;
    }
    const wire::Instance session = connection.session;
    hang_up(id, "the peer said goodbye: " + std::string(goodbye->reason), out);
    if (goodbye->parting == wire::Parting::done) {
        drop(session, out);
        start_next(out);
    }
}

/// Forgets a session: what runs of it is ended.
void Reactor::drop(const wire::Instance& name, Outbox& out) {
    const auto found = sessions_.find(name);
    Session& session = found->second;
    for (auto& [id, held] : session.attempts) {
        if (held.phase == Phase::queued) {
            leave_queue(session, held);
        } else if (held.phase == Phase::running) {
            orphans_.emplace(id, held.demand);
            out.emplace_back(Stop{id, true});
        } else if (held.begun) {
            out.emplace_back(Forget{id});
        }
        owners_.erase(id);
    }
    sessions_.erase(found);
}

void Reactor::beat(ConnectionId id, Connection& connection, Outbox& out) {
    wire::Heartbeat beat;
    beat.sequence = ++connection.beat;
    beat.echo = connection.heard;
    beat.echo_age = connection.heard == 0 ? base::BootTime(0) : now_ - connection.heard_at;
    const std::uint64_t busy = options_.site.slots - site_.free_slots;
    beat.running = static_cast<std::uint32_t>(busy);
    beat.load_permille =
        static_cast<std::uint32_t>(1000 * busy / std::max(options_.site.slots, 1U));
    beat.queued = sessions_.find(connection.session)->second.queued;
    beat.memory_free_bytes = site_.free_memory_bytes;
    send(id, wire::MessageType::heartbeat, ++asked_, beat, out);
    connection.next_beat = now_ + connection.heartbeat;
}

void Reactor::tick(base::BootTime now, Outbox& out) {
    now_ = now;
    std::vector<ConnectionId> ids;
    for (const auto& [id, connection] : connections_) {
        ids.push_back(id);
    }
    for (const ConnectionId id : ids) {
        Connection& connection = connections_.find(id)->second;
        if (!connection.greeted) {
            if (now >= connection.since + options_.greeting) {
                refuse(id, wire::Parting::refused, "no hello came in time", out);
            }
        } else if (connection.detector.ask(now) == core::Health::dead) {
            hang_up(id, "it was not heard of for too long", out);
        } else if (now >= connection.next_beat) {
            beat(id, connection, out);
        }
    }
    std::vector<wire::Instance> over;
    for (const auto& [name, session] : sessions_) {
        if (session.connection == 0 && now - session.gone_since >= session.time_to_live) {
            over.push_back(name);
        }
    }
    for (const wire::Instance& name : over) {
        drop(name, out);
    }
    if (now >= ends_drain_) {
        end_drain(out);
    }
    start_next(out);
}

base::BootTime Reactor::next() const {
    base::BootTime first = ends_drain_;
    for (const auto& [id, connection] : connections_) {
        first = std::min(first, connection.greeted
                                    ? std::min(connection.next_beat, connection.detector.next())
                                    : connection.since + options_.greeting);
    }
    for (const auto& [name, session] : sessions_) {
        if (session.connection == 0) {
            first = std::min(first, session.gone_since + session.time_to_live);
        }
    }
    return first;
}

void Reactor::drain(base::BootTime deadline, std::string_view reason, base::BootTime now,
                    Outbox& out) {
    now_ = now;
    draining_ = true;
    drain_by_ = ends_drain_ = deadline;
    for (const auto& [id, connection] : connections_) {
        if (connection.greeted) {
            send(id, wire::MessageType::drain, ++asked_,
                 wire::Drain{in_ms(std::max(deadline - now, base::BootTime(0))), reason}, out);
        }
    }
    return_queued(out);
}

/// The time of the drain is up: what runs is ended, and is somebody else's to run.
void Reactor::end_drain(Outbox& out) {
    ends_drain_ = base::BootTime::max();
    for (auto& [name, session] : sessions_) {
        for (auto& [id, held] : session.attempts) {
            if (held.phase == Phase::running) {
                held.returned = true;
                out.emplace_back(Stop{id, false});
            }
        }
    }
}

bool Reactor::drained() const {
    const bool is_over = ends_drain_ == base::BootTime::max();
    return draining_ && running_ == 0 && std::ranges::all_of(sessions_, [&](const auto& each) {
               const Session& session = each.second;
               return session.attempts.empty() || (is_over && session.connection == 0);
           });
}

void Reactor::farewell(Outbox& out) {
    while (!connections_.empty()) {
        refuse(connections_.begin()->first, wire::Parting::drained, "this worker has drained", out);
    }
}

std::size_t Reactor::attempts() const { return owners_.size(); }

}  // namespace repartir::worker
