// SPDX-License-Identifier: MIT
// The workers of a simulated cluster: what they run, and what their disks keep.
#include <algorithm>
#include <utility>

#include "cluster.hpp"

namespace repartir::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t small_output = 1000;  // is kept in memory
constexpr std::uint64_t input_min = 120'000;  // bytes of tasks
constexpr base::BootTime never = base::BootTime::max();

}  // namespace

void Cluster::boot(std::uint32_t id) {
    Worker& worker = workers_[id];
    worker::Options options;
    options.instance = {id, 1};
    options.incarnation = ++worker.life;
    options.name = "w" + std::to_string(id);
    options.site.slots = options.site.free_slots = worker.slots;
    options.site.memory_bytes = options.site.free_memory_bytes = worker.memory_bytes;
    options.site.cgroup_limits = worker.control_groups;
    worker.functions = 0;
    for (const Kind kind : {Kind::quick, Kind::slow}) {
        if (!plan_.varied || chance(50)) {
            worker.functions |= 1U << static_cast<std::uint32_t>(kind);
            options.functions.emplace_back(functions[std::to_underlying(kind)]);
        }
    }
    options.compression = worker.compression;
    options.sessions_max = sessions_max;
    options.tasks_max = worker.tasks_max = 4 + static_cast<std::uint32_t>(random_.below(200));
    options.input_bytes_max = worker.input_bytes_max = input_min + random_.below(1'000'000);
    worker.reactor = std::make_unique<worker::Reactor>(std::move(options));
    worker.store.clear();
    worker.begun.clear();
    worker.turns = {};
    worker.queue.clear();
    worker.called_off.clear();
    worker.running = worker.ahead = 0;
    worker.memory_used = 0;
    worker.idle_since = worker.spare_since = clock_.now();
    worker.draining = worker.ran_quick = false;
    worker.quickest = base::BootTime(0);
    worker.unaccepted.clear();
    worker.wakes = base::BootTime(0);
    note("boot", id, worker.life);
}

void Cluster::crash(std::uint32_t id) {
    Worker& worker = workers_[id];
    if (!worker.reactor) {
        return;
    }
    note("crash", id);
    count("crash");
    for (std::uint32_t address = 0; address < addresses(); ++address) {
        for (std::uint32_t client = 0; who(address) == id && client < plan_.clients; ++client) {
            lose_first(client, address);
        }
    }
    ++worker.life;
    worker.reactor.reset();
    for (auto& [number, connection] : connections_) {
        if (connection.worker == id && connection.worker_open) {
            connection.worker_open = false;
            if (chance(70)) {  // the others find out by silence
                clock_.after(delay(id), [this, gone = number] { cut(gone, true, false); });
            }
        }
    }
    if (quiet_ || chance(90)) {
        clock_.after(up_to(20s), [this, id] {
            if (!workers_[id].reactor) {
                boot(id);
            }
        });
    }
}

void Cluster::drain(std::uint32_t id) {
    Worker& worker = workers_[id];
    if (!worker.reactor || worker.draining) {
        return;
    }
    note("drain", id);
    count("drain");
    // somebody was there before, and comes back
    const std::uint64_t guest = random_.next();
    const bool visited = worker.reactor->sessions() < sessions_max && visits(id, guest);
    if (chance(20)) {
        cut_off(id);
    }
    worker.draining = true;
    worker::Outbox out;
    const base::BootTime now = worker.machine.now();
    worker.drain_by = now + (chance(50) ? up_to(3s) : up_to(300ms));
    worker.reactor->drain(worker.drain_by, "a drain", now, out);
    worker_effects(id, out);
    watch_returned(id);
    expect(visits(id, guest) == visited && !visits(id, guest + 1), "who comes to a drain");
    const std::uint64_t life = worker.life;
    if (chance(40)) {
        const base::BootTime when =
            chance(50) ? worker.machine.when(worker.drain_by + 60ms) : clock_.now() + up_to(1s);
        clock_.at(when, [this, id, life] { cut_off(id, life); });
    }
    clock_.at(worker.machine.when(worker.drain_by + 50ms),
              [this, id, life] { watch_drain_by(id, life); });
    if (chance(20)) {
        clock_.at(worker.machine.when(worker.drain_by), [this, id] { cut_off(id); });
    }
    clock_.after(6s, [this, id, life, polite = chance(50)] {
        Worker& there = workers_[id];
        if (there.life != life || !there.reactor) {
            return;
        }
        watch_drained(id);
        if (polite && there.reactor->drained()) {
            worker::Outbox last;
            there.reactor->farewell(last);
            worker_effects(id, last);
            watch_farewell(id);
        }
        crash(id);  // its end, and then its next life
    });
}

