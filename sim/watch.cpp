// SPDX-License-Identifier: MIT
// What must hold of every message that is sent, whatever happens.
#include <algorithm>
#include <string>
#include <utility>

#include "cluster.hpp"
#include "wire/limits.hpp"

namespace repartir::sim {
namespace {

using namespace std::chrono_literals;

/// An end that works may hang up for these reasons, and for no others.
bool may_fail_for(std::string_view reason) {
    return reason == "it was not heard of for too long" ||
           reason.starts_with("it is the worker at ") ||
           reason.starts_with("it took the connection, but nothing answered within ") ||
           reason == "no hello came in time";
}

/// So many results may wait for the next message to their worker, or so many bytes of them.
constexpr std::size_t acknowledged_min = 32;
constexpr std::size_t acknowledged_bytes_min = 16'384;
/// Twice the least timeout of a detector: two heartbeats.
constexpr base::BootTime silence_min = 4s;

std::string name_of(wire::MessageType type) { return std::string(wire::to_string(type)); }

}  // namespace

/// A message is sent.
void Cluster::watch_message(std::uint64_t id, Side from, wire::MessageType type,
                            std::string_view body) {
    Connection& connection = connections_.find(id)->second;
    Pipe& pipe = from == Side::client ? connection.to_worker : connection.to_client;
    if (pipe.parted) {
        violated("a " + name_of(type) + " follows a goodbye");
    }
    switch (type) {
        case wire::MessageType::hello:
        case wire::MessageType::welcome:
            pipe.beat_at = machine_of(connection, from).now();
            connection.welcomed = type == wire::MessageType::welcome;
            watch_welcome(connection, type, body);
            break;
        case wire::MessageType::goodbye:
            watch_goodbye(connection, from, body);
            break;
        case wire::MessageType::heartbeat:
            watch_heartbeat(connection, from, body);
            break;
        case wire::MessageType::credit:
            watch_credit(connection, from, body);
            break;
        case wire::MessageType::error: {
            const auto told = wire::decode<wire::ErrorMessage>(type, body);
            if (connection.forged) {
                break;
            }
            violated("a worker complains: " + (told ? told->error.sentence : "of what?"));
            break;
        }
        case wire::MessageType::drain:
            connection.told_drain = true;
            break;
        case wire::MessageType::task_submit:
        case wire::MessageType::task_result:
            break;
        case wire::MessageType::task_output:
            watch_output(connection, body);
            break;
        default:
            watch_list(id, from, type, body);
    }
    if (type == wire::MessageType::task_result) {
        const auto result = wire::decode<wire::TaskResult>(type, body);
        workers_[connection.worker].queue.erase(result->attempt);
        connection.told.insert(result->attempt);
        if (!connection.results.insert(result->sequence).second) {
            violated("a result is sent twice by one connection");
        }
        connection.answered.insert(result->attempt);
        if (jobs_[result->attempt.task.element].kind == Kind::program && result->report.error &&
            result->report.error->code == "not_found") {
            violated("a program is said to be a function that is missing");
        }
    }
}

/// A session that is new has nothing that waits.
void Cluster::watch_welcome(Connection& connection, wire::MessageType type, std::string_view body) {
    if (type != wire::MessageType::welcome) {
        const auto hello = wire::decode<wire::Hello>(type, body);
        const client::Options& options = clients_[connection.client].options;
        if (hello->capabilities != (options.compression ? wire::capability_lz4 : 0) ||
            hello->session != options.session || hello->epoch != options.epoch) {
            violated("a client says that it is what it is not");
        }
        return;
    }
    Worker& worker = workers_[connection.worker];
    const auto welcome = wire::decode<wire::Welcome>(type, body);
    if (welcome->slots != worker.slots || welcome->memory_bytes != worker.memory_bytes ||
        welcome->incarnation != worker.life) {
        violated("a worker says that it is what it is not");
    }
    for (const auto& [id, other] : connections_) {
        if (&other != &connection && other.client == connection.client &&
            other.worker == connection.worker && other.life == connection.life &&
            other.worker_open && other.welcomed) {
            violated("a session has two connections");
        }
    }
    connection.session_known = welcome->session_known;
    static_cast<void>(welcome->functions.each([&](std::string_view name) {
        const auto kind = std::ranges::find(functions, name) - functions.begin();
        connection.functions |= 1U << static_cast<std::uint32_t>(kind);
    }));
    if (!welcome->session_known) {
        watch_session(connection);
        std::erase_if(worker.queue, [&](const auto& each) {
            return jobs_[each.first.task.element].client == connection.client;
        });
    }
}

/// A worker knows a session no more: it was away for longer than it may, or had to make room.
void Cluster::watch_session(const Connection& connection) {
    const Machine& machine = workers_[connection.worker].machine;
    const base::BootTime full_at = workers_[connection.worker].full_at;
    const auto most = clients_[connection.client].options.time_to_live;
    if (!connection.client_open) {
        return;  // it has left meanwhile, and ended it
    }
    for (const auto& [id, other] : connections_) {
        if (&other != &connection && other.client == connection.client && other.welcomed &&
            other.worker == connection.worker && other.life == connection.life &&
            machine.now() - other.to_worker.read_at < most && full_at < other.to_worker.read_at) {
            violated("worker " + std::to_string(connection.worker) + " has forgotten a session");
        }
    }
}

void Cluster::watch_goodbye(Connection& connection, Side from, std::string_view body) {
    const auto goodbye = wire::decode<wire::Goodbye>(wire::MessageType::goodbye, body);
    Pipe& pipe = from == Side::client ? connection.to_worker : connection.to_client;
    const Pipe& other = from == Side::client ? connection.to_client : connection.to_worker;
    pipe.parted = true;
    const bool broken =
        goodbye->parting == wire::Parting::failed || goodbye->parting == wire::Parting::refused;
    if (broken && !connection.forged && !may_fail_for(goodbye->reason)) {
        violated("somebody hangs up: " + std::string(goodbye->reason));
    }
    if (goodbye->reason == "no hello came in time" && clock_.now() - connection.opened < 4s &&
        machine_of(connection, from).awake() > 5s) {
        violated("a worker waits too short for hello");
    }
    if (goodbye->reason.starts_with("it took the connection") &&
        clock_.now() - connection.opened < 4s && machine_of(connection, from).awake() > 5s) {
        violated("a client waits too short for welcome");
    }
    Client& client = clients_[connection.client];
    if (goodbye->reason.starts_with("it is the worker at ")) {
        client.links[connection.address].twin = true;
        client.joined = client.machine.now();
    }
    if (goodbye->reason == "it was not heard of for too long" && !other.silent &&
        machine_of(connection, from).now() - other.read_at < silence_min) {
        violated("a worker that spoke is given up for its silence");
    }
}

void Cluster::watch_heartbeat(Connection& connection, Side from, std::string_view body) {
    const auto beat = wire::decode<wire::Heartbeat>(wire::MessageType::heartbeat, body);
    Pipe& pipe = from == Side::client ? connection.to_worker : connection.to_client;
    const Pipe& other = from == Side::client ? connection.to_client : connection.to_worker;
    const base::BootTime now = machine_of(connection, from).now();
    if (beat->sequence != ++pipe.beats || beat->echo != other.heard) {
        violated("heartbeat " + std::to_string(pipe.beats) + " that echoes " +
                 std::to_string(other.heard) + " says " + std::to_string(beat->sequence) + " and " +
                 std::to_string(beat->echo));
    }
    if (beat->echo_age != (other.heard != 0 ? now - other.heard_at : 0ns)) {
        violated("a heartbeat tells a wrong age of the other's");
    }
    if (now - pipe.beat_at < 1s) {
        violated("a heartbeat comes too early");
    }
    pipe.beat_at = now;
    const Worker& worker = workers_[connection.worker];
    if (from == Side::worker && (beat->running != worker.running ||
                                 beat->load_permille != 1000 * worker.running / worker.slots)) {
        violated("worker " + std::to_string(connection.worker) + " tells a wrong load");
    }
    const auto queued = std::ranges::count_if(worker.queue, [&](const auto& each) {
        return jobs_[each.first.task.element].client == connection.client;
    });
    if (from == Side::worker && !connection.forged && beat->queued != queued) {
        violated("worker " + std::to_string(connection.worker) + " says that " +
                 std::to_string(beat->queued) + " wait of " + std::to_string(queued));
    }
}

void Cluster::watch_credit(Connection& connection, Side from, std::string_view body) {
    const auto credit = wire::decode<wire::Credit>(wire::MessageType::credit, body);
    if (credit->tasks == 0 && credit->input_bytes == 0 && credit->output_bytes == 0 &&
        credit->results.size() == 0) {
        violated("a credit grants nothing and acknowledges nothing");
    }
    if (from == Side::worker && connection.draining) {
        violated("a worker that drains grants credit");
    }
    const Worker& worker = workers_[connection.worker];
    if (from == Side::worker &&
        ((credit->tasks != 0 && credit->tasks < worker.tasks_max / 4) ||
         (credit->input_bytes != 0 && credit->input_bytes < worker.input_bytes_max / 4))) {
        violated("a worker grants too little to be worth a message");
    }
    if (from == Side::client) {
        const Pipe& in = connection.to_client;
        const bool due = credit->output_bytes != 0 || connection.draining ||
                         credit->results.size() >= acknowledged_min ||
                         connection.unseen_bytes >= acknowledged_bytes_min ||
                         credit->results.size() >= in.tasks_granted;
        connection.unseen_bytes = 0;
        connection.alone = !due;
    }
}

/// Output comes before its result, and says how much there is as soon as that is known.
void Cluster::watch_output(const Connection& connection, std::string_view body) {
    const auto output = wire::decode<wire::TaskOutput>(wire::MessageType::task_output, body);
    const Worker& worker = workers_[connection.worker];
    const auto there = worker.store.find(output->attempt);
    if (output->bytes.empty() || connection.told.contains(output->attempt)) {
        violated("output is empty, or follows its result");
    }
    if (there == worker.store.end() || (output->total != 0) != there->second.done) {
        violated("output does not say how much there is, or too soon");
    }
}

/// A message that lists attempts.
void Cluster::watch_list(std::uint64_t id, Side from, wire::MessageType type,
                         std::string_view body) {
    Connection& connection = connections_.find(id)->second;
    const auto list = wire::decode<wire::Attempts>(type, body);
    const bool may_be_empty = type == wire::MessageType::task_reclaimed ||
                              (type == wire::MessageType::task_accepted &&
                               connection.session_known && !connection.admitted);
    if (list->ids.size() == 0 && !may_be_empty) {
        violated("a " + name_of(type) + " lists nothing");
    }
    Worker& worker = workers_[connection.worker];
    if (type == wire::MessageType::task_reclaim) {
        watch_reclaim(connection, *list);
    }
    if (type == wire::MessageType::task_accepted && !connection.admitted) {
        reattached(worker, id, *list);
    }
    static_cast<void>(list->ids.each([&](const AttemptId& attempt) {
        if (type == wire::MessageType::task_accepted) {
            if (connection.answered.contains(attempt)) {
                violated("a worker says that it has what it said has ended");
            }
            worker.unaccepted.erase(attempt);
        }
        if (type == wire::MessageType::task_reclaimed) {
            worker.queue.erase(attempt);
            if (worker.store.contains(attempt) && !worker.draining) {
                violated("a worker gives back what it has begun");
            }
        }
        const Job& job = jobs_[attempt.task.element];
        if (from == Side::client && type == wire::MessageType::task_cancel && !job.cancelled &&
            clients_[connection.client].reactor->lease_of(job.attempt) == attempt) {
            violated("a client cancels what nobody cancelled");
        }
    }));
}

/// A worker tells a client that came back what it has.
void Cluster::reattached(Worker& worker, std::uint64_t connection, const wire::Attempts& list) {
    const std::uint32_t client = connections_.find(connection)->second.client;
    std::set<AttemptId> has;
    static_cast<void>(list.ids.each([&](const AttemptId& attempt) { has.insert(attempt); }));
    for (auto queued = worker.queue.begin(); queued != worker.queue.end();) {
        const bool own = jobs_[queued->first.task.element].client == client;
        if (own && !has.contains(queued->first)) {
            queued = worker.queue.erase(queued);
            continue;
        }
        queued->second.connection = own ? connection : queued->second.connection;
        ++queued;
    }
}

/// A client submits tasks.
void Cluster::watch_submit(std::uint64_t id, std::string_view body) {
    const auto found = connections_.find(id);
    const auto submit = wire::decode<wire::TaskSubmit>(wire::MessageType::task_submit, body);
    if (submit->tasks.size() == 0 || found == connections_.end() || !found->second.admitted) {
        violated("a client submits nothing, or to nobody");
        return;
    }
    Connection& connection = found->second;
    watch_trial(connection, submit->tasks.size());
    if (submit->tasks.size() > 1 && body.size() > wire::frame_body_bytes_max + (16U << 10U)) {
        violated("a client submits more at once than it should");
    }
    const Link& link = clients_[connection.client].links[connection.address];
    if (clients_[connection.client].machine.awake() > 1s &&  // else it has not looked yet
        believed(connection.client, link) != core::Health::alive) {
        violated("a client submits to a worker that it suspects");
    }
    if (connection.reconciles) {
        violated("a client submits to a worker of which it does not know what it has");
    }
    if (connection.draining) {
        violated("a client submits to a worker that drains");
    }
    if (connection.submitted_in == batch_ && submit->tasks.size() < wire::batch_max &&
        connection.submitted_bytes + body.size() <= wire::frame_body_bytes_max) {
        violated("a client submits in two messages what is one");
    }
    connection.submitted_in = batch_;
    connection.submitted_bytes = body.size();
    Pipe& grants = connection.to_client;
    const auto problem = submit->tasks.each([&](std::string_view bytes) {
        const AttemptId lease = wire::read_task(bytes)->attempt;
        Job& job = jobs_[lease.task.element];
        if (grants.tasks_granted == 0 || grants.bytes_granted < bytes.size()) {
            violated("a client submits more than it has credit for");
        } else {
            --grants.tasks_granted;
            grants.bytes_granted -= bytes.size();
        }
        if (const auto old = connections_.find(job.leased_on);
            old != connections_.end() && old->second.client_open) {
            violated("task " + std::to_string(lease.task.element) + " is given to two workers");
        }
        if (job.died) {
            violated("task " + std::to_string(lease.task.element) +
                     " may have run at a worker that died, and is sent again unsaid");
        }
        if (job.cancelled) {
            violated("task " + std::to_string(lease.task.element) + " was cancelled and is sent");
        }
        if (!job.blind && !has(connection.functions, job)) {
            violated("a call is sent to a worker that has no such function");
        }
        job.lease = lease.epoch;
        job.leased_on = id;
        job.fresh = false;
        job.asked_back = 0;
        connection.in_vain = false;
    });
    if (problem != codec::Problem::none) {
        violated("a client sends tasks that cannot be read");
    }
    static_cast<void>(submit->tasks.each([&](std::string_view bytes) {
        watch_order(connection, wire::read_task(bytes)->attempt.task.element);
    }));
}

/// A worker that failed too often gets nothing for a while, and then one task.
void Cluster::watch_trial(const Connection& connection, std::size_t tasks) {
    const Client& client = clients_[connection.client];
    const Link& link = client.links[connection.address];
    const bool shut = client.machine.now() < link.shut_until;
    if (link.on_trial && (shut || tasks != 1)) {
        violated("worker " + std::to_string(connection.worker) + " is on trial and gets " +
                 std::to_string(tasks) + " tasks");
    }
}

/// A client hears of a worker: who was never silent for long was never suspected.
void Cluster::heard_of(const Client& client, Link& link) {
    const base::BootTime now = client.machine.now();
    link.silences += now - std::exchange(link.heard_at, now) >= silence_min / 2 ? 1 : 0;
    link.detector->heard(now);
    if (link.detector->mistakes() > link.silences) {
        violated("a worker was suspected that was heard in time");
    }
}

/// An end reads a message, and has not acted on it yet.
void Cluster::heard(std::uint64_t id, Side at, const wire::Message& message) {
    Connection& connection = connections_.find(id)->second;
    Pipe& pipe = at == Side::client ? connection.to_client : connection.to_worker;
    const base::BootTime now = machine_of(connection, at).now();
    // who was silent for so long may be given up, whatever it says afterwards
    pipe.silent = pipe.silent || (pipe.read_at != 0ns && now - pipe.read_at >= silence_min);
    pipe.read_at = now;
    switch (message.type) {
        case wire::MessageType::heartbeat:
            pipe.heard = wire::decode<wire::Heartbeat>(message.type, message.body)->sequence;
            pipe.heard_at = now;
            break;
        case wire::MessageType::welcome: {
            const auto welcome = wire::decode<wire::Welcome>(message.type, message.body);
            pipe.tasks_granted = welcome->task_credit;
            connection.known = welcome->session_known;
            pipe.bytes_granted = welcome->input_credit;
            break;
        }
        case wire::MessageType::credit: {
            const auto credit = wire::decode<wire::Credit>(message.type, message.body);
            pipe.tasks_granted += credit->tasks;
            pipe.bytes_granted += credit->input_bytes;
            break;
        }
        case wire::MessageType::task_result:
            connection.unseen_bytes += message.body.size();
            break;
        case wire::MessageType::task_accepted:
            connection.reconciles = false;
            break;
        case wire::MessageType::drain:
            connection.draining = true;
            clients_[connection.client].links[connection.address].draining = true;
            break;
        case wire::MessageType::task_reclaimed: {
            Client& client = clients_[connection.client];
            connection.reclaims = false;
            connection.in_vain = true;
            client.back_from = client.back_from == id ? 0 : client.back_from;
            const auto list = wire::decode<wire::Attempts>(message.type, message.body);
            static_cast<void>(list->ids.each([&](const AttemptId& attempt) {
                Job& job = jobs_[attempt.task.element];
                job.leased_on = job.lease == attempt.epoch ? 0 : job.leased_on;
            }));
            break;
        }
        default:
            break;
    }
    if (at == Side::worker) {
        queued(id, message);
    }
}

}  // namespace repartir::sim
