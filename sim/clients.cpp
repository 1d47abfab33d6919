// SPDX-License-Identifier: MIT
// The clients of a simulated cluster: they own tasks, and believe nothing twice.
#include <algorithm>
#include <utility>

#include "cluster.hpp"
#include "wire/limits.hpp"

namespace repartir::sim {

using namespace std::chrono_literals;

void Cluster::begin(std::uint32_t index) {
    Job& job = jobs_[index];
    Client& owner = clients_[job.client];
    if (job.outcomes != 0 || !owner.reactor) {
        return;
    }
    if (job.cancelled) {
        finish_job(index, {End::cancelled, 0});
        return;
    }
    job.attempt = job.state.begin({owner.job, index}, owner.issuer);
    job.received = job.totals = {};
    job.may_lose = false;
    ++job.started;
    note("attempt", index, job.attempt.number);
    start(index);
}

/// @return what the client is to run for it.
client::Order Cluster::order_of(std::uint32_t index) const {
    const Job& job = jobs_[index];
    client::Order order;
    const Priority priority = plan_.priority_of(index);
    order.demand.cores = job.cores;
    order.demand.memory_bytes = job.memory_bytes;
    order.demand.cgroup_limits = job.limited;
    order.priority = priority;
    const std::string input(job.input, 'x');
    if (job.kind != Kind::program) {
        const std::string_view name = functions[std::to_underlying(job.kind)];
        wire::append_call(order.task, job.attempt, name, input, 0ms, priority);
        order.function = job.blind ? 0 : clients_[job.client].reactor->function_number(name);
        return order;
    }
    Task task = Task::binary("job").arg(input).cores(job.cores).priority(priority);
    task.memory(job.memory_bytes);
    if (index % 11 == 0) {
        task.cwd("/");
    }
    if (job.limited) {
        Limits limits;
        (index % 2 == 0 ? limits.resident_bytes : limits.processes) = 1'000'000;
        task.limits(limits);
    }
    wire::append_task(order.task, job.attempt, task, index % 5 == 0);
    return order;
}

/// Hands the current attempt to the client's reactor.
void Cluster::start(std::uint32_t index) {
    const std::uint32_t owner = jobs_[index].client;
    if (!clients_[owner].reactor) {
        return;
    }
    client::Order order = order_of(index);
    clients_[owner].machine.happens([this, id = owner, attempt = jobs_[index].attempt,
                                     order = std::make_shared<client::Order>(std::move(order))] {
        Client& client = clients_[id];
        if (client.reactor) {
            client::Outbox out;
            Job& job = jobs_[attempt.task.element];
            if (job.cancelled) {  // while its machine slept
                finish_job(attempt.task.element, {End::cancelled, 0});
                return;
            }
            job.arrival = ++client.arrivals;
            job.arrived = client.machine.now();
            job.fresh = true;
            job.unplaced = job.died = false;
            client.reactor->start(attempt, std::move(*order), client.machine.now());
            client.reactor->hand_out(client.machine.now(), out);
            client_effects(id, out);
            if (client.reactor->lease_of(job.before)) {
                violated("what was given back is there still by its old name");
            }
        }
    });
}

void Cluster::ended(const client::Finished& finished) {
    const std::uint32_t index = finished.attempt.task.element;
    const std::string name = "task " + std::to_string(index);
    Job& job = jobs_[index];
    if (job.outcomes != 0) {
        violated(name + " ended again");
        return;
    }
    if (!job.state.current(finished.attempt)) {
        violated("a result of a superseded attempt of " + name + " was accepted");
        return;
    }
    if (said_ && job.leased_on == 0) {
        said_.reset();  // it waited here: nobody has said anything of it
    }
    if (said_ && said_->epoch != job.lease) {
        violated("a result of a lease of " + name + " that is over was accepted");
    }
    const auto attempt = wire::to_attempt(finished.report, {});
    if (!attempt) {
        violated("a report could not be read");
        return;
    }
    if (attempt->ending.ok() && (!whole(index, 0, finished.out) || !whole(index, 1, finished.err) ||
                                 !whole(index, 2, finished.value))) {
        violated("what " + name + " wrote did not arrive whole");
    }
    job.arrival = job.leased_on = 0;
    book(index, *attempt);
    if (attempt->ending.end == End::cancelled && !job.cancelled) {
        violated(name + " ended as cancelled, and nobody cancelled it");
    }
    const auto retry = job.state.ended(*attempt, job.policy, random_);
    if (retry && !job.cancelled) {
        clock_.after(*retry, [this, index] { begin(index); });
    } else {
        finish_job(index, attempt->ending);
    }
}

void Cluster::client_sends(std::uint32_t id, const client::Send& send) {
    if (send.type == wire::MessageType::task_submit) {
        watch_submit(clients_[id].open[send.worker], send.body);
    }
    const auto to = connections_.find(clients_[id].open[send.worker]);
    if (to == connections_.end() || !to->second.client_open) {
        violated("a client sends a message to nobody");
    }
    post(clients_[id].open[send.worker], Side::client, send.type, send.correlation, send.body);
    if (to != connections_.end() && send.type != wire::MessageType::credit) {
        to->second.alone = false;
    }
}

void Cluster::client_has_output(const client::Output& output) {
    const std::uint32_t index = output.attempt.task.element;
    Job& job = jobs_[index];
    if (!job.state.current(output.attempt)) {
        violated("output of a superseded attempt of task " + std::to_string(index) +
                 " was accepted");
        return;
    }
    const std::size_t channel = std::to_underlying(output.channel);
    if (output.offset > job.received[channel] || output.bytes.empty() ||
        output.bytes != pattern(index, channel, output.offset, output.bytes.size())) {
        violated("a piece of output is not what was written");
    }
    if (job.totals[channel] != 0 && output.offset != 0 && output.total != job.totals[channel] &&
        !job.may_lose && !job.cancelled) {
        violated("the total of an output changes");
    }
    job.totals[channel] = output.total;
    job.received[channel] = output.offset + output.bytes.size();
}

void Cluster::client_effects(std::uint32_t id, client::Outbox& out) {
    Client& client = clients_[id];
    ++batch_;
    std::optional<std::uint32_t> dropped;
    for (client::Effect& effect : std::exchange(out, {})) {
        if (const auto* send = std::get_if<client::Send>(&effect)) {
            client_sends(id, *send);
        } else if (const auto* dialled = std::get_if<client::Dial>(&effect)) {
            dial(id, dialled->worker);
        } else if (const auto* admit = std::get_if<client::Admit>(&effect)) {
            Connection& connection = connections_.find(client.open[admit->worker])->second;
            connection.to_client.framer.admit(admit->version, admit->compression);
            connection.to_worker.options = {admit->version, admit->compression};
            connection.admitted = true;
            watch_twin(id, admit->worker);
            Link& link = client.links[admit->worker];
            link.up = true;
            link.twin = false;
            client.joined = client.machine.now();
            link.known = connection.known && link.life == connection.life;
            connection.reconciles = link.known;
            link.draining = false;
            link.others = link.queued = link.busy = 0;
            link.life = connection.life;
            link.functions = connection.functions;
            link.detector.emplace(core::Patience{1s, 30s}, client.machine.now());
            link.heard_at = client.machine.now();
            link.silences = 0;
            if (link.known && plan_.faults && chance(20)) {
                cancel_some(id, admit->worker);
            }
            if (link.known && plan_.faults && chance(2)) {
                clock_.after(0ms, [this, id, connection = client.open[admit->worker]] {
                    forge_list(id, connection);
                });
            }
        } else if (const auto* close = std::get_if<client::Close>(&effect)) {
            hang_up(client.open[close->worker], Side::client);
            unlink(id, close->worker);
            dropped = close->worker;
        } else if (const auto* output = std::get_if<client::Output>(&effect)) {
            client_has_output(*output);
        } else if (const auto* finished = std::get_if<client::Finished>(&effect)) {
            ended(*finished);
        } else if (const auto* returned = std::get_if<client::Returned>(&effect)) {
            came_back(returned->attempt);
        } else if (const auto* capacity = std::get_if<client::Capacity>(&effect)) {
            watch_capacity(client, *capacity);
        }
    }
    if (dropped) {
        watch_dropped(id, *dropped);
    }
    if (client.reactor) {
        client.told_unreachable = client.reactor->unreachable(client.machine.now()).has_value();
        if (client.told_unreachable && std::ranges::any_of(client.links, &Link::up)) {
            violated("a client says that nobody is in reach, and somebody is");
        }
    }
    client_wakes(id);
}

void Cluster::client_wakes(std::uint32_t id) {
    Client& client = clients_[id];
    if (!client.reactor || client.reactor->next() == base::BootTime::max()) {
        return;
    }
    const base::BootTime next = client.machine.when(client.reactor->next());
    if (client.wakes > clock_.now() && client.wakes <= next) {
        return;  // a wake-up that comes early finds nothing to do and asks again
    }
    client.wakes = next;
    clock_.at(next, [this, id, next] {
        clients_[id].machine.happens([this, id, next] {
            Client& there = clients_[id];
            if (there.reactor && there.wakes == next) {  // else another one is to come
                there.wakes = base::BootTime(0);
                ++there.ticks;
                client::Outbox out;
                there.reactor->tick(there.machine.now(), out);
                client_effects(id, out);
            }
        });
    });
}

void Cluster::dial(std::uint32_t id, std::uint32_t worker) {
    watch_dial(id, worker);
    const bool hangs = plan_.faults && !quiet_ && chance(5);
    clock_.after(hangs ? 8s : delay(who(worker)), [this, id, worker, hangs] {
        clients_[id].machine.happens([this, id, worker, hangs] {
            Client& client = clients_[id];
            if (!client.reactor) {
                return;
            }
            if (!hangs && !is_dead(worker) && workers_[who(worker)].reactor &&
                (quiet_ || !plan_.faults || chance(95))) {
                open(id, worker);
                return;
            }
            client::Outbox out;
            client.reactor->disconnected(worker, "connection refused", client.machine.now(), out);
            client_effects(id, out);
        });
    });
}

void Cluster::open(std::uint32_t id, std::uint32_t address) {
    const std::uint32_t worker = who(address);
    Client& client = clients_[id];
    const std::uint64_t number = ++last_connection_;
    Connection& connection = connections_[number];
    connection.client = id;
    connection.worker = worker;
    connection.address = address;
    connection.opened = connection.disturbed = clock_.now();
    connection.life = workers_[worker].life;
    client.open[address] = number;
    note("open", worker, number);
    workers_[worker].machine.happens([this, worker, number, life = connection.life] {
        Worker& there = workers_[worker];
        if (there.reactor && there.life == life) {
            there.reactor->connected(number, wire::Role::client, there.machine.now());
            worker_wakes(worker);
        }
    });
    client::Outbox out;
    client.reactor->connected(address, client.machine.now(), out);
    client_effects(id, out);
    if (plan_.faults && !quiet_ && chance(5)) {
        lie(id, address);
    }
}

void Cluster::client_reads(std::uint64_t id, std::string_view bytes) {
    const auto found = connections_.find(id);
    if (found == connections_.end() || !found->second.client_open) {
        return;
    }
    Connection& connection = found->second;
    Client& client = clients_[connection.client];
    wire::Framer& framer = connection.to_client.framer;
    framer.give(bytes);
    client::Outbox out;
    while (connection.client_open) {
        const auto message = framer.next();
        if (!message) {
            violated("a client could not read a frame: " +
                     std::string(wire::sentence(message.error())));
            return;
        }
        if (!*message) {
            break;
        }
        client_hears(connection.client, connection.address, **message, out);
    }
    client.reactor->hand_out(client.machine.now(), out);
    client.reactor->flush(connection.address, out);
    client_effects(connection.client, out);
    if (std::exchange(connection.alone, false)) {
        violated("a client acknowledges at once what could wait");
    }
}

void Cluster::client_hears(std::uint32_t id, std::uint32_t worker, const wire::Message& message,
                           client::Outbox& out) {
    if (message.type == wire::MessageType::task_result) {
        if (const auto result = wire::decode<wire::TaskResult>(message.type, message.body)) {
            said_ = result->attempt;
            said_at_ = worker;
        }
    }
    Client& client = clients_[id];
    heard(client.open[worker], Side::client, message);
    if (message.type == wire::MessageType::heartbeat) {
        count_others(id, worker, message);
    }
    const std::vector<std::uint32_t> kept = still_there(id, message);
    const std::vector<std::uint32_t> back = asked_back(client.open[worker], message);
    if (client.links[worker].up) {
        heard_of(client, client.links[worker]);
    }
    for (const std::uint32_t index : back) {
        jobs_[index].comes_back = true;
    }
    client.reactor->received(worker, message, client.machine.now(), out);
    for (const std::uint32_t index : kept) {
        if (!client.reactor->lease_of(jobs_[index].attempt)) {
            violated("a client gives up task " + std::to_string(index) +
                     ", which its worker still has");
        }
    }
    client_effects(id, out);
    said_.reset();
    for (const std::uint32_t index : back) {
        jobs_[index].comes_back = false;
        if (jobs_[index].arrival != 0) {
            violated("task " + std::to_string(index) + " came back and is not given back");
        }
    }
}

/// @return the jobs that a worker says it has, and has by their current leases.
std::vector<std::uint32_t> Cluster::still_there(std::uint32_t id,
                                                const wire::Message& message) const {
    std::vector<std::uint32_t> jobs;
    if (message.type == wire::MessageType::task_accepted) {
        const auto list = wire::decode<wire::Attempts>(message.type, message.body);
        static_cast<void>(list->ids.each([&](const AttemptId& attempt) {
            const std::uint32_t index = attempt.task.element;
            if (clients_[id].reactor->lease_of(jobs_[index].attempt) == attempt) {
                jobs.push_back(index);
            }
        }));
    }
    return jobs;
}

/// The client is no more, and its machine says so or not.
void Cluster::vanish(std::uint32_t id) {
    Client& client = clients_[id];
    note("vanish", id);
    client.reactor.reset();
    for (std::uint64_t& number : client.open) {
        if (const auto found = connections_.find(std::exchange(number, 0));
            found != connections_.end() && found->second.client_open) {
            found->second.client_open = false;
            if (!client.leaves && chance(50)) {
                cut(found->first, false, true);
            }
        }
    }
    for (const Job& job : jobs_) {
        ended_ += job.client == id && job.outcomes == 0 ? 1 : 0;
    }
}

}  // namespace repartir::sim
