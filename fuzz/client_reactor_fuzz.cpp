// SPDX-License-Identifier: MIT
// The client's reactor against workers that say anything at any time: what it does stays within the
// protocol and its limits, and every attempt ends exactly once.
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "check.hpp"
#include "client/reactor.hpp"
#include "events.hpp"
#include "wire/limits.hpp"
#include "wire/result.hpp"
#include "wire/task.hpp"

namespace repartir {
namespace {

using namespace std::chrono_literals;
using fuzz::check;

constexpr std::uint32_t tasks_max = 8;
constexpr std::uint64_t output_bytes_max = 4000;
constexpr std::size_t attempts_max = 40;  // enough for every queue to fill
constexpr std::uint32_t workers = 3;

client::Options options() {
    client::Options options;
    options.workers = {"a", "b", "c"};
    options.session = {1, 2};
    options.tasks_max = tasks_max;
    options.output_bytes_max = output_bytes_max;
    return options;
}

/// The world around the reactor: what it may do, and what was done.
class World {
  public:
    explicit World(fuzz::Events events) : events_(events), reactor_(options()) {}

    void run() {
        tick();
        while (!events_.over()) {
            event();
            carry_out();
        }
        end();
    }

  private:
    enum class Link : std::uint8_t { none, dialled, open };
    struct Attempt {
        std::array<std::uint64_t, 3> got{};  // bytes of output
    };
    struct Worker {
        Link link = Link::none;
        bool admitted = false;
        std::uint64_t credit = 0;  // tasks that it said it takes
        std::uint64_t input = 0;   // bytes of them
        std::uint64_t output = 0;  // bytes that it may send
        std::uint64_t heard = 0;   // messages since the last credit that it was given
        std::uint64_t epoch = 0;   // of the latest lease that it was given on this connection
    };

    void event() {
        const auto id = static_cast<client::WorkerId>(events_.below(workers));
        Worker& worker = workers_.at(id);
        switch (events_.below(13)) {
            case 0:
                tick();
                break;
            case 1:
            case 2:
                if (worker.link == Link::dialled) {
                    worker = {};
                    worker.link = Link::open;
                    reactor_.connected(id, now_, out_);
                }
                break;
            case 3:
                if (worker.link != Link::none) {
                    worker.link = Link::none;
                    reactor_.disconnected(id, "gone", now_, out_);
                }
                break;
            case 4:
                start();
                break;
            case 5:
                reactor_.cancel(some_attempt(), events_.flag(), now_, out_);
                break;
            case 6:
                reactor_.hand_out(now_, out_);
                reactor_.flush(id, out_);
                break;
            case 7: {
                const auto type = static_cast<wire::MessageType>(events_.below(16));
                say(id, type, std::string(events_.bytes()));
                break;
            }
            case 8:
                static_cast<void>(reactor_.give_back(events_.number32(), now_, out_));
                break;
            default:
                message(id);
        }
    }

    void tick() {
        const std::size_t choice = events_.below(3);
        const base::BootTime next = reactor_.next();
        if (choice != 0 && next != base::BootTime::max()) {
            now_ = std::max(now_, next);
        } else {
            now_ += events_.pause();
        }
        reactor_.tick(now_, out_);
        check(reactor_.next() >= now_);
    }

    void start() {
        if (attempts_.size() >= attempts_max) {
            return;
        }
        const AttemptId id{{{{7, 7, 7}}, ++started_}, 1, 99, started_};
        client::Order order;
        const Task task = Task::binary("x").arg(std::string(events_.byte(), 'a'));
        wire::append_task(order.task, id, task, events_.flag());
        order.demand.cores = static_cast<std::uint32_t>(events_.below(4));
        order.priority = static_cast<Priority>(events_.below(3));
        attempts_.emplace(id, Attempt());
        reactor_.start(id, std::move(order), now_);
    }

    /// @return an attempt that is here, one that was, or one that never was.
    AttemptId some_attempt() {
        const std::uint32_t element = static_cast<std::uint32_t>(events_.number() % 64);
        return {{{{7, 7, 7}}, element}, 1, 99, element};
    }
    /// @return a lease that some worker has, had, or never had.
    AttemptId some_lease() {
        if (leases_.empty() || events_.below(8) == 0) {
            AttemptId none = some_attempt();
            none.epoch = events_.number();
            return none;
        }
        return leases_.at(leases_.size() - 1 - events_.byte() % leases_.size()).first;
    }
    std::vector<AttemptId> some_leases() {
        std::vector<AttemptId> list;
        for (std::size_t left = events_.below(8); left != 0; --left) {
            list.push_back(some_lease());
        }
        return list;
    }
    wire::ErrorRecord some_error() {
        const std::array faults{"node", "task", "user", "none such"};
        return {"wire", "internal", faults.at(events_.below(4)), std::string(events_.bytes()), {}};
    }

