// SPDX-License-Identifier: MIT
// A run from its beginning to its end, and what must hold then. clients.cpp, workers.cpp and
// network.cpp have what happens in between, trouble.cpp what goes wrong.
#include "cluster.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "wire/limits.hpp"

namespace repartir::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t slots_max = 4;  // of a worker
constexpr std::uint64_t memory_max = 4'000'000'000;
constexpr std::uint64_t slow_bytes_per_ms = 50;  // of the slowest link
constexpr auto patient = std::chrono::hours(24);

}  // namespace

Cluster::Cluster(const Plan& plan) : plan_(plan), random_(plan.seed), jobs_(plan.tasks) {
    for (std::uint32_t id = 0; id < plan.workers; ++id) {
        make_worker(id);
    }
    for (std::uint32_t id = 0; id < plan.clients; ++id) {
        make_client(id);
    }
}

void Cluster::make_worker(std::uint32_t id) {
    Worker& worker = workers_.emplace_back(clock_);
    worker.slots = 1 + id % slots_max;
    worker.memory_bytes = id % 3 == 1 ? memory_max : 0;
    worker.control_groups = !chance(10);
    worker.compression = chance(80);
    const std::uint64_t link = plan_.faults ? random_.below(10) : 0;
    worker.latency = link < 6 ? 50us : 1ms * random_.below(150);
    worker.bytes_per_ms = link < 7 ? 100'000 : link < 9 ? 1000 : slow_bytes_per_ms;
    if (plan_.faults && chance(50)) {
        worker.machine.drift(static_cast<std::int64_t>(random_.below(100'000)) - 50'000);
    }
}

void Cluster::make_client(std::uint32_t id) {
    Client& client = clients_.emplace_back(clock_, random_.next());
    for (std::uint32_t& word : client.job.words) {
        word = static_cast<std::uint32_t>(random_.next());
    }
    client.options.session = {random_.next(), random_.next()};
    client.options.epoch = 2;
    client.options.name = "c" + std::to_string(id);
    client.options.tasks_max = 8 + static_cast<std::uint32_t>(random_.below(64));
    client.options.output_bytes_max =
        chance(90) ? 20'000 + random_.below(200'000) : 1000 + random_.below(3000);
    client.options.reach = chance(50) && !plan_.varied ? base::BootTime(patient) : 5s + up_to(20s);
    client.options.time_to_live = 1ms * (chance(70) ? 60'000 : 1000 + random_.below(8000));
    client.options.seed = random_.next();
    client.options.quarantine.first = 1s + up_to(9s);
    client.options.quarantine.longest = 20s;
    client.options.quarantine.forgiven_after = plan_.broken ? 1s + up_to(5s) : 5s + up_to(30s);
    client.options.compression = chance(50);
    for (std::uint32_t i = 0; i < addresses(); ++i) {
        client.options.workers.push_back("w" + std::to_string(i));
    }
    client.open.resize(addresses());
    client.links.resize(addresses());
    client.reactor = std::make_unique<client::Reactor>(client.options);
    if (plan_.faults && chance(50)) {
        client.machine.drift(static_cast<std::int64_t>(random_.below(100'000)) - 50'000);
    }
}

std::string Cluster::pattern(std::uint32_t job, std::size_t channel, std::uint64_t offset,
                             std::uint64_t bytes) {
    std::string text(bytes, '\0');
    const std::uint64_t first = job + 101 * channel;
    constexpr std::uint64_t period = 256;
    for (std::uint64_t i = 0; i < bytes; ++i) {
        text[i] = i < period ? static_cast<char>((offset + i) * 31 + first) : text[i - period];
    }
    return text;
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

void Cluster::count(std::string_view trouble) {
    const auto found = report_.troubles.find(trouble);
    if (found == report_.troubles.end()) {
        report_.troubles.emplace(trouble, 1);
    } else {
        ++found->second;
    }
}

void Cluster::violated(std::string sentence) {
    note("VIOLATED");
    if (report_.broken.size() < 10) {
        report_.broken.push_back(std::move(sentence));
    }
}

/// Whatever was wrong is right again.
void Cluster::settle() {
    quiet_ = true;
    note("quiet");
    for (std::uint32_t worker = 0; worker < plan_.workers; ++worker) {
        workers_[worker].disk_full_until = workers_[worker].broken_until = 0ns;
        if (!workers_[worker].reactor) {
            boot(worker);
        }
    }
    for (const auto& [id, connection] : connections_) {
        unstick(id);
    }
}

Report Cluster::run() {
    for (std::uint32_t worker = 0; worker < plan_.workers; ++worker) {
        boot(worker);
    }
    const bool at_once = chance(50);
    for (std::uint32_t job = 0; job < jobs_.size(); ++job) {
        make_job(job, at_once);
    }
    for (std::uint32_t client = 0; client < plan_.clients; ++client) {
        client_wakes(client);
    }
    if (plan_.faults) {
        clock_.after(1ms, [this] { make_trouble(); });
        clock_.after(plan_.trouble, [this] { settle(); });
    }
    clock_.after(1s, [this] { audit(); });
    if (plan_.first_dies) {
        clock_.after(first_death + 1ms, [this] { cut_dead(); });
        clock_.after(second_death + 1ms, [this] { cut_dead(); });
    }
    if (plan_.gives) {
        clock_.after(up_to(500ms), [this] { give_and_take(); });
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
    if (plan_.faults && !quiet_) {
        settle();
    }
    for (const auto settle : {&Cluster::check_end, &Cluster::say_goodbye, &Cluster::check_empty}) {
        const base::BootTime settled = clock_.now() + 5min;  // acknowledgements, lost sessions
        for (steps = 0; steps < steps_max && clock_.step(settled); ++steps) {}
        (this->*settle)();
    }
    return std::move(report_);
}

/// The clients have cores of their own, which take a task now and then.
void Cluster::give_and_take() {
    for (std::uint32_t id = 0; id < plan_.clients; ++id) {
        clients_[id].machine.happens([this, id] { give_back(id); });
    }
    if (!quiet_) {
        clock_.after(up_to(500ms), [this] { give_and_take(); });
    }
}

void Cluster::make_job(std::uint32_t index, bool at_once) {
    Job& job = jobs_[index];
    job.client = static_cast<std::uint32_t>(random_.below(plan_.clients));
    // short and even, or one of a long tail: each doubling half as likely as the one before
    job.duration = chance(80)
                       ? base::BootTime(1ms) * (1 + random_.below(200))
                       : base::BootTime(plan_.lengthy ? 800ms : 50ms) *
                             (std::uint64_t{1}
                              << static_cast<unsigned>(std::countr_zero(random_.next() | 0x100U)));
    job.policy.max_retries = static_cast<std::uint32_t>(random_.below(4));
    job.failures_to_come = chance(10) ? static_cast<std::uint32_t>(random_.below(6)) : 0;
    job.output[0] = chance(70) ? random_.below(1000) : chance(50) ? 0 : random_.below(300'000);
    job.output[0] += plan_.heavy ? random_.below(5000) : 0;
    job.output[1] = chance(10) ? random_.below(100'000) : 0;
    job.cores =
        chance(85)
            ? 1
            : 1 + static_cast<std::uint32_t>(random_.below(std::min(plan_.workers, slots_max)));
    job.input = chance(plan_.heavy ? 40 : 95) ? random_.below(100) : random_.below(80'000);
    job.input = index == 3 && chance(3) ? wire::task_bytes_max : job.input;
    job.memory_bytes = chance(10) ? random_.below(memory_max) : 0;
    job.limited = chance(3);
    if (chance(plan_.seed % 8 == 0 || plan_.varied ? 50 : 20)) {
        make_function(job);
    } else if (index == 5 && plan_.seed % 4 == 1 && clients_[job.client].options.reach != patient) {
        job.cores = slots_max + 1;  // nobody has so many
    }
    const base::BootTime when = at_once ? base::BootTime(0) : up_to(60s);
    clock_.after(when, [this, index] { begin(index); });
    if (chance(job.kind == Kind::slow ? 30 : 5)) {
        const bool force = chance(20);
        clock_.after(when + up_to(chance(50) ? 300ms : 10s),
                     [this, index, force] { cancel(index, force); });
    }
}

/// Makes a function of it.
void Cluster::make_function(Job& job) {
    job.kind = chance(plan_.seed % 8 == 0 ? 60 : 5) ? Kind::missing
               : chance(60)                         ? Kind::quick
                                                    : Kind::slow;
    if (job.kind == Kind::quick) {
        job.duration = 1us * (1 + random_.below(100));
    }
    // who has not what it calls is told at once, where its client does not know better; else its
    // client looks for somebody who has it, but not for ever
    job.blind = job.kind == Kind::missing && clients_[job.client].options.reach == patient;
    job.cores = 1;
    job.memory_bytes = 0;
    job.limited = false;
    job.output = {0, 0, chance(80) ? random_.below(100) : random_.below(200'000)};
}

/// A client that is left is connected with each worker, by some address.
void Cluster::check_links(std::uint32_t id) {
    std::vector<bool> up(plan_.workers);
    for (std::uint32_t address = 0; address < addresses(); ++address) {
        up[who(address)] = up[who(address)] || clients_[id].links[address].up;
    }
    if (clients_[id].reactor && !std::ranges::all_of(up, std::identity())) {
        violated("client " + std::to_string(id) + " does not come back to a worker");
    }
}

/// All tasks have ended and all is quiet: who is left must know nothing of them.
void Cluster::check_end() {
    for (std::uint32_t index = 0; index < jobs_.size(); ++index) {
        const Job& job = jobs_[index];
        const std::string name = "task " + std::to_string(index);
        const bool abandoned = !clients_[job.client].reactor;
        if (job.outcomes != 1 && !(abandoned && job.outcomes == 0)) {
            violated(name + " had " + std::to_string(job.outcomes) + " outcomes");
        }
        const std::uint32_t most =
            job.policy.max_retries + job.policy.max_start_retries + core::crash_limit + 1;
        if (!abandoned && !job.cancelled && !job.refused && !job.ending.ok() &&
            job.failures <= job.policy.max_retries && job.losses < core::crash_limit) {
            violated(name + " failed (" + job.ending.describe() + ") though it had retries left");
        }
        if (job.started > most) {
            violated(name + " was tried " + std::to_string(job.started) + " times");
        }
    }
    for (const Client& client : clients_) {
        if (client.reactor && client.reactor->attempts() != 0) {
            violated("a client leaks " + std::to_string(client.reactor->attempts()) + " attempts");
        }
    }
    for (std::uint32_t id = 0; id < plan_.clients; ++id) {
        check_links(id);
    }
    for (const Worker& worker : workers_) {
        if (worker.reactor->attempts() != 0 || !worker.store.empty() || worker.running != 0) {
            violated("a worker leaks " + std::to_string(worker.reactor->attempts()) +
                     " attempts and " + std::to_string(worker.store.size()) + " outputs");
        }
    }
    at_rest_ = true;
}

/// The clients leave, politely or not.
void Cluster::say_goodbye() {
    for (std::uint32_t id = 0; id < plan_.clients; ++id) {
        Client& client = clients_[id];
        if (!client.reactor) {
            continue;
        }
        if (chance(50)) {
            leave(id);
        }
        vanish(id);
    }
}

void Cluster::check_empty() {
    for (std::uint32_t id = 0; id < plan_.workers; ++id) {
        if (const std::size_t left = workers_[id].reactor->sessions(); left != 0) {
            violated("worker " + std::to_string(id) + " remembers " + std::to_string(left) +
                     " sessions of clients that are gone");
        }
    }
}

}  // namespace repartir::sim
