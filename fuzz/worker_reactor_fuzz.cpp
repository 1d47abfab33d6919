// SPDX-License-Identifier: MIT
// The worker's reactor against clients that say anything at any time: what it does stays within the
// protocol and its limits, what it starts it forgets once, and when all are gone nothing is left.
#include <map>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "check.hpp"
#include "events.hpp"
#include "wire/limits.hpp"
#include "worker/reactor.hpp"

namespace repartir {
namespace {

using namespace std::chrono_literals;
using fuzz::check;

constexpr std::uint32_t slots = 2;
constexpr std::uint64_t memory_bytes = 1000;
constexpr std::uint32_t tasks_max = 6;
constexpr std::uint32_t sessions_max = 3;
constexpr std::size_t peers = 5;

worker::Options options() {
    worker::Options options;
    options.name = "w";
    options.site.slots = options.site.free_slots = slots;
    options.site.memory_bytes = options.site.free_memory_bytes = memory_bytes;
    options.functions = {"f"};
    options.tasks_max = tasks_max;
    options.input_bytes_max = 4000;
    options.sessions_max = sessions_max;
    return options;
}

/// The world around the reactor: what it may do, and what was done.
class World {
  public:
    explicit World(fuzz::Events events) : events_(events), reactor_(options()) {}

    void run() {
        while (!events_.over()) {
            event();
            carry_out();
        }
        end();
    }

  private:
    struct Peer {
        worker::ConnectionId connection = 0;  // 0: none
        bool admitted = false;
        std::uint64_t output = 0;  // bytes that it is ready to take
    };
    /// An attempt between Start and Forget.
    struct Running {
        bool ended = false;
        bool may_be_ahead = false;  // a function of one core: it may wait at the threads
        std::uint32_t cores = 0;
        std::uint64_t memory = 0;
        std::array<std::uint64_t, 3> bytes{};  // of output
    };

    /// A read that has not come back.
    struct Reading {
        worker::Read read;
        bool late = false;  // its attempt was forgotten, or perhaps its connection is gone
    };

    void event() {
        Peer& peer = peers_.at(events_.below(peers));
        switch (events_.below(14)) {
            case 0:
                tick();
                break;
            case 1:
                connect(peer);
                break;
            case 2:
                disconnect(peer);
                break;
            case 3:
            case 4:
                finish();
                break;
            case 5:
                read();
                break;
            case 6:
                grow();
                break;
            case 7:
                say(peer, static_cast<wire::MessageType>(events_.below(16)),
                    std::string(events_.bytes()));
                break;
            case 8:
                if (events_.below(16) == 0) {
                    reactor_.drain(now_ + events_.pause(), "why not", now_, out_);
                } else if (events_.below(32) == 0) {
                    reactor_.farewell(out_);
                }
                break;
            case 9:
                hello(peer);
                break;
            case 10:
                reactor_.flush(out_);
                break;
            default:
                message(peer);
        }
    }

    void tick() {
        const base::BootTime next = reactor_.next();
        if (events_.below(3) != 0 && next != base::BootTime::max()) {
            now_ = std::max(now_, next);
        } else {
            now_ += events_.pause();
        }
        reactor_.tick(now_, out_);
        check(reactor_.next() > now_);
    }

    void connect(Peer& peer) {
        if (peer.connection == 0) {
            peer = {};
            peer.connection = ++connections_;
            const auto role = static_cast<wire::Role>(events_.below(16) == 0 ? 1 : 0);
            reactor_.connected(peer.connection, role, now_);
            if (events_.below(4) != 0) {
                hello(peer);
            }
        }
    }
    void disconnect(Peer& peer) {
        if (peer.connection != 0) {
            reactor_.disconnected(std::exchange(peer.connection, 0), now_);
            std::ranges::for_each(reads_, [](Reading& reading) { reading.late = true; });
        }
    }

    // What happens on the machine.