    /// Any message that can be read, whatever it says.
    void message(client::WorkerId id) {
        using wire::MessageType;
        switch (events_.below(11)) {
            case 0:
            case 1:
                welcome(id);
                break;
            case 2:
                list(id, MessageType::task_accepted);
                break;
            case 3:
                list(id, MessageType::task_reclaimed);
                break;
            case 4:
            case 5:
                result(id);
                break;
            case 6:
                output(id);
                break;
            case 7: {
                const wire::Heartbeat beat{events_.number(),
                                           events_.number(),
                                           events_.duration<std::chrono::nanoseconds>(),
                                           events_.number32(),
                                           events_.number32(),
                                           events_.number32(),
                                           events_.number()};
                say(id, MessageType::heartbeat, codec::encode(beat));
                break;
            }
            case 8:
                credit(id);
                break;
            case 9:
                say(id, MessageType::error,
                    codec::encode(wire::ErrorMessage{events_.flag() ? some_lease() : AttemptId(),
                                                     some_error()}));
                break;
            default:
                if (events_.flag()) {
                    say(id, MessageType::drain,
                        codec::encode(wire::Drain{events_.duration<std::chrono::milliseconds>(),
                                                  events_.bytes()}));
                } else {
                    const auto parting = static_cast<wire::Parting>(events_.below(7));
                    say(id, MessageType::goodbye,
                        codec::encode(wire::Goodbye{parting, events_.bytes()}));
                }
        }
    }

    void welcome(client::WorkerId id) {
        wire::Welcome welcome;
        welcome.version = static_cast<std::uint16_t>(events_.below(8) == 0 ? 2 : 1);
        welcome.role = events_.below(8) == 0 ? wire::Role::client : wire::Role::worker;
        welcome.instance = {events_.below(2), 0};
        welcome.incarnation = events_.below(2);
        welcome.session_known = events_.flag();
        welcome.heartbeat = events_.duration<std::chrono::milliseconds>();
        welcome.slots = events_.number32();
        welcome.memory_bytes = events_.number();
        welcome.task_credit = events_.number32();
        welcome.input_credit = events_.number();
        welcome.output_credit = events_.number();
        say(id, wire::MessageType::welcome, codec::encode(welcome));
    }
    void list(client::WorkerId id, wire::MessageType type) {
        const std::vector<AttemptId> ids = some_leases();
        say(id, type, codec::encode(codec::fields(std::span<const AttemptId>(ids))));
    }
    void result(client::WorkerId id) {
        wire::TaskResult result;
        result.sequence = events_.number();
        result.attempt = some_lease();
        result.report.ending.end = static_cast<End>(events_.below(10));
        result.report.ending.code = static_cast<int>(events_.number32());
        result.report.age = events_.duration<std::chrono::nanoseconds>();
        result.report.wall = events_.duration<std::chrono::nanoseconds>();
        result.report.user = events_.duration<std::chrono::nanoseconds>();
        result.report.peak_bytes = events_.number();
        if (events_.flag()) {
            result.report.error = some_error();
        }
        result.out = {events_.number(), events_.bytes(), events_.number()};
        result.value = {events_.number(), {}, events_.number()};
        say(id, wire::MessageType::task_result, codec::encode(result));
    }
    void output(client::WorkerId id) {
        const std::string large(events_.below(8) == 0 ? output_bytes_max + 1 : 0, 'x');
        wire::TaskOutput output;
        output.attempt = some_lease();
        output.channel = static_cast<wire::Channel>(events_.below(5));
        output.offset = events_.number();
        output.bytes = large.empty() ? events_.bytes() : std::string_view(large);
        say(id, wire::MessageType::task_output, codec::encode(output));
    }
    void credit(client::WorkerId id) {
        wire::Credit credit;
        credit.tasks = events_.number32();
        credit.input_bytes = events_.number();
        credit.output_bytes = events_.number();
        say(id, wire::MessageType::credit, codec::encode(credit));
    }

    void say(client::WorkerId id, wire::MessageType type, const std::string& body) {
        Worker& worker = workers_.at(id);
        if (worker.link == Link::open) {
            ++worker.heard;
            grant(worker, type, body);
            reactor_.received(id, {type, wire::version_max, events_.number(), body}, now_, out_);
        }
    }

    /// Books the credit that a message gives, if it is one that does.
    static void grant(Worker& worker, wire::MessageType type, const std::string& body) {
        const auto add = [](std::uint64_t& sum, std::uint64_t more) {
            sum += std::min(more, ~std::uint64_t{0} - sum);
        };
        if (type == wire::MessageType::welcome && !worker.admitted) {
            const auto welcome = wire::decode<wire::Welcome>(type, body);
            worker.credit = welcome ? welcome->task_credit : 0;
            worker.input = welcome ? welcome->input_credit : 0;
        } else if (type == wire::MessageType::credit && worker.admitted) {
            const auto credit = wire::decode<wire::Credit>(type, body);
            add(worker.credit, credit ? credit->tasks : 0);
            add(worker.input, credit ? credit->input_bytes : 0);
        }
    }

