// SPDX-License-Identifier: MIT
// What the control plane costs: one client and many workers, the reactors and the frames that ship,
// nothing that fails, and the time and memory that each side takes of it. Prints one line of JSON.
#include <malloc.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <deque>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/reactor.hpp"
#include "wire/framer.hpp"
#include "wire/task.hpp"
#include "worker/reactor.hpp"

namespace repartir::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t slots = 4;        // of a worker
constexpr base::BootTime step = 5ms;      // what is sent in one arrives in the next
constexpr std::uint64_t task_steps = 20;  // a task takes as long, and up to as long again
constexpr base::BootTime idle_for = 60s;
constexpr std::uint32_t workers_replayed = 10;

std::int64_t cpu_ns() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

std::int64_t heap_bytes() {
    const auto info = ::mallinfo2();
    return static_cast<std::int64_t>(info.uordblks + info.hblkhd);
}

/// CPU time of this thread between begin() and end(), summed up, without what asking costs.
class Meter {
  public:
    void begin() { since_ = cpu_ns(); }
    void end() {
        sum_ += cpu_ns() - since_;
        ++times_;
    }
    void clear() { sum_ = times_ = 0; }
    [[nodiscard]] std::int64_t ns() const { return sum_ - times_ * asking_ns(); }

  private:
    static std::int64_t asking_ns() {
        constexpr std::int64_t times = 100'000;
        const std::int64_t since = cpu_ns();
        for (std::int64_t i = 0; i < times; ++i) {
            static_cast<void>(cpu_ns());
        }
        return (cpu_ns() - since) / times;
    }
    std::int64_t since_ = 0;
    std::int64_t sum_ = 0;
    std::int64_t times_ = 0;
};

/// One direction of a connection: what was written in this step is read in the next one.
struct Pipe {
    std::string arrived;
    wire::Framer framer;
    std::string written;
    wire::FrameOptions options;

    template <class Send>
    void write(const Send& send) {
        std::size_t at = 0;
        do {
            at = wire::append_frame(written, send.type, send.correlation, send.body, at, options);
        } while (at < send.body.size());
    }
    void pass() {
        arrived = written;  // as a kernel does: each end goes on with its own memory
        written.clear();
    }
    /// Calls `use` with each message that arrived.
    template <class Use>
    void read(Use&& use) {
        framer.give(arrived);
        for (auto message = framer.next(); message && *message; message = framer.next()) {
            use(**message);
        }
    }
};

/// What came to one end of a connection, in which step.
struct Arrival {
    base::BootTime when;
    std::uint32_t worker = 0;
    std::string bytes;
    std::vector<AttemptId> ending;  // at the worker
};
using Log = std::vector<Arrival>;

/// Simulates all, and takes down what came to the client and to some of the workers. Then each of
/// them is given the same again, alone, as on a machine of its own: what is measured then is not
/// slower because a thousand workers share one cache.
class Study {
  public:
    Study(std::uint32_t workers, std::uint32_t tasks);
    void run();
    /// The client once more, with what came to it in another study.
    void replay_client(const Study& other);
    /// Each of the first workers once more. @return ns of CPU time for a task
    [[nodiscard]] double replay_workers(const Study& other);
    void print(const Study& client, double worker_ns) const;

  private:
    struct Worker {
        std::unique_ptr<worker::Reactor> reactor;
        Pipe in;   // what the client says
        Pipe out;  // what it says
        base::BootTime due = base::BootTime::max();
        std::vector<AttemptId> ending;  // in this step
    };

    void go();
    void submit();
    void connect();
    void advance();
    void work_all();
    void work(Worker& worker, std::uint32_t id);
    void carry_out(Worker& worker, std::uint32_t id);
    void read_all();
    void carry_out();

    std::uint32_t tasks_;
    std::vector<Worker> workers_;
    std::unique_ptr<client::Reactor> client_;
    client::Outbox out_;
    worker::Outbox worker_out_;
    std::vector<client::WorkerId> dialled_;
    std::deque<std::vector<std::pair<std::uint32_t, AttemptId>>> ends_;  // by step from now
    base::BootTime now_ = 1000s;
    std::uint64_t finished_ = 0;
    std::uint64_t messages_ = 0;
    std::uint64_t drawn_ = 1;
    Meter client_meter_;
    std::int64_t connected_bytes_ = 0;
    Log client_log_;
    Log worker_log_;
    const Log* replayed_ = nullptr;
    std::size_t replayed_to_ = 0;
    std::int64_t bytes_per_client_worker_ = 0;
    std::int64_t bytes_per_worker_ = 0;
    std::int64_t bytes_per_task_ = 0;
    std::int64_t idle_client_ns_ = 0;
    base::BootTime took_{0};
};

