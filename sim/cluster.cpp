// SPDX-License-Identifier: MIT
// The client and the workers of a simulated cluster; network.cpp has what lies between them.
#include "cluster.hpp"

#include <algorithm>
#include <utility>

namespace repartir::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t small_output = 1000;

std::string pattern(std::uint32_t element, std::uint64_t offset, std::uint64_t bytes) {
    std::string text(bytes, '\0');
    for (std::uint64_t i = 0; i < bytes; ++i) {
        text[i] = static_cast<char>((offset + i) * 31 + element);
    }
    return text;
}

}  // namespace

Cluster::Cluster(const Plan& plan)
    : plan_(plan), random_(plan.seed), issuer_(plan.seed), jobs_(plan.tasks) {
    for (std::uint32_t& word : job_.words) {
        word = static_cast<std::uint32_t>(random_.next());
    }
    workers_.resize(plan.workers);
    client::Options options;
    for (std::uint32_t i = 0; i < plan.workers; ++i) {
        options.workers.push_back("w" + std::to_string(i));
    }
    options.session = {random_.next(), random_.next()};
    options.tasks_max = 8 + static_cast<std::uint32_t>(random_.below(64));
    options.output_bytes_max = 20'000 + random_.below(200'000);
    options.reach = std::chrono::hours(24);
    options.seed = random_.next();
    client_ = std::make_unique<client::Reactor>(std::move(options));
}

void Cluster::note(std::string_view what, std::uint64_t a, std::uint64_t b) {
    // FNV-1a over what happened and when
    const auto mix = [&](std::uint64_t value) {
        report_.hash = (report_.hash ^ value) * 0x100000001B3ULL;
    };
    mix(static_cast<std::uint64_t>(clock_.now().count()));
    for (const char c : what) {
        mix(static_cast<unsigned char>(c));
    }
    mix(a);
    mix(b);
    if (plan_.trace) {
        report_.trace.push_back(std::to_string(clock_.now().count() / 1000) +
                                " us: " + std::string(what) + " " + std::to_string(a) + " " +
                                std::to_string(b));
    }
}

void Cluster::violated(std::string sentence) {
    note("VIOLATED");
    if (report_.broken.size() < 10) {
        report_.broken.push_back(std::move(sentence));
    }
}

Report Cluster::run() {
    for (std::uint32_t worker = 0; worker < plan_.workers; ++worker) {
        boot(worker);
    }
    client_wakes();
    submit_jobs();
    if (plan_.faults) {
        clock_.after(1ms, [this] { make_trouble(); });
        clock_.after(plan_.trouble, [this] {
            quiet_ = true;
            note("quiet");
            for (std::uint32_t worker = 0; worker < plan_.workers; ++worker) {
                if (!workers_[worker].reactor) {
                    boot(worker);
                }
            }
            for (const auto& [id, connection] : connections_) {
                unstick(id);
            }
        });
    }
    const base::BootTime end = clock_.now() + plan_.trouble + plan_.patience;
    std::uint64_t steps = 0;
    const std::uint64_t steps_max = 1'000'000 + 10'000 * std::uint64_t{plan_.tasks};
    while (ended_ < plan_.tasks && steps < steps_max && clock_.step(end)) {
        ++steps;
    }
    if (steps == steps_max) {
        violated("somebody is busy with nothing");
    }
    report_.took = clock_.now();
    if (ended_ < plan_.tasks) {
        violated(std::to_string(plan_.tasks - ended_) + " tasks never ended");
    }
    const base::BootTime settled = clock_.now() + 5min;  // acknowledgements, lost sessions
    for (steps = 0; steps < steps_max && clock_.step(settled); ++steps) {}
    check_end();
    report_.client = client_->stats();
    return std::move(report_);
}

