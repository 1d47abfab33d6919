// SPDX-License-Identifier: MIT
// The thread, what it is asked for, and what the reactor wants; work.cpp has what becomes of tasks
// and calls.
#include "exec/remote/engine.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include "base/anonymous_file.hpp"
#include "exec/remote/link.hpp"
#include "wire/task.hpp"

namespace repartir::exec {
namespace {

constexpr std::size_t scratch_bytes = 256UL * 1024;
/// How long goodbyes may take at the end.
constexpr base::BootTime parting_time = std::chrono::seconds(1);
/// How long the engine's thread rests before it looks whether callers still come.
constexpr std::chrono::milliseconds rest_interval{1};
/// How often the files of certificates are looked at.
constexpr base::BootTime certificates_interval = std::chrono::seconds(2);

std::string client_name() {
    std::array<char, 256> name{};
    const bool known = ::gethostname(name.data(), name.size() - 1) == 0;
    return std::string(known ? name.data() : "client") + "/" + std::to_string(::getpid());
}

client::Options reactor_options(const RemoteOptions& options) {
    client::Options result;
    result.workers = options.workers;
    result.session = {base::random_seed(), base::random_seed()};
    result.name = options.name.empty() ? client_name() : options.name;
    result.compression = options.compression;
    result.tasks_max = options.tasks_max;
    result.heartbeat = client::heartbeat_for(options.workers.size(), options.heartbeat);
    result.reattach = options.reattach;
    result.time_to_live = options.time_to_live;
    result.reach = options.reach;
    result.reconnect.max = std::chrono::seconds(5);
    result.seed = base::random_seed();
    return result;
}

}  // namespace

Engine::Engine(std::unique_ptr<loop::Loop> loop, net::Security security, client::Options options,
               std::vector<net::Address> addresses, Limits limits)
    : loop_(std::move(loop)),
      security_(std::move(security)),
      addresses_(std::move(addresses)),
      spill_dir_(base::temporary_folder()),
      limits_(limits),
      reach_(options.reach),
      scratch_(scratch_bytes),
      reactor_(std::move(options)),
      issuer_(base::random_seed()),
      random_(base::random_seed()) {
    for (client::WorkerId id = 0; id < addresses_.size(); ++id) {
        links_.push_back(std::make_unique<Link>(*this, id));
    }
    can_.backend = Backend::remote;
    can_.elastic = true;
    can_.slots = 0;
    can_.cgroup_limits = true;  // a worker that has none refuses
    can_.description = std::to_string(addresses_.size()) +
                       (addresses_.size() == 1 ? " worker: " : " workers: ") +
                       addresses_.front().text() + (addresses_.size() > 1 ? ", ..." : "");
}

Engine::~Engine() {
    shutdown();
    loop_->cancel(*this);
}

Result<std::unique_ptr<Engine>> Engine::create(RemoteOptions options) {
    if (options.workers.empty()) {
        return fail(Error(Domain::config, Code::invalid_argument, Fault::user,
                          "no worker's address was given: name at least one, such as host:9000"));
    }
    std::vector<net::Address> addresses;
    for (const std::string& text : options.workers) {
        Result<net::Address> address = net::Address::parse(text);
        if (!address) {
            return fail(address.error());
        }
        addresses.push_back(std::move(*address));
    }
    Result<net::Security> security = net::make_security(options.security);
    if (!security) {
        return fail(security.error());
    }
    for (const net::Address& address : addresses) {
        if (!address.is_unix() && !security->allows_tcp()) {
            return fail(net::plaintext_error(address.text()));
        }
        if (const auto known = net::literal(address)) {
            if (Result<void> may = net::allowed(*security, *known); !may) {
                return fail(may.error());
            }
        }
    }
    Result<std::unique_ptr<loop::Loop>> loop = loop::Loop::create();
    if (!loop) {
        return fail(loop.error());
    }
    std::unique_ptr<Engine> engine(new Engine(std::move(*loop), std::move(*security),
                                              reactor_options(options), std::move(addresses),
                                              {options.capture_bytes, options.value_bytes_max}));
    try {
        engine->thread_ = std::thread([raw = engine.get()] { raw->run(); });
    } catch (const std::system_error& problem) {
        engine->closed_ = true;
        return fail(
            Error(Domain::net, Code::out_of_resources, Fault::system,
                  std::string("no thread for the network can be started: ") + problem.what()));
    }
    return engine;
}

void Engine::run() noexcept {
    come_back(0, true);
    on_timer(base::now());
    while (!ending_) {
        loop_->run_once(base::never);
        if (caller_waits_.load() && caller_waits_.exchange(false) && calls_.empty() &&
            jobs_.empty() && !ending_) {
            rest();
        }
    }
    const base::BootTime end = base::now() + parting_time;
    const auto parted = [this] {
        return std::ranges::all_of(links_, [](const auto& link) { return link->idle(); });
    };
    while (!parted() && base::now() < end) {
        loop_->run_once(end - base::now());
    }
    lead_.leave();
}

/// The engine's thread leaves the loop to callers who wait, as long as they come.
void Engine::rest() {
    {
        const std::scoped_lock lock(rest_mutex_);
        recalled_ = false;
    }
    const std::uint64_t turns = rest_.begin();
    lead_.leave();
    come_back(turns, asked());  // by somebody who saw us at work still
}

/// Rests until the lead is to be had and wanted. @param turns of callers so far
void Engine::come_back(std::uint64_t turns, bool wanted) {
    std::unique_lock lock(rest_mutex_);
    rest_.end(lead_, wanted, turns, [&](bool soundly) {
        const auto recalled = [this] { return std::exchange(recalled_, false); };
        if (!soundly) {
            return rest_ends_.wait_for(lock, rest_interval, recalled);
        }
        rest_ends_.wait(lock, recalled);
        return true;
    });
}

/// A caller leaves the lead. @param calls_left_alone so many may wait for their caller to come
void Engine::hand_back(std::size_t calls_left_alone) {
    const bool busy = ending_ || !jobs_.empty() || calls_.size() > calls_left_alone;
    if (rest_.turn_ends(lead_) || busy || asked()) {
        recall();
    }
}

void Engine::recall() {
    {
        const std::scoped_lock lock(rest_mutex_);
        recalled_ = true;
    }
    rest_ends_.notify_one();
}

bool Engine::drive(const detail::StateBase& state) noexcept {
    if (lead_.mine()) {
        return false;
    }
    if (!lead_.take()) {
        caller_waits_ = true;
        return true;
    }
    loop_->update_now();
    while (!state.ready() && !ending_) {
        const base::BootTime begin = loop_->now();
        loop_->run_once(base::never, spin_.budget());
        spin_.waited(loop_->now() - begin);
    }
    hand_back(0);
    return true;
}

/// @return whether somebody waits for an answer().
bool Engine::asked() const {
    const std::scoped_lock lock(mutex_);
    return !requests_.empty();
}

/// @return whether it will be seen to: the engine has not ended.
bool Engine::ask(Request&& request) {
    // Where the lead is free, a caller sends its call itself. Not so the scheduler, which may hold
    // locks that what it is told needs.
    const bool may_lead = std::holds_alternative<StartCall>(request);
    bool first = false;
    {
        const std::scoped_lock lock(mutex_);
        if (closed_) {
            return false;
        }
        closed_ = std::holds_alternative<End>(request);
        first = requests_.empty();
        requests_.push_back(std::move(request));
    }
    if (may_lead && rest_.resting() && lead_.take()) {
        answer();
        hand_back(1);
        return true;
    }
    if (first) {
        loop_->post([this]() noexcept { answer(); });
    }
    if (rest_.resting()) {
        recall();
    }
    return true;
}

void Engine::answer() {
    {
        const std::scoped_lock lock(mutex_);
        answering_.swap(requests_);
    }
    loop_->update_now();
    for (Request& request : answering_) {
        std::visit([this](auto& one) { handle(one); }, request);
    }
    answering_.clear();
    carry_out();
}

void Engine::handle(Observe& request) {
    self_ = request.self;
    observer_ = request.sink;
    tell_capacity();
}

void Engine::handle(GiveBack& request) {
    static_cast<void>(reactor_.give_back(request.most, loop_->now(), outbox_));
    giving_back_ = false;
}

void Engine::handle(End& /*request*/) {
    observer_ = nullptr;
    std::vector<AttemptId> ids;
    for (const auto& [id, job] : jobs_) {
        ids.push_back(id);
    }
    for (const AttemptId& id : ids) {
        client::Finished over;
        over.attempt = id;
        over.report.ending = {repartir::End::cancelled, 0};
        end_task(jobs_.find(id), over);
    }
    while (!calls_.empty()) {
        end_call(calls_.begin()->first,
                 fail(Error(Domain::scheduler, Code::shut_down, Fault::user,
                            "the pool was shut down before the function had returned")));
    }
    reactor_.leave(outbox_);
    carry_out();
    to_dial_.clear();
    for (const auto& link : links_) {
        link->close();  // those that are not up yet
    }
    ending_ = true;
}

void Engine::shutdown() {
    ask(End{});
    if (thread_.joinable()) {
        thread_.join();
    }
}

Capabilities Engine::capabilities() const {
    const std::scoped_lock lock(mutex_);
    return can_;
}

void Engine::observe(Executor& self, AttemptSink& sink) { ask(Observe{&self, &sink}); }

std::uint32_t Engine::give_back(std::uint32_t most) {
    const std::uint32_t there = at_workers_;
    const std::uint32_t run = running_slots_;
    if (there <= run || giving_back_.exchange(true)) {
        return 0;
    }
    if (!ask(GiveBack{most})) {
        return 0;
    }
    return std::min(most, there - run);
}

void Engine::on_timer(base::BootTime now) noexcept {
    while (!retries_.empty() && retries_.begin()->first <= now) {
        const CallId id = retries_.begin()->second;
        retries_.erase(retries_.begin());
        begin_call(calls_.find(id)->second);
    }
    look_at_certificates(now);
    if (now >= settles_) {
        settles_ = base::never;
        settled_ = true;
        tell_capacity();
    }
    reactor_.tick(now, outbox_);
    carry_out();
}

/// A certificate that is renewed counts for the next connection; one that is revoked ends those
/// that it let in.
void Engine::look_at_certificates(base::BootTime now) {
    if (!security_.tls || now < looked_at_ + certificates_interval) {
        return;
    }
    looked_at_ = now;
    if (!security_.tls->refresh().changed) {  // what cannot be read: the old one holds
        return;
    }
    for (const auto& link : links_) {
        net::Connection* const connection = link->current();
        if (connection != nullptr && connection->is_open()) {
            if (const Result<void> still = connection->recheck(); !still) {
                connection->refuse(still.error());
            }
        }
    }
}

/// Carries out what the reactor wants, in order, and what comes of it; what is to be sent waits.
void Engine::perform() {
    if (std::exchange(carrying_, true)) {
        return;
    }
    while (!outbox_.empty()) {
        doing_.swap(outbox_);
        for (client::Effect& effect : doing_) {
            std::visit([this](auto& one) { carry_out(one); }, effect);
        }
        doing_.clear();
    }
    carrying_ = false;
}

/// Carries out all, and sends.
void Engine::carry_out() {
    if (carrying_) {
        return;  // further up the stack it is done
    }
    const base::BootTime now = loop_->now();
    do {
        reactor_.hand_out(now, outbox_);
        perform();
    } while (!outbox_.empty());
    for (Link* const link : unflushed_) {
        link->unflushed = false;
        if (link->current() != nullptr) {
            link->current()->flush();
        }
    }
    unflushed_.clear();
    if (reactor_.unreachable(now).has_value() != out_of_reach_) {
        out_of_reach_ = !out_of_reach_;
        tell_capacity();
    }
    set_timer();
}

void Engine::set_timer() {
    base::BootTime next = std::min(reactor_.next(), settles_);
    if (!retries_.empty()) {
        next = std::min(next, retries_.begin()->first);
    }
    if (next == base::never) {
        loop_->cancel(*this);
    } else if (!armed() || deadline() != next) {
        loop_->set(*this, next);
    }
}

void Engine::carry_out(client::Dial& effect) {
    to_dial_.push_back(effect.worker);
    dial_next();
}

/// Dials those whose turn it is. To shake hands with all of thousands at once takes longer than
/// each has patience, and leaves the heap in pieces.
void Engine::dial_next() {
    while (dialling_ < dialling_max && !to_dial_.empty()) {
        const client::WorkerId worker = to_dial_.front();
        to_dial_.pop_front();
        ++dialling_;
        links_[worker]->dial();
    }
}

void Engine::dialled() {
    --dialling_;
    dial_next();
}

void Engine::carry_out(client::Send& effect) {
    Link& link = *links_[effect.worker];
    if (link.current() != nullptr) {
        link.current()->send(effect.type, effect.correlation, std::move(effect.body));
        if (!std::exchange(link.unflushed, true)) {
            unflushed_.push_back(&link);
        }
    }
}

void Engine::carry_out(client::Admit& effect) {
    if (net::Connection* const connection = links_[effect.worker]->current()) {
        connection->admit(effect.version, effect.compression);
    }
}

void Engine::carry_out(client::Close& effect) {
    std::erase(to_dial_, effect.worker);
    links_[effect.worker]->close();
}

void Engine::carry_out(client::Capacity& effect) {
    if (effect.task_slots_max != capacity_.task_slots_max || effect.gpus != capacity_.gpus) {
        settled_ = false;
        settles_ = base::later(base::now(), reach_);
    }
    capacity_ = effect;
    tell_capacity();
}

/// Tells the scheduler what can be had here now.
void Engine::tell_capacity() {
    Capabilities now;
    {
        const std::scoped_lock lock(mutex_);
        can_.slots = capacity_.window;
        can_.running_slots = capacity_.slots;
        can_.busy_slots = capacity_.busy;
        can_.task_slots_max = capacity_.task_slots_max;
        can_.gpus = capacity_.gpus;
        can_.settled = settled_;
        can_.round_trip = capacity_.round_trip;
        can_.bytes_per_second = capacity_.bytes_per_second;
        can_.unreachable = reactor_.unreachable(loop_->now());
        now = can_;
    }
    running_slots_ = capacity_.slots - capacity_.busy;
    if (observer_ != nullptr) {
        observer_->capacity_changed(*self_, std::move(now));
    }
}

}  // namespace repartir::exec