Study::Study(std::uint32_t workers, std::uint32_t tasks)
    : tasks_(tasks), workers_(workers), ends_(2 * task_steps + 1) {
    const std::int64_t before = heap_bytes();
    for (std::uint32_t id = 0; id < workers; ++id) {
        worker::Options options;
        options.instance = {id, 1};
        options.name = "w" + std::to_string(id);
        options.site.slots = options.site.free_slots = slots;
        workers_[id].reactor = std::make_unique<worker::Reactor>(std::move(options));
    }
    bytes_per_worker_ = heap_bytes() - before;
    client::Options options;
    for (std::uint32_t id = 0; id < workers; ++id) {
        options.workers.push_back("w" + std::to_string(id));
    }
    options.session = {1, 2};
    const std::int64_t between = heap_bytes();
    client_ = std::make_unique<client::Reactor>(std::move(options));
    bytes_per_client_worker_ = heap_bytes() - between;
}

void Study::connect() {
    for (const client::WorkerId id : std::exchange(dialled_, {})) {
        if (replayed_ == nullptr) {
            workers_[id].reactor->connected(1, wire::Role::client, now_);
        }
        client_->connected(id, now_, out_);
    }
    carry_out();
}

void Study::carry_out() {
    for (client::Effect& effect : out_) {
        if (const auto* send = std::get_if<client::Send>(&effect)) {
            workers_[send->worker].in.write(*send);
            ++messages_;
        } else if (const auto* dial = std::get_if<client::Dial>(&effect)) {
            dialled_.push_back(dial->worker);
        } else if (const auto* admit = std::get_if<client::Admit>(&effect)) {
            workers_[admit->worker].out.framer.admit(admit->version, admit->compression);
            workers_[admit->worker].in.options = {admit->version, admit->compression};
        } else if (std::holds_alternative<client::Finished>(effect)) {
            ++finished_;
        }
    }
    out_.clear();
}

void Study::carry_out(Worker& worker, std::uint32_t id) {
    for (worker::Effect& effect : worker_out_) {
        if (const auto* send = std::get_if<worker::Send>(&effect)) {
            worker.out.write(*send);
            ++messages_;
        } else if (const auto* admit = std::get_if<worker::Admit>(&effect)) {
            worker.in.framer.admit(admit->version, admit->compression);
            worker.out.options = {admit->version, admit->compression};
        } else if (const auto* start = std::get_if<worker::Start>(&effect)) {
            drawn_ = drawn_ * 6364136223846793005ULL + 1442695040888963407ULL;
            ends_[task_steps + (drawn_ >> 33U) % task_steps].emplace_back(id, start->attempt);
        }
    }
    worker_out_.clear();
}

void Study::work(Worker& worker, std::uint32_t id) {
    worker.in.read([&](const wire::Message& message) {
        worker.reactor->received(1, message, now_, worker_out_);
    });
    for (const AttemptId& attempt : worker.ending) {
        worker::Ended ended;
        ended.report.ending = {End::exited, 0};
        ended.report.wall = task_steps * step;
        ended.out.inline_bytes = "a line of output\n";
        ended.out.bytes = ended.out.inline_bytes.size();
        worker.reactor->finished(attempt, std::move(ended), now_, worker_out_);
    }
    worker.ending.clear();
    if (now_ >= worker.due) {
        worker.reactor->tick(now_, worker_out_);
    }
    worker.reactor->flush(worker_out_);
    carry_out(worker, id);
    worker.due = worker.reactor->next();
}

void Study::read_all() {
    for (std::uint32_t id = 0; id < workers_.size(); ++id) {
        if (workers_[id].out.arrived.empty()) {
            continue;
        }
        workers_[id].out.read(
            [&](const wire::Message& message) { client_->received(id, message, now_, out_); });
        client_->hand_out(now_, out_);
        client_->flush(id, out_);
        carry_out();
    }
    if (now_ >= client_->next()) {
        client_->tick(now_, out_);
    }
    carry_out();
}

/// The workers' part of a step.
void Study::work_all() {
    for (const auto& [id, attempt] : ends_.front()) {
        workers_[id].ending.push_back(attempt);
    }
    ends_.pop_front();
    ends_.emplace_back();
    for (std::uint32_t id = 0; id < workers_.size(); ++id) {
        Worker& worker = workers_[id];
        if (!worker.out.arrived.empty()) {
            client_log_.push_back({now_, id, worker.out.arrived, {}});
        }
        if (worker.in.arrived.empty() && worker.ending.empty() && now_ < worker.due) {
            continue;
        }
        if (id < workers_replayed) {
            worker_log_.push_back({now_, id, worker.in.arrived, worker.ending});
        }
        work(worker, id);
    }
}

