// SPDX-License-Identifier: MIT
// What lies between the client and the workers, and what goes wrong there.
#include <algorithm>
#include <utility>

#include "cluster.hpp"

namespace repartir::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t bytes_per_us = 100;  // of every connection

}  // namespace

base::BootTime Cluster::delay() {
    return plan_.faults && chance(2) ? 1us * random_.below(1'000'000)
                                     : 50us + 1us * random_.below(500);
}

/// @return the connection of which the client holds an end; 0 when there is none.
std::uint64_t Cluster::connection_of(std::uint32_t worker) const {
    for (const auto& [id, connection] : connections_) {
        if (connection.worker == worker && connection.client_open) {
            return id;
        }
    }
    return 0;
}

void Cluster::client_wakes() {
    const base::BootTime next = client_->next();
    if (next == base::BootTime::max() || (client_wakes_ > clock_.now() && client_wakes_ <= next)) {
        return;  // a wake-up that comes early finds nothing to do and asks again
    }
    client_wakes_ = std::max(next, clock_.now() + base::BootTime(1));
    clock_.at(client_wakes_, [this, when = client_wakes_] {
        if (client_wakes_ == when) {
            client_wakes_ = base::BootTime(0);
        }
        client::Outbox out;
        client_->tick(clock_.now(), out);
        client_effects(out);
    });
}

void Cluster::worker_wakes(std::uint32_t id) {
    Worker& worker = workers_[id];
    if (!worker.reactor) {
        return;
    }
    const base::BootTime next = worker.reactor->next();
    if (next == base::BootTime::max() || (worker.wakes > clock_.now() && worker.wakes <= next)) {
        return;
    }
    worker.wakes = std::max(next, clock_.now() + base::BootTime(1));
    clock_.at(worker.wakes, [this, id, life = worker.life, when = worker.wakes] {
        Worker& there = workers_[id];
        if (there.life != life || !there.reactor) {
            return;
        }
        if (there.wakes == when) {
            there.wakes = base::BootTime(0);
        }
        worker::Outbox out;
        there.reactor->tick(clock_.now(), out);
        worker_effects(id, out);
    });
}

void Cluster::dial(std::uint32_t worker) {
    clock_.after(delay(), [this, worker] {
        if (workers_[worker].reactor && (quiet_ || !plan_.faults || chance(95))) {
            open(worker);
            return;
        }
        client::Outbox out;
        client_->disconnected(worker, "connection refused", clock_.now(), out);
        client_effects(out);
    });
}

