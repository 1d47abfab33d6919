// SPDX-License-Identifier: MIT
// What lies between the clients and the workers.
#include <algorithm>
#include <utility>

#include "cluster.hpp"

namespace repartir::sim {
namespace {

using namespace std::chrono_literals;

/// A short message waits for what is on its way already, of the long ones at most so much.
constexpr std::uint64_t ahead_bytes_max = 64UL * 1024;
/// All tasks that come in one direction stay in order, with what cancels or reclaims them.
constexpr std::uint64_t tasks_flow = 1;

/// @return what stays in order with it; nothing for what may overtake everything.
std::optional<std::uint64_t> flow_of(wire::MessageType type, std::string_view body) {
    const auto of = [](const AttemptId& attempt) { return 2 + attempt.epoch; };
    switch (type) {
        case wire::MessageType::task_submit:
        case wire::MessageType::task_cancel:
        case wire::MessageType::task_reclaim:
            return tasks_flow;
        case wire::MessageType::task_output: {
            const auto output = wire::decode<wire::TaskOutput>(type, body);
            return output ? of(output->attempt) : tasks_flow;
        }
        case wire::MessageType::task_result: {
            const auto result = wire::decode<wire::TaskResult>(type, body);
            return result ? of(result->attempt) : tasks_flow;
        }
        default:
            return std::nullopt;
    }
}

}  // namespace

base::BootTime Cluster::delay(std::uint32_t worker) {
    const base::BootTime latency = workers_[worker].latency;
    const base::BootTime longest = plan_.faults && chance(2) ? base::BootTime(1s) : latency + 500us;
    return latency + 1us * random_.below(static_cast<std::uint64_t>(longest / 1us));
}

Machine& Cluster::machine_of(const Connection& connection, Side side) {
    return side == Side::client ? clients_[connection.client].machine
                                : workers_[connection.worker].machine;
}

/// Puts a message on its way.
void Cluster::post(std::uint64_t id, Side from, wire::MessageType type, std::uint64_t correlation,
                   std::string_view body) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) {
        return;
    }
    Connection& connection = found->second;
    if (!(from == Side::client ? connection.client_open : connection.worker_open)) {
        return;
    }
    if (at_rest_ && from == Side::worker && type == wire::MessageType::heartbeat) {
        const auto beat = wire::decode<wire::Heartbeat>(type, body);
        if (!beat || beat->running != 0 || beat->queued != 0) {
            violated("worker " + std::to_string(connection.worker) + " is at rest and says that " +
                     std::to_string(beat ? beat->running : 0) + " of its slots are not");
        }
    }
    watch_message(id, from, type, body);
    Pipe& pipe = from == Side::client ? connection.to_worker : connection.to_client;
    ++report_.messages;
    std::string bytes;
    std::size_t at = 0;
    do {
        at = wire::append_frame(bytes, type, correlation, body, at, pipe.options);
    } while (at < body.size());
    note(from == Side::client ? "to worker" : "to client", connection.worker,
         std::to_underlying(type));
    const bool last = type == wire::MessageType::goodbye;
    const bool bulk =
        last || type == wire::MessageType::task_output || body.size() > wire::frame_body_bytes_max;
    const std::optional<std::uint64_t> flow = flow_of(type, body);
    const bool waits = flow && pipe.flows.contains(*flow) && pipe.flows[*flow] > clock_.now();
    send_bytes(id, from, std::move(bytes), bulk || waits, flow.value_or(0));
}