/// Takes what a task needs of a worker. @return whether that was there.
bool Cluster::make_room(std::uint32_t id, Running& running) {
    constexpr base::BootTime moment = 200us;  // of them wait at the threads
    constexpr std::uint32_t ahead_max = 256;  // for each slot
    Worker& worker = workers_[id];
    const Job& job = jobs_[running.job];
    if (has_room(worker, job)) {
        running.cores = job.cores;
        worker.running += job.cores;
        worker.spare_since = worker.running == worker.slots ? never : worker.spare_since;
        worker.memory_used += job.memory_bytes;
        return true;
    }
    return job.kind == Kind::quick && worker.quickest != 0ns &&
           ++worker.ahead <= std::min<std::int64_t>(ahead_max, moment / worker.quickest) *
                                 std::int64_t{worker.slots};
}

void Cluster::run_task(std::uint32_t id, const worker::Start& start) {
    Worker& worker = workers_[id];
    if (!worker.begun.insert(start.attempt).second) {
        violated("worker " + std::to_string(id) + " began one attempt twice");
    }
    const auto view = wire::read_task(start.task);
    if (!view || (view->work == wire::Work::programs && !wire::to_task(*view))) {
        violated("a task arrived damaged");
        return;
    }
    if (worker.draining) {
        violated("worker " + std::to_string(id) + " begins a task though it drains");
    }
    const std::uint32_t index = start.attempt.task.element;
    const Job& job = jobs_[index];
    watch_start(id, start.attempt);
    Running& running = worker.store[start.attempt];
    running = {index, false, false, 0, job.output, {}};
    if (!make_room(id, running)) {
        violated("worker " + std::to_string(id) + " runs more than it has room for");
    }
    if (!has(worker.functions, job) || (job.limited && !worker.control_groups)) {
        violated("worker " + std::to_string(id) + " begins what it cannot run");
    }
    worker.idle_since = never;
    note("run", id, index);
    const auto later = [&](base::BootTime when, auto action) {
        clock_.after(when, [this, id, life = worker.life, attempt = start.attempt, action] {
            workers_[id].machine.happens([=] { action(life, attempt); });
        });
    };
    running.streams = view->stream;
    for (const std::uint64_t part : {4U, 2U}) {
        later(job.duration / part, [this, id, part](std::uint64_t life, const AttemptId& attempt) {
            grow(id, life, attempt, part);
        });
    }
    const bool broken = clock_.now() < worker.broken_until;
    later(
        broken ? base::BootTime(1ms) : job.duration,
        [this, id](std::uint64_t life, const AttemptId& attempt) { end_task(id, life, attempt); });
}

/// A task has written a part of what it writes.
void Cluster::grow(std::uint32_t id, std::uint64_t life, const AttemptId& attempt,
                   std::uint64_t part) {
    Worker& worker = workers_[id];
    const auto found = worker.store.find(attempt);
    if (worker.life != life || found == worker.store.end() || found->second.done) {
        return;
    }
    for (const wire::Channel channel : {wire::Channel::out, wire::Channel::err}) {
        const std::size_t at = std::to_underlying(channel);
        found->second.known[at] =
            std::max(found->second.known[at], found->second.output[at] / part);
        if (found->second.known[at] != 0 && found->second.written == 0ns) {
            found->second.written = clock_.now();
        }
        worker::Outbox out;
        worker.reactor->grew(attempt, channel, found->second.known[at], worker.machine.now(), out);
        worker_effects(id, out);
    }
}