    void carry_out() {
        for (client::Effect& effect : std::exchange(out_, {})) {
            std::visit([this](auto& one) { carry_out(one); }, effect);
        }
        check(reactor_.attempts() == attempts_.size());
        check(reactor_.slots() == slots_);
        std::array<std::size_t, workers> held{};
        for (const auto& [id, attempt] : attempts_) {
            if (const auto lease = reactor_.lease_of(id)) {
                const auto found =
                    std::ranges::find(leases_, *lease, &decltype(leases_)::value_type::first);
                check(found != leases_.end());
                ++held.at(found->second);
            }
        }
        check(std::ranges::all_of(held, [](std::size_t count) { return count <= tasks_max; }));
    }
    void carry_out(const client::Dial& dial) {
        Worker& worker = workers_.at(dial.worker);
        check(worker.link == Link::none);
        worker.link = Link::dialled;
    }
    void carry_out(const client::Send& send) {
        Worker& worker = workers_.at(send.worker);
        check(worker.link == Link::open);
        check(send.body.size() <= wire::message_bytes_max);
        if (send.type == wire::MessageType::hello) {
            const auto hello = wire::decode<wire::Hello>(send.type, send.body);
            check(hello && hello->output_credit <= output_bytes_max);
            worker.output = hello->output_credit;
        } else if (send.type == wire::MessageType::task_submit) {
            check(worker.admitted);
            const auto submit = wire::decode<wire::TaskSubmit>(send.type, send.body);
            check(submit && submit->tasks.size() <= wire::batch_max);
            check(submit->tasks.each([&](std::string_view bytes) {
                submitted(worker, send.worker, bytes);
            }) == codec::Problem::none);
        } else if (send.type == wire::MessageType::credit) {
            const auto credit = wire::decode<wire::Credit>(send.type, send.body);
            check(credit && credit->results.size() <= worker.heard);
            worker.heard = 0;
        }
    }
    void submitted(Worker& worker, client::WorkerId id, std::string_view bytes) {
        const auto task = wire::read_task(bytes);
        check(task.has_value());
        check(worker.credit >= 1 && worker.input >= bytes.size());
        --worker.credit;
        worker.input -= bytes.size();
        check(task->attempt.epoch > std::exchange(worker.epoch, task->attempt.epoch));
        check(std::ranges::none_of(
            leases_, [&](const auto& lease) { return lease.first.epoch == task->attempt.epoch; }));
        leases_.emplace_back(task->attempt, id);
    }
    void carry_out(const client::Admit& admit) {
        Worker& worker = workers_.at(admit.worker);
        check(worker.link == Link::open && !worker.admitted);
        check(admit.version == wire::version_max);
        worker.admitted = true;
    }
    void carry_out(const client::Close& close) {
        check(workers_.at(close.worker).link == Link::open);
        workers_.at(close.worker).link = Link::none;
    }
    void carry_out(const client::Output& output) {
        const auto found = attempts_.find(output.attempt);
        check(found != attempts_.end());
        std::uint64_t& got = found->second.got.at(std::to_underlying(output.channel));
        check(output.offset <= got && output.bytes.size() <= output_bytes_max);
        got = output.offset + output.bytes.size();
    }
    void carry_out(const client::Finished& finished) {
        const auto found = attempts_.find(finished.attempt);
        check(found != attempts_.end());
        check(finished.out.offset <= found->second.got[0]);
        check(finished.value.offset <= found->second.got[2]);
        static_cast<void>(wire::to_attempt(finished.report, {}));
        attempts_.erase(found);
    }
    void carry_out(const client::Returned& returned) {
        check(attempts_.erase(returned.attempt) == 1);
    }
    void carry_out(const client::Capacity& capacity) {
        check(capacity.window >= capacity.slots && capacity.task_slots_max <= capacity.slots &&
              capacity.busy <= capacity.slots);
        slots_ = capacity.slots;
    }

    /// No worker is ever reached again: everything ends soon.
    void end() {
        for (client::WorkerId id = 0; id < workers; ++id) {
            if (std::exchange(workers_.at(id).link, Link::none) != Link::none) {
                reactor_.disconnected(id, "gone", now_, out_);
            }
        }
        for (int steps = 0; !attempts_.empty(); ++steps) {
            check(steps < 1000);
            carry_out();
            for (client::WorkerId id = 0; id < workers; ++id) {
                if (std::exchange(workers_.at(id).link, Link::none) != Link::none) {
                    reactor_.disconnected(id, "refused", now_, out_);
                }
            }
            now_ = std::max(now_, reactor_.next());
            reactor_.tick(now_, out_);
        }
        check(reactor_.attempts() == 0 && reactor_.slots() == 0);
    }

    fuzz::Events events_;
    client::Reactor reactor_;
    client::Outbox out_;
    base::BootTime now_ = 1000s;
    std::array<Worker, workers> workers_;
    std::map<AttemptId, Attempt> attempts_;                       // not ended
    std::vector<std::pair<AttemptId, client::WorkerId>> leases_;  // all, as they were given
    std::uint32_t started_ = 0;
    std::uint32_t slots_ = 0;  // as the reactor said last
};

}  // namespace
}  // namespace repartir

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    repartir::World(repartir::fuzz::Events(repartir::fuzz::text_of(data, size))).run();
    return 0;
}
