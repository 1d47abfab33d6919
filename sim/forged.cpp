// SPDX-License-Identifier: MIT
// What is sent to a worker once more, too early or too much, as no client of ours would.
#include <algorithm>
#include <string>
#include <utility>

#include "cluster.hpp"

namespace repartir::sim {

using namespace std::chrono_literals;
using wire::MessageType;

namespace {

std::string batch_of(const std::vector<std::string>& tasks) {
    return codec::encode(codec::fields(std::span(tasks)));
}

bool complains(const std::vector<std::pair<MessageType, std::string>>& messages) {
    return std::ranges::any_of(
        messages, [](const auto& message) { return message.first == MessageType::error; });
}

}  // namespace

/// @return the connection by which that client has a session at the worker; 0: none.
std::uint64_t Cluster::connection_of(std::uint32_t id, std::uint32_t client) const {
    const auto found = std::ranges::find_if(connections_, [&](const auto& each) {
        const Connection& one = each.second;
        return one.worker == id && one.client == client && one.welcomed && one.worker_open &&
               one.life == workers_[id].life;
    });
    return found == connections_.end() ? 0 : found->first;
}

/// More comes than there is credit for, of tasks or of bytes; what follows it makes nothing good.
void Cluster::forge_too_much(std::uint64_t connection, std::uint32_t id) {
    constexpr std::size_t most = 2'000'000;  // more than any worker takes
    std::vector<std::string> tasks(500);
    if (chance(50)) {
        tasks = {std::string(most, 'x'), std::string()};
    }
    expect(tell_worker(id, connection, MessageType::task_submit, batch_of(tasks)).closed,
           "more than there is credit for");
}

/// A client acknowledges what it was not sent: that is still to come.
void Cluster::forge_seen(std::uint64_t connection, std::uint32_t id) {
    constexpr std::uint64_t ahead = 16;
    const std::set<std::uint64_t>& sent = connections_.at(connection).results;
    std::vector<std::uint64_t> unseen{1U << 30U, 1U << 30U};
    for (std::uint64_t last = (sent.empty() ? 0 : *sent.rbegin()) + ahead; last != 0; --last) {
        if (!sent.contains(last)) {
            unseen.push_back(last);
        }
    }
    std::string list;
    wire::Credit credit;
    credit.results = codec::list_of(std::span<const std::uint64_t>(unseen), list);
    const Answer answer = tell_worker(id, connection, MessageType::credit, codec::encode(credit));
    expect(!answer.closed && answer.messages.empty(), "results that there are none of");
}

/// A client's task is over for it, and comes to its worker once more by a later name: what is there
/// of it ends, whether it waits or runs.
void Cluster::forge_later(std::uint64_t connection, std::uint32_t id) {
    Worker& worker = workers_[id];
    Connection& there = connections_.at(connection);
    const Client& client = clients_[there.client];
    if (worker.draining || !there.client_open || !there.admitted || !client.reactor ||
        client.machine.awake() == 0ns) {
        return;
    }
    std::vector<AttemptId> all;
    for (const auto& [attempt, queued] : worker.queue) {
        all.push_back(attempt);
    }
    for (const auto& [attempt, running] : worker.store) {
        all.push_back(attempt);
    }
    const auto found = std::ranges::find_if(all, [&](const AttemptId& attempt) {
        const Job& job = jobs_[attempt.task.element];
        return job.client == there.client && job.leased_on == connection && !job.cancelled &&
               job.input <= 100 && client.reactor->lease_of(job.attempt) == attempt;
    });
    if (found == all.end()) {
        return;
    }
    there.forged = true;
    count("sent anew");
    AttemptId later = *found;
    ++later.epoch;
    const std::uint32_t index = later.task.element;
    std::string task = order_of(index).task;
    wire::set_epoch(task, later.epoch);
    refuse_task(index, there.address);
    if (worker.queue.contains(*found)) {
        worker.called_off.insert(*found);
    }
    worker.queue.emplace(later, Queued{connection, ++worker.arrivals});
    const Answer answer =
        tell_worker(id, connection, MessageType::task_submit, batch_of({std::move(task)}));
    expect(answer.closed || !complains(answer.messages), "a task that is sent anew");
    // closed: the client may think that it has the credit that this took; what it had is there
    // still
    worker.queue.erase(answer.closed ? later : *found);
    if (answer.closed) {
        worker.called_off.erase(*found);
    }
}

/// A worker says of a task that it does not take it.
void Cluster::refuse_task(std::uint32_t index, std::uint32_t address) {
    Job& job = jobs_[index];
    job.forged = true;
    const auto lease = *clients_[job.client].reactor->lease_of(job.attempt);
    const Error why(Domain::wire, Code::malformed, Fault::user, "it is forged");
    expect(!tell_client(job.client, address, MessageType::error,
                        codec::encode(wire::ErrorMessage{lease, wire::to_record(why)})) &&
               job.outcomes == 1,
           "a task that is not taken");
}

/// Somebody else sends a worker what runs there: it is not begun again, though it has ended, or its
/// session is no more.
void Cluster::send_again(std::uint32_t id, const AttemptId& attempt) {
    Worker& worker = workers_[id];
    if (!worker.reactor || worker.draining || worker.machine.awake() == 0ns ||
        worker.reactor->sessions() >= sessions_max) {
        return;
    }
    count("sent again");
    const std::uint64_t connection = ++last_connection_;
    worker.reactor->connected(connection, wire::Role::client, worker.machine.now());
    wire::Hello hello;
    hello.session = {random_.next(), 1};
    expect(!tell_worker(id, connection, MessageType::hello, codec::encode(hello)).closed,
           "who sends what runs");
    std::string task;
    wire::append_task(task, attempt, Task::binary("job"), false);
    const Answer answer =
        tell_worker(id, connection, MessageType::task_submit, batch_of({std::move(task)}));
    expect(!answer.closed && complains(answer.messages), "a task that runs already");
    const std::string bye = codec::encode(wire::Goodbye{wire::Parting::done, "done"});
    expect(tell_worker(id, connection, MessageType::goodbye, bye).closed, "who sent what runs");
    worker_wakes(id);
}

}  // namespace repartir::sim