/// One step of time, first of all workers, then of the client.
void Study::advance() {
    now_ += step;
    for (Worker& worker : workers_) {
        worker.in.pass();
        worker.out.pass();
    }
    connect();
    if (replayed_ == nullptr) {
        work_all();
    } else {
        for (; replayed_to_ < replayed_->size() && (*replayed_)[replayed_to_].when == now_;
             ++replayed_to_) {
            const Arrival& arrival = (*replayed_)[replayed_to_];
            workers_[arrival.worker].out.arrived = arrival.bytes;
        }
    }
    client_meter_.begin();
    read_all();
    client_meter_.end();
}

void Study::submit() {
    const std::int64_t before = heap_bytes();
    client_meter_.begin();
    for (std::uint32_t element = 0; element < tasks_; ++element) {
        const AttemptId id{{{{1, 2, 3}}, element}, 1, 99, std::uint64_t{element} + 1};
        client::Order order;
        wire::append_task(
            order.task, id,
            Task::binary("/usr/local/bin/simulate").args("--input", std::to_string(element)),
            false);
        client_->start(id, std::move(order), now_);
    }
    client_->hand_out(now_, out_);
    client_meter_.end();
    bytes_per_task_ = (heap_bytes() - before) / std::max(tasks_, 1U);
    carry_out();
}

void Study::run() {
    const std::int64_t before = heap_bytes();
    go();
    const auto count = static_cast<std::int64_t>(workers_.size());
    bytes_per_worker_ /= count;
    bytes_per_client_worker_ = (bytes_per_client_worker_ + connected_bytes_ - before) / count;
}

void Study::go() {
    for (int i = 0; i < 20; ++i) {
        client_->tick(now_, out_);
        carry_out();
        advance();
    }
    connected_bytes_ = heap_bytes();
    client_meter_.clear();
    for (const base::BootTime end = now_ + idle_for; now_ < end;) {
        advance();
    }
    idle_client_ns_ = client_meter_.ns();
    client_meter_.clear();
    messages_ = 0;
    const base::BootTime begin = now_;
    submit();
    while (finished_ < tasks_) {
        advance();
    }
    took_ = now_ - begin;
}

void Study::replay_client(const Study& other) {
    replayed_ = &other.client_log_;
    go();
}

double Study::replay_workers(const Study& other) {
    Meter meter;
    std::size_t tasks = 0;
    for (std::uint32_t id = 0; id < std::min<std::size_t>(workers_replayed, workers_.size());
         ++id) {
        Log log;
        std::ranges::copy_if(other.worker_log_, std::back_inserter(log),
                             [id](const Arrival& arrival) { return arrival.worker == id; });
        Worker& worker = workers_[id];
        worker.reactor->connected(1, wire::Role::client, log.front().when);
        meter.begin();
        for (Arrival& arrival : log) {
            now_ = arrival.when;
            tasks += arrival.ending.size();
            worker.in.arrived = std::move(arrival.bytes);
            worker.ending = std::move(arrival.ending);
            worker.out.written.clear();
            work(worker, id);
        }
        meter.end();
    }
    return static_cast<double>(meter.ns()) / static_cast<double>(std::max<std::size_t>(tasks, 1));
}

void Study::print(const Study& client, double worker_ns) const {
    const auto tasks = static_cast<double>(std::max(tasks_, 1U));
    const double idle_s = std::chrono::duration<double>(idle_for).count();
    std::printf(
        "{\"workers\": %zu, \"tasks\": %u, \"simulated_s\": %.1f, \"client_ns_per_task\": %.0f, "
        "\"worker_ns_per_task\": %.0f, \"messages_per_task\": %.2f, \"client_bytes_per_task\": "
        "%lld, \"client_bytes_per_worker\": %lld, \"worker_bytes\": %lld, "
        "\"idle_client_us_per_s\": %.1f}\n",
        workers_.size(), tasks_, std::chrono::duration<double>(took_).count(),
        static_cast<double>(client.client_meter_.ns()) / tasks, worker_ns,
        static_cast<double>(messages_) / tasks, static_cast<long long>(bytes_per_task_),
        static_cast<long long>(bytes_per_client_worker_), static_cast<long long>(bytes_per_worker_),
        static_cast<double>(client.idle_client_ns_) / 1000 / idle_s);
}

bool read_number(std::string_view text, std::uint32_t most, std::uint32_t& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() && value != 0 && value <= most;
}

}  // namespace
}  // namespace repartir::sim

int main(int argc, char** argv) {
    std::uint32_t workers = 0;
    std::uint32_t tasks = 0;
    if (argc != 3 || !repartir::sim::read_number(argv[1], 100'000, workers) ||
        !repartir::sim::read_number(argv[2], 100'000'000, tasks)) {
        std::fputs("usage: repartir-sim-scale WORKERS TASKS\n", stderr);
        return 2;
    }
    repartir::sim::Study study(workers, tasks);
    study.run();
    repartir::sim::Study client(workers, tasks);
    client.replay_client(study);
    study.print(client, repartir::sim::Study(workers, tasks).replay_workers(study));
    return 0;
}
