// SPDX-License-Identifier: MIT
// How attempts end, whether they may end so, and what their clients are to think of workers then.
#include <algorithm>
#include <string>
#include <utility>

#include "cluster.hpp"
#include "wire/limits.hpp"

namespace repartir::sim {

using namespace std::chrono_literals;

/// @return whether that is all of what the job wrote there, as it was written.
bool Cluster::whole(std::uint32_t index, std::size_t channel, const client::Tail& tail) {
    const Job& job = jobs_[index];
    const std::uint64_t bytes = tail.offset + tail.bytes.size() + tail.lost;
    const bool may_lose = job.may_lose || job.cancelled;
    const std::uint64_t total = job.totals[channel];
    return (total == 0 || total == bytes || may_lose) && bytes == job.output[channel] &&
           tail.offset <= job.received[channel] && (tail.lost == 0 || may_lose) &&
           tail.bytes == pattern(index, channel, tail.offset, tail.bytes.size());
}

/// Counts how an attempt ended, and whether that may be.
void Cluster::book(std::uint32_t index, const Attempt& attempt) {
    Job& job = jobs_[index];
    job.failures += attempt.ending.end == End::exited && attempt.ending.code != 0 ? 1 : 0;
    job.failures += attempt.ending.end == End::output_lost ? 1 : 0;
    const bool by_node = attempt.error && attempt.error->fault() == Fault::node;
    if (by_node) {
        job.losses += attempt.ending.end == End::not_started ? 1 : 0;
        node_failed(job, attempt);
        return;
    }
    if (attempt.ending.end == End::not_started) {
        job.refused = true;
        if (job.forged && attempt.where.empty()) {
            violated("nobody knows who refused a task");
        }
        if (!(job.kind == Kind::missing && job.blind) && !job.limited && !job.forged &&
            job.input < wire::task_bytes_max && !out_of_reach(job)) {
            violated("task " + std::to_string(index) + " is refused: " + attempt.error->sentence());
        }
        if (!job.forged && !job.limited && job.input < wire::task_bytes_max) {
            watch_refused(job, *attempt.error);
        }
    }
    if (said_) {
        connections_.find(clients_[job.client].open[said_at_])->second.in_vain = false;
        Link& link = clients_[job.client].links[said_at_];
        link.bad = 0;
        if (link.on_trial && clients_[job.client].machine.now() >= link.shut_until) {
            link.on_trial = false;
            link.good_since = clients_[job.client].machine.now();
        }
    }
}

/// @return whether the client has waited in vain for so long as it waits for workers that could.
bool Cluster::out_of_reach(const Job& job) const {
    const Client& client = clients_[job.client];
    const base::BootTime now = client.machine.now();
    for (std::uint32_t worker = 0; worker < addresses(); ++worker) {
        if (reaches(client, worker, job)) {
            return false;
        }
    }
    const bool hopeless = job.kind != Kind::program && all_are_up(client);
    return hopeless || now - job.arrived >= client.options.reach;
}

/// A client says goodbye to all that it is connected with.
void Cluster::leave(std::uint32_t id) {
    Client& client = clients_[id];
    client::Outbox out;
    client.leaves = true;
    client.reactor->leave(out);
    client_effects(id, out);
    for (std::uint32_t worker = 0; worker < addresses(); ++worker) {
        const auto connection = connections_.find(client.open[worker]);
        if (client.links[worker].up && !connection->second.to_worker.parted) {
            violated("a client leaves without a word");
        }
    }
}

/// @return whether nobody may come who is not there.
bool Cluster::all_are_up(const Client& client) const {
    return std::ranges::all_of(
        client.links, [](const Link& link) { return (link.up && !link.draining) || link.twin; });
}

/// Nobody runs it: is that told for what it is?
void Cluster::watch_refused(const Job& job, const Error& error) {
    const Client& client = clients_[job.client];
    const bool up = std::ranges::any_of(client.links, &Link::up);
    const bool call = job.kind != Kind::program;
    const bool any = job.cores == 1 && job.memory_bytes == 0;  // whoever is there could run it
    if (error.code() == Code::unreachable ? up
        : call                            ? error.code() != Code::not_found
                                          : any || error.code() != Code::cannot_schedule) {
        violated("a task is refused for a wrong reason: " + error.sentence());
    }
}

/// The connection of a client with a worker is no more: what was cancelled there has ended.
void Cluster::watch_dropped(std::uint32_t id, std::uint32_t address) {
    for (const Job& job : jobs_) {
        if (job.cancelled && !clients_[id].leaves && leased_at(id, job) == address) {
            violated("a cancelled task waits for a worker that is away");
        }
    }
}

/// @return the jobs that come unbegun and are to be given back, by a connection.
std::vector<std::uint32_t> Cluster::asked_back(std::uint64_t id, const wire::Message& message) {
    std::vector<std::uint32_t> back;
    if (message.type != wire::MessageType::task_reclaimed) {
        return back;
    }
    const auto list = wire::decode<wire::Attempts>(message.type, message.body);
    static_cast<void>(list->ids.each([&](const AttemptId& attempt) {
        const Job& job = jobs_[attempt.task.element];
        if (job.asked_back == id && job.lease == attempt.epoch) {
            back.push_back(attempt.task.element);
        }
    }));
    for (Job& job : jobs_) {
        job.asked_back = job.asked_back == id ? 0 : job.asked_back;
    }
    return back;
}

/// An attempt failed by its worker's fault, or was lost with it: was that so?
void Cluster::node_failed(const Job& job, const Attempt& attempt) {
    Client& client = clients_[job.client];
    const auto found = std::ranges::find(client.options.workers, attempt.where);
    if (found == client.options.workers.end()) {
        violated("a worker failed that is none: " + attempt.where);
        return;
    }
    const auto id =
        static_cast<std::size_t>(said_ ? said_at_ : found - client.options.workers.begin());
    Link& link = client.links[id];
    if (!said_ && !link.up && client.machine.now() - link.left < client.options.reattach) {
        violated("a client does not wait for worker " + std::to_string(id) + " to come back");
    }
    if (!said_ && link.up && link.known) {
        violated("what worker " + std::to_string(id) + " still has is given up");
    }
    for (std::uint32_t other = 0; !said_ && other < addresses(); ++other) {
        if (other != id && who(other) == who(static_cast<std::uint32_t>(id)) &&
            client.links[other].up) {
            violated("what worker " + std::to_string(who(other)) +
                     " has is given up, and it is in reach at another address");
        }
    }
    if (link.bad_in != batch_) {
        link.lost_cores = {};
    }
    const auto slots = workers_[who(static_cast<std::uint32_t>(id))].slots;
    const auto level =
        std::to_underlying(plan_.priority_of(static_cast<std::uint32_t>(&job - jobs_.data())));
    if (!said_ && link.lost_cores[level] >= slots && job.received == Streams{}) {
        violated("worker " + std::to_string(id) + " is said to have run more than it could");
    }
    link.lost_cores[level] += job.cores;
    if (std::exchange(link.bad_in, batch_) != batch_) {  // what is lost at once counts once
        failed(client, link);
    }
}

/// A worker dies. Its client cannot know how far what it had there had come, but the first had
/// begun if any had.
void Cluster::lose_first(std::uint32_t id, std::uint32_t address) {
    Job* first = nullptr;
    for (Job& job : jobs_) {
        if (clients_[id].reactor && leased_at(id, job) == address &&
            (first == nullptr || job.lease < first->lease)) {
            first = &job;
        }
    }
    if (first != nullptr) {
        const AttemptId lease = *clients_[id].reactor->lease_of(first->attempt);
        const auto running = workers_[who(address)].store.find(lease);
        first->died = running != workers_[who(address)].store.end() && !running->second.done;
    }
}

/// What a worker's failure comes to for its client: the third in a row shuts it out.
void Cluster::failed(Client& client, Link& link) {
    const core::QuarantineRule& rule = client.options.quarantine;
    const base::BootTime now = client.machine.now();
    if ((link.on_trial && now < link.shut_until) ||
        (!link.on_trial && ++link.bad < rule.failures)) {
        return;
    }
    count("quarantine");
    if (!link.on_trial && now - link.good_since >= rule.forgiven_after) {
        link.terms = 0;
    }
    link.shut_until =
        now + std::min<base::BootTime>(rule.first * (1LL << link.terms), rule.longest);
    ++link.terms;
    link.bad = 0;
    link.on_trial = true;
}

}  // namespace repartir::sim
