// SPDX-License-Identifier: MIT
#pragma once
/// @file reactor.hpp The worker's half of the protocol: what it does about what happens. Pure: no
/// sockets, processes, threads or clocks; the daemon and the simulator carry its effects out.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "core/credit.hpp"
#include "core/detector.hpp"
#include "core/placement.hpp"
#include "wire/framer.hpp"
#include "wire/messages.hpp"
#include "wire/result.hpp"
#include "wire/task.hpp"

namespace repartir::worker {

/// A connection, for as long as it lives: never given twice.
using ConnectionId = std::uint64_t;

/// What the worker is and how much it takes.
struct Options {
    wire::Instance instance{};      ///< who it is, over restarts
    std::uint64_t incarnation = 0;  ///< which of its lives
    std::string name;               ///< for people
    core::Site site;                ///< slots and memory
    bool compression = true;
    std::vector<std::string> functions;          ///< that it can run
    std::uint32_t tasks_max = 1024;              ///< of one session, from arrival to acknowledgement
    std::uint64_t input_bytes_max = 64U << 20U;  ///< of tasks of one session that have not begun
    std::uint32_t sessions_max = 256;
    base::BootTime greeting = std::chrono::seconds(5);  ///< by when a connection must say Hello
    base::BootTime heartbeat = std::chrono::seconds(1);
    base::BootTime time_to_live_max = std::chrono::hours(24);  ///< of a session without connection
};

/// One stream of an attempt that ended.
struct StreamEnd {
    std::uint64_t bytes = 0;  ///< that are kept
    std::uint64_t lost = 0;   ///< that are not
    std::string inline_bytes;  ///< all that are kept, when they are few
};

/// How an attempt ended: its output stays with the daemon until Forget.
struct Ended {
    wire::AttemptRecord report;  ///< with the age at the time of the call
    StreamEnd out, err, value;
};

// Effects, in the order in which they are to be carried out.

/// Send a message.
struct Send {
    ConnectionId to = 0;
    wire::MessageType type{};
    std::uint64_t correlation = 0;
    std::string body;
};
/// The peer said Hello and is welcome: its framer takes the wide limits.
struct Admit {
    ConnectionId connection = 0;
    std::uint16_t version = 0;
    bool compression = false;
};
/// Close a connection once what was sent to it is on its way.
struct Close {
    ConnectionId connection = 0;
};
/// Run an attempt. finished() follows exactly once.
struct Start {
    AttemptId attempt;
    std::string task;  ///< as wire::read_task() takes it
};
/// End an attempt that was started.
struct Stop {
    AttemptId attempt;
    bool force = false;
};
/// Read a piece of an attempt's output; read() follows exactly once.
struct Read {
    AttemptId attempt;
    wire::Channel channel{};
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
};
/// Nobody will ask for the attempt's output again.
struct Forget {
    AttemptId attempt;
};
using Effect = std::variant<Send, Admit, Close, Start, Stop, Read, Forget>;
using Outbox = std::vector<Effect>;

/// Counts for people and tests.
struct Stats {
    std::uint64_t accepted = 0;   ///< attempts
    std::uint64_t repeated = 0;   ///< attempts that came again and were not run again
    std::uint64_t finished = 0;   ///< attempts
    std::uint64_t reclaimed = 0;  ///< attempts given back
    std::uint64_t stale = 0;      ///< connections and attempts of a superseded epoch
};

/// Takes attempts from sessions, runs as many as there is room for, in the order in which they came
/// (those of high priority first), and keeps each result until its session acknowledges it, over
/// any number of connections. A session is a client's life; it outlives its connection by the time
/// that it asked for. One owner at a time; every call appends to the outbox what is to be done.
class Reactor {
  public:
    Reactor(Options options, base::BootTime now);

    /// A peer connected and was authenticated as this.
    void connected(ConnectionId id, wire::Role role, base::BootTime now);
    /// A message came whole. Errors in it end this connection or this task, never another's.
    void received(ConnectionId id, const wire::Message& message, base::BootTime now, Outbox& out);
    /// A connection is gone, whoever ended it. Later calls for it are ignored.
    void disconnected(ConnectionId id, base::BootTime now);

    /// A started attempt ended.
    void finished(const AttemptId& id, Ended&& ended, base::BootTime now, Outbox& out);
    /// What Read asked for. @param bytes fewer than asked for only when there are no more
    void read(const AttemptId& id, wire::Channel channel, std::uint64_t offset,
              std::string_view bytes, Outbox& out);
    /// An attempt whose output is wanted as it comes has so much of it now.
    void grew(const AttemptId& id, wire::Channel channel, std::uint64_t bytes, Outbox& out);

    /// Time has passed. Call it at next() or later.
    void tick(base::BootTime now, Outbox& out);
    /// @return when tick() has something to do.
    [[nodiscard]] base::BootTime next() const;