void Cluster::stop_task(std::uint32_t id, const worker::Stop& stop) {
    Worker& worker = workers_[id];
    const auto found = worker.store.find(stop.attempt);
    if (found == worker.store.end() || found->second.done) {
        violated("worker " + std::to_string(id) + " stops what it does not run");
    } else {
        watch_stop(id, stop.attempt);
        found->second.stopped = true;
        clock_.after(0ns, [this, id, life = worker.life, attempt = stop.attempt] {
            grow(id, life, attempt, 2);  // its last words
        });
        if (chance(20)) {
            clock_.after(500us, [this, id, life = worker.life, attempt = stop.attempt] {
                Worker& there = workers_[id];
                const auto still = there.store.find(attempt);
                if (there.life == life && still != there.store.end() && !still->second.done) {
                    send_again(id, attempt);
                }
            });
        }
        clock_.after(stop.force && chance(50) ? base::BootTime(1ms) : up_to(1s),
                     [this, id, life = worker.life, attempt = stop.attempt] {
                         workers_[id].machine.happens([=, this] { end_task(id, life, attempt); });
                     });
    }
}

void Cluster::end_task(std::uint32_t id, std::uint64_t life, const AttemptId& attempt) {
    Worker& worker = workers_[id];
    const auto found = worker.store.find(attempt);
    if (worker.life != life || found == worker.store.end() || found->second.done) {
        return;
    }
    Running& running = found->second;
    running.done = true;
    // a function that does not look whether it is to stop
    const bool busy = running.stopped && jobs_[running.job].kind == Kind::slow && chance(50);
    if (!busy) {
        free_slot(id, running);
    } else {
        count("busy");
        clock_.after(up_to(2s), [this, id, life, attempt, was = running] {
            workers_[id].machine.happens([this, id, life, attempt, was] {
                Worker& there = workers_[id];
                if (there.life == life) {
                    if (chance(50)) {
                        send_again(id, attempt);
                    }
                    free_slot(id, was);
                    worker::Outbox out;
                    there.reactor->freed(attempt, there.machine.now(), out);
                    worker_effects(id, out);
                }
            });
        });
    }
    worker::Ended ended = outcome_of(worker, running);
    ended.report.where = clients_[jobs_[running.job].client].options.workers[id];
    note("end", id, running.job);
    worker::Outbox out;
    const bool quick = jobs_[running.job].kind == Kind::quick &&  // and it is learnt how quick
                       ended.report.ending.end == End::exited;
    const base::BootTime took = jobs_[running.job].duration;
    if (quick && (worker.quickest == 0ns || took < worker.quickest)) {
        worker.quickest = took;
    }
    worker.reactor->finished(attempt, std::move(ended), worker.machine.now(), out, busy);
    watch_given_up(id, attempt, out);
    const bool reads = std::ranges::any_of(out, [](const worker::Effect& effect) {
        return std::holds_alternative<worker::Read>(effect);
    });
    worker_effects(id, out);
    if (reads && plan_.faults && !quiet_ && chance(3)) {
        forge_seen(connection_of(id, jobs_[attempt.task.element].client), id);
    }
    worker.ran_quick = worker.ran_quick || (quick && worker.store.contains(attempt));
}

/// What a task had of its worker is free.
void Cluster::free_slot(std::uint32_t id, const Running& running) {
    Worker& worker = workers_[id];
    worker.running -= running.cores;
    worker.memory_used -= running.cores != 0 ? jobs_[running.job].memory_bytes : 0;
    worker.ahead -= running.cores == 0 ? 1 : 0;
    worker.idle_since = worker.running == 0 ? clock_.now() : never;
    worker.spare_since =
        worker.spare_since == never && running.cores != 0 ? clock_.now() : worker.spare_since;
}