void Cluster::check_end() {
    for (std::uint32_t element = 0; element < jobs_.size(); ++element) {
        const Job& job = jobs_[element];
        const std::string name = "task " + std::to_string(element);
        if (job.outcomes != 1) {
            violated(name + " had " + std::to_string(job.outcomes) + " outcomes");
        }
        const std::uint32_t most =
            job.policy.max_retries + job.policy.max_start_retries + core::crash_limit + 1;
        if (!job.cancelled && !job.ending.ok() && job.failures <= job.policy.max_retries &&
            job.losses < core::crash_limit) {
            violated(name + " failed (" + job.ending.describe() + ") though it had retries left");
        }
        if (job.started > most) {
            violated(name + " was tried " + std::to_string(job.started) + " times");
        }
    }
    if (client_->attempts() != 0) {
        violated("the client leaks " + std::to_string(client_->attempts()) + " attempts");
    }
    for (std::uint32_t i = 0; i < workers_.size(); ++i) {
        const Worker& worker = workers_[i];
        if (worker.reactor &&
            (worker.reactor->attempts() != 0 || !worker.store.empty() || worker.running != 0)) {
            violated("worker " + std::to_string(i) + " leaks " +
                     std::to_string(worker.reactor->attempts()) + " attempts and " +
                     std::to_string(worker.store.size()) + " outputs");
        }
    }
}

