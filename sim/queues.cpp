// SPDX-License-Identifier: MIT
// What must hold of a worker's queue: who is first begins, and as soon as there is room.
#include <algorithm>
#include <string>
#include <utility>

#include "cluster.hpp"

namespace repartir::sim {

using namespace std::chrono_literals;

/// A worker reads what changes its queue.
void Cluster::queued(std::uint64_t id, const wire::Message& message) {
    Worker& worker = workers_[connections_.find(id)->second.worker];
    if (message.type == wire::MessageType::task_submit && !worker.draining) {
        const auto submit = wire::decode<wire::TaskSubmit>(message.type, message.body);
        static_cast<void>(submit->tasks.each([&](std::string_view bytes) {
            const AttemptId attempt = wire::read_task(bytes)->attempt;
            if (!worker.begun.contains(attempt)) {
                worker.queue.try_emplace(attempt, Queued{id, ++worker.arrivals});
            }
        }));
    } else if (message.type == wire::MessageType::task_cancel ||
               message.type == wire::MessageType::task_reclaim) {
        const auto list = wire::decode<wire::Attempts>(message.type, message.body);
        static_cast<void>(
            list->ids.each([&](const AttemptId& attempt) { worker.queue.erase(attempt); }));
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
    if (connected && !workers_[id].draining && !job.cancelled && client.reactor &&
        client.reactor->lease_of(job.attempt) == attempt) {
        violated("worker " + std::to_string(id) + " stops what nobody wants stopped");
    }
}

/// A worker says something: to somebody who is there.
void Cluster::watch_sends(std::uint32_t id, std::uint64_t connection) {
    const auto to = connections_.find(connection);
    if (to != connections_.end() && (!to->second.worker_open || to->second.worker != id ||
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
        waits = waits || (running.done && knows(id, jobs_[running.job].client));
    }
    const bool runs =
        std::ranges::any_of(worker.store, [](const auto& each) { return !each.second.done; });
    if (runs && worker.machine.awake() > 6s) {
        violated("worker " + std::to_string(id) + " runs what its drain should have ended");
    }
    if (drained && (runs || waits)) {
        violated("worker " + std::to_string(id) + " has drained, and something is left there");
    }
    if (!drained && worker.store.empty() && worker.reactor->attempts() == 0) {
        violated("worker " + std::to_string(id) + " has nothing left and has not drained");
    }
}

/// A worker did what it had to do: does a slot idle now?
void Cluster::watch_queue(std::uint32_t id) {
    const Worker& worker = workers_[id];
    if (!worker.reactor || worker.draining || worker.running == worker.slots) {
        return;
    }
    const std::pair<const AttemptId, Queued>* first = nullptr;
    const auto key = [](const auto& each) {
        return std::pair(each.first.task.element % 7 != 0, each.second.arrival);
    };
    for (const auto& each : worker.queue) {
        if (first == nullptr || key(each) < key(*first)) {
            first = &each;
        }
    }
    if (first != nullptr && waits_at(worker, first->first, first->second) &&
        has_room(worker, jobs_[first->first.task.element])) {
        violated("worker " + std::to_string(id) + " has room for task " +
                 std::to_string(first->first.task.element) + ", the first that waits there");
    }
}

/// A worker begins an attempt: was it the first?
void Cluster::watch_start(std::uint32_t id, const AttemptId& attempt) {
    Worker& worker = workers_[id];
    const auto found = worker.queue.find(attempt);
    if (found == worker.queue.end()) {
        return;  // what was asked back, or cancelled, as it began: that is looked at elsewhere
    }
    const auto own = std::pair(attempt.task.element % 7 != 0, found->second.arrival);
    for (const auto& [other, queued] : worker.queue) {
        if (std::pair(other.task.element % 7 != 0, queued.arrival) < own &&
            waits_at(worker, other, queued)) {
            violated("worker " + std::to_string(id) + " does not begin what came first");
            break;
        }
    }
    worker.queue.erase(found);
}

}  // namespace repartir::sim
