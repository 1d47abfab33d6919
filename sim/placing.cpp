// SPDX-License-Identifier: MIT
// What must hold of who gets which task: what is counted on, in which order, and what is taken
// back.
#include <algorithm>
#include <map>
#include <ranges>
#include <string>
#include <utility>

#include "cluster.hpp"

namespace repartir::sim {

using namespace std::chrono_literals;

/// @return whether it is another by an eighth.
bool Cluster::differs(std::uint64_t now, std::uint64_t told) {
    return (now == 0) != (told == 0) || (now > told ? now - told : told - now) > told / 8;
}

/// A client tells what its workers can take, when that changes.
void Cluster::watch_capacity(Client& client, const client::Capacity& now) {
    const client::Capacity& told = client.told;
    if (now.slots == told.slots && now.task_slots_max == told.task_slots_max &&
        !differs(now.window, told.window) && !differs(now.busy, told.busy) &&
        !differs(static_cast<std::uint64_t>(now.round_trip.count()),
                 static_cast<std::uint64_t>(told.round_trip.count())) &&
        !differs(now.bytes_per_second, told.bytes_per_second)) {
        violated("a client tells of slots that have not changed");
    }
    if (now.window < now.slots || now.busy > now.slots || (now.slots == 0 && now.window != 0) ||
        now.round_trip < 0ns || now.round_trip > 1s) {
        violated("a client tells of slots that cannot be");
    }
    client.told = now;
}

/// @return the address that has a job of that client; nothing where none has.
std::optional<std::uint32_t> Cluster::leased_at(std::uint32_t id, const Job& job) const {
    if (job.client != id || job.arrival == 0 || !clients_[id].reactor->lease_of(job.attempt)) {
        return std::nullopt;
    }
    const auto connection = connections_.find(job.leased_on);
    return connection != connections_.end() ? std::optional(connection->second.address)
                                            : std::nullopt;
}

/// @return how many attempts each worker has of that client.
std::vector<std::uint32_t> Cluster::leases(std::uint32_t id) const {
    std::vector<std::uint32_t> counts(addresses());
    for (const Job& job : jobs_) {
        if (const auto at = leased_at(id, job)) {
            ++counts[*at];
        }
    }
    return counts;
}

/// @return what a worker has of a client, in the order in which it came there.
std::vector<const Cluster::Job*> Cluster::jobs_at(std::uint32_t id, std::uint32_t address) const {
    std::vector<const Job*> here;
    for (const Job& job : jobs_) {
        if (leased_at(id, job) == address) {
            here.push_back(&job);
        }
    }
    std::ranges::sort(here, {}, &Job::lease);
    return here;
}

/// @return how many of so many attempts wait at a worker, as far as their client knows.
std::uint32_t Cluster::backlog_of(const Client& client, std::uint32_t address,
                                  std::uint32_t here) const {
    return std::max(here - std::min(here, workers_[who(address)].slots),
                    std::min(here, client.links[address].queued));
}

/// @return how many programs wait, at least, at the worker that may be asked, and has some, and
/// would be the most loaded without half of what waits there.
std::uint32_t Cluster::programs_to_ask_for(std::uint32_t id) const {
    const Client& client = clients_[id];
    std::map<std::pair<std::uint64_t, std::uint32_t>, std::pair<std::uint32_t, bool>> queues;
    for (std::uint32_t address = 0; address < addresses(); ++address) {
        const auto connection = connections_.find(client.open[address]);
        if (!client.links[address].up || connection->second.reclaims ||
            connection->second.reconciles) {
            continue;
        }
        const std::vector<const Job*> here = jobs_at(id, address);
        const std::uint32_t backlog =
            backlog_of(client, address, static_cast<std::uint32_t>(here.size()));
        const auto programs = static_cast<std::uint32_t>(std::ranges::count_if(
            here | std::views::reverse | std::views::take(backlog),
            [](const Job* job) { return job->kind == Kind::program || job->blind; }));
        if (programs != 0) {
            const std::uint64_t left =
                ((here.size() - (backlog + 1) / 2) << 20U) / workers_[who(address)].slots +
                (client.links[address].others << 20U) / 1000;
            queues[{left, address}] = {programs, !connection->second.in_vain};
        }
    }
    std::uint32_t least = ~0U;
    for (const auto& [left, queue] : queues | std::views::reverse) {
        least = std::min(least, queue.first);
        if (queue.second) {
            return least;
        }
    }
    return 0;  // who gave nothing last time may not be asked again
}

/// A worker tells how busy it is: what is not the client's of that is others'.
void Cluster::count_others(std::uint32_t id, std::uint32_t address, const wire::Message& message) {
    const auto beat = wire::decode<wire::Heartbeat>(message.type, message.body);
    if (!beat) {
        return;
    }
    std::vector<const Job*> here = jobs_at(id, address);
    // the newest wait
    here.resize(here.size() - std::min<std::size_t>(here.size(), beat->queued));
    const std::uint64_t slots = workers_[who(address)].slots;
    std::uint64_t own = 0;
    std::uint64_t programs = 0;  // of those, which are taken to run in the order in which they came
    for (const Job* const job : here | std::views::take_while([&](auto) { return own < slots; })) {
        own += job->cores;
        programs += job->kind == Kind::program || job->blind ? job->cores : 0;
    }
    own = 1000 * std::min(own, slots) / slots;
    const std::uint64_t all = std::min(beat->load_permille, 1000U);
    clients_[id].links[address].others = all - std::min(all, own);
    const std::uint64_t used = all * slots / 1000;
    clients_[id].links[address].queued = beat->queued;
    clients_[id].links[address].busy = static_cast<std::uint32_t>(used - std::min(used, programs));
}

/// A client asks for tasks back: for another worker that has nothing to do, and not for more than
/// half of what waits; or because it was told to.
void Cluster::watch_reclaim(Connection& connection, const wire::Attempts& list) {
    Client& client = clients_[connection.client];
    if (std::exchange(connection.reclaims, true)) {
        violated("a client asks for tasks back twice at once");
    }
    ++client.reclaims;
    if (connection.reconciles) {
        violated("a client takes tasks from a worker of which it does not know what it has");
    }
    if (client.gives_back) {
        client.back_from = client.open[connection.address];
        static_cast<void>(list.ids.each([&](const AttemptId& attempt) {
            jobs_[attempt.task.element].asked_back = client.back_from;
        }));
        return;
    }
    const std::vector<std::uint32_t> counts = leases(connection.client);
    const std::uint32_t here = counts[connection.address];
    const std::uint32_t half = (backlog_of(client, connection.address, here) + 1) / 2;
    // when the newest had begun, and something is said to wait: all
    const bool all = connection.in_vain && client.links[connection.address].queued != 0;
    const std::uint32_t most = all ? here : half;
    const auto load = [&](std::uint32_t address, std::uint64_t tasks) {
        return 1000 * tasks / workers_[who(address)].slots + client.links[address].others;
    };
    std::vector<std::uint32_t> idle;
    for (std::uint32_t other = 0; other < addresses(); ++other) {
        const bool has_work = std::ranges::any_of(jobs_, [&](const Job& job) {
            return waits(connection.client, job) && reaches(client, other, job);
        });
        if (other != connection.address && client.links[other].up && !has_work &&
            counts[other] < workers_[who(other)].slots &&
            load(other, counts[other]) <= load(connection.address, here - half)) {
            idle.push_back(other);
        }
    }
    static_cast<void>(list.ids.each([&](const AttemptId& attempt) {
        if (std::ranges::none_of(idle, [&](std::uint32_t other) {
                return reaches(client, other, jobs_[attempt.task.element]);
            })) {
            violated("a client takes a task back that nobody could run who has nothing to do");
        }
    }));
    if (idle.empty() || half == 0 || list.ids.size() > most) {
        violated("a client takes " + std::to_string(list.ids.size()) + " tasks of " +
                 std::to_string(here) + " from worker " + std::to_string(connection.worker) +
                 " for nobody");
    }
}

/// A client dials no second address of a worker that it has.
void Cluster::watch_dial(std::uint32_t id, std::uint32_t address) {
    for (std::uint32_t other = 0; other < addresses(); ++other) {
        if (other != address && who(other) == who(address) && calm(id, other) &&
            clients_[id].links[address].twin) {
            violated("a client dials " + clients_[id].options.workers[address] +
                     ", which it is connected with");
        }
    }
}

/// Nor is it connected with both.
void Cluster::watch_twin(std::uint32_t id, std::uint32_t address) {
    for (std::uint32_t other = 0; other < addresses(); ++other) {
        if (other != address && who(other) == who(address) && clients_[id].links[other].up) {
            violated("a client has worker " + std::to_string(who(address)) + " twice");
        }
    }
}

/// What came before it, or is more urgent, and could be run by the worker that this one is given
/// to, does not wait any more, unless this one has its turn.
void Cluster::watch_order(const Connection& to, std::uint32_t given) {
    const std::uint32_t id = to.client;
    Client& client = clients_[id];
    // (by leases: some go to who is gone, and what goes to others may be told later)
    client.turns.starts = std::max(client.turns.starts, jobs_[given].lease);
    const auto place = [&](std::uint32_t index) {
        return std::pair(plan_.priority_of(index), jobs_[index].arrival);
    };
    bool ahead = false;  // (its own priority: what came back, or was put first when nobody could)
    std::map<Priority, const Job*> firsts;  // each may have its turn
    for (std::uint32_t index = 0; index < jobs_.size(); ++index) {
        const Job& job = jobs_[index];
        if (!waits(id, job)) {
            continue;
        }
        const Job*& first = firsts[plan_.priority_of(index)];
        first = first == nullptr || job.arrival < first->arrival ? &job : first;
        ahead |= place(index) < place(given) && reaches(client, to.address, job);
    }
    const bool behind = std::ranges::any_of(firsts, [&](const auto& first) {
        return first.first > place(given).first && first.second->arrival < place(given).second &&
               reaches(client, to.address, *first.second);
    });
    watch_turn(client.turns, ahead, behind, "client " + std::to_string(id));
}

}  // namespace repartir::sim
