// SPDX-License-Identifier: MIT
#pragma once
/// @file reactor.hpp The worker's half of the protocol: what it does about what happens. Pure: no
/// sockets, processes, threads or clocks; the daemon and the simulator carry its effects out.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
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
    std::vector<std::string> functions;  ///< that it can run
    std::uint32_t gpu_tasks_max = 0;     ///< shaders that its GPUs take at once; 0: it has none
    std::uint32_t tasks_max = 1024;      ///< of one session, from arrival to acknowledgement
    std::uint64_t input_bytes_max = 64U << 20U;  ///< of tasks of one session that have not begun
    std::uint32_t sessions_max = 256;  ///< that are connected or have something here; one at least
    base::BootTime greeting = std::chrono::seconds(5);  ///< by when a connection must say Hello
    base::BootTime heartbeat = std::chrono::seconds(1);
    base::BootTime time_to_live_max = std::chrono::hours(24);  ///< of a session without connection
};

/// One stream of an attempt that ended.
struct StreamEnd {
    std::uint64_t bytes = 0;   ///< that are kept
    std::uint64_t lost = 0;    ///< that are not
    std::string inline_bytes;  ///< all that are kept, where they fit into wire's limit; or none
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
    wire::Lent lent{};  ///< to the body: what read() was given with its owner
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
    std::string why;       ///< one phrase, for the log
    bool refused = false;  ///< it was never let in
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
/// Read a piece of an attempt's output, and call read() with it once, also after Forget.
struct Read {
    AttemptId attempt;
    wire::Channel channel{};
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::uint64_t number = 0;  ///< its own
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
    explicit Reactor(Options options);

    /// A peer connected and was authenticated as this.
    void connected(ConnectionId id, wire::Role role, base::BootTime now);
    /// A message came whole. Errors in it end this connection or this task, never another's.
    void received(ConnectionId id, const wire::Message& message, base::BootTime now, Outbox& out);
    /// A connection is gone, whoever ended it. Later calls for it are ignored.
    void disconnected(ConnectionId id, base::BootTime now);

    /// A started attempt ended. @param busy it keeps what it had of the worker until freed()
    void finished(const AttemptId& id, Ended&& ended, base::BootTime now, Outbox& out,
                  bool busy = false);
    /// An attempt that ended busy keeps nothing of the worker any more: once for each.
    void freed(const AttemptId& id, base::BootTime now, Outbox& out);
    /// What a Read asked for: ignored where nobody waits for it any more. @param bytes fewer than
    /// asked for only when there are no more @param owner of the bytes, which then are sent from
    /// where they lie; none: they are copied
    void read(const Read& asked, std::string_view bytes, base::BootTime now, Outbox& out,
              std::shared_ptr<const void> owner = nullptr);
    /// An attempt that runs has so much output now. Nothing comes of it unless it is wanted as it
    /// comes.
    void grew(const AttemptId& id, wire::Channel channel, std::uint64_t bytes, base::BootTime now,
              Outbox& out);

    /// All that came is handled: tells which attempts were accepted, but for those that have ended
    /// meanwhile.
    void flush(Outbox& out);

    /// Time has passed. Call it at next() or later.
    void tick(base::BootTime now, Outbox& out);
    /// @return when tick() has something to do.
    [[nodiscard]] base::BootTime next() const;

    /// Take no more, give back what has not begun, and by the deadline end what has.
    void drain(base::BootTime deadline, std::string_view reason, base::BootTime now, Outbox& out);
    /// @return whether it drains and nothing is left: no attempt runs, and no result waits for a
    /// session that is connected or has time to come back.
    [[nodiscard]] bool drained() const;
    /// Says goodbye on every connection.
    void farewell(Outbox& out);

    [[nodiscard]] const Stats& stats() const noexcept { return stats_; }
    [[nodiscard]] std::size_t attempts() const;  ///< held, of all sessions
    [[nodiscard]] std::size_t sessions() const { return sessions_.size(); }  ///< known