void Cluster::send_bytes(std::uint64_t id, Side from, std::string bytes, bool bulk,
                         std::uint64_t flow) {
    Connection& connection = connections_.find(id)->second;
    Pipe& pipe = from == Side::client ? connection.to_worker : connection.to_client;
    if (pipe.stuck) {
        pipe.held.emplace_back(std::move(bytes), bulk);
        return;
    }
    const std::uint64_t speed = workers_[connection.worker].bytes_per_ms;
    const base::BootTime takes = 1us * (1000 * bytes.size() / speed);
    base::BootTime arrives = clock_.now() + delay(connection.worker) + takes;
    if (bulk) {
        arrives = std::max({arrives, pipe.bulk_arrives + takes, pipe.short_arrives});
        pipe.bulk_arrives = arrives;
        pipe.flows[flow] = arrives;
    } else {
        const base::BootTime ahead = 1us * (1000 * ahead_bytes_max / speed);
        const base::BootTime behind =
            std::clamp(pipe.bulk_arrives - clock_.now(), base::BootTime(0), ahead);
        arrives = std::max(arrives + behind, pipe.short_arrives);
        pipe.short_arrives = arrives;
    }
    const Side to = from == Side::client ? Side::worker : Side::client;
    clock_.at(arrives, [this, id, to, bytes = std::move(bytes)] {
        machine_of(connections_.find(id)->second, to).happens([=, this] {
            deliver(id, to, bytes);
        });
    });
}

/// Bytes arrive, in one piece or in several.
void Cluster::deliver(std::uint64_t id, Side to, const std::string& bytes) {
    const std::size_t piece = chance(80) ? bytes.size() : 1 + random_.below(bytes.size());
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
        const std::string part = bytes.substr(at, piece);
        if (to == Side::worker) {
            worker_reads(id, part);
        } else {
            client_reads(id, part);
        }
    }
}

/// One end closes: what it sent before still arrives, and then its end.
void Cluster::hang_up(std::uint64_t id, Side side) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) {
        return;
    }
    Connection& connection = found->second;
    (side == Side::client ? connection.client_open : connection.worker_open) = false;
    const Pipe& pipe = side == Side::client ? connection.to_worker : connection.to_client;
    if (pipe.stuck) {
        return;  // the other end learns of it by silence
    }
    const base::BootTime when =
        std::max({pipe.short_arrives, pipe.bulk_arrives, clock_.now() + delay(connection.worker)});
    clock_.at(when, [this, id, side] { cut(id, side == Side::worker, side == Side::client); });
}

/// The connection is gone; an end that is not told finds out by silence.
void Cluster::cut(std::uint64_t id, bool tell_client, bool tell_worker) {
    const auto found = connections_.find(id);
    if (tell_worker) {
        machine_of(found->second, Side::worker).happens([this, id] {
            Connection& connection = connections_.find(id)->second;
            Worker& worker = workers_[connection.worker];
            if (std::exchange(connection.worker_open, false) && worker.reactor &&
                worker.life == connection.life) {
                worker.reactor->disconnected(id, worker.machine.now());
                worker_wakes(connection.worker);
            }
        });
    }
    if (tell_client) {
        machine_of(found->second, Side::client).happens([this, id] {
            Connection& connection = connections_.find(id)->second;
            Client& client = clients_[connection.client];
            if (std::exchange(connection.client_open, false) && client.reactor) {
                unlink(connection.client, connection.address);
                client::Outbox out;
                client.reactor->disconnected(connection.address, "connection reset",
                                             client.machine.now(), out);
                client_effects(connection.client, out);
                watch_dropped(connection.client, connection.address);
            }
        });
    }
}

/// A client has lost its connection to a worker.
void Cluster::unlink(std::uint32_t id, std::uint32_t worker) {
    Client& client = clients_[id];
    Link& link = client.links[worker];
    if (std::exchange(link.up, false)) {
        link.left = client.machine.now();
    }
}

/// What was held back comes through.
void Cluster::unstick(std::uint64_t id) {
    Connection& connection = connections_.find(id)->second;
    connection.disturbed = clock_.now();
    for (const Side from : {Side::client, Side::worker}) {
        Pipe& pipe = from == Side::client ? connection.to_worker : connection.to_client;
        pipe.stuck = false;
        for (auto& [bytes, bulk] : std::exchange(pipe.held, {})) {
            // in the order in which they were sent, which is one that they may have
            send_bytes(id, from, std::move(bytes), true, 0);
            pipe.short_arrives = pipe.bulk_arrives;  // what comes later overtakes none of it
        }
    }
}

}  // namespace repartir::sim
