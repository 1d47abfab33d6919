// SPDX-License-Identifier: MIT
// What goes wrong, and when.
#include "cluster.hpp"

namespace repartir::sim {

using namespace std::chrono_literals;

/// Something goes wrong, and later something else.
void Cluster::make_trouble() {
    if (quiet_) {
        return;
    }
    const auto worker = static_cast<std::uint32_t>(random_.below(plan_.workers));
    const auto client = static_cast<std::uint32_t>(random_.below(plan_.clients));
    switch (plan_.broken && chance(50) ? 0 : random_.below(6)) {
        case 2:
            trouble_stranger(worker);
            break;
        case 3:
            trouble_forged(client, worker);
            break;
        case 0:
            trouble_worker(worker);
            break;
        case 1:
            trouble_client(client);
            break;
        default:
            trouble_connection(client, static_cast<std::uint32_t>(random_.below(addresses())));
    }
    clock_.after(up_to(2500ms), [this] { make_trouble(); });
}

void Cluster::trouble_connection(std::uint32_t client, std::uint32_t worker) {
    const std::uint64_t id = clients_[client].open[worker];
    const auto found = connections_.find(id);
    if (found == connections_.end() || !found->second.client_open) {
        return;
    }
    if (chance(35)) {
        note("cut", client, worker);
        count("cut");
        const bool tell_client = chance(80);
        const bool tell_worker = chance(80);
        cut(id, tell_client, tell_worker);
        return;
    }
    note("stick", client, worker);  // one way or both, for a while
    count("partition");
    for (Pipe* const pipe : {&found->second.to_worker, &found->second.to_client}) {
        pipe->stuck = chance(70) || !pipe->held.empty();
    }
    clock_.after(up_to(12s), [this, id] { unstick(id); });
}

void Cluster::trouble_worker(std::uint32_t id) {
    Worker& worker = workers_[id];
    switch (plan_.broken && chance(70) ? 5 : random_.below(7)) {
        case 5:
            note("broken", id);
            count("broken");
            worker.broken_until = clock_.now() + up_to(10s);
            break;
        case 0:
        case 1:
            crash(id);
            break;
        case 2:
        case 6:
            drain(id);
            break;
        case 3: {
            note("worker sleeps", id);
            count("sleep");
            const base::BootTime jump = chance(50) ? base::BootTime(0) : up_to(60s);
            worker.machine.sleep(1ms + up_to(10s), jump);
            worker.machine.happens([this, id] {  // its timers go by the time that it shows then
                workers_[id].wakes = 0ns;
                worker_wakes(id);
            });
            break;
        }
        default:
            note("disk full", id);
            worker.disk_full_until = clock_.now() + up_to(20s);
    }
}

/// All connections of a worker break.
void Cluster::cut_off(std::uint32_t worker) {
    for (const auto& [id, connection] : connections_) {
        if (connection.worker == worker && connection.worker_open) {
            cut(id, chance(80), true);
        }
    }
}

/// Some addresses of those that have two work no more.
void Cluster::cut_dead() {
    for (const auto& [id, connection] : connections_) {
        if (is_dead(connection.address) && connection.client_open) {
            cut(id, true, true);
        }
    }
}

void Cluster::trouble_client(std::uint32_t id) {
    Client& client = clients_[id];
    if (!client.reactor) {
        return;
    }
    if (chance(10) && plan_.clients > 1) {
        count("client vanished");
        if (chance(70)) {
            if (chance(50)) {
                cancel_all(id);
            }
            leave(id);
        }
        vanish(id);
    } else if (chance(40)) {
        note("give back", id);
        client.machine.happens([this, id] { give_back(id); });
    } else {
        note("client sleeps", id);
        count("sleep");
        const base::BootTime jump = chance(50) ? base::BootTime(0) : up_to(60s);
        client.machine.sleep(1ms + up_to(10s), jump);
        client.machine.happens([this, id] {
            clients_[id].wakes = 0ns;
            client_wakes(id);
        });
    }
}

}  // namespace repartir::sim