    /// Take no more, give back what has not begun, and by the deadline end what has.
    void drain(base::BootTime deadline, std::string_view reason, base::BootTime now, Outbox& out);
    /// @return whether it drains and nothing is left: no attempt runs, no result is unacknowledged.
    [[nodiscard]] bool drained() const;

    [[nodiscard]] const Stats& stats() const noexcept { return stats_; }
    [[nodiscard]] std::size_t attempts() const;                           ///< held, of all sessions
    [[nodiscard]] std::size_t sessions() const { return sessions_.size(); }  ///< known

  private:
    enum class Phase : std::uint8_t { queued, running, ended };

    /// How much of one stream has been sent on this connection.
    struct Flow {
        std::uint64_t known = 0;  ///< bytes that are there to read
        std::uint64_t sent = 0;
        bool reading = false;
    };
    struct Held {
        Phase phase = Phase::queued;
        bool high = false;
        bool stream = false;
        bool cancelled = false;
        core::Demand demand;
        std::string task;  // while it is queued
        Ended ended;       // once it ended
        base::BootTime ended_at{0};
        std::array<Flow, 3> flows;
        std::uint64_t sequence = 0;  // of its result
        bool result_sent = false;    // on this connection
    };
    struct Session {
        std::uint64_t epoch = 0;
        ConnectionId connection = 0;  // 0: none
        base::BootTime gone_since{0};
        base::BootTime time_to_live{0};
        core::Grantor tasks{0};
        core::Grantor input{0};
        core::Allowance output;
        std::map<AttemptId, Held> attempts;
        std::map<std::uint64_t, AttemptId> results;  // by sequence, until acknowledged
        std::uint64_t sequence = 0;
    };
    struct Connection {
        wire::Role role{};
        wire::Instance session{};  // of none while greeted is false
        bool greeted = false;
        base::BootTime since{0};
        base::BootTime heard_at{0};
        std::uint64_t heard = 0;  // the peer's last heartbeat
        std::uint64_t beat = 0;   // ours
        base::BootTime next_beat{0};
        base::BootTime heartbeat{0};
        core::Detector detector;
    };
    using Place = std::pair<wire::Instance, AttemptId>;

    void greet(ConnectionId id, Connection& connection, const wire::Message& message,
               base::BootTime now, Outbox& out);
    void attach(ConnectionId id, Connection& connection, const wire::Hello& hello,
                std::uint16_t version, std::uint64_t correlation, base::BootTime now, Outbox& out);
    void dispatch(ConnectionId id, Connection& connection, const wire::Message& message,
                  base::BootTime now, Outbox& out);
    void submit(ConnectionId id, const wire::Message& message, base::BootTime now, Outbox& out);
    void take_task(ConnectionId id, std::uint64_t correlation, std::string_view bytes,
                   std::vector<AttemptId>& accepted, Outbox& out);
    void cancel(ConnectionId id, const wire::Message& message, base::BootTime now, Outbox& out);
    void reclaim(ConnectionId id, const wire::Message& message, Outbox& out);
    void credit(ConnectionId id, const wire::Message& message, Outbox& out);
    void acknowledge(Session& session, std::uint64_t through, Outbox& out);
    void refuse(ConnectionId id, wire::Parting parting, std::string_view reason, Outbox& out);
    void complain(ConnectionId id, std::uint64_t correlation, const AttemptId& attempt,
                  const Error& error, Outbox& out);
    void end_unbegun(Session& session, const wire::Instance& name, const AttemptId& id, Held& held,
                     wire::AttemptRecord report, base::BootTime now, Outbox& out);
    void forget(Session& session, const AttemptId& id, Outbox& out);
    void leave_queue(const wire::Instance& session, const AttemptId& id, Held& held);
    void start_next(base::BootTime now, Outbox& out);
    void pump(Session& session, const AttemptId& id, Held& held, Outbox& out);
    void pump_all(Session& session, Outbox& out);
    void grant(Session& session, Outbox& out);
    void expire(base::BootTime now, Outbox& out);
    void beat(ConnectionId id, Connection& connection, base::BootTime now, Outbox& out);
    [[nodiscard]] Session* session_of(ConnectionId id);
    [[nodiscard]] std::pair<Session*, Held*> find(const AttemptId& id);
    template <class T>
    void send(ConnectionId to, wire::MessageType type, std::uint64_t correlation, const T& value,
              Outbox& out);

    Options options_;
    core::Site site_;  // what is free now
    std::map<ConnectionId, Connection> connections_;
    std::map<wire::Instance, Session> sessions_;
    std::map<AttemptId, wire::Instance> owners_;
    // In the order of arrival: high and the others. Numbers only ever grow.
    std::map<std::uint64_t, Place> high_;
    std::map<std::uint64_t, Place> normal_;
    std::uint64_t arrival_ = 0;
    std::uint32_t running_ = 0;
    std::uint64_t asked_ = 0;  // correlation ids of our own messages
    bool draining_ = false;
    base::BootTime drain_by_{0};
    Stats stats_;
};

}  // namespace repartir::worker
