// SPDX-License-Identifier: MIT
// What must hold at any time, looked at once in a second: nobody is silent, nothing waits beside
// who could run it, nobody counts on who is gone.
#include <algorithm>
#include <ranges>
#include <string>
#include <utility>

#include "cluster.hpp"

namespace repartir::sim {
namespace {

using namespace std::chrono_literals;

/// A link without trouble for so long is as good as any.
constexpr base::BootTime calm_after = 4s;
/// Nothing waits for so long beside a worker that idles, where all is calm.
constexpr base::BootTime idle_max = 3s;
/// Timers are met, but for clocks that drift.
constexpr base::BootTime late_max = 200ms;
/// The longest silence that a detector takes for life: twice 30 heartbeats.
constexpr base::BootTime silence_max = 60s;
/// What is cancelled has ended after that, where all is calm.
constexpr base::BootTime cancel_max = 20s;
constexpr base::BootTime never = base::BootTime::max();
/// Beyond the time that a client waits for workers: what was lost with one waits anew.
constexpr base::BootTime waits_max = 12s;
/// Who is connected and says nothing is sent away.
constexpr base::BootTime stranger_max = 30s;
/// Who connected so long ago has said hello and welcome, or is hung up on.
constexpr base::BootTime greeted_after = 10s;
/// A client that takes less at once waits long for what is long.
constexpr std::uint64_t output_min = 20'000;
/// Of what is wanted as it comes, something has come after that.
constexpr base::BootTime stream_max = 3s;
/// Over a slower link what has ended before is long on its way.
constexpr std::uint64_t bytes_per_ms_min = 1000;
constexpr std::uint32_t ticks_max = 2000;    // of one machine in a second
constexpr std::uint32_t reclaims_max = 100;  // of one client in a second

}  // namespace

void Cluster::audit() {
    for (std::uint32_t id = 0; id < plan_.clients; ++id) {
        if (clients_[id].reactor && clients_[id].machine.awake() > calm_after) {
            audit_client(id);
        }
        clients_[id].reclaims = clients_[id].ticks = 0;
    }
    for (std::uint32_t id = 0; id < plan_.workers; ++id) {
        if (std::exchange(workers_[id].ticks, 0) > ticks_max) {
            violated("worker " + std::to_string(id) + " is busy with nothing");
        }
        audit_streams(id);
    }
    for (const auto& [id, connection] : connections_) {
        audit_connection(connection);
    }
    for (const auto& [id, stranger] : strangers_) {
        const Worker& worker = workers_[stranger.worker];
        if (worker.reactor && worker.life == stranger.life && worker.machine.awake() > calm_after &&
            worker.machine.now() - stranger.since > stranger_max) {
            violated("worker " + std::to_string(stranger.worker) +
                     " waits for ever for a stranger to speak");
        }
    }
    clock_.after(1s, [this] { audit(); });
}

void Cluster::audit_client(std::uint32_t id) {
    const Client& client = clients_[id];
    if (client.ticks > ticks_max || client.reclaims > reclaims_max) {
        violated("client " + std::to_string(id) +
                 " is busy with nothing: " + std::to_string(client.ticks) + " ticks and " +
                 std::to_string(client.reclaims) + " requests for tasks in a second");
    }
    audit_capacity(id);
    audit_reach(id);
    audit_lost(id);
    audit_waiting(id);
}

/// @return whether nothing was wrong between them for a while.
bool Cluster::calm(std::uint32_t id, std::uint32_t there) const {
    const Client& client = clients_[id];
    const Worker& worker = workers_[who(there)];
    const auto found = connections_.find(client.open[there]);
    if (found == connections_.end() || !client.reactor || !worker.reactor || worker.draining) {
        return false;
    }
    const Connection& connection = found->second;
    return connection.client_open && connection.worker_open && connection.admitted &&
           !connection.to_client.stuck && !connection.to_worker.stuck &&
           connection.life == worker.life && clock_.now() - connection.disturbed > calm_after &&
           client.machine.awake() > calm_after && worker.machine.awake() > calm_after;
}

/// @return whether the client may give this job to that worker, as far as it knows.
bool Cluster::reaches(const Client& client, std::uint32_t worker, const Job& job) const {
    const Link& link = client.links[worker];
    return link.up && !link.draining && fits(workers_[who(worker)], job) &&
           (job.blind || has(link.functions, job));
}

/// The slots that a client counts on are those of the workers that are up, and of those that have
/// something of it and may come back.
void Cluster::audit_capacity(std::uint32_t id) {
    Client& client = clients_[id];
    std::vector<bool> has(addresses());
    for (const Job& job : jobs_) {
        if (const auto at = leased_at(id, job)) {
            has[*at] = true;
        }
    }
    std::uint32_t slots = 0;
    std::uint32_t largest = 0;
    std::uint32_t busy = 0;
    for (std::uint32_t worker = 0; worker < addresses(); ++worker) {
        const Link& link = client.links[worker];
        const bool counts = link.life != 0 && !link.draining && (link.up || has[worker]);
        slots += counts ? workers_[who(worker)].slots : 0;
        largest = std::max(largest, counts ? workers_[who(worker)].slots : 0);
        busy += counts && link.up ? link.busy : 0;
    }
    const bool wrong = slots != client.reactor->slots() || slots != client.told.slots ||
                       largest != client.told.task_slots_max || differs(busy, client.told.busy);
    if (wrong && client.miscounts) {
        violated("client " + std::to_string(id) + " counts on " +
                 std::to_string(client.reactor->slots()) + " slots of " + std::to_string(slots) +
                 ", " + std::to_string(client.told.busy) + " busy of " + std::to_string(busy));
    }
    client.miscounts = wrong;
}

/// With nobody in reach for long, nothing waits for it.
void Cluster::audit_reach(std::uint32_t id) {
    const Client& client = clients_[id];
    base::BootTime left{0};
    for (const Link& link : client.links) {
        left = std::max(left, link.up ? never : link.left);
    }
    if (client.reactor->unreachable(client.machine.now() - late_max) && !client.told_unreachable) {
        violated("a client does not find out in time that nobody is in reach");
    }
    const base::BootTime most = client.options.reach + waits_max;
    if (left == never || client.machine.now() - left < most || client.machine.awake() < most) {
        return;
    }
    for (const Job& job : jobs_) {
        const base::BootTime since = job.fresh ? std::max(job.arrived, left) : job.arrived;
        if (waits(id, job) &&
            client.machine.now() - since > (job.fresh ? client.options.reach + late_max : most)) {
            violated("a task waits though nobody is in reach");
        }
    }
}

/// What is at a worker that does not come back is not left there.
void Cluster::audit_lost(std::uint32_t id) {
    const Client& client = clients_[id];
    for (std::uint32_t index = 0; index < jobs_.size(); ++index) {
        const Job& job = jobs_[index];
        const auto lease = client.reactor ? client.reactor->lease_of(job.attempt) : std::nullopt;
        if (job.client == id && job.arrival != 0 && lease && lease->epoch != job.lease) {
            violated("task " + std::to_string(index) + " has a lease that nobody was told of");
        }
        const auto at = leased_at(id, job);
        if (!at) {
            continue;
        }
        const std::uint32_t worker = *at;
        const Link& link = client.links[worker];
        if (!link.up && client.machine.now() - link.left > client.options.reattach + late_max) {
            violated("task " + std::to_string(index) + " is left at worker " +
                     std::to_string(worker) + ", which is gone");
        }
        if (job.cancelled && clock_.now() - job.cancelled_at > cancel_max && calm(id, worker) &&
            client.options.output_bytes_max >= output_min &&
            workers_[who(worker)].bytes_per_ms >= bytes_per_ms_min) {
            violated("task " + std::to_string(index) + " does not end though it is cancelled");
        }
    }
}

/// @return the first that waits of what a worker could run; nullptr where nothing does.
const Cluster::Job* Cluster::first_for(std::uint32_t id, std::uint32_t worker) const {
    const Job* first = nullptr;
    const auto key = [this](const Job& job) {
        return std::pair(plan_.priority_of(static_cast<std::uint32_t>(&job - jobs_.data())),
                         job.arrival);
    };
    for (const Job& job : jobs_) {
        if ((first == nullptr || key(job) < key(*first)) && waits(id, job) &&
            reaches(clients_[id], worker, job)) {
            first = &job;
        }
    }
    return first;
}

/// What waits is not left waiting beside a worker that idles and could run it.
void Cluster::audit_waiting(std::uint32_t id) {
    const Client& client = clients_[id];
    const std::vector<std::uint32_t> counts = leases(id);
    for (std::uint32_t worker = 0; worker < addresses(); ++worker) {
        const Job* const first = first_for(id, worker);
        const base::BootTime idle = workers_[who(worker)].idle_since;
        const Link& link = client.links[worker];
        // what has ended there holds its place until its output is through: links may be slow
        const bool idles = idle <= clock_.now() - idle_max && counts[worker] == 0 &&
                           workers_[who(worker)].store.empty();
        if (!(idles || (!link.on_trial && has_place(worker, first, counts[worker]))) ||
            !calm(id, worker) ||
            (link.on_trial && client.machine.now() < link.shut_until + idle_max)) {
            continue;
        }
        if (first == nullptr && !link.on_trial) {
            audit_moving(id, worker);
        } else if (first != nullptr) {
            violated("task " + std::to_string(first - jobs_.data()) + " waits, and worker " +
                     std::to_string(worker) + " idles");
        }
    }
    if (std::ranges::any_of(std::views::iota(0U, addresses()),
                            [&](std::uint32_t worker) { return calm(id, worker); })) {
        audit_stranded(id);
    }
}

/// @return whether a worker of whom a client has so many attempts has had a free slot for long, and
/// the first that waits needs no more.
bool Cluster::has_place(std::uint32_t id, const Job* first, std::uint32_t leases) const {
    const Worker& worker = workers_[who(id)];
    return first != nullptr && first->cores == 1 && first->memory_bytes == 0 &&
           leases < worker.slots && worker.store.size() < worker.tasks_max &&
           worker.spare_since <= clock_.now() - idle_max;
}

/// Some worker is there: then no call waits of what nobody has, where nobody may come who has it;
/// nor, for long, what nobody in reach could run.
void Cluster::audit_stranded(std::uint32_t id) {
    const Client& client = clients_[id];
    for (std::uint32_t index = 0; index < jobs_.size(); ++index) {
        Job& job = jobs_[index];
        bool runs = !waits(id, job);
        for (std::uint32_t worker = 0; worker < addresses() && !runs; ++worker) {
            const Link& link = client.links[worker];
            runs = (link.up && link.draining) || reaches(client, worker, job);
        }
        if (runs) {
            job.set_aside = {};
            continue;
        }
        if (job.set_aside <= std::max(job.arrived, client.joined)) {
            job.set_aside = client.machine.now();
        } else if (client.machine.now() - job.set_aside > client.options.reach + late_max) {
            violated("task " + std::to_string(index) + " waits for long for who may come");
        }
        if (job.kind == Kind::program) {
            continue;
        }
        const bool hopeless =  // else who has it may be shut out for a while
            all_are_up(client) && std::ranges::none_of(client.links, [&](const Link& link) {
                return link.up && has(link.functions, job);
            });
        const bool before = job.unplaced && job.unplaced_at < clock_.now();
        if (hopeless && before) {
            violated("task " + std::to_string(index) + " waits for a function that nobody has");
        }
        job.unplaced = hopeless;
        job.unplaced_at = clock_.now();
    }
}

/// Nor is what waits at another one.
void Cluster::audit_moving(std::uint32_t id, std::uint32_t idle) {
    for (std::uint32_t worker = 0; worker < addresses(); ++worker) {
        std::uint32_t here = 0;
        std::uint32_t waiting = 0;
        for (const auto& [attempt, queued] : workers_[who(worker)].queue) {
            const Job& job = jobs_[attempt.task.element];
            const bool own = job.client == id && waits_at(workers_[who(worker)], attempt, queued);
            waiting += own && reaches(clients_[id], idle, job) ? 1 : 0;
        }
        for (const auto& [attempt, running] : workers_[who(worker)].store) {
            const Job& job = jobs_[running.job];
            const bool own = job.client == id && job.lease == attempt.epoch && job.outcomes == 0;
            here += own && !running.done ? 1 : 0;  // as its client knows
        }
        // else it was asked for them, and its answer may be long on its way
        const bool full = clients_[id].links[worker].queued != 0;  // of others' tasks, too
        if (waiting != 0 && (full || waiting + here > workers_[who(worker)].slots) &&
            calm(id, worker) && !connections_.at(clients_[id].open[worker]).reclaims) {
            violated(std::to_string(waiting) + " tasks wait at worker " + std::to_string(worker) +
                     " and worker " + std::to_string(idle) + " idles");
        }
    }
}

/// What is wanted as it comes does come, where the link is a good one.
void Cluster::audit_streams(std::uint32_t id) {
    const Worker& worker = workers_[id];
    for (const auto& [attempt, running] : worker.store) {
        const Job& job = jobs_[running.job];
        const Client& client = clients_[job.client];
        if (!client.reactor || client.reactor->lease_of(job.attempt) != attempt) {
            continue;
        }
        const auto at = leased_at(job.client, job);
        if (running.streams && !running.done && running.written != 0ns &&
            clock_.now() - running.written > stream_max && worker.latency < 1ms && at &&
            calm(job.client, *at) && client.options.output_bytes_max >= output_min &&
            job.received[0] + job.received[1] == 0) {
            violated("nothing comes of what task " + std::to_string(running.job) + " writes");
        }
    }
}

/// Both ends are heard in time, and take silence for what it is.
void Cluster::audit_connection(const Connection& connection) {
    const std::string name = " of the connection of client " + std::to_string(connection.client) +
                             " and worker " + std::to_string(connection.worker);
    const Worker& worker = workers_[connection.worker];
    const bool there = worker.reactor && worker.life == connection.life;
    if (there && worker.draining && connection.worker_open && connection.welcomed &&
        !connection.told_drain) {
        violated("a worker does not say that it drains");
    }
    const auto late = [&](Side side, bool open, bool greeted) {
        const Machine& machine = machine_of(connection, side);
        const Pipe& out = side == Side::client ? connection.to_worker : connection.to_client;
        const Pipe& in = side == Side::client ? connection.to_client : connection.to_worker;
        if (!open || machine.awake() < greeted_after ||
            clock_.now() - connection.opened < greeted_after) {
            return;
        }
        if (greeted && machine.now() - out.beat_at > 1s + late_max) {
            violated("no heartbeat comes of an end" + name);
        }
        if (!greeted || machine.now() - in.read_at > silence_max + late_max) {
            violated("silence does not end an end" + name);
        }
    };
    late(Side::client, connection.client_open && clients_[connection.client].reactor,
         connection.admitted);
    late(Side::worker, connection.worker_open && there, connection.welcomed);
}

}  // namespace repartir::sim
