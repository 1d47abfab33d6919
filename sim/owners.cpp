// SPDX-License-Identifier: MIT
// What the owners of tasks want beside running them: to end some, and to have some back.
#include <algorithm>
#include <utility>

#include "cluster.hpp"

namespace repartir::sim {

using namespace std::chrono_literals;

void Cluster::cancel(std::uint32_t index, bool force) {
    clients_[jobs_[index].client].machine.happens([this, index, force] {
        Job& job = jobs_[index];
        Client& client = clients_[job.client];
        if (client.reactor) {
            job.cancelled = true;
            job.cancelled_at = clock_.now();
            note("cancel", index);
            client::Outbox out;
            client.reactor->cancel(job.before, force, client.machine.now(), out);
            if (!out.empty() || client.reactor->lease_of(job.before)) {
                violated("what was given back is there still by its old name");
            }
            const auto before = leased_at(job.client, job);
            const bool hears =
                before && client.links[*before].up &&
                (!force || believed(job.client, client.links[*before]) == core::Health::alive);
            client.reactor->cancel(job.attempt, force, client.machine.now(), out);
            const auto at = leased_at(job.client, job);
            if (hears && at != before) {
                violated("what is cancelled ends before its worker says so");
            }
            if (force && at && believed(job.client, client.links[*at]) != core::Health::alive) {
                violated("what is to end at once waits for a worker that is not heard");
            }
            client_effects(job.client, out);
        }
    });
}

/// The owner wants some attempts back, as if it could run them itself.
void Cluster::give_back(std::uint32_t id) {
    Client& client = clients_[id];
    if (client.reactor) {
        client::Outbox out;
        const auto most = static_cast<std::uint32_t>(1 + random_.below(10));
        const auto waiting =
            static_cast<std::uint32_t>(std::ranges::count_if(jobs_, [&](const Job& job) {
                bool runs = false;  // else it is set aside for who may come
                for (std::uint32_t to = 0; to < addresses(); ++to) {
                    runs = runs || reaches(client, to, job);
                }
                return runs && (job.kind == Kind::program || job.blind) && waits(id, job);
            }));
        const std::uint32_t there = programs_to_ask_for(id);
        const bool awaits = std::ranges::any_of(jobs_, [&](const Job& job) {
            const auto by = connections_.find(job.asked_back);
            return leased_at(id, job) && by != connections_.end() && by->second.client_open &&
                   by->second.reclaims && job.asked_back == job.leased_on;
        });
        const std::uint32_t back = client.reactor->give_back(most, client.machine.now(), out);
        const auto asked = connections_.find(client.back_from);
        const bool pending = asked != connections_.end() && asked->second.client_open;
        if (back > most || (awaits && back != 0) ||
            (!pending && back < std::min(most, waiting + there))) {
            violated("a client was asked for " + std::to_string(most) + " tasks and gives " +
                     std::to_string(back) + " back");
        }
        client.gives_back = true;
        client_effects(id, out);
        client.gives_back = false;
    }
}

/// A client ends something that a worker had, just as that comes back.
void Cluster::cancel_some(std::uint32_t id, std::uint32_t worker) {
    for (std::uint32_t index = 0; index < jobs_.size(); ++index) {
        if (leased_at(id, jobs_[index]) == worker && !jobs_[index].cancelled && chance(30)) {
            clock_.after(0ms, [this, index] { cancel(index, false); });
        }
    }
}

/// Its owner wants nothing any more.
void Cluster::cancel_all(std::uint32_t id) {
    for (std::uint32_t index = 0; index < jobs_.size(); ++index) {
        if (leased_at(id, jobs_[index])) {
            cancel(index, false);
        }
    }
}

/// It could not after all.
void Cluster::came_back(const AttemptId& attempt) {
    const std::uint32_t index = attempt.task.element;
    Job& job = jobs_[index];
    job.arrival = job.leased_on = 0;
    note("back", index);
    count("given back");
    if (!clients_[job.client].gives_back && !job.comes_back) {
        violated("task " + std::to_string(index) + " came back, and nobody wanted it back");
    } else if (job.outcomes != 0 || !job.state.current(attempt)) {
        violated("task " + std::to_string(index) + " came back though it had ended");
    } else if (job.cancelled) {
        finish_job(index, {End::cancelled, 0});
    } else {
        clock_.after(up_to(1s), [this, index] {
            Job& waits = jobs_[index];
            if (waits.cancelled && clients_[waits.client].reactor) {
                finish_job(index, {End::cancelled, 0});
                return;
            }
            if (chance(50)) {  // as the same try, by another name
                waits.before = waits.attempt;
                waits.state.withdraw();
                waits.attempt =
                    waits.state.begin(waits.attempt.task, clients_[waits.client].issuer);
            }
            start(index);
        });
    }
}

void Cluster::finish_job(std::uint32_t index, const Ending& ending) {
    Job& job = jobs_[index];
    ++job.outcomes;
    job.ending = ending;
    ++ended_;
    note("outcome", index, static_cast<std::uint64_t>(ending.end));
}

}  // namespace repartir::sim
