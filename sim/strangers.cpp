// SPDX-License-Identifier: MIT
// Who talks to a worker or to a client and should not, or says what makes no sense: each must be
// answered as the protocol says, and nobody else may notice.
#include <algorithm>
#include <string>
#include <utility>

#include "cluster.hpp"
#include "wire/limits.hpp"

namespace repartir::sim {
namespace {

using namespace std::chrono_literals;
using wire::MessageType;

std::string tasks_of(std::vector<std::string> tasks) {
    return codec::encode(codec::fields(std::span<const std::string>(tasks)));
}

}  // namespace

bool Cluster::Answer::out_of_credit() const {
    return closed && std::ranges::any_of(messages, [](const auto& message) {
               return message.first == MessageType::goodbye &&
                      message.second.find("more than it had credit for") != std::string::npos;
           });
}

/// Says something to a worker's reactor on a connection, and does what comes of it.
Cluster::Answer Cluster::tell_worker(std::uint32_t id, std::uint64_t connection, MessageType type,
                                     std::string_view body) {
    Worker& worker = workers_[id];
    const bool stranger = !connections_.contains(connection);
    worker::Outbox out;
    worker.reactor->flush(out);  // what came before is not part of the answer
    worker_effects(id, out);
    worker.reactor->received(connection, {type, wire::version_max, 77, body}, worker.machine.now(),
                             out);
    worker.reactor->flush(out);
    Answer answer;
    std::erase_if(out, [&](const worker::Effect& effect) {
        const auto* const send = std::get_if<worker::Send>(&effect);
        const auto* const close = std::get_if<worker::Close>(&effect);
        const auto* const admit = std::get_if<worker::Admit>(&effect);
        if (send != nullptr && send->to == connection) {
            answer.messages.emplace_back(send->type, send->body);
            return stranger;
        }
        const bool closes = close != nullptr && close->connection == connection;
        answer.closed = answer.closed || closes;
        return stranger && (closes || (admit != nullptr && admit->connection == connection));
    });
    worker_effects(id, out);
    return answer;
}

void Cluster::expect(bool holds, std::string_view what) {
    if (!holds) {
        violated("a forged message is not answered as it should be: " + std::string(what));
    }
}

/// Somebody who has no session connects to a worker, and does not get far.
void Cluster::trouble_stranger(std::uint32_t id) {
    Worker& worker = workers_[id];
    if (!worker.reactor || worker.machine.awake() == 0ns) {
        return;
    }
    count("stranger");
    if (!worker.draining && chance(10)) {
        crowd(id);
        return;
    }
    const std::uint64_t connection = ++last_connection_;
    const auto kind = random_.below(8);
    const std::size_t sessions = worker.reactor->sessions();
    const wire::Role role = kind == 5 ? wire::Role::worker : wire::Role::client;
    worker.reactor->connected(connection, role, worker.machine.now());
    wire::Hello hello;
    hello.session = {random_.next(), 1};
    hello.heartbeat = chance(80) ? 1ms * random_.below(3000) : 100s;
    hello.time_to_live = 5s;
    hello.capabilities = chance(50) ? wire::capability_lz4 : 0;
    std::string body;
    MessageType type = MessageType::hello;
    switch (kind) {
        case 0:  // says nothing: the audit looks after it
            strangers_[connection] = {id, worker.life, worker.machine.now()};
            worker_wakes(id);
            return;
        case 1:
            type = MessageType::task_submit;
            break;
        case 2:
            body = "no hello";
            break;
        case 3:
            hello.version_min = hello.version_max = chance(50) ? 900 : 0;
            break;
        case 4:
            hello.role = wire::Role::broker;
            break;
        case 5:
            hello.role = wire::Role::worker;
            break;
        case 6:
            hello.session = clients_[0].options.session;
            hello.epoch = 1;
            break;
        default:
            break;
    }
    const bool known = kind == 6 && connection_of(id, 0) != 0;
    const Answer answer =
        tell_worker(id, connection, type, kind == 2 ? body : codec::encode(hello));
    const bool full = sessions == sessions_max;  // unless somebody left nothing there
    if (kind <= 5 || (kind == 6 && known) || worker.draining || (full && answer.closed)) {
        expect(answer.closed && answer.messages.size() == 1 &&
                   answer.messages[0].first == MessageType::goodbye &&
                   worker.reactor->sessions() == sessions,
               "a stranger is not sent away");
        return;
    }
    expect(!full || worker.reactor->sessions() == sessions, "room is made for one too many");
    if (kind != 6 || !answer.closed) {  // else the session was there without a connection
        guest(id, connection, hello, answer);
    }
}

/// As many come as a worker takes sessions, and then one more. Who was there may come back, but for
/// who was gone longest when a new one came.
void Cluster::crowd(std::uint32_t id) {
    Worker& worker = workers_[id];
    std::vector<std::pair<std::uint64_t, wire::Hello>> guests;
    const auto hello = [&](std::uint64_t connection, const wire::Hello& words) {
        worker.reactor->connected(connection, wire::Role::client, worker.machine.now());
        return tell_worker(id, connection, MessageType::hello, codec::encode(words));
    };
    const auto comes = [&] {
        auto& [connection, words] = guests.emplace_back(++last_connection_, wire::Hello());
        words.session = {random_.next(), 1};
        const Answer answer = hello(connection, words);
        if (answer.closed) {
            guests.pop_back();
        }
        return !answer.closed;
    };
    while (worker.reactor->sessions() < sessions_max) {
        expect(comes(), "one of a crowd");
    }
    std::uint32_t more = 0;  // each in the place of one who had left nothing
    while (more <= sessions_max && comes()) {
        ++more;
    }
    expect(more <= sessions_max && worker.reactor->sessions() == sessions_max, "one too many");
    for (auto& [connection, words] : guests) {
        worker.reactor->disconnected(connection, worker.machine.now());
        expect(!hello(connection = ++last_connection_, words).closed, "who was there before");
    }
    if (guests.size() >= 2) {
        const auto longest = guests[0];
        const auto longer = guests[1];
        guests.erase(guests.begin(), guests.begin() + 2);
        worker.reactor->disconnected(longest.first, worker.machine.now());
        worker.reactor->disconnected(longer.first, worker.machine.now() + 1ns);
        expect(comes(), "a new one");
        guests.emplace_back(++last_connection_, longer.second);
        const Answer back = hello(last_connection_, longer.second);
        const auto welcome = back.closed ? std::nullopt
                                         : std::optional(wire::decode<wire::Welcome>(
                                               MessageType::welcome, back.messages.at(0).second));
        expect(welcome && *welcome && (*welcome)->session_known, "who was gone less long");
        expect(hello(++last_connection_, longest.second).closed, "who was gone longest");
    }
    for (const auto& [connection, words] : guests) {
        const std::string bye = codec::encode(wire::Goodbye{wire::Parting::done, "done"});
        expect(tell_worker(id, connection, MessageType::goodbye, bye).closed, "a crowd leaves");
    }
    worker_wakes(id);
}

/// Whoever says a proper hello is welcome, and leaves nothing behind.
void Cluster::guest(std::uint32_t id, std::uint64_t connection, const wire::Hello& hello,
                    const Answer& answer) {
    Worker& worker = workers_[id];
    if (answer.closed || answer.messages.empty() ||
        answer.messages[0].first != MessageType::welcome) {
        expect(false, "a guest is not welcome");
        return;
    }
    const auto welcome =
        wire::decode<wire::Welcome>(MessageType::welcome, answer.messages[0].second);
    const bool both = worker.compression && hello.capabilities == wire::capability_lz4;
    expect(welcome->slots == worker.slots && welcome->memory_bytes == worker.memory_bytes &&
               (!welcome->session_known || hello.epoch != 0) &&
               welcome->heartbeat >= wire::heartbeat_min &&
               welcome->heartbeat <= wire::heartbeat_max &&
               (welcome->capabilities == wire::capability_lz4) == both,
           "a welcome says what is not so");
    const std::size_t sessions = worker.reactor->sessions();
    if (chance(50) && hello.heartbeat < 100s) {
        strangers_[connection] = {id, worker.life, worker.machine.now()};  // and falls silent
    } else if (chance(50)) {
        const Answer last = tell_worker(id, connection, MessageType::goodbye,
                                        codec::encode(wire::Goodbye{wire::Parting::done, "done"}));
        expect(last.closed && worker.reactor->sessions() == sessions - 1, "a goodbye");
    } else {
        worker.reactor->disconnected(connection, worker.machine.now());
    }
    worker_wakes(id);
}

/// A client's connection brings a worker what makes no sense.
void Cluster::forge_to_worker(std::uint64_t connection, std::uint32_t id) {
    Connection& there = connections_.find(connection)->second;
    there.forged = true;
    const auto tell = [&](MessageType type, std::string_view body) {
        return tell_worker(id, connection, type, body);
    };
    const auto complains = [](const Answer& answer) {
        return !answer.closed && answer.messages.size() == 1 &&
               answer.messages[0].first == MessageType::error;
    };
    const auto silent = [](const Answer& answer) {
        return !answer.closed && answer.messages.empty();
    };
    switch (random_.below(12)) {
        case 0:
            expect(tell(MessageType::welcome, "").closed, "a worker is welcomed");
            break;
        case 1:
            expect(complains(tell(MessageType::task_submit, "x")), "tasks that are none");
            expect(complains(tell(MessageType::task_cancel, "x")), "a cancel that is none");
            expect(complains(tell(MessageType::task_reclaim, "x")), "a reclaim that is none");
            expect(complains(tell(MessageType::credit, "x")), "a credit that is none");
            forge_cut_off(connection, id);
            break;
        case 2:
            expect(complains(tell(MessageType::task_submit,
                                  tasks_of(std::vector<std::string>(wire::batch_max + 1)))),
                   "too many tasks");
            break;
        case 3:
            forge_too_much(connection, id);
            break;
        case 4:
            expect(silent(tell(MessageType::task_cancel,
                               codec::encode(
                                   codec::fields(std::span<const AttemptId>(&nobodys, 1), true)))),
                   "a cancel of nothing");
            expect(tell(MessageType::task_reclaim, list_of(nobodys)).messages.size() == 1,
                   "a reclaim of nothing");
            break;
        case 5:
            expect(silent(tell(MessageType::heartbeat, "x")), "a heartbeat that is none");
            expect(silent(tell(MessageType::error, "x")), "an error that is none");
            expect(silent(tell(MessageType::drain, "x")), "a drain that is none");
            break;
        case 6:
            forge_goodbye(connection, id);
            break;
        case 7:
            forge_seen(connection, id);
            break;
        case 8:
            forge_later(connection, id);
            break;
        default:
            forge_tasks(connection, id);
    }
}

/// A task that ends too soon is refused by its name, or by none where that is not whole.
void Cluster::forge_cut_off(std::uint64_t connection, std::uint32_t id) {
    constexpr std::size_t most = 48;
    std::string task;
    wire::append_call(task, nobodys, "quick", "", 0ms, Priority::normal);
    task.resize(random_.below(most));
    const Answer answer = tell_worker(id, connection, MessageType::task_submit, tasks_of({task}));
    const bool named = std::ranges::any_of(answer.messages, [](const auto& message) {
        const auto told = wire::decode<wire::ErrorMessage>(message.first, message.second);
        return message.first == MessageType::error && told &&
               (told->attempt == nobodys || told->attempt == AttemptId());
    });
    expect(answer.out_of_credit() || (!answer.closed && named), "a task that is cut off");
}

/// Only who says that it is done leaves nothing behind.
void Cluster::forge_goodbye(std::uint64_t connection, std::uint32_t id) {
    const worker::Reactor& reactor = *workers_[id].reactor;
    const std::size_t sessions = reactor.sessions();
    const std::string body =
        chance(50) ? "x" : codec::encode(wire::Goodbye{wire::Parting::failed, "it is forged"});
    expect(tell_worker(id, connection, MessageType::goodbye, body).closed &&
               reactor.sessions() == sessions,
           "a goodbye of who is not done");
}

/// Tasks come to a worker that it has already, or that are not the sender's.
void Cluster::forge_tasks(std::uint64_t connection, std::uint32_t id) {
    const std::uint32_t client = connections_.find(connection)->second.client;
    Worker& worker = workers_[id];
    for (const auto& [attempt, running] : worker.store) {
        const Job& job = jobs_[running.job];
        if (running.done || worker.draining || job.input > 100) {
            continue;
        }
        const bool own = job.client == client;
        if (own && (job.lease != attempt.epoch || !job.state.current(job.attempt) ||
                    job.leased_on != connection)) {
            continue;
        }
        AttemptId forged = attempt;
        const bool stale = own && chance(50) && attempt.epoch > 1;
        forged.epoch -= stale ? 1 : 0;
        std::string task = order_of(running.job).task;
        wire::set_epoch(task, forged.epoch);
        const Answer answer =
            tell_worker(id, connection, MessageType::task_submit, tasks_of({task}));
        const bool refused = std::ranges::any_of(answer.messages, [](const auto& message) {
            return message.first == MessageType::error;
        });
        if (answer.out_of_credit()) {
            return;
        }
        if (stale || !own) {
            expect(!answer.closed && refused, "a task that is another's, or that is over");
        } else {
            expect(!answer.closed && !refused, "a task that comes again");
        }
        return;
    }
}

/// Something that makes no sense comes on a connection that stands.
void Cluster::trouble_forged(std::uint32_t id, std::uint32_t worker) {
    const std::uint64_t connection = clients_[id].open[worker];
    if (clients_[id].reactor && connection == 0 && clients_[id].machine.awake() != 0ns) {
        expect(!tell_client(id, worker, MessageType::goodbye, "x"), "what nobody said");
    }
    const auto found = connections_.find(connection);
    if (found == connections_.end() || !found->second.client_open || !found->second.worker_open ||
        !found->second.admitted || !clients_[id].reactor || !workers_[worker].reactor ||
        found->second.life != workers_[worker].life || clients_[id].machine.awake() == 0ns ||
        workers_[worker].machine.awake() == 0ns) {
        return;
    }
    count("forged");
    found->second.forged = true;
    if (chance(50)) {
        forge_to_worker(connection, worker);
    } else {
        forge_to_client(id, worker);
    }
}

}  // namespace repartir::sim