  private:
    enum class Phase : std::uint8_t { queued, running, ended };

    /// How much of one stream has been sent on this connection.
    struct Flow {
        std::uint64_t known = 0;  ///< bytes that are there to read
        std::uint64_t sent = 0;
        std::uint64_t read = 0;     ///< the number of the Read in progress; 0: none is
        std::uint64_t reading = 0;  ///< bytes that it asked for
        /// @return whether what there is of the stream goes with the result.
        [[nodiscard]] bool in_tail(const StreamEnd& stream) const {
            return sent == 0 && known == stream.inline_bytes.size();
        }
    };
    struct Held {
        Phase phase = Phase::queued;
        Priority priority = Priority::normal;  // its place in its queue
        bool stream = false;
        bool begun = false;     // it was started
        bool returned = false;  // it ends because the worker drains, and is another's to run
        std::uint64_t arrival = 0;
        std::optional<std::size_t> function;  // its place in Options::functions
        core::Demand demand;
        std::string task;  // while it is queued
        Ended ended;       // once it ended
        base::BootTime ended_at{0};
        std::array<Flow, 3> flows;
        std::uint64_t sequence = 0;  // of its result
        bool result_sent = false;    // on this connection
    };
    /// What waits: by how urgent it is, and in the order of arrival.
    using Queue = std::map<std::pair<Priority, std::uint64_t>, AttemptId>;
    /// Attempts by id; a task finds the one that a session has of it.
    struct ByTask {
        using is_transparent = void;
        bool operator()(const AttemptId& a, const AttemptId& b) const { return a < b; }
        bool operator()(const AttemptId& a, const TaskId& b) const { return a.task < b; }
        bool operator()(const TaskId& a, const AttemptId& b) const { return a < b.task; }
    };
    struct Session {
        std::uint64_t epoch = 0;
        ConnectionId connection = 0;  // 0: none
        base::BootTime gone_since{0};
        base::BootTime time_to_live{0};
        core::Grantor tasks{0};
        core::Grantor input{0};
        core::Allowance output;
        std::map<AttemptId, Held, ByTask> attempts;
        std::uint32_t queued = 0;                    // of them
        std::map<std::uint64_t, AttemptId> results;  // by sequence, until acknowledged
        std::uint64_t sequence = 0;
    };
    struct Connection {
        Connection(wire::Role its_role, base::BootTime now)
            : role(its_role), since(now), detector({}, now) {}
        wire::Role role;
        base::BootTime since;
        core::Detector detector;
        bool greeted = false;
        wire::Instance session{};  // once greeted
        base::BootTime heartbeat{0};
        base::BootTime next_beat{0};
        base::BootTime heard_at{0};
        std::uint64_t heard = 0;          // the peer's last heartbeat
        std::uint64_t beat = 0;           // ours
        std::vector<AttemptId> accepted;  // and it was not told yet
        std::uint64_t asked = 0;          // the correlation of the message that they came with
    };
    void greet(ConnectionId id, Connection& connection, const wire::Message& message, Outbox& out);
    [[nodiscard]] bool make_room();
    void attach(ConnectionId id, Connection& connection, const wire::Hello& hello,
                std::uint16_t version, std::uint64_t correlation, Outbox& out);
    void dispatch(ConnectionId id, Connection& connection, const wire::Message& message,
                  Outbox& out);
    void part(ConnectionId id, Connection& connection, const wire::Message& message, Outbox& out);
    void beat(ConnectionId id, Connection& connection, Outbox& out);
    void refuse(ConnectionId id, wire::Parting parting, std::string_view reason, Outbox& out);
    void hang_up(ConnectionId id, std::string_view why, Outbox& out);
    void drop(const wire::Instance& name, Outbox& out);
    void end_drain(Outbox& out);
    [[nodiscard]] Session& session_of(ConnectionId id);