/// @return how a task ends that has run.
worker::Ended Cluster::outcome_of(Worker& worker, Running& running) {
    Job& job = jobs_[running.job];
    worker::Ended ended;
    ended.report.wall = job.duration;
    ended.report.ending = {End::exited, 0};
    if (running.stopped) {
        ended.report.ending = {End::cancelled, 0};
        running.output = running.known;
    } else if (clock_.now() < worker.broken_until) {
        ended.report.ending = {End::not_started, 0};
        ended.report.error =
            wire::to_record(Error(Domain::process, Code::io_error, Fault::node, "it is broken"));
        running.output = running.known;
    } else if (job.failures_to_come != 0) {
        --job.failures_to_come;
        ended.report.ending = {End::exited, 1};
        running.output = running.known;
    }
    const auto most = std::ranges::max_element(running.output);
    const auto at = static_cast<std::size_t>(most - running.output.begin());
    if (clock_.now() < worker.disk_full_until &&
        *most > std::max(small_output, running.known[at])) {
        const std::uint64_t kept = std::max(random_.below(*most), running.known[at]);
        (at == 0 ? ended.out : at == 1 ? ended.err : ended.value).lost = *most - kept;
        *most = kept;
        job.may_lose = true;
        ended.report.ending = {chance(50) ? End::output_lost : End::exited, 0};
        if (ended.report.ending.end == End::output_lost) {
            ended.report.error =
                wire::to_record(Error(Domain::process, Code::io_error, Fault::node, "it is full"));
        }
        count("disk full");
    }
    std::size_t channel = 0;
    for (worker::StreamEnd* const stream : {&ended.out, &ended.err, &ended.value}) {
        stream->bytes = running.output[channel];
        if (stream->bytes <= small_output) {
            stream->inline_bytes = pattern(running.job, channel, 0, stream->bytes);
        }
        ++channel;
    }
    running.known = running.output;
    return ended;
}

void Cluster::read_output(std::uint32_t id, const worker::Read& read) {
    note("read", id, read.attempt.task.element);
    const std::size_t channel = std::to_underlying(read.channel);
    if (const auto asked = workers_[id].store.find(read.attempt);
        asked == workers_[id].store.end() || read.bytes == 0 ||
        read.bytes > wire::output_piece_bytes_max ||
        read.offset + read.bytes > asked->second.known[channel] ||
        (!asked->second.streams &&
         (!asked->second.done || asked->second.known[channel] <= small_output))) {
        violated("worker " + std::to_string(id) + " reads what nobody wants to be read");
    }
    const auto back = [this, id, channel, life = workers_[id].life, read] {
        Worker& worker = workers_[id];
        if (worker.life != life) {
            return;
        }
        const auto found = worker.store.find(read.attempt);
        std::string bytes;
        if (found != worker.store.end() && read.offset < found->second.output[channel]) {
            Running& running = found->second;
            if (clock_.now() < worker.disk_full_until && running.done && chance(20)) {
                running.output[channel] =  // no more
                    read.offset + (chance(50) ? 0 : random_.below(read.bytes));
                jobs_[running.job].may_lose = true;
                count("disk failed");
            }
            bytes = pattern(running.job, channel, read.offset,
                            std::min(read.bytes, running.output[channel] - read.offset));
        }
        worker::Outbox out;
        const auto owner = std::make_shared<const std::string>(std::move(bytes));
        worker.reactor->read(read, *owner, worker.machine.now(), out, chance(50) ? owner : nullptr);
        worker_effects(id, out);
    };
    const bool slow = plan_.faults && chance(5);
    clock_.after(slow ? up_to(500ms) : 1ms,
                 [this, id, back] { workers_[id].machine.happens(back); });
}