void Cluster::submit_jobs() {
    const bool at_once = chance(50);
    for (std::uint32_t element = 0; element < jobs_.size(); ++element) {
        Job& job = jobs_[element];
        job.duration = chance(80) ? base::BootTime(1ms) * (1 + random_.below(200))
                                  : base::BootTime(1ms) * (1 + random_.below(20'000));
        job.policy.max_retries = static_cast<std::uint32_t>(random_.below(4));
        job.failures = job.failures_to_come =
            chance(10) ? static_cast<std::uint32_t>(random_.below(6)) : 0;
        job.output = chance(70)   ? random_.below(small_output)
                     : chance(50) ? 0
                                  : random_.below(300'000);
        const base::BootTime when = at_once ? base::BootTime(0) : 1ms * random_.below(60'000);
        clock_.after(when, [this, element] { begin(element); });
        if (chance(5)) {
            clock_.after(when + 1ms * random_.below(10'000), [this, element] {
                Job& cancelled = jobs_[element];
                cancelled.cancelled = true;
                note("cancel", element);
                client::Outbox out;
                client_->cancel(cancelled.attempt, chance(20), clock_.now(), out);
                client_effects(out);
            });
        }
    }
}

void Cluster::begin(std::uint32_t element) {
    Job& job = jobs_[element];
    if (job.outcomes != 0) {
        return;
    }
    if (job.cancelled) {
        finish_job(job, element, {End::cancelled, 0});
        return;
    }
    job.attempt = job.state.begin({job_, element}, issuer_);
    job.received = 0;
    ++job.started;
    note("attempt", element, job.attempt.number);
    client::Order order;
    const Task task = Task::binary("job", std::to_string(element));
    wire::append_task(order.task, job.attempt, task, element % 5 == 0);
    client::Outbox out;
    client_->start(job.attempt, std::move(order), clock_.now(), out);
    client_effects(out);
}

void Cluster::finish_job(Job& job, std::uint32_t element, const Ending& ending) {
    ++job.outcomes;
    job.ending = ending;
    ++ended_;
    note("outcome", element, static_cast<std::uint64_t>(ending.end));
}

void Cluster::ended(const client::Finished& finished) {
    const std::uint32_t element = finished.attempt.task.element;
    Job& job = jobs_[element];
    if (job.outcomes != 0) {
        violated("task " + std::to_string(element) + " ended again");
        return;
    }
    if (!job.state.current(finished.attempt)) {
        violated("a result of a superseded attempt of task " + std::to_string(element) +
                 " was accepted");
        return;
    }
    const auto attempt = wire::to_attempt(finished.report, {});
    if (!attempt) {
        violated("a report could not be read");
        return;
    }
    const std::uint64_t bytes = finished.out.offset + finished.out.bytes.size();
    if (attempt->ending.ok() &&
        (bytes != job.output || finished.out.offset > job.received ||
         finished.out.bytes != pattern(element, finished.out.offset, finished.out.bytes.size()))) {
        violated("task " + std::to_string(element) + " wrote " + std::to_string(job.output) +
                 " bytes and " + std::to_string(bytes) + " arrived, or others");
    }
    job.losses += attempt->ending.end == End::not_started ? 1 : 0;
    const auto retry = job.state.ended(*attempt, job.policy, random_);
    if (retry && !job.cancelled) {
        clock_.after(*retry, [this, element] { begin(element); });
    } else {
        finish_job(job, element, attempt->ending);
    }
}

void Cluster::boot(std::uint32_t id) {
    Worker& worker = workers_[id];
    worker::Options options;
    options.instance = {id, 1};
    options.incarnation = ++worker.life;
    options.name = "w" + std::to_string(id);
    options.site.slots = options.site.free_slots = 1 + id % 4;
    options.tasks_max = 4 + static_cast<std::uint32_t>(random_.below(200));
    worker.reactor = std::make_unique<worker::Reactor>(std::move(options));
    worker.store.clear();
    worker.begun.clear();
    worker.running = 0;
    worker.draining = false;
    worker.wakes = base::BootTime::max();
    note("boot", id, worker.life);
}

void Cluster::crash(std::uint32_t id) {
    Worker& worker = workers_[id];
    if (!worker.reactor) {
        return;
    }
    note("crash", id);
    ++report_.crashes;
    ++worker.life;
    worker.reactor.reset();
    if (const std::uint64_t connection = connection_of(id)) {
        connections_.find(connection)->second.worker_open = false;
        cut(connection, chance(70), false);
    }
    if (chance(90)) {
        clock_.after(1ms * random_.below(20'000), [this, id] {
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
    worker.draining = true;
    worker::Outbox out;
    worker.reactor->drain(clock_.now() + 1ms * random_.below(5000), "a drain", clock_.now(), out);
    worker_effects(id, out);
    const std::uint64_t life = worker.life;
    clock_.after(6s, [this, id, life] {
        if (workers_[id].life == life) {
            crash(id);  // its end, and then its next life
        }
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
    if (++worker.running > 1 + id % 4) {
        violated("worker " + std::to_string(id) + " runs more than it has slots for");
    }
    const std::uint32_t element = start.attempt.task.element;
    Job& job = jobs_[element];
    worker.store[start.attempt] = {element, false, false, job.output};
    note("run", id, element);
    const std::uint64_t life = worker.life;
    const AttemptId attempt = start.attempt;
    if (view->stream) {
        clock_.after(job.duration / 2, [this, id, life, attempt] {
            Worker& there = workers_[id];
            const auto found = there.store.find(attempt);
            if (there.life == life && found != there.store.end() && !found->second.done) {
                worker::Outbox out;
                there.reactor->grew(attempt, wire::Channel::out, found->second.output / 2,
                                    clock_.now(), out);
                worker_effects(id, out);
            }
        });
    }
    clock_.after(job.duration, [this, id, life, attempt] { end_task(id, life, attempt); });
}

void Cluster::end_task(std::uint32_t id, std::uint64_t life, const AttemptId& attempt) {
    Worker& worker = workers_[id];
    const auto found = worker.store.find(attempt);
    if (worker.life != life || found == worker.store.end() || found->second.done) {
        return;
    }
    Running& running = found->second;
    running.done = true;
    --worker.running;
    Job& job = jobs_[running.element];
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
    ended.report.wall = job.duration;
    ended.out.bytes = running.output;
    if (running.output <= small_output) {
        ended.out.inline_bytes = pattern(running.element, 0, running.output);
    }
    worker::Outbox out;
    worker.reactor->finished(attempt, std::move(ended), clock_.now(), out);
    worker_effects(id, out);
}

void Cluster::read_output(std::uint32_t id, const worker::Read& read) {
    const std::uint64_t life = workers_[id].life;
    clock_.after(1us * random_.below(2000), [this, id, life, read] {
        Worker& worker = workers_[id];
        if (worker.life != life) {
            return;
        }
        const auto found = worker.store.find(read.attempt);
        std::string bytes;
        if (found != worker.store.end() && read.offset < found->second.output) {
            bytes = pattern(found->second.element, read.offset,
                            std::min(read.bytes, found->second.output - read.offset));
        }
        worker::Outbox out;
        worker.reactor->read(read.attempt, read.channel, read.offset, bytes, clock_.now(), out);
        worker_effects(id, out);
    });
}

void Cluster::worker_effects(std::uint32_t id, worker::Outbox& out) {
    Worker& worker = workers_[id];
    for (worker::Effect& effect : std::exchange(out, {})) {
        if (auto* send = std::get_if<worker::Send>(&effect)) {
            post(send->to, Side::worker, send->type, send->correlation, send->body);
        } else if (auto* admit = std::get_if<worker::Admit>(&effect)) {
            Connection& connection = connections_.find(admit->connection)->second;
            connection.to_worker.framer.admit(admit->version, admit->compression);
            connection.to_client.options = {admit->version, admit->compression};
        } else if (auto* close = std::get_if<worker::Close>(&effect)) {
            hang_up(close->connection, Side::worker);
        } else if (auto* start = std::get_if<worker::Start>(&effect)) {
            run_task(id, *start);
        } else if (auto* stop = std::get_if<worker::Stop>(&effect)) {
            const auto found = worker.store.find(stop->attempt);
            if (found != worker.store.end() && !found->second.done) {
                found->second.stopped = true;
                const std::uint64_t life = worker.life;
                const AttemptId attempt = stop->attempt;
                clock_.after(stop->force ? base::BootTime(1ms) : 1ms * random_.below(1000),
                             [this, id, life, attempt] { end_task(id, life, attempt); });
            }
        } else if (auto* read = std::get_if<worker::Read>(&effect)) {
            read_output(id, *read);
        } else if (auto* forget = std::get_if<worker::Forget>(&effect)) {
            worker.store.erase(forget->attempt);
        }
    }
    worker_wakes(id);
}

void Cluster::client_effects(client::Outbox& out) {
    for (client::Effect& effect : std::exchange(out, {})) {
        if (auto* send = std::get_if<client::Send>(&effect)) {
            post(connection_of(send->worker), Side::client, send->type, send->correlation,
                 send->body);
        } else if (auto* dialled = std::get_if<client::Dial>(&effect)) {
            dial(dialled->worker);
        } else if (auto* admit = std::get_if<client::Admit>(&effect)) {
            Connection& connection = connections_.find(connection_of(admit->worker))->second;
            connection.to_client.framer.admit(admit->version, admit->compression);
            connection.to_worker.options = {admit->version, admit->compression};
        } else if (auto* close = std::get_if<client::Close>(&effect)) {
            if (const std::uint64_t id = connection_of(close->worker)) {
                hang_up(id, Side::client);
            }
        } else if (auto* output = std::get_if<client::Output>(&effect)) {
            Job& job = jobs_[output->attempt.task.element];
            if (job.state.current(output->attempt) && output->channel == wire::Channel::out) {
                if (output->bytes !=
                    pattern(output->attempt.task.element, output->offset, output->bytes.size())) {
                    violated("a piece of output is not what was written");
                }
                job.received = output->offset + output->bytes.size();
            }
        } else if (auto* finished = std::get_if<client::Finished>(&effect)) {
            ended(*finished);
        }
    }
    client_wakes();
}

}  // namespace repartir::sim
