// SPDX-License-Identifier: MIT
// What --count workers that have nothing to do cost the client that is connected to them. All
// figures are the client's: the workers are the worker's own reactors over the server that ships,
// each at a port of its own with a connection of its own, in one other process.
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "bench/harness/child.hpp"
#include "bench/harness/own_pool.hpp"
#include "loop/loop.hpp"
#include "net/server.hpp"
#include "repartir/pool.hpp"
#include "worker/reactor.hpp"

namespace {

using namespace std::chrono_literals;
using repartir::base::BootTime;
using repartir::worker::Reactor;

constexpr auto settle = 3s;     // from the last connection to the measurement
constexpr auto patience = 60s;  // until all are connected

void raise_open_files() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Workers that never have work: a reactor for each connection, looked after every tenth of a
/// second.
class Idlers final : private repartir::net::Server::Owner, private repartir::loop::Timer {
  public:
    Idlers(repartir::loop::Loop& loop, const repartir::net::Security& security)
        : loop_(loop), server_(loop, security, *this, options()) {
        loop_.set(*this, repartir::base::now());
    }
    ~Idlers() override { loop_.cancel(*this); }
    Idlers(const Idlers&) = delete;
    Idlers& operator=(const Idlers&) = delete;

    /// @return where one more listens; empty where it cannot.
    std::string listen() {
        const auto address = repartir::net::Address::parse("127.0.0.1:0");
        const auto bound = server_.listen(*address);
        return bound ? bound->at(0).text() : "";
    }

  private:
    using Id = repartir::net::Server::Id;

    /// All connect at once: to servers of their own none would be turned away.
    static repartir::net::ServerOptions options() {
        repartir::net::ServerOptions options;
        options.strangers_max = options.connections_max;
        return options;
    }
    void on_open(Id id, const repartir::net::Peer& /*peer*/) noexcept override {
        repartir::worker::Options options;
        options.instance = {id, id};
        options.incarnation = id;
        options.name = "idle";
        options.site.slots = options.site.free_slots = 1;
        auto reactor = std::make_unique<Reactor>(std::move(options));
        reactor->connected(id, repartir::wire::Role::client, repartir::base::now());
        reactors_.emplace(id, std::move(reactor));
    }
    void on_message(Id id, const repartir::wire::Message& message) noexcept override {
        reactors_.at(id)->received(id, message, repartir::base::now(), outbox_);
    }
    void on_drained(Id /*id*/) noexcept override { carry_out(); }
    void on_closed(Id id, const repartir::Error* /*why*/) noexcept override { reactors_.erase(id); }
    void on_refused(const repartir::Error& why) noexcept override {
        std::fprintf(stderr, "%s\n", why.describe().c_str());
    }
    void on_timer(BootTime now) noexcept override {
        for (auto& [id, reactor] : reactors_) {
            if (reactor->next() <= now) {
                reactor->tick(now, outbox_);
            }
        }
        carry_out();
        loop_.set(*this, now + 100ms);
    }

    void carry_out() {
        for (repartir::worker::Effect& effect : outbox_) {
            if (auto* const send = std::get_if<repartir::worker::Send>(&effect)) {
                server_.send(send->to, send->type, send->correlation, std::move(send->body));
            } else if (const auto* admit = std::get_if<repartir::worker::Admit>(&effect)) {
                server_.admit(admit->connection, admit->version, admit->compression);
            } else if (const auto* close = std::get_if<repartir::worker::Close>(&effect)) {
                server_.close(close->connection);
            }
        }
        outbox_.clear();
        server_.flush();
    }

    repartir::loop::Loop& loop_;
    repartir::net::Server server_;
    std::map<Id, std::unique_ptr<Reactor>> reactors_;
    repartir::worker::Outbox outbox_;
};

void serve(const bench::Options& options, int told) {
    raise_open_files();
    const auto loop = repartir::loop::Loop::create();
    const auto security = repartir::net::make_security(bench::security(options, "worker"));
    if (!loop || !security) {
        return;
    }
    Idlers idlers(**loop, *security);
    std::string addresses;
    for (std::uint64_t i = 0; i < options.count; ++i) {
        addresses += idlers.listen() + " ";
    }
    bench::tell(told, addresses);
    (*loop)->run();
}

std::uint64_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t all = 0;
    std::uint64_t resident = 0;
    statm >> all >> resident;
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

double process_cpu_s() {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

/// @return how many workers, of one slot each, are connected.
std::uint64_t connected(repartir::Pool& pool) {
    std::uint64_t slots = 0;
    for (const repartir::Capabilities& one : pool.scheduler().capabilities()) {
        slots += one.backend == repartir::Backend::remote ? one.running_slots : 0;
    }
    return slots;
}

}  // namespace

int main(int argc, char** argv) {
    bench::Options options = bench::parse(argc, argv);
    options.count = options.count != 0 ? options.count : 2000;
    const bench::Child server([&](int told) { serve(options, told); });
    raise_open_files();
    repartir::RemoteOptions remote;
    std::istringstream addresses(server.address());
    for (std::string one; addresses >> one;) {
        remote.workers.push_back(std::move(one));
    }
    remote.security = bench::security(options, "client");
    bench::Report report("idle_workers", "repartir", options);
    const std::uint64_t before = resident_bytes();
    repartir::Pool pool = bench::own_pool(
        repartir::Pool::builder().cpu_workers(1).local_programs(false).remote(std::move(remote)));
    const std::uint64_t begin = bench::now_ns();
    const auto give_up = std::chrono::steady_clock::now() + patience;
    while (connected(pool) < options.count && std::chrono::steady_clock::now() < give_up) {
        std::this_thread::sleep_for(10ms);
    }
    const std::uint64_t all_after = bench::now_ns() - begin;
    std::this_thread::sleep_for(settle);
    const double cpu = process_cpu_s();
    std::this_thread::sleep_for(std::chrono::seconds(options.seconds));
    const double used = process_cpu_s() - cpu;
    const std::uint64_t resident = resident_bytes() - before;
    report.add("items", static_cast<double>(options.count));
    report.add("all_connected_ns", static_cast<double>(all_after));
    report.add("rss_bytes_per_worker",
               static_cast<double>(resident) / static_cast<double>(options.count));
    report.add("core_share", used / static_cast<double>(options.seconds));
    return report.finish(connected(pool) == options.count);
}