void Cluster::worker_effects(std::uint32_t id, worker::Outbox& out) {
    Worker& worker = workers_[id];
    if (worker.reactor->sessions() >= sessions_max) {
        worker.full_at = worker.machine.now();
    }
    for (worker::Effect& effect : std::exchange(out, {})) {
        if (const auto* send = std::get_if<worker::Send>(&effect)) {
            watch_sends(id, send->to);
            const bool lent = !send->lent.bytes.empty();
            if (lent && send->lent.owner == nullptr) {
                violated("a message is lent what nobody keeps");
            }
            post(send->to, Side::worker, send->type, send->correlation,
                 lent ? wire::whole_body(send->body, send->lent) : send->body);
        } else if (const auto* admit = std::get_if<worker::Admit>(&effect)) {
            Connection& connection = connections_.find(admit->connection)->second;
            connection.to_worker.framer.admit(admit->version, admit->compression);
            connection.to_client.options = {admit->version, admit->compression};
        } else if (const auto* close = std::get_if<worker::Close>(&effect)) {
            strangers_.erase(close->connection);
            hang_up(close->connection, Side::worker);
            if (chance(20)) {  // the system says so too
                worker.reactor->disconnected(close->connection, worker.machine.now());
            }
        } else if (const auto* start = std::get_if<worker::Start>(&effect)) {
            run_task(id, *start);
        } else if (const auto* stop = std::get_if<worker::Stop>(&effect)) {
            stop_task(id, *stop);
        } else if (const auto* read = std::get_if<worker::Read>(&effect)) {
            read_output(id, *read);
        } else if (const auto* forget = std::get_if<worker::Forget>(&effect)) {
            const auto found = worker.store.find(forget->attempt);
            if (found == worker.store.end() || !found->second.done) {
                violated("worker " + std::to_string(id) + " forgets what it has not, or runs");
            } else {
                worker.store.erase(found);
            }
        }
    }
    watch_queue(id);
    worker_wakes(id);
}

void Cluster::worker_wakes(std::uint32_t id) {
    Worker& worker = workers_[id];
    if (!worker.reactor || worker.reactor->next() == base::BootTime::max()) {
        return;
    }
    const base::BootTime next = worker.machine.when(worker.reactor->next());
    if (worker.wakes > clock_.now() && worker.wakes <= next) {
        return;
    }
    worker.wakes = next;
    clock_.at(next, [this, id, next, life = worker.life] {
        workers_[id].machine.happens([this, id, next, life] {
            Worker& there = workers_[id];
            if (there.life == life && there.reactor && there.wakes == next) {
                there.wakes = base::BootTime(0);
                ++there.ticks;
                worker::Outbox out;
                there.reactor->tick(there.machine.now(), out);
                worker_effects(id, out);
            }
        });
    });
}

void Cluster::worker_reads(std::uint64_t id, std::string_view bytes) {
    const auto found = connections_.find(id);
    if (found == connections_.end() || found->second.life != workers_[found->second.worker].life) {
        return;
    }
    Connection& connection = found->second;
    Worker& worker = workers_[connection.worker];
    wire::Framer& framer = connection.to_worker.framer;
    framer.give(bytes);
    worker::Outbox out;
    while (worker.reactor) {
        const auto message = framer.next();
        if (!message) {
            violated("the worker could not read a frame: " +
                     std::string(wire::sentence(message.error())));
            return;
        }
        if (!*message) {
            break;
        }
        const bool ignored = !connection.worker_open;
        if (!ignored) {
            heard(id, Side::worker, **message);
        }
        worker.reactor->received(id, **message, worker.machine.now(), out);
        worker_effects(connection.worker, out);
        if (!ignored) {
            watch_cancelled(connection.worker, **message);
        }
    }
    if (worker.reactor && chance(90)) {  // else with what comes next
        worker.reactor->flush(out);
        worker_effects(connection.worker, out);
        watch_accepted(connection.worker);
        if (plan_.faults && !quiet_ && connection.worker_open && random_.below(1000) == 0) {
            forge_later(id, connection.worker);
        }
    }
}

}  // namespace repartir::sim