    void finish() {
        if (running_.empty()) {
            return;
        }
        auto chosen = std::next(running_.begin(),
                                static_cast<std::ptrdiff_t>(events_.byte() % running_.size()));
        if (!chosen->second.ended) {
            finish(chosen->first, chosen->second);
        }
    }
    void finish(const AttemptId& id, Running& running) {
        running.ended = true;
        worker::Ended ended;
        ended.report.ending = {static_cast<End>(events_.below(7)), 1};
        ended.report.age = ended.report.wall = events_.pause();
        for (worker::StreamEnd* const stream : {&ended.out, &ended.err, &ended.value}) {
            std::uint64_t& bytes = running.bytes.at(static_cast<std::size_t>(stream == &ended.err) +
                                                    2 * (stream == &ended.value));
            bytes = std::max<std::uint64_t>(bytes, events_.number() % 200'000);
            stream->bytes = bytes;
            stream->lost = events_.below(8) == 0 ? events_.number() : 0;
            if (bytes <= 500 && events_.flag()) {
                stream->inline_bytes = std::string(bytes, 'x');
            }
        }
        reactor_.finished(AttemptId(id), std::move(ended), now_, out_);
    }
    void read() {
        if (reads_.empty()) {
            return;
        }
        const auto chosen = reads_.begin() + events_.byte() % std::ssize(reads_);
        const worker::Read read = chosen->read;
        reads_.erase(chosen);
        const std::uint64_t bytes =
            events_.below(4) == 0 ? events_.number() % (read.bytes + 1) : read.bytes;
        reactor_.read(read, std::string(bytes, 'x'), now_, out_);
    }
    void grow() {
        if (running_.empty()) {
            return;
        }
        auto chosen = std::next(running_.begin(),
                                static_cast<std::ptrdiff_t>(events_.byte() % running_.size()));
        const std::size_t channel = events_.below(3);
        std::uint64_t& bytes = chosen->second.bytes.at(channel);
        if (!chosen->second.ended) {
            bytes += events_.number() % 100'000;
            reactor_.grew(chosen->first, static_cast<wire::Channel>(channel), bytes, now_, out_);
        }
    }

    // What a peer says.

    void hello(Peer& peer) {
        wire::Hello hello;
        hello.version_min = static_cast<std::uint16_t>(events_.below(16) == 0 ? 2 : 1);
        hello.version_max = static_cast<std::uint16_t>(events_.below(4));
        hello.version_max = std::max<std::uint16_t>(hello.version_max, events_.flag() ? 1 : 0);
        hello.role = static_cast<wire::Role>(events_.below(16) == 0 ? 2 : 0);
        hello.session = {events_.below(5), 0};
        hello.epoch = events_.below(3);
        hello.heartbeat = events_.duration<std::chrono::milliseconds>();
        hello.time_to_live = events_.duration<std::chrono::milliseconds>();
        hello.output_credit = events_.number();
        say(peer, wire::MessageType::hello, codec::encode(hello));
    }
    AttemptId some_attempt() {
        const std::uint32_t element = static_cast<std::uint32_t>(events_.below(12));
        const std::uint64_t issuer = events_.below(16) == 0 ? 98 : 99;
        const std::uint64_t epoch = events_.below(4) == 0 ? events_.number() : events_.below(3);
        return {{{{7, 7, 7}}, element}, 1, issuer, epoch};
    }
    std::string some_task() {
        std::string bytes;
        const AttemptId id = some_attempt();
        if (events_.below(8) == 0) {
            wire::append_call(bytes, id, events_.flag() ? "f" : "g", events_.bytes(),
                              events_.duration<std::chrono::milliseconds>(), Priority::high);
            return bytes;
        }
        wire::TaskView view;
        view.attempt = id;
        view.priority = static_cast<Priority>(events_.below(4));
        view.stream = events_.flag();
        view.cores = events_.below(4) == 0 ? events_.number32() : 1;
        view.memory_bytes = events_.below(4) == 0 ? events_.number() : 0;
        view.timeout = events_.duration<std::chrono::milliseconds>();
        view.program = {1, std::string_view("x\0", 2)};
        const std::string input(events_.below(4) == 0 ? 16 * events_.byte() : 0, 'i');
        view.input = input;
        bytes = codec::encode(view);
        return bytes;
    }
    void submit(Peer& peer) {
        std::vector<std::string> tasks;
        for (std::size_t left = 1 + events_.below(8); left != 0; --left) {
            tasks.push_back(events_.below(16) == 0 ? std::string(events_.bytes()) : some_task());
        }
        say(peer, wire::MessageType::task_submit,
            codec::encode(codec::fields(std::span<const std::string>(tasks))));
    }
    std::vector<AttemptId> some_attempts() {
        std::vector<AttemptId> list;
        for (std::size_t left = events_.below(8); left != 0; --left) {
            list.push_back(some_attempt());
        }
        return list;
    }
    /// Any message that can be read, whatever it says.
    void message(Peer& peer) {
        using wire::MessageType;
        switch (events_.below(9)) {
            case 0:
            case 1:
            case 2:
                submit(peer);
                break;
            case 3: {
                const std::vector<AttemptId> ids = some_attempts();
                say(peer, MessageType::task_cancel,
                    codec::encode(codec::fields(std::span<const AttemptId>(ids), events_.flag())));
                break;
            }
            case 4: {
                const std::vector<AttemptId> ids = some_attempts();
                say(peer, MessageType::task_reclaim,
                    codec::encode(codec::fields(std::span<const AttemptId>(ids))));
                break;
            }
            case 5:
            case 6:
                credit(peer);
                break;
            case 7: {
                wire::Heartbeat beat;
                beat.sequence = events_.number();
                beat.echo = events_.number();
                beat.echo_age = events_.duration<std::chrono::nanoseconds>();
                say(peer, MessageType::heartbeat, codec::encode(beat));
                break;
            }
            default: {
                const auto parting = static_cast<wire::Parting>(events_.below(7));
                say(peer, MessageType::goodbye,
                    codec::encode(wire::Goodbye{parting, events_.bytes()}));
            }
        }
    }
    void credit(Peer& peer) {
        std::vector<std::uint64_t> seen;
        for (std::size_t left = events_.below(8); left != 0; --left) {
            seen.push_back(events_.number());
        }
        std::string list;
        wire::Credit credit;
        credit.tasks = events_.number32();
        credit.output_bytes = events_.number();
        credit.results = codec::list_of(std::span<const std::uint64_t>(seen), list);
        say(peer, wire::MessageType::credit, codec::encode(credit));
    }
    void say(Peer& peer, wire::MessageType type, const std::string& body) {
        if (peer.connection == 0) {
            return;
        }
        const auto add = [&](std::uint64_t more) {
            peer.output += std::min(more, ~std::uint64_t{0} - peer.output);
        };
        if (type == wire::MessageType::hello && !peer.admitted) {
            const auto hello = wire::decode<wire::Hello>(type, body);
            add(hello ? hello->output_credit : 0);
        } else if (type == wire::MessageType::credit && peer.admitted) {
            const auto credit = wire::decode<wire::Credit>(type, body);
            add(credit ? credit->output_bytes : 0);
        }
        reactor_.received(peer.connection, {type, wire::version_max, events_.number(), body}, now_,
                          out_);
    }

    // What the reactor does.

    void carry_out() {
        for (worker::Effect& effect : std::exchange(out_, {})) {
            std::visit([this](auto& one) { carry_out(one); }, effect);
        }
        check(reactor_.sessions() <= sessions_max);
        check(reactor_.attempts() <= std::size_t{sessions_max} * tasks_max);
        std::uint64_t cores = 0;
        std::uint64_t memory = 0;
        std::size_t ahead = 0;
        for (const auto& [id, running] : running_) {
            cores += running.ended || running.may_be_ahead ? 0 : running.cores;
            memory += running.ended ? 0 : running.memory;
            ahead += !running.ended && running.may_be_ahead ? 1 : 0;
        }
        check(cores <= slots && memory <= memory_bytes && ahead <= 257 * slots);
        // those that nobody waits for run
        check(running_.size() <= reactor_.attempts() + 257 * slots);
    }
    Peer& peer_of(worker::ConnectionId id) {
        const auto found = std::ranges::find(peers_, id, &Peer::connection);
        check(id != 0 && found != peers_.end());
        return *found;
    }
    void carry_out(const worker::Send& send) {
        Peer& peer = peer_of(send.to);
        check(send.body.size() <= wire::message_bytes_max);
        if (send.type == wire::MessageType::task_output) {
            const auto output = wire::decode<wire::TaskOutput>(send.type, send.body);
            check(output && output->bytes.size() <= peer.output);
            peer.output -= output->bytes.size();
        } else if (send.type == wire::MessageType::task_result) {
            const auto result = wire::decode<wire::TaskResult>(send.type, send.body);
            check(result && result->sequence != 0);
            for (const wire::OutputTail& tail : {result->out, result->err, result->value}) {
                check(tail.bytes.size() <= wire::inline_output_bytes_max);
            }
        } else if (send.type == wire::MessageType::credit) {
            const auto credit = wire::decode<wire::Credit>(send.type, send.body);
            check(credit && credit->tasks <= tasks_max);
        }
    }
    void carry_out(const worker::Admit& admit) {
        Peer& peer = peer_of(admit.connection);
        check(!peer.admitted && admit.version == wire::version_max);
        peer.admitted = true;
    }
    void carry_out(const worker::Close& close) {
        peer_of(close.connection).connection = 0;
        std::ranges::for_each(reads_, [](Reading& reading) { reading.late = true; });
    }
    void carry_out(const worker::Start& start) {
        const auto view = wire::read_task(start.task);
        check(view && view->attempt == start.attempt);
        const bool function = view->work == wire::Work::function && view->cores <= 1;
        const Running running{false,
                              function && view->memory_bytes == 0,
                              std::max(view->cores, 1U),
                              view->memory_bytes,
                              {}};
        check(running_.emplace(start.attempt, running).second);
    }
    void carry_out(const worker::Stop& stop) {
        const auto found = running_.find(stop.attempt);
        check(found != running_.end() && !found->second.ended);
    }
    void carry_out(const worker::Read& read) {
        const auto found = running_.find(read.attempt);
        check(found != running_.end() && read.bytes != 0);
        const auto channel = std::to_underlying(read.channel);
        check(read.offset + read.bytes <= found->second.bytes.at(channel));
        check(std::ranges::none_of(reads_, [&](const Reading& other) {
            return !other.late && other.read.attempt == read.attempt &&
                   other.read.channel == read.channel;
        }));
        reads_.push_back({read});
    }
    void carry_out(const worker::Forget& forget) {
        const auto found = running_.find(forget.attempt);
        check(found != running_.end() && found->second.ended);
        running_.erase(found);
        for (Reading& reading : reads_) {
            reading.late = reading.late || reading.read.attempt == forget.attempt;
        }
    }

    /// All peers go and never come back: what runs ends, and nothing is left.
    void end() {
        for (Peer& peer : peers_) {
            disconnect(peer);
        }
        now_ += options().time_to_live_max;
        reactor_.tick(now_, out_);
        carry_out();
        for (int steps = 0; reactor_.sessions() != 0 || !running_.empty(); ++steps) {
            check(steps < 100);
            reactor_.tick(now_, out_);
            carry_out();
            for (auto& [id, running] : std::map(running_)) {
                if (const auto here = running_.find(id);
                    here != running_.end() && !here->second.ended) {
                    finish(id, here->second);
                    carry_out();
                }
            }
        }
        check(reactor_.attempts() == 0);
        check(reactor_.next() > now_);
    }

    fuzz::Events events_;
    worker::Reactor reactor_;
    worker::Outbox out_;
    base::BootTime now_ = 1000s;
    std::array<Peer, peers> peers_;
    std::map<AttemptId, Running> running_;
    std::vector<Reading> reads_;
    worker::ConnectionId connections_ = 0;
};

}  // namespace
}  // namespace repartir

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    repartir::World(repartir::fuzz::Events(repartir::fuzz::text_of(data, size))).run();
    return 0;
}
