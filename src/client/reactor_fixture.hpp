// SPDX-License-Identifier: MIT
#pragma once
/// @file reactor_fixture.hpp Workers that talk to a client's reactor in values, without a network.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "client/reactor.hpp"
#include "wire/task.hpp"

namespace repartir::client {

inline AttemptId attempt(std::uint32_t element, std::uint64_t epoch = 1) {
    return {{{{7, 7, 7}}, element}, 1, 99, epoch};
}

/// A client of some workers, and what it wanted done, oldest first.
class Fixture {
  public:
    explicit Fixture(std::uint32_t workers) : reactor(options(workers)) { tick({}); }
    explicit Fixture(Options options) : reactor(std::move(options)) { tick({}); }

    static Options options(std::uint32_t workers) {
        Options options;
        for (std::uint32_t i = 0; i < workers; ++i) {
            options.workers.push_back("w" + std::to_string(i));
        }
        options.session = {1, 2};
        options.reconnect.jitter = false;
        return options;
    }

    /// The worker is reached and says welcome. @param incarnation which of its lives
    void welcome(WorkerId id, std::uint32_t slots = 2, bool known = false,
                 std::uint64_t incarnation = 1, std::uint32_t tasks = 100,
                 std::chrono::milliseconds heartbeat = std::chrono::seconds(1)) {
        reactor.connected(id, now, out);
        wire::Welcome message;
        message.instance = {id, id};
        message.incarnation = incarnation;
        message.session_known = known;
        message.heartbeat = heartbeat;
        message.slots = slots;
        message.task_credit = tasks;
        message.input_credit = 1U << 20U;
        std::string list;
        message.functions = codec::list_of(std::span<const std::string_view>(functions), list);
        say(id, wire::MessageType::welcome, message);
    }
    template <class T>
    void say(WorkerId id, wire::MessageType type, const T& value) {
        const std::string& body = bodies.emplace_back(codec::encode(value));
        reactor.received(id, {type, wire::version_max, ++correlation, body}, now, out);
        reactor.hand_out(now, out);
    }
    /// @return the attempt as its worker knows it; itself where no worker has it.
    AttemptId lease(const AttemptId& one) const { return reactor.lease_of(one).value_or(one); }
    /// @return whether a worker has the attempt.
    bool held(std::uint32_t element) const {
        return reactor.lease_of(attempt(element)).has_value();
    }
    /// The worker lists attempts.
    void ids(WorkerId id, wire::MessageType type, std::vector<AttemptId> list) {
        for (AttemptId& one : list) {
            one = lease(one);
        }
        say(id, type, codec::fields(std::span<const AttemptId>(list)));
    }
    void start(std::uint32_t element, std::uint32_t cores = 1, bool high = false,
               std::string_view function = {}) {
        Order order;
        order.function = function.empty() ? 0 : reactor.function_number(function);
        wire::append_task(order.task, attempt(element), Task::binary("true"), false);
        order.demand.cores = cores;
        order.priority = high ? Priority::high : Priority::normal;
        reactor.start(attempt(element), std::move(order), now);
        reactor.hand_out(now, out);
    }
    /// The worker tells that an attempt exited.
    void result(WorkerId id, const AttemptId& one, const std::string& output = {}) {
        wire::TaskResult message;
        message.sequence = ++sequence;
        message.attempt = lease(one);
        message.report.ending = {End::exited, 0};
        message.report.wall = std::chrono::seconds(1);
        message.out = {0, output, 0};
        say(id, wire::MessageType::task_result, message);
    }
    void tick(base::BootTime by) {
        now += by;
        reactor.tick(now, out);
    }
    /// Lets time pass, as the reactor asks for it, with heartbeats of these workers.
    void pass(base::BootTime by, const std::vector<WorkerId>& alive = {}) {
        const base::BootTime end = now + by;
        while (reactor.next() < end) {
            now = std::max(now, reactor.next());
            for (const WorkerId id : alive) {
                say(id, wire::MessageType::heartbeat, wire::Heartbeat{});
            }
            reactor.tick(now, out);
        }
        now = end;
        reactor.tick(now, out);
    }

    /// @return the effects of that kind, in order; all effects are gone then.
    template <class E>
    std::vector<E> take() {
        std::vector<E> some;
        for (Effect& effect : std::exchange(out, {})) {
            if (E* const one = std::get_if<E>(&effect)) {
                some.push_back(std::move(*one));
            }
        }
        return some;
    }
    /// @return how many tasks each worker was sent; all effects are gone then.
    std::vector<std::uint32_t> submitted() {
        std::vector<std::uint32_t> counts;
        for (const Send& send : take<Send>()) {
            if (send.type == wire::MessageType::task_submit) {
                const auto message = wire::decode<wire::TaskSubmit>(send.type, send.body);
                EXPECT_TRUE(message);
                counts.resize(std::max<std::size_t>(counts.size(), send.worker + 1));
                counts[send.worker] += message->tasks.size();
            }
        }
        return counts;
    }
    /// @return how many messages of that type were sent; all effects are gone then.
    std::size_t told(wire::MessageType type) {
        std::size_t count = 0;
        for (const Send& send : take<Send>()) {
            count += send.type == type ? 1U : 0U;
        }
        return count;
    }
    /// @return the attempts of messages of that type; all effects are gone then.
    std::vector<AttemptId> listed(wire::MessageType type) {
        std::vector<AttemptId> all;
        for (const Send& send : take<Send>()) {
            if (send.type == type) {
                const auto message = wire::decode<wire::Attempts>(type, send.body);
                EXPECT_TRUE(message);
                EXPECT_EQ(message->ids.each([&](const AttemptId& id) { all.push_back(id); }),
                          codec::Problem::none);
            }
        }
        return all;
    }

    Reactor reactor;
    std::vector<std::string_view> functions;  // of whoever says welcome next
    Outbox out;
    std::deque<std::string> bodies;  // of messages: views point there
    base::BootTime now = std::chrono::seconds(1000);
    std::uint64_t correlation = 0;
    std::uint64_t sequence = 0;
};

}  // namespace repartir::client