void Cluster::open(std::uint32_t worker) {
    const std::uint64_t id = ++last_connection_;
    Connection& connection = connections_[id];
    connection.worker = worker;
    connection.life = workers_[worker].life;
    note("open", worker, id);
    workers_[worker].reactor->connected(id, wire::Role::client, clock_.now());
    worker_wakes(worker);
    client::Outbox out;
    client_->connected(worker, clock_.now(), out);
    client_effects(out);
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
    Pipe& pipe = from == Side::client ? connection.to_worker : connection.to_client;
    ++report_.messages;
    std::string bytes;
    std::size_t at = 0;
    do {
        at = wire::append_frame(bytes, type, correlation, body, at, pipe.options);
    } while (at < body.size());
    note(from == Side::client ? "to worker" : "to client", connection.worker,
         std::to_underlying(type));
    if (pipe.stuck) {
        pipe.held.push_back(std::move(bytes));
        return;
    }
    const Side to = from == Side::client ? Side::worker : Side::client;
    pipe.arrives =
        std::max(pipe.arrives, clock_.now() + delay()) + 1us * (bytes.size() / bytes_per_us);
    clock_.at(pipe.arrives, [this, id, to, bytes = std::move(bytes)] { deliver(id, to, bytes); });
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

void Cluster::worker_reads(std::uint64_t id, std::string_view bytes) {
    const auto found = connections_.find(id);
    if (found == connections_.end() || !found->second.worker_open ||
        found->second.life != workers_[found->second.worker].life) {
        return;
    }
    const std::uint32_t worker = found->second.worker;
    wire::Framer& framer = found->second.to_worker.framer;
    framer.give(bytes);
    worker::Outbox out;
    while (found->second.worker_open) {
        const auto message = framer.next();
        if (!message) {
            violated("the worker could not read a frame: " +
                     std::string(wire::sentence(message.error())));
            return;
        }
        if (!*message) {
            break;
        }
        workers_[worker].reactor->received(id, **message, clock_.now(), out);
        worker_effects(worker, out);
    }
}

void Cluster::client_reads(std::uint64_t id, std::string_view bytes) {
    const auto found = connections_.find(id);
    if (found == connections_.end() || !found->second.client_open) {
        return;
    }
    const std::uint32_t worker = found->second.worker;
    wire::Framer& framer = found->second.to_client.framer;
    framer.give(bytes);
    client::Outbox out;
    while (found->second.client_open) {
        const auto message = framer.next();
        if (!message) {
            violated("the client could not read a frame: " +
                     std::string(wire::sentence(message.error())));
            return;
        }
        if (!*message) {
            break;
        }
        client_->received(worker, **message, clock_.now(), out);
        client_effects(out);
    }
    client_->flush(worker, out);
    client_effects(out);
}

/// One end closes: what it sent before still arrives, and then its end.
void Cluster::hang_up(std::uint64_t id, Side side) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) {
        return;
    }
    Connection& connection = found->second;
    (side == Side::client ? connection.client_open : connection.worker_open) = false;
    Pipe& pipe = side == Side::client ? connection.to_worker : connection.to_client;
    if (pipe.stuck) {
        return;  // the other end learns of it by silence
    }
    const base::BootTime when = std::max(pipe.arrives, clock_.now() + delay());
    clock_.at(when, [this, id, side] { cut(id, side == Side::worker, side == Side::client); });
}

/// The connection is gone; an end that is not told finds out by silence.
void Cluster::cut(std::uint64_t id, bool tell_client, bool tell_worker) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) {
        return;
    }
    Connection& connection = found->second;
    const std::uint32_t worker = connection.worker;
    if (tell_worker && connection.worker_open) {
        connection.worker_open = false;
        if (workers_[worker].reactor && workers_[worker].life == connection.life) {
            workers_[worker].reactor->disconnected(id, clock_.now());
            worker_wakes(worker);
        }
    }
    if (tell_client && connection.client_open) {
        connection.client_open = false;
        client::Outbox out;
        client_->disconnected(worker, "connection reset", clock_.now(), out);
        client_effects(out);
    }
}

/// What was held back comes through.
void Cluster::unstick(std::uint64_t id) {
    Connection& connection = connections_.find(id)->second;
    for (const Side to : {Side::worker, Side::client}) {
        Pipe& pipe = to == Side::worker ? connection.to_worker : connection.to_client;
        pipe.stuck = false;
        for (std::string& bytes : std::exchange(pipe.held, {})) {
            pipe.arrives = std::max(pipe.arrives, clock_.now() + delay());
            clock_.at(pipe.arrives,
                      [this, id, to, bytes = std::move(bytes)] { deliver(id, to, bytes); });
        }
    }
}

/// Something goes wrong, and later something else.
void Cluster::make_trouble() {
    if (quiet_) {
        return;
    }
    const auto worker = static_cast<std::uint32_t>(random_.below(plan_.workers));
    const std::uint64_t id = connection_of(worker);
    switch (random_.below(6)) {
        case 0:
            crash(worker);
            break;
        case 1:
            if (id != 0) {
                note("cut", worker);
                ++report_.breaks;
                cut(id, chance(80), chance(80));
            }
            break;
        case 2:
        case 3:
            if (id != 0) {  // one way or both, for a while or for good
                note("stick", worker);
                ++report_.breaks;
                Connection& connection = connections_.find(id)->second;
                connection.to_worker.stuck = chance(70);
                connection.to_client.stuck = chance(70);
                clock_.after(1ms * random_.below(12'000), [this, id] { unstick(id); });
            }
            break;
        case 4:
            if (chance(20)) {
                drain(worker);
            }
            break;
        default:
            break;
    }
    clock_.after(1ms * random_.below(4000), [this] { make_trouble(); });
}

}  // namespace repartir::sim
