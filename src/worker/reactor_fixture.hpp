// SPDX-License-Identifier: MIT
#pragma once
/// @file reactor_fixture.hpp A client that talks to a worker's reactor in values, without a
/// network.
#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "worker/reactor.hpp"

namespace repartir::worker {

inline AttemptId attempt(std::uint32_t element, std::uint64_t epoch = 1) {
    return {{{{7, 7, 7}}, element}, 1, 99, epoch};
}

inline std::string task_bytes(const AttemptId& id, const Task& task, bool stream = false) {
    std::string bytes;
    wire::append_task(bytes, id, task, stream);
    return bytes;
}

/// A worker of some slots, and what it wanted done, oldest first.
class Fixture {
  public:
    Fixture() : Fixture(defaults(2)) {}
    explicit Fixture(Options options) : reactor(std::move(options)) {}

    static Options defaults(std::uint32_t slots) {
        Options options;
        options.name = "w";
        options.site.slots = options.site.free_slots = slots;
        options.functions = {"mean"};
        options.tasks_max = 8;
        return options;
    }

    /// Connects and says Hello as this session. @return what came of it
    ConnectionId join(std::uint64_t session = 1, std::uint64_t epoch = 1,
                      std::uint64_t output_credit = 1U << 20U) {
        const ConnectionId id = ++last;
        reactor.connected(id, wire::Role::client, now);
        wire::Hello hello;
        hello.session = {session, session};
        hello.epoch = epoch;
        hello.heartbeat = std::chrono::seconds(1);
        hello.time_to_live = std::chrono::seconds(60);
        hello.output_credit = output_credit;
        say(id, wire::MessageType::hello, hello);
        return id;
    }

    template <class T>
    void say(ConnectionId id, wire::MessageType type, const T& value) {
        const std::string body = codec::encode(value);
        reactor.received(id, {type, wire::version_max, ++correlation, body}, now, out);
        if (flushes) {
            reactor.flush(out);
        }
    }

    void submit(ConnectionId id, const std::vector<std::string>& tasks) {
        say(id, wire::MessageType::task_submit, codec::fields(std::span<const std::string>(tasks)));
    }
    void submit(ConnectionId id, const AttemptId& one, const Task& task = Task::binary("true")) {
        submit(id, {task_bytes(one, task)});
    }
    void ids(ConnectionId id, wire::MessageType type, const std::vector<AttemptId>& list) {
        say(id, type, codec::fields(std::span<const AttemptId>(list)));
    }
    void cancel(ConnectionId id, const AttemptId& one, bool force = false) {
        const std::vector<AttemptId> list{one};
        say(id, wire::MessageType::task_cancel,
            codec::fields(std::span<const AttemptId>(list), force));
    }
    void acknowledge(ConnectionId id, const std::vector<std::uint64_t>& results) {
        std::string list;
        wire::Credit credit;
        credit.results = codec::list_of(std::span(results), list);
        say(id, wire::MessageType::credit, credit);
    }
    void give_credit(ConnectionId id, std::uint64_t output_bytes) {
        wire::Credit credit;
        credit.output_bytes = output_bytes;
        say(id, wire::MessageType::credit, credit);
    }
    void finish(const AttemptId& id, const std::string& output = {}) {
        Ended ended;
        ended.report.ending = {End::exited, 0};
        ended.out = {output.size(), 0, output};
        reactor.finished(id, std::move(ended), now, out);
    }
    void tick(base::BootTime by) {
        now += by;
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
    /// @return the messages of that type, in order; all effects are gone then.
    template <class T>
    std::vector<T> messages(wire::MessageType type) {
        std::vector<T> some;
        for (Send& send : take<Send>()) {
            if (send.type == type) {
                bodies.push_back(std::move(send.body));  // views point there
                const auto message = wire::decode<T>(type, bodies.back());
                EXPECT_TRUE(message);
                some.push_back(*message);
            }
        }
        return some;
    }
    /// @return the attempts that were to be started; all effects are gone then.
    std::vector<AttemptId> started() {
        std::vector<AttemptId> all;
        for (const Start& start : take<Start>()) {
            all.push_back(start.attempt);
        }
        return all;
    }
    /// @return the attempts of messages of that type; all effects are gone then.
    std::vector<AttemptId> listed(wire::MessageType type) {
        std::vector<AttemptId> all;
        for (const wire::Attempts& message : messages<wire::Attempts>(type)) {
            EXPECT_EQ(message.ids.each([&](const AttemptId& id) { all.push_back(id); }),
                      codec::Problem::none);
        }
        return all;
    }

    Reactor reactor;
    Outbox out;
    bool flushes = true;  // after each message
    base::BootTime now = std::chrono::seconds(1000);
    ConnectionId last = 0;
    std::uint64_t correlation = 0;
    std::deque<std::string> bodies;
};

/// @return the one result that was sent; all effects are gone then.
inline wire::TaskResult only_result(Fixture& f) {
    const auto results = f.messages<wire::TaskResult>(wire::MessageType::task_result);
    EXPECT_EQ(results.size(), 1U);
    return results.empty() ? wire::TaskResult() : results.front();
}

}  // namespace repartir::worker
