// SPDX-License-Identifier: MIT
#include "worker/daemon/daemon.hpp"

#include <unistd.h>

#include <array>
#include <utility>

#include "base/prng.hpp"

namespace repartir::worker {
namespace {

std::string host_name() {
    std::array<char, 256> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : "worker";
}

std::uint64_t random_number() { return base::random_seed(); }

}  // namespace

Daemon::Daemon(std::unique_ptr<loop::Loop> loop, WorkerOptions options, net::Security security)
    : loop_(std::move(loop)), options_(std::move(options)), security_(std::move(security)) {}

Daemon::~Daemon() {
    loop_->cancel(*this);
    loop_->cancel(ticker_);
    server_.reset();
    runner_.reset();
}

Result<std::unique_ptr<Daemon>> Daemon::create(WorkerOptions options, FunctionTable functions) {
    if (options.listen.empty()) {
        return fail(Error(Domain::config, Code::invalid_argument, Fault::user,
                          "the worker has no address to listen at: give it one, such as "
                          "127.0.0.1:9000 or unix:/run/worker"));
    }
    if (options.name.empty()) {
        options.name = host_name();
    }
    Result<std::unique_ptr<loop::Loop>> loop = loop::Loop::create();
    if (!loop) {
        return fail(loop.error());
    }
    Result<net::Security> security = net::make_security(options.security);
    if (!security) {
        return fail(security.error());
    }
    std::unique_ptr<Daemon> daemon(
        new Daemon(std::move(*loop), std::move(options), std::move(*security)));
    std::vector<std::string> names;
    for (const auto& [name, function] : functions) {
        names.push_back(name);
    }
    Runner::Owner& owner = *daemon;
    Result<std::unique_ptr<Runner>> runner =
        Runner::create(*daemon->loop_, owner, std::move(functions), daemon->options_);
    if (!runner) {
        return fail(runner.error());
    }
    daemon->runner_ = std::move(*runner);
    const Capabilities can = daemon->runner_->capabilities();
    Options reactor;
    reactor.instance = {random_number(), random_number()};
    reactor.incarnation = random_number();
    reactor.name = daemon->options_.name;
    reactor.site.slots = reactor.site.free_slots = can.slots;
    reactor.site.memory_bytes = reactor.site.free_memory_bytes = daemon->options_.memory_bytes;
    reactor.site.cgroup_limits = can.cgroup_limits;
    reactor.functions = std::move(names);
    reactor.tasks_max = daemon->options_.tasks_max;
    reactor.heartbeat = daemon->options_.heartbeat;
    reactor.time_to_live_max = daemon->options_.keep_work;
    daemon->reactor_.emplace(std::move(reactor));
    if (Result<void> listens = daemon->listen(); !listens) {
        return fail(listens.error());
    }
    return daemon;
}

Result<void> Daemon::listen() {
    net::Server::Owner& owner = *this;
    server_ = std::make_unique<net::Server>(*loop_, security_, owner, net::ServerOptions{});
    for (const std::string& text : options_.listen) {
        const Result<net::Address> address = net::Address::parse(text);
        if (!address) {
            return fail(address.error());
        }
        const Result<std::vector<net::SocketAddress>> bound = server_->listen(*address);
        if (!bound) {
            return fail(bound.error());
        }
        for (const net::SocketAddress& at : *bound) {
            addresses_.push_back(at.text());
            log(LogLevel::info, base::Logfmt("listening").add("address", at.text()));
        }
    }
    if (security_.plaintext != Plaintext::no) {
        log(LogLevel::warning,
            base::Logfmt("insecure-plaintext")
                .add("meaning", security_.plaintext == Plaintext::any
                                    ? "whoever can reach these addresses may run programs here"
                                    : "every user of this machine may run programs here"));
    }
    return {};
}

void Daemon::run() {
    log(LogLevel::info, base::Logfmt("serving")
                            .add("name", options_.name)
                            .add("slots", std::to_string(runner_->capabilities().slots)));
    if (options_.on_tick) {
        ticker_.on_timer(base::now());
    }
    carry_out();
    while (!over_ && !stopped_.load()) {
        loop_->run_once(base::never);
    }
    if (over_) {
        // What was said last is on its way: the linger of the connections bounds it.
        const base::BootTime end = base::now() + std::chrono::seconds(3);
        while (server_->connections() != 0 && base::now() < end && !stopped_.load()) {
            loop_->run_once(end - base::now());
        }
    }
    log(LogLevel::info, base::Logfmt("ended").add("how", over_ ? "drained" : "stopped"));
}

void Daemon::drain(std::chrono::milliseconds deadline, std::string reason) {
    loop_->post([this, deadline, reason = std::move(reason)]() noexcept {
        log(LogLevel::info, base::Logfmt("draining")
                                .add("reason", reason)
                                .add("deadline_ms", std::to_string(deadline.count())));
        server_->stop_listening();
        const base::BootTime now = base::now();
        reactor_->drain(base::later(now, deadline), reason, now, outbox_);
        carry_out();
    });
}

void Daemon::stop() noexcept {
    stopped_.store(true);
    loop_->wake();
}

void Daemon::on_open(net::Server::Id id, const net::Peer& peer) noexcept {
    log(LogLevel::info, base::Logfmt("connected")
                            .add("connection", std::to_string(id))
                            .add("address", peer.address)
                            .add("peer", peer.name));
    const wire::Role role = peer.may_be(wire::Role::client)   ? wire::Role::client
                            : peer.may_be(wire::Role::broker) ? wire::Role::broker
                                                              : wire::Role::worker;
    reactor_->connected(id, role, base::now());
    carry_out();
}

void Daemon::on_message(net::Server::Id id, const wire::Message& message) noexcept {
    reactor_->received(id, message, base::now(), outbox_);
}

void Daemon::on_drained(net::Server::Id /*id*/) noexcept { carry_out(); }

void Daemon::on_closed(net::Server::Id id, const Error* why) noexcept {
    log(LogLevel::info, base::Logfmt("disconnected")
                            .add("connection", std::to_string(id))
                            .add("why", why != nullptr ? why->sentence() : "it was closed here"));
    reactor_->disconnected(id, base::now());
    carry_out();
}

void Daemon::on_refused(const Error& why) noexcept {
    log(LogLevel::warning, base::Logfmt("refused").add("why", why.sentence()));
}

void Daemon::on_finished(const AttemptId& id, Ended&& ended) noexcept {
    reactor_->finished(id, std::move(ended), base::now(), outbox_);
}

void Daemon::on_grew(const AttemptId& id, wire::Channel channel, std::uint64_t bytes) noexcept {
    reactor_->grew(id, channel, bytes, base::now(), outbox_);
}

void Daemon::on_timer(base::BootTime now) noexcept {
    reactor_->tick(now, outbox_);
    carry_out();
}

void Daemon::Ticker::on_timer(base::BootTime now) noexcept {
    daemon_.options_.on_tick();
    daemon_.loop_->set(*this, base::later(now, daemon_.options_.tick_interval));
}

/// Carries out what the reactor wants, in order, and what comes of it.
void Daemon::carry_out() {
    if (std::exchange(carrying_, true)) {
        return;
    }
    while (!outbox_.empty()) {
        Outbox now;
        now.swap(outbox_);
        for (Effect& effect : now) {
            std::visit([this](auto& one) { carry_out(one); }, effect);
        }
    }
    server_->flush();
    carrying_ = false;
    if (!over_ && reactor_->drained()) {
        over_ = true;
        reactor_->farewell(outbox_);
        carry_out();
        loop_->wake();
        return;
    }
    const base::BootTime next = reactor_->next();
    if (next == base::never) {
        loop_->cancel(*this);
    } else {
        loop_->set(*this, next);
    }
}

void Daemon::carry_out(Send& effect) {
    server_->send(effect.to, effect.type, effect.correlation, std::move(effect.body));
}

void Daemon::carry_out(Admit& effect) {
    server_->admit(effect.connection, effect.version, effect.compression);
}

void Daemon::carry_out(Close& effect) { server_->close(effect.connection); }

void Daemon::carry_out(Start& effect) { runner_->start(effect.attempt, effect.task); }

void Daemon::carry_out(Stop& effect) { runner_->stop(effect.attempt, effect.force); }

void Daemon::carry_out(Read& effect) {
    const std::string bytes =
        runner_->read(effect.attempt, effect.channel, effect.offset, effect.bytes);
    reactor_->read(effect.attempt, effect.channel, effect.offset, bytes, base::now(), outbox_);
}

void Daemon::carry_out(Forget& effect) { runner_->forget(effect.attempt); }

void Daemon::log(LogLevel level, base::Logfmt line) const {
    if (options_.log) {
        options_.log(level, std::move(line).take());
    }
}

}  // namespace repartir::worker
