// SPDX-License-Identifier: MIT
// What must hold of a worker's queue: who is first begins, and as soon as there is room.
#include <algorithm>
#include <map>
#include <ranges>
#include <string>
#include <utility>

#include "cluster.hpp"
#include "core/turns.hpp"

namespace repartir::sim {

using namespace std::chrono_literals;

/// A worker reads what changes its queue.
void Cluster::queued(std::uint64_t id, const wire::Message& message) {
    Worker& worker = workers_[connections_.find(id)->second.worker];
    if (message.type == wire::MessageType::task_submit && !worker.draining) {
        const auto submit = wire::decode<wire::TaskSubmit>(message.type, message.body);
        static_cast<void>(submit->tasks.each([&](std::string_view bytes) {
            const AttemptId attempt = wire::read_task(bytes)->attempt;
            worker.called_off.erase(attempt);
            if (!worker.begun.contains(attempt) &&
                worker.queue.try_emplace(attempt, Queued{id, ++worker.arrivals}).second) {
                worker.unaccepted.emplace(attempt, id);
            }
        }));
    } else if (message.type == wire::MessageType::task_cancel ||
               message.type == wire::MessageType::task_reclaim) {
        const auto list = wire::decode<wire::Attempts>(message.type, message.body);
        static_cast<void>(list->ids.each([&](const AttemptId& attempt) {
            if (worker.queue.erase(attempt) != 0) {
                worker.called_off.insert(attempt);
            }
        }));
    }
}

/// A worker has read what its client cancels: what runs of it is told to end.
void Cluster::watch_cancelled(std::uint32_t id, const wire::Message& message) {
    if (message.type != wire::MessageType::task_cancel) {
        return;
    }
    const auto list = wire::decode<wire::Cancel>(message.type, message.body);
    static_cast<void>(list->ids.each([&](const AttemptId& attempt) {
        const auto found = workers_[id].store.find(attempt);
        if (found != workers_[id].store.end() && !found->second.done && !found->second.stopped) {
            violated("worker " + std::to_string(id) + " goes on with what was cancelled");
        }
    }));
}

/// What the end of a drain cut off has ended: its client is told, where it is there.
void Cluster::watch_given_up(std::uint32_t id, const AttemptId& attempt,
                             const worker::Outbox& out) {
    const Worker& worker = workers_[id];
    if (!worker.draining || worker.machine.now() < worker.drain_by) {
        return;
    }
    const Job& job = jobs_[attempt.task.element];
    const Client& client = clients_[job.client];
    const std::uint64_t connection = connection_of(id, job.client);
    const bool told = std::ranges::any_of(out, [&](const worker::Effect& effect) {
        const auto* const send = std::get_if<worker::Send>(&effect);
        return send != nullptr && send->to == connection;
    });
    if (connection != 0 && !told && !job.cancelled && worker.store.find(attempt)->second.stopped &&
        client.reactor && client.reactor->lease_of(job.attempt) == attempt) {
        violated("worker " + std::to_string(id) + " does not say what its drain cut off");
    }
}

/// @return whether it certainly waits there: its session is connected by what it came by.
bool Cluster::waits_at(const Worker& worker, const AttemptId& attempt, const Queued& queued) const {
    const Job& job = jobs_[attempt.task.element];
    const auto connection = connections_.find(queued.connection);
    return job.lease == attempt.epoch && job.outcomes == 0 && clients_[job.client].reactor &&
           connection->second.worker_open && connection->second.life == worker.life;
}

/// A worker ends what runs there: because its owner wants it, or knows nothing of it any more, or
/// has been away for long.
void Cluster::watch_stop(std::uint32_t id, const AttemptId& attempt) {
    const Job& job = jobs_[attempt.task.element];
    const bool connected = std::ranges::any_of(connections_, [&](const auto& each) {
        const Connection& connection = each.second;
        return connection.worker == id && connection.client == job.client &&
               connection.worker_open && connection.welcomed &&
               connection.life == workers_[id].life;
    });
    const Client& client = clients_[job.client];
    const bool draining =
        workers_[id].draining && workers_[id].machine.now() >= workers_[id].drain_by;
    if (connected && !draining && !job.cancelled && client.reactor &&
        client.reactor->lease_of(job.attempt) == attempt) {
        violated("worker " + std::to_string(id) + " stops what nobody wants stopped");
    }
}

/// A worker says something: to somebody who is there.
void Cluster::watch_sends(std::uint32_t id, std::uint64_t connection) {
    const auto to = connections_.find(connection);
    if (to == connections_.end() ? !strangers_.contains(connection)
                                 : (!to->second.worker_open || to->second.worker != id ||
                                    to->second.life != workers_[id].life)) {
        violated("worker " + std::to_string(id) + " sends a message to nobody");
    }
}

/// The time of a drain is over: is it done when nothing is left, and only then?
void Cluster::watch_drained(std::uint32_t id) {
    const Worker& worker = workers_[id];
    const bool drained = worker.reactor->drained();
    bool waits = false;  // a result, for somebody who is connected
    for (const auto& [attempt, running] : worker.store) {
        waits = waits || (running.done && connection_of(id, jobs_[running.job].client) != 0);
    }
    const bool runs =
        std::ranges::any_of(worker.store, [](const auto& each) { return !each.second.done; });
    if (runs && worker.machine.awake() > 6s) {
        violated("worker " + std::to_string(id) + " runs what its drain should have ended");
    }
    if (drained && (runs || waits)) {
        violated("worker " + std::to_string(id) + " has drained, and something is left there");
    }
    // what is left of those who are away is for nobody, once it has seen that its time is over
    if (!drained && !runs && !waits && worker.machine.awake() > 1s &&
        worker.reactor->attempts() <= worker.store.size()) {
        violated("worker " + std::to_string(id) + " has nothing left and has not drained");
    }
}

/// A worker that drains says that it has: then nothing is left there.
void Cluster::watch_done(std::uint32_t id) {
    const Worker& worker = workers_[id];
    if (!worker.reactor->drained()) {
        return;
    }
    const bool early = worker.machine.now() < worker.drain_by;
    if (std::ranges::any_of(worker.store, [&](const auto& each) {
            return early || !each.second.done ||
                   connection_of(id, jobs_[each.second.job].client) != 0;
        })) {
        violated("worker " + std::to_string(id) + " has drained, and something is left there");
    }
}

/// What runs when the time of a drain is over is told to end.
void Cluster::watch_drain_by(std::uint32_t id, std::uint64_t life) {
    const Worker& worker = workers_[id];
    if (worker.life != life || !worker.reactor || worker.machine.awake() < 1s) {
        return;
    }
    bool runs = false;
    for (const auto& [attempt, running] : worker.store) {
        runs = runs || !running.done;
        if (!running.done && !running.stopped) {
            violated("worker " + std::to_string(id) + " goes on though its drain is over");
        }
    }
    if (!runs) {
        watch_drained(id);
    }
}

/// A worker begins to drain: what waits there goes back to who is connected.
void Cluster::watch_returned(std::uint32_t id) {
    Worker& worker = workers_[id];
    for (const auto& [attempt, queued] : worker.queue) {
        if (waits_at(worker, attempt, queued)) {
            violated("worker " + std::to_string(id) + " drains and keeps what waits there");
        }
    }
    worker.queue.clear();
}

/// A worker has drained: all who are connected know it.
void Cluster::watch_farewell(std::uint32_t id) {
    for (const auto& [number, connection] : connections_) {
        if (connection.worker == id && connection.life == workers_[id].life &&
            connection.welcomed && connection.worker_open) {
            violated("worker " + std::to_string(id) + " leaves without a word");
        }
    }
}

/// A worker drains, and the network goes, perhaps as it is to end: what runs still has not ended.
void Cluster::cut_off(std::uint32_t id, std::uint64_t life) {
    if (workers_[id].life != life || !workers_[id].reactor) {
        return;
    }
    cut_off(id);
    watch_done(id);
}

/// What came to a worker is there still: it has said so.
void Cluster::watch_accepted(std::uint32_t id) {
    Worker& worker = workers_[id];
    for (const auto& [attempt, connection] : std::exchange(worker.unaccepted, {})) {
        const auto stored = worker.store.find(attempt);
        const bool there = worker.queue.contains(attempt) ||
                           (stored != worker.store.end() && !stored->second.done);
        if (there && waits_at(worker, attempt, Queued{connection, 0}) &&
            !connections_.find(connection)->second.forged) {
            violated("worker " + std::to_string(id) + " does not say what it has accepted");
        }
    }
}

/// A worker did what it had to do: does a slot idle now?
void Cluster::watch_queue(std::uint32_t id) {
    const Worker& worker = workers_[id];
    if (worker.reactor && worker.draining) {
        watch_done(id);
    } else if (worker.reactor && worker.reactor->drained()) {
        violated("worker " + std::to_string(id) + " has drained, and nobody asked it to");
    }
    if (!worker.reactor || worker.draining || worker.queue.empty()) {
        return;
    }
    std::map<Priority, const std::pair<const AttemptId, Queued>*> firsts;  // each may have its turn
    for (const auto& each : worker.queue) {
        auto& first = firsts[plan_.priority_of(each.first.task.element)];
        if (first == nullptr || each.second.arrival < first->second.arrival) {
            first = &each;
        }
    }
    const auto every = [&](auto holds) {
        return std::ranges::all_of(firsts | std::views::values, [&](const auto* first) {
            return waits_at(worker, first->first, first->second) &&
                   holds(jobs_[first->first.task.element]);
        });
    };
    if (every([&](const Job& job) { return has_room(worker, job); })) {
        violated("worker " + std::to_string(id) + " has room for the first that waits there");
    }
    // They are quick, and that is known: a few of them wait at the threads, whoever has the slots.
    if (worker.ran_quick && worker.ahead < worker.slots &&
        every([](const Job& job) { return job.kind == Kind::quick; })) {
        violated("worker " + std::to_string(id) + " lets a quick function wait");
    }
}

/// Something went: before what is more urgent only so much may, for its turn; and what is less so
/// has one soon. @param ahead whether what is more urgent waits @param behind what is less so
void Cluster::watch_turn(Turns& turns, bool ahead, bool behind, const std::string& who) {
    turns.taken += ahead ? 1 : 0;
    if (turns.taken > turns.starts / core::normal_period + turns.starts / core::low_period) {
        violated(who + " lets what is urgent wait");
    }
    turns.missed = behind && !ahead ? turns.missed + 1 : 0;
    if (turns.missed > 2 * core::low_period) {
        violated(who + " starves what is less urgent");
    }
}

/// Somebody comes to a worker, and goes: the session stays for a while. @return whether it may.
bool Cluster::visits(std::uint32_t id, std::uint64_t session) {
    const std::uint64_t connection = ++last_connection_;
    worker::Reactor& reactor = *workers_[id].reactor;
    wire::Hello hello;
    hello.session = {session, 2};
    hello.time_to_live = 5s;
    reactor.connected(connection, wire::Role::client, workers_[id].machine.now());
    const Answer answer =
        tell_worker(id, connection, wire::MessageType::hello, codec::encode(hello));
    reactor.disconnected(connection, workers_[id].machine.now());
    return !answer.closed;
}

/// A worker begins an attempt: was it the first?
void Cluster::watch_start(std::uint32_t id, const AttemptId& attempt) {
    Worker& worker = workers_[id];
    ++worker.turns.starts;
    if (worker.called_off.contains(attempt)) {
        violated("worker " + std::to_string(id) + " begins what was called off");
    }
    const auto found = worker.queue.find(attempt);
    if (found == worker.queue.end()) {
        return;  // what was asked back, or cancelled, as it began: that is looked at elsewhere
    }
    const Priority own = plan_.priority_of(attempt.task.element);
    bool ahead = false;
    bool behind = false;
    for (const auto& [other, queued] : worker.queue) {
        const Priority others = plan_.priority_of(other.task.element);
        if (other == attempt || !waits_at(worker, other, queued)) {
            continue;
        }
        behind |= others > own;
        ahead |= others < own;
        if (others == own && queued.arrival < found->second.arrival) {
            violated("worker " + std::to_string(id) + " does not begin what came first");
            break;
        }
    }
    watch_turn(worker.turns, ahead, behind, "worker " + std::to_string(id));
    worker.queue.erase(found);
}

}  // namespace repartir::sim
