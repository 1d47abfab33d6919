// SPDX-License-Identifier: MIT
#include "worker/daemon/daemon.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <system_error>
#include <thread>
#include <utility>

#include "base/in_words.hpp"
#include "base/prng.hpp"
#include "wire/dispatch.hpp"
#include "wire/limits.hpp"
#include "worker/daemon/client_room.hpp"

namespace repartir::worker {
namespace {

/// How long results wait for those of short calls at most.
constexpr base::BootTime flush_interval = std::chrono::milliseconds(1);
/// Clients that are gone and left work take no place of those that are connected.
constexpr std::size_t sessions_each = 2;
/// How often the thread that stands by looks whether the other one is kept by a call.
constexpr std::chrono::milliseconds look_interval{1};
/// After so many looks without short calls it sleeps until there are some.
constexpr int quiet_looks = 20;

std::string host_name() {
    std::array<char, 256> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : "worker";
}

/// A client is told all names in one message. Errors: too_large, invalid_argument
Result<void> names_fit(const WorkerOptions& options, const FunctionTable& functions) {
    std::size_t bytes = options.name.size() + wire::shader_function.size();
    for (const auto& [name, function] : functions) {
        if (name.starts_with(wire::reserved_prefix)) {
            return fail(Error(Domain::config, Code::invalid_argument, Fault::user,
                              "the function '" + name +
                                  "' cannot be called so: names that begin"
                                  " with '" +
                                  std::string(wire::reserved_prefix) + "' are Repartir's own"));
        }
        bytes += name.size() + sizeof(std::uint32_t);
    }
    if (bytes <= wire::names_bytes_max) {
        return {};
    }
    return fail(Error(Domain::config, Code::too_large, Fault::user,
                      "the names of the worker and its functions take " + std::to_string(bytes) +
                          " bytes, and " + std::to_string(wire::names_bytes_max) +
                          " are the most: shorten them, or serve some of the functions by another "
                          "worker"));
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
    if (Result<void> fits = names_fit(options, functions); !fits) {
        return fail(fits.error());
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
    reactor.gpu_tasks_max = daemon->runner_->gpus().tasks_max();
    reactor.tasks_max = std::max(daemon->options_.tasks_max, 2 * can.slots);
    const net::ServerOptions clients = daemon->server_options();
    reactor.sessions_max = static_cast<std::uint32_t>(sessions_each * clients.connections_max);
    reactor.heartbeat = daemon->options_.heartbeat;
    reactor.time_to_live_max = daemon->options_.keep_work;
    daemon->reactor_.emplace(std::move(reactor));
    if (Result<void> listens = daemon->listen(clients); !listens) {
        return fail(listens.error());
    }
    return daemon;
}

/// As many clients as descriptors allow, beside what the tasks need; says so where they are fewer.
net::ServerOptions Daemon::server_options() const {
    const net::ServerOptions wanted;
    const Descriptors descriptors = descriptors_now();
    const std::uint32_t slots = runner_->capabilities().slots;
    const net::ServerOptions fitted = with_room_for_tasks(wanted, descriptors, slots);
    if (fitted.connections_max < wanted.connections_max) {
        log(LogLevel::info,
            base::Logfmt("few-descriptors")
                .add("open_files", std::to_string(descriptors.limit))
                .add("clients", std::to_string(fitted.connections_max))
                .add("meaning",
                     "the tasks need the rest, and more clients are turned away: for more, raise "
                     "the limit of open files (ulimit -n, LimitNOFILE= of a systemd unit)"));
    }
    return fitted;
}

Result<void> Daemon::listen(const net::ServerOptions& clients) {
    net::Server::Owner& owner = *this;
    server_ = std::make_unique<net::Server>(*loop_, security_, owner, clients);
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
    for (const Error& why : runner_->gpus().left_out()) {
        log(LogLevel::warning, base::Logfmt("gpu-left-out").add("why", why.describe()));
    }
    for (const std::string& gpu : runner_->gpus().names()) {
        log(LogLevel::info, base::Logfmt("gpu").add("name", gpu));
    }
    if (options_.on_tick) {
        ticker_.on_timer(base::now());
    }
    carry_out();
    std::thread second;
    if (runner_->has_functions()) {
        try {
            second = std::thread([this] { serve(); });
        } catch (const std::system_error& problem) {  // nobody stands by: no short calls
            log(LogLevel::warning, base::Logfmt("no-second-thread").add("why", problem.what()));
        }
    }
    serve();
    if (second.joinable()) {
        second.join();
    }
    server_.reset();  // clients hear it at once, and its addresses are free
    log(LogLevel::info, base::Logfmt("ended").add("how", over_ ? "drained" : "stopped"));
}

/// What each of the worker's threads does.
void Daemon::serve() {
    for (bool leads = lead_.take(); leads || stand_by(); leads = false) {
        lead();
    }
}

/// Sees to the network, until all is over or another thread does.
void Daemon::lead() {
    runner_->keep_short(standby_.load());
    step_in();
    while (!over_ && !stopped_.load()) {
        if (runner_->idle()) {
            const base::BootTime begin = loop_->now();
            loop_->run_once(base::never, spin_.budget());
            spin_.waited(loop_->now() - begin);
        } else {  // whatever runs has more use for the core; short calls that began others wait
            loop_->run_once(runner_->has_short() ? base::BootTime(0) : base::never);
        }
        runner_->keep_short(standby_.load());
        if (runner_->has_short() && !make_short_calls()) {
            return;
        }
    }
    linger();
    runner_->stop_functions();  // the other thread may be in one
    {
        const std::scoped_lock lock(standby_mutex_);
        ended_ = true;  // and the lead is kept
    }
    standby_ends_.notify_all();
}

/// What was said last is on its way: the linger of the connections bounds it.
void Daemon::linger() {
    const base::BootTime end = base::now() + std::chrono::seconds(3);
    while (over_ && server_->connections() != 0 && base::now() < end && !stopped_.load()) {
        loop_->run_once(end - base::now());
    }
}

/// Without the lead. @return whether the calling thread has it again; if not, another one has
bool Daemon::make_short_calls() {
    std::vector<Runner::Call> calls;
    runner_->take_short(calls);
    short_calls_.load(calls);
    ++short_turns_;
    if (!watching_.load() && !watching_.exchange(true)) {
        {
            const std::scoped_lock lock(standby_mutex_);
            called_to_watch_ = true;
        }
        standby_ends_.notify_one();
    }
    lead_.leave();
    std::vector<Runner::Called> called;
    short_calls_.make(called);
    const bool leads = lead_.take();
    if (leads) {
        loop_->update_now();
    }
    for (Runner::Called& one : called) {
        if (leads) {
            runner_->on(one);
        } else {
            runner_->tell(std::move(one));
        }
    }
    if (leads) {
        carry_out();
    }
    return leads;
}

/// Waits until the lead has been free for a look or two: whoever had it is kept by a call.
/// @return whether the calling thread has it now; if not, all is over
bool Daemon::stand_by() {
    std::unique_lock lock(standby_mutex_);
    standby_ = true;
    std::uint64_t turn = short_turns_;
    int quiet = 0;
    while (!ended_) {
        if (!watching_.load()) {
            standby_ends_.wait(lock, [this] { return called_to_watch_ || ended_; });
            watching_ = true;
        } else {
            standby_ends_.wait_for(lock, look_interval, [this] { return ended_; });
        }
        called_to_watch_ = false;
        if (turn != short_turns_.load()) {
            turn = short_turns_;
            quiet = 0;
        } else if (lead_.take()) {
            standby_ = false;
            watching_ = false;
            return true;
        } else if (++quiet == quiet_looks) {
            watching_ = false;
            quiet = 0;
            if (turn != short_turns_.load()) {  // else whoever makes some from here on sees it
                watching_ = true;
            }
        }
    }
    return false;
}

/// Whoever had the lead may be kept by a call: what ended before it is told of, and what it would
/// have called next is called elsewhere.
void Daemon::step_in() {
    loop_->update_now();
    std::vector<Runner::Called> called;
    std::vector<Runner::Call> calls;
    short_calls_.step_in(called, calls);
    for (Runner::Called& one : called) {
        runner_->on(one);
    }
    for (Runner::Call& one : calls) {
        runner_->call_elsewhere(std::move(one));
    }
    carry_out();
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
    reactor_->received(id, message, loop_->now(), outbox_);
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

void Daemon::on_finished(const AttemptId& id, Ended&& ended, bool busy) noexcept {
    reactor_->finished(id, std::move(ended), loop_->now(), outbox_, busy);
}

void Daemon::on_freed(const AttemptId& id) noexcept { reactor_->freed(id, loop_->now(), outbox_); }

void Daemon::on_grew(const AttemptId& id, wire::Channel channel, std::uint64_t bytes) noexcept {
    reactor_->grew(id, channel, bytes, loop_->now(), outbox_);
}

void Daemon::on_overdue(std::string_view function, base::BootTime took,
                        base::BootTime expected) noexcept {
    log(LogLevel::warning, base::Logfmt("overdue")
                               .add("function", function)
                               .add("ran", base::in_words(took))
                               .add("expected", base::in_words(expected)));
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
    const auto empty_outbox = [this] {
        while (!outbox_.empty()) {
            doing_.swap(outbox_);
            for (Effect& effect : doing_) {
                std::visit([this](auto& one) { carry_out(one); }, effect);
            }
            doing_.clear();
        }
    };
    empty_outbox();
    // What short calls give goes out together with this, but nobody waits long for others' calls.
    if (!runner_->has_short() || loop_->now() - flushed_at_ >= flush_interval) {
        flushed_at_ = loop_->now();
        reactor_->flush(outbox_);
        empty_outbox();
        server_->flush();
    }
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
    server_->send(effect.to, effect.type, effect.correlation, std::move(effect.body),
                  std::move(effect.lent));
    if (effect.type == wire::MessageType::task_output) {
        server_->flush_batches(effect.to);  // the client takes it in while the next is read
    }
}

void Daemon::carry_out(Admit& effect) {
    server_->admit(effect.connection, effect.version, effect.compression);
}

void Daemon::carry_out(Close& effect) {
    log(effect.refused ? LogLevel::warning : LogLevel::info,
        base::Logfmt(effect.refused ? "refused" : "closing")
            .add("connection", std::to_string(effect.connection))
            .add("why", effect.why));
    server_->close(effect.connection);
}

void Daemon::carry_out(Start& effect) { runner_->start(effect.attempt, effect.task); }

void Daemon::carry_out(Stop& effect) { runner_->stop(effect.attempt, effect.force); }

void Daemon::carry_out(Read& effect) {
    std::string room;
    detail::Piece piece =
        runner_->read(effect.attempt, effect.channel, effect.offset, effect.bytes, room);
    reactor_->read(effect, piece.bytes, base::now(), outbox_, std::move(piece.owner));
}

void Daemon::carry_out(Forget& effect) { runner_->forget(effect.attempt); }

void Daemon::log(LogLevel level, base::Logfmt line) const {
    if (options_.log) {
        options_.log(level, std::move(line).take());
    }
}

}  // namespace repartir::worker