    void submit(ConnectionId id, const wire::Message& message, Outbox& out);
    [[nodiscard]] bool take_task(ConnectionId id, std::uint64_t correlation, std::string_view bytes,
                                 std::vector<AttemptId>& returned, Outbox& out);
    [[nodiscard]] bool runs_ahead(const Held& held) const;
    void learn(const Held& held, const wire::AttemptRecord& report);
    void release(const AttemptId& id, const core::Demand& demand, bool busy);
    void release(const core::Demand& demand);
    [[nodiscard]] bool fenced(Session& session, const AttemptId& id, Outbox& out);
    void admit(Session& session, const wire::Instance& name, const wire::TaskView& view,
               std::string_view bytes, Outbox& out);
    void cancel(ConnectionId id, const wire::Message& message, Outbox& out);
    void reclaim(ConnectionId id, const wire::Message& message, Outbox& out);
    void credit(ConnectionId id, const wire::Message& message, Outbox& out);
    void start_next(Outbox& out);
    void start_next(Queue& queue, Outbox& out);
    [[nodiscard]] Queue& queue_of(const Held& held) noexcept;
    [[nodiscard]] bool book(Held& held);
    void put_first(Queue& queue, Priority priority);
    void end(Session& session, const AttemptId& id, Held& held, Ended&& ended, Outbox& out);
    void end_early(Session& session, const AttemptId& id, Held& held, End how,
                   std::optional<Error> why, Outbox& out);
    void forget(Session& session, const AttemptId& id, Outbox& out);
    std::string leave_queue(Session& session, Held& held);
    void return_queued(Outbox& out);
    void pump(Session& session, const AttemptId& id, Held& held, Outbox& out);
    void pump_all(Session& session, Outbox& out);
    void allow(Session& session, std::uint64_t bytes, Outbox& out);
    void cut_value(Session& session, const AttemptId& id, Held& held, Outbox& out);
    void send_output(ConnectionId to, const wire::TaskOutput& piece,
                     std::shared_ptr<const void>&& owner, Outbox& out);
    void send_result(Session& session, const AttemptId& id, Held& held, Outbox& out);
    void grant(Session& session, Outbox& out);
    [[nodiscard]] std::pair<Session*, Held*> find(const AttemptId& id);

    void complain(ConnectionId id, std::uint64_t correlation, const AttemptId& attempt,
                  const Error& error, Outbox& out);
    void send_ids(ConnectionId to, wire::MessageType type, std::uint64_t correlation,
                  const std::vector<AttemptId>& ids, Outbox& out);
    template <class T>
    void send(ConnectionId to, wire::MessageType type, std::uint64_t correlation, const T& value,
              Outbox& out) {
        out.emplace_back(Send{to, type, correlation, codec::encode(value), {}});
    }

    Options options_;
    core::Site site_;                        // what is free now
    std::uint32_t gpu_tasks_ = 0;            // shaders that run
    std::vector<base::BootTime> run_times_;  // of functions, smoothed; negative: none ran yet
    std::uint32_t ahead_ = 0;                // functions that were started without a slot
    std::map<ConnectionId, Connection> connections_;
    std::map<wire::Instance, Session> sessions_;
    std::map<AttemptId, wire::Instance> owners_;
    std::map<AttemptId, core::Demand> orphans_;  // run on, though their session is no more
    std::map<AttemptId, core::Demand> busy_;     // ended, and run on
    Queue queue_;                                // for CPUs
    Queue shaders_;                              // for GPUs
    std::uint64_t arrival_ = 0;
    std::set<ConnectionId> owed_;  // that are to be told what was accepted
    std::uint64_t starts_ = 0;
    std::uint64_t running_ = 0;  // attempts between Start and finished()
    base::BootTime now_{0};      // of the latest call
    std::uint64_t asked_ = 0;    // correlation ids of our own messages
    std::uint64_t reads_ = 0;    // that were asked for
    bool draining_ = false;
    base::BootTime drain_by_{0};
    base::BootTime ends_drain_ = base::BootTime::max();  // then; never where that is done
    wire::TaskView view_;  // of the task that is looked at: large, and used again and again
    Stats stats_;
};

}  // namespace repartir::worker
