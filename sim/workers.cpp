// SPDX-License-Identifier: MIT
// The workers of a simulated cluster: what they run, and what their disks keep.
#include <algorithm>
#include <utility>

#include "cluster.hpp"

namespace repartir::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t small_output = 1000;  // is kept in memory
constexpr base::BootTime never = base::BootTime::max();

}  // namespace

void Cluster::boot(std::uint32_t id) {
    Worker& worker = workers_[id];
    worker::Options options;
    options.instance = {id, 1};
    options.incarnation = ++worker.life;
    options.name = "w" + std::to_string(id);
    options.site.slots = options.site.free_slots = worker.slots;
    options.tasks_max = 4 + static_cast<std::uint32_t>(random_.below(200));
    worker.reactor = std::make_unique<worker::Reactor>(std::move(options));
    worker.store.clear();
    worker.begun.clear();
    worker.queue.clear();
    worker.running = 0;
    worker.idle_since = clock_.now();
    worker.draining = false;
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
    worker.draining = true;
    worker.queue.clear();
    worker::Outbox out;
    const base::BootTime now = worker.machine.now();
    worker.reactor->drain(now + up_to(3s), "a drain", now, out);
    worker_effects(id, out);
    const std::uint64_t life = worker.life;
    clock_.after(6s, [this, id, life, polite = chance(50)] {
        Worker& there = workers_[id];
        if (there.life != life || !there.reactor) {
            return;
        }
        if (polite && there.reactor->drained()) {
            worker::Outbox last;
            there.reactor->farewell(last);
            worker_effects(id, last);
        }
        crash(id);  // its end, and then its next life
    });
}

void Cluster::run_task(std::uint32_t id, const worker::Start& start) {
    Worker& worker = workers_[id];
    if (!worker.begun.insert(start.attempt).second) {
        violated("worker " + std::to_string(id) + " began one attempt twice");
    }
    const auto view = wire::read_task(start.task);
    if (!view || !wire::to_task(*view)) {
        violated("a task arrived damaged");
        return;
    }
    const std::uint32_t index = start.attempt.task.element;
    const Job& job = jobs_[index];
    watch_start(id, start.attempt);
    worker.running += job.cores;
    worker.idle_since = never;
    if (worker.running > worker.slots) {
        violated("worker " + std::to_string(id) + " runs more than it has slots for");
    }
    worker.store[start.attempt] = {index, false, false, job.output};
    note("run", id, index);
    const auto later = [&](base::BootTime when, auto action) {
        clock_.after(when, [this, id, life = worker.life, attempt = start.attempt, action] {
            workers_[id].machine.happens([=] { action(life, attempt); });
        });
    };
    if (view->stream) {
        later(job.duration / 2, [this, id](std::uint64_t life, const AttemptId& attempt) {
            Worker& there = workers_[id];
            const auto found = there.store.find(attempt);
            if (there.life == life && found != there.store.end() && !found->second.done) {
                worker::Outbox out;
                there.reactor->grew(attempt, wire::Channel::out, found->second.output / 2,
                                    there.machine.now(), out);
                worker_effects(id, out);
            }
        });
    }
    later(job.duration, [this, id](std::uint64_t life, const AttemptId& attempt) {
        end_task(id, life, attempt);
    });
}

void Cluster::stop_task(std::uint32_t id, const worker::Stop& stop) {
    Worker& worker = workers_[id];
    const auto found = worker.store.find(stop.attempt);
    if (found == worker.store.end()) {
        violated("worker " + std::to_string(id) + " stops what it does not run");
    } else if (!found->second.done) {
        watch_stop(id, stop.attempt);
        found->second.stopped = true;
        clock_.after(stop.force ? base::BootTime(1ms) : up_to(1s),
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
    Job& job = jobs_[running.job];
    worker.running -= job.cores;
    worker.idle_since = worker.running == 0 ? clock_.now() : never;
    worker::Ended ended;
    if (running.stopped) {
        ended.report.ending = {End::cancelled, 0};
        running.output = 0;
    } else if (job.failures_to_come != 0) {
        --job.failures_to_come;
        ended.report.ending = {End::exited, 1};
        running.output = 0;
    } else {
        ended.report.ending = {End::exited, 0};
    }
    if (clock_.now() < worker.disk_full_until && running.output > small_output) {
        const std::uint64_t kept = random_.below(running.output);
        ended.out.lost = running.output - kept;
        running.output = kept;
        job.may_lose = true;
        ended.report.ending = {chance(50) ? End::output_lost : End::exited, 0};
        count("disk full");
    }
    ended.report.wall = job.duration;
    ended.out.bytes = running.output;
    if (running.output <= small_output) {
        ended.out.inline_bytes = pattern(running.job, 0, running.output);
    }
    note("end", id, running.job);
    worker::Outbox out;
    worker.reactor->finished(attempt, std::move(ended), worker.machine.now(), out);
    worker_effects(id, out);
}

void Cluster::read_output(std::uint32_t id, const worker::Read& read) {
    note("read", id, read.attempt.task.element);
    const auto back = [this, id, life = workers_[id].life, read] {
        Worker& worker = workers_[id];
        if (worker.life != life) {
            return;
        }
        const auto found = worker.store.find(read.attempt);
        std::string bytes;
        if (found != worker.store.end() && read.offset < found->second.output) {
            Running& running = found->second;
            if (clock_.now() < worker.disk_full_until && running.done && chance(20)) {
                running.output = read.offset + random_.below(read.bytes);  // the rest is gone
                jobs_[running.job].may_lose = true;
                count("disk failed");
            }
            bytes = pattern(running.job, read.offset,
                            std::min(read.bytes, running.output - read.offset));
        }
        worker::Outbox out;
        worker.reactor->read(read.attempt, read.channel, read.offset, bytes, worker.machine.now(),
                             out);
        worker_effects(id, out);
    };
    clock_.after(1ms, [this, id, back] { workers_[id].machine.happens(back); });
}

void Cluster::worker_effects(std::uint32_t id, worker::Outbox& out) {
    Worker& worker = workers_[id];
    for (worker::Effect& effect : std::exchange(out, {})) {
        if (const auto* send = std::get_if<worker::Send>(&effect)) {
            post(send->to, Side::worker, send->type, send->correlation, send->body);
        } else if (const auto* admit = std::get_if<worker::Admit>(&effect)) {
            Connection& connection = connections_.find(admit->connection)->second;
            connection.to_worker.framer.admit(admit->version, admit->compression);
            connection.to_client.options = {admit->version, admit->compression};
        } else if (const auto* close = std::get_if<worker::Close>(&effect)) {
            hang_up(close->connection, Side::worker);
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
    if (found == connections_.end() || !found->second.worker_open ||
        found->second.life != workers_[found->second.worker].life) {
        return;
    }
    Connection& connection = found->second;
    Worker& worker = workers_[connection.worker];
    wire::Framer& framer = connection.to_worker.framer;
    framer.give(bytes);
    worker::Outbox out;
    while (connection.worker_open) {
        const auto message = framer.next();
        if (!message) {
            violated("the worker could not read a frame: " +
                     std::string(wire::sentence(message.error())));
            return;
        }
        if (!*message) {
            break;
        }
        heard(id, Side::worker, **message);
        worker.reactor->received(id, **message, worker.machine.now(), out);
        worker_effects(connection.worker, out);
    }
    if (worker.reactor) {
        worker.reactor->flush(out);
        worker_effects(connection.worker, out);
    }
}

}  // namespace repartir::sim
