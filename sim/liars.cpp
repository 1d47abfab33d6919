// SPDX-License-Identifier: MIT
// Workers that say to a client what makes no sense: it must answer as the protocol says.
#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>

#include "cluster.hpp"
#include "wire/limits.hpp"

namespace repartir::sim {
namespace {

using namespace std::chrono_literals;
using wire::MessageType;
}  // namespace

/// Says something to a client's reactor as if a worker had. @return whether it hung up.
bool Cluster::tell_client(std::uint32_t id, std::uint32_t worker, MessageType type,
                          std::string_view body) {
    Client& client = clients_[id];
    client::Outbox out;
    if (client.links[worker].up) {
        heard_of(client, client.links[worker]);
    }
    client.reactor->received(worker, {type, wire::version_max, 77, body}, client.machine.now(),
                             out);
    client.reactor->hand_out(client.machine.now(), out);
    client.reactor->flush(worker, out);
    const bool closed = std::ranges::any_of(out, [&](const client::Effect& effect) {
        const auto* const close = std::get_if<client::Close>(&effect);
        return close != nullptr && close->worker == worker;
    });
    client_effects(id, out);
    return closed;
}

/// What a worker says to a client makes no sense.
void Cluster::forge_to_client(std::uint32_t id, std::uint32_t worker) {
    const auto tell = [&](MessageType type, std::string_view body) {
        return tell_client(id, worker, type, body);
    };
    wire::TaskOutput output{nobodys, wire::Channel::out, 0, "x", 0};
    wire::ErrorMessage error{nobodys, wire::to_record(Error(Domain::wire, Code::malformed,
                                                            Fault::policy, "it is forged"))};
    switch (random_.below(16)) {
        case 10:
            forge_refusal(id, worker);
            break;
        case 0:
            expect(tell(MessageType::task_submit, ""), "a client is given tasks");
            break;
        case 1:
            expect(tell(MessageType::task_result, "x"), "a result that is none");
            break;
        case 2:
            expect(tell(MessageType::task_output, "x"), "output that is none");
            break;
        case 3: {
            const std::string much(clients_[id].options.output_bytes_max + 1, 'x');
            output.bytes = much;
            expect(tell(MessageType::task_output, codec::encode(output)),
                   "more output than there is credit for");
            break;
        }
        case 4:
            expect(tell(MessageType::error, "x"), "an error that is none");
            break;
        case 5:
            error.attempt = AttemptId();
            expect(tell(MessageType::error, codec::encode(error)), "an error of all");
            break;
        case 6:
            expect(!tell(MessageType::error, codec::encode(error)), "an error of nobody's task");
            expect(!tell(MessageType::heartbeat, "x"), "a heartbeat that is none");
            expect(!tell(MessageType::credit, "x"), "a credit that is none");
            expect(!tell(MessageType::task_accepted, "x"), "what is accepted, and is not");
            if (!connections_.at(clients_[id].open[worker]).reclaims) {  // else it is an answer
                expect(!tell(MessageType::task_reclaimed, "x"), "what comes back, and is not");
                expect(!tell(MessageType::task_reclaimed, list_of(nobodys)), "what nobody has");
            }
            break;
        case 7:
            expect(tell(MessageType::goodbye, "x"), "a goodbye that is none");
            break;
        case 8:
            output.channel = static_cast<wire::Channel>(3);
            expect(tell(MessageType::task_output, codec::encode(output)), "a fourth stream");
            break;
        case 9: {
            wire::TaskResult result;
            result.attempt = nobodys;
            for (const Job& job : jobs_) {  // by a lease that is there
                result.attempt.epoch =
                    leased_at(id, job) == worker ? job.lease : result.attempt.epoch;
            }
            result.sequence = 1U << 30U;
            const std::uint64_t before = clients_[id].reactor->stats().stale;
            expect(!tell(MessageType::task_result, codec::encode(result)), "nobody's result");
            expect(clients_[id].reactor->stats().stale == before + 1, "nobody's result counts");
            break;
        }
        default:
            forge_gap(id, worker);
    }
}

/// A worker says of one of its tasks that it does not take it.
void Cluster::forge_refusal(std::uint32_t id, std::uint32_t worker) {
    for (const Job& job : jobs_) {
        if (leased_at(id, job) == worker) {
            refuse_task(static_cast<std::uint32_t>(&job - jobs_.data()), worker);
            return;
        }
    }
}

/// Whoever answers a client's hello with anything but a proper welcome is hung up on.
void Cluster::lie(std::uint32_t id, std::uint32_t worker) {
    count("lie");
    connections_.find(clients_[id].open[worker])->second.forged = true;
    wire::Welcome welcome;
    welcome.slots = 1'000'000;
    MessageType type = MessageType::welcome;
    switch (random_.below(6)) {
        case 0:
            welcome.version = wire::version_max + 1;
            break;
        case 1:
            welcome.version = wire::version_min - 1;
            break;
        case 2:
            welcome.role = wire::Role::client;
            break;
        case 3:
            type = MessageType::heartbeat;
            break;
        case 4:
            type = MessageType::goodbye;
            break;
        default:
            type = chance(50) ? type : MessageType::goodbye;
            expect(tell_client(id, worker, type, "x"), "a welcome that is none");
            return;
    }
    expect(tell_client(id, worker, type, codec::encode(welcome)), "a worker that is none");
}

/// A worker that is to say what it has says nothing that can be read.
void Cluster::forge_list(std::uint32_t id, std::uint64_t number) {
    const auto found = connections_.find(number);
    if (found == connections_.end() || !found->second.client_open || !found->second.reconciles ||
        !clients_[id].reactor || clients_[id].machine.awake() == 0ns) {
        return;
    }
    count("forged");
    found->second.forged = true;
    expect(tell_client(id, found->second.address, MessageType::task_accepted, "x"),
           "a list that is none");
}

/// A worker leaves a gap in what a task wrote.
void Cluster::forge_gap(std::uint32_t id, std::uint32_t worker) {
    for (const Job& job : jobs_) {
        if (job.client != id || job.arrival == 0 || job.leased_on != clients_[id].open[worker]) {
            continue;
        }
        const auto lease = clients_[id].reactor->lease_of(job.attempt);
        if (!lease) {
            continue;
        }
        const auto channel = static_cast<std::size_t>(random_.below(3));
        const std::uint64_t gap = 1U << 30U;
        wire::TaskResult result;
        result.attempt = *lease;
        result.report.ending = {End::exited, 0};
        const std::array tails{&result.out, &result.err, &result.value};
        tails[channel]->offset = gap;
        const wire::TaskOutput output{*lease, static_cast<wire::Channel>(channel), gap, "x", 0};
        expect(chance(50)
                   ? tell_client(id, worker, MessageType::task_result, codec::encode(result))
                   : tell_client(id, worker, MessageType::task_output, codec::encode(output)),
               "a gap in what a task wrote");
        return;
    }
}

}  // namespace repartir::sim
