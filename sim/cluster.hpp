// SPDX-License-Identifier: MIT
#pragma once
/// @file cluster.hpp Clients and workers in one process, with machines and a network that fail as
/// one seed says. The reactors, the framer and the messages are the ones that ship.
#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.hpp"
#include "client/reactor.hpp"
#include "clockwork.hpp"
#include "core/attempt.hpp"
#include "plan.hpp"
#include "wire/framer.hpp"
#include "worker/reactor.hpp"

namespace repartir::sim {

/// One run. Not used again.
class Cluster {
  public:
    explicit Cluster(const Plan& plan);
    [[nodiscard]] Report run();

  private:
    enum class Side : std::uint8_t { client, worker };

    /// Bytes of each channel.
    using Streams = std::array<std::uint64_t, 3>;
    /// What a task is; functions by how long they run.
    enum class Kind : std::uint8_t { program, quick, slow, missing };
    /// What they are called, by kind.
    static constexpr std::array<std::string_view, 4> functions{"", "quick", "slow", "missing"};

    /// One direction of a connection. Short messages overtake long output, as they do in net: only
    /// what is said of one attempt stays in order.
    struct Pipe {
        base::BootTime short_arrives{0};                 // the latest short message
        base::BootTime bulk_arrives{0};                  // the latest of the others
        std::map<std::uint64_t, base::BootTime> flows;   // of each, its latest bulk
        bool stuck = false;                              // nothing gets through: a partition
        std::vector<std::pair<std::string, bool>> held;  // meanwhile; whether it is bulk
        wire::Framer framer;                             // of the end that reads
        wire::FrameOptions options;                      // of the end that writes
        // What watch.cpp checks, in the times of the end that it is about.
        std::uint64_t beats = 0;          // heartbeats that were sent
        base::BootTime beat_at{0};        // the latest of them, or what opened the conversation
        std::uint64_t heard = 0;          // the heartbeat that the other end read last
        base::BootTime heard_at{0};       // and when
        base::BootTime read_at{0};        // the latest message that the other end has read
        bool silent = false;              // it was, for long, between messages
        std::uint64_t tasks_granted = 0;  // by those messages; as it travels the other way
        std::uint64_t bytes_granted = 0;  // as above: input of tasks, or output
        bool parted = false;              // goodbye was sent
    };
    struct Connection {
        std::uint32_t client = 0;
        std::uint32_t worker = 0;
        std::uint32_t address = 0;  // that the client dialled
        std::uint64_t life = 0;     // of the worker
        bool client_open = true;
        bool worker_open = true;
        bool welcomed = false;            // by the worker
        bool admitted = false;            // the client read the welcome
        bool told_drain = false;          // by the worker
        bool session_known = false;       // as it said
        std::uint32_t functions = 0;      // of the worker, as it said: a bit for each kind
        bool known = false;               // the worker knew the session
        bool reclaims = false;            // the client waits for what it asked back
        bool in_vain = false;             // there was nothing, and nothing has changed since
        bool reconciles = false;          // and has not said yet what it has of it
        bool forged = false;              // somebody else said something on it
        bool draining = false;            // and that
        std::set<std::uint64_t> results;  // by sequence, that were sent
        std::set<AttemptId> told;         // whose they are
        std::set<AttemptId> answered;     // by those
        std::uint64_t submitted_in = 0;   // the batch of effects with the latest tasks
        std::size_t submitted_bytes = 0;  // of those
        std::size_t unseen_bytes = 0;     // of results that the client has not acknowledged
        bool alone = false;               // what it acknowledged could have waited for a message
        base::BootTime opened{0};
        base::BootTime disturbed{0};  // or when a partition ended
        Pipe to_worker;
        Pipe to_client;
    };
    /// A task that a worker runs or has run.
    struct Running {
        std::uint32_t job = 0;
        bool done = false;
        bool stopped = false;
        std::uint32_t cores = 0;    // that it has there; 0: it waits at the threads
        Streams output{};           // bytes that it writes, or that are kept
        Streams known{};            // that the worker was told of
        bool streams = false;       // they are wanted as they come
        base::BootTime written{0};  // when the first of them were there
    };
    /// A task that waits at a worker.
    struct Queued {
        std::uint64_t connection = 0;  // that it came by
        std::uint64_t arrival = 0;
    };
    struct Worker {
        explicit Worker(Clockwork& clock) : machine(clock) {}
        Machine machine;
        std::unique_ptr<worker::Reactor> reactor;  // none: it is down
        std::uint64_t life = 0;
        Turns turns;  // in this life
        base::BootTime wakes{0};
        std::map<AttemptId, Running> store;
        std::set<AttemptId> begun;  // in this life
        std::uint32_t slots = 1;
        std::uint32_t tasks_max = 0;        // of one session
        std::uint64_t input_bytes_max = 0;  // as above
        std::uint32_t functions = 0;        // that it has: a bit for each kind
        bool ran_quick = false;             // in this life: it knows how long they take
        std::uint64_t memory_bytes = 0;     // 0: it does not count it
        base::BootTime quickest{0};         // of those that have ended in this life; 0: none has
        std::uint64_t memory_used = 0;
        std::uint32_t ahead = 0;  // functions that wait at its threads
        bool control_groups = true;
        bool compression = true;
        base::BootTime broken_until{0};     // until then whatever it starts fails
        std::uint32_t running = 0;          // cores
        std::map<AttemptId, Queued> queue;  // that was submitted and has not begun
        std::set<AttemptId> called_off;     // while they waited
        std::uint64_t arrivals = 0;
        std::uint32_t ticks = 0;  // since the latest audit
        base::BootTime idle_since{0};
        base::BootTime spare_since{0};  // so long a slot was free
        bool draining = false;
        base::BootTime drain_by{0};  // by its clock
        base::BootTime full_at{-1};  // when it had as many sessions as it takes, last
        /// What came, and it has not said yet that it has it, with the connection.
        std::map<AttemptId, std::uint64_t> unaccepted;
        base::BootTime disk_full_until{0};
        base::BootTime latency{0};       // of its link
        std::uint64_t bytes_per_ms = 1;  // as above
    };
    /// Somebody who talks to a worker and has no part in this.
    struct Stranger {
        std::uint32_t worker = 0;
        std::uint64_t life = 0;   // of the worker
        base::BootTime since{0};  // of its silence, by the worker's clock
    };
    /// What a worker says at once.
    struct Answer {
        std::vector<std::pair<wire::MessageType, std::string>> messages;
        bool closed = false;
        /// @return whether it ended the connection because the client had no credit left.
        [[nodiscard]] bool out_of_credit() const;
    };
    /// A task as its owner sees it.
    struct Job {
        std::uint32_t client = 0;
        core::AttemptState state;
        RetryPolicy policy;
        AttemptId attempt;
        std::uint64_t lease = 0;  // the epoch that the client gave it last
        std::uint32_t cores = 1;
        std::uint32_t failures_to_come = 0;  // of its own, planned and not had yet
        std::uint32_t failures = 0;          // of its own, had
        std::uint32_t losses = 0;            // of its worker
        std::uint32_t started = 0;           // attempts
        base::BootTime duration{0};
        Kind kind = Kind::program;
        std::uint64_t input = 0;         // bytes
        std::uint64_t memory_bytes = 0;  // that it asks for
        bool limited = false;            // it needs a control group
        bool refused = false;            // nobody runs it, or who had it does not
        bool forged = false;             // somebody said that its worker does not
        bool blind = false;              // its client's reactor is not told what it calls
        bool fresh = false;              // this attempt was at no worker yet
        bool unplaced = false;           // at an audit nobody had the function
        base::BootTime unplaced_at{0};   // at that
        base::BootTime set_aside{0};     // since when audits saw it wait for who may come; 0: none
        std::uint64_t asked_back = 0;    // the connection by which it was, to be given back
        bool comes_back = false;         // and a message says so
        bool died = false;               // its worker did, and it was the first that it had
        AttemptId before;                // as it was called before it was given back
        Streams output{};
        Streams totals{};       // of the current attempt, as its worker said
        Streams received{};     // bytes of the current attempt
        bool may_lose = false;  // some of its output could not be kept
        std::uint32_t outcomes = 0;
        bool cancelled = false;
        Ending ending;
        base::BootTime arrived{0};    // there, by its clock
        std::uint64_t arrival = 0;    // at its client's reactor; 0: it is not there
        std::uint64_t leased_on = 0;  // the connection that its current lease went over
        base::BootTime cancelled_at{0};
    };
    /// A worker as a client must see it.
    struct Link {
        bool up = false;
        bool draining = false;
        base::BootTime left{0};                     // when it was up last, by the client's clock
        std::uint64_t life = 0;                     // of the worker, when it was
        std::uint32_t functions = 0;                // that it had then
        bool known = false;                         // it still had the session when it came back
        std::array<std::uint32_t, 3> lost_cores{};  // lost at once, by priority
        mutable std::optional<core::Detector> detector;  // as the client's, while it is up
        base::BootTime heard_at{0};                      // the latest time that it was
        std::uint32_t silences = 0;                      // since, that may have looked suspicious
        bool twin = false;         // the client knows it as another's second address
        std::uint64_t others = 0;  // thousandths of its slots that ran what is not the client's
        std::uint32_t queued = 0, busy = 0;  // what waits there, slots without its programs
        // Whether it is shut out for failing.
        std::uint32_t bad = 0;    // failures in a row
        std::uint32_t terms = 0;  // how often it was shut out
        bool on_trial = false;    // since it was, nothing went well there
        base::BootTime shut_until{0};
        base::BootTime good_since{0};
        std::uint64_t bad_in = 0;  // the batch of effects in which it failed last
    };
    struct Client {
        Client(Clockwork& clock, std::uint64_t name) : machine(clock), issuer(name) {}
        Machine machine;
        core::Issuer issuer;
        Turns turns;
        JobId job;
        client::Options options;
        std::unique_ptr<client::Reactor> reactor;  // none: it has vanished
        base::BootTime wakes{0};
        base::BootTime joined{0};  // when a worker came last, or was known as one that is here
        std::vector<std::uint64_t> open;  // by worker: the connection of which it holds an end
        std::vector<Link> links;          // by worker
        std::uint64_t arrivals = 0;
        std::uint32_t ticks = 0;     // since the latest audit
        std::uint32_t reclaims = 0;  // as above: it asked for tasks back
        bool miscounts = false;      // its slots, at the latest audit
        client::Capacity told;
        bool told_unreachable = false;  // it knows that nobody is in reach
        bool gives_back = false;        // it was asked to just now
        bool leaves = false;            // it has said goodbye to all
        std::uint64_t back_from = 0;    // the connection by which it asked for tasks then
    };

    void make_client(std::uint32_t id);
    void make_worker(std::uint32_t id);
    void make_job(std::uint32_t index, bool at_once);
    void make_function(Job& job);
    void settle();
    void check_end();
    void check_links(std::uint32_t client);
    void say_goodbye();
    void check_empty();

    // clients.cpp
    void begin(std::uint32_t job);
    void start(std::uint32_t job);
    void give_back(std::uint32_t client);
    void give_and_take();
    void came_back(const AttemptId& attempt);
    void cancel(std::uint32_t job, bool force);
    void cancel_some(std::uint32_t client, std::uint32_t worker);
    void cancel_all(std::uint32_t client);
    void ended(const client::Finished& finished);
    [[nodiscard]] client::Order order_of(std::uint32_t job) const;
    [[nodiscard]] bool out_of_reach(const Job& job) const;
    void node_failed(const Job& job, const Attempt& attempt);
    [[nodiscard]] bool whole(std::uint32_t job, std::size_t channel, const client::Tail& tail);
    void book(std::uint32_t job, const Attempt& attempt);
    void failed(Client& client, Link& link);
    void finish_job(std::uint32_t job, const Ending& ending);
    void client_effects(std::uint32_t id, client::Outbox& out);
    void client_sends(std::uint32_t id, const client::Send& send);
    void client_has_output(const client::Output& output);
    void client_wakes(std::uint32_t id);
    void client_reads(std::uint64_t id, std::string_view bytes);
    void client_hears(std::uint32_t id, std::uint32_t worker, const wire::Message& message,
                      client::Outbox& out);
    [[nodiscard]] std::vector<std::uint32_t> still_there(std::uint32_t client,
                                                         const wire::Message& message) const;
    void dial(std::uint32_t client, std::uint32_t worker);
    /// @return whether nobody answers at an address, of one that has two.
    [[nodiscard]] bool is_dead(std::uint32_t address) const {
        const base::BootTime now = clock_.now();
        const bool stays = plan_.seed % 2 == 0;
        const bool first = address < plan_.twins && now > first_death;
        const bool second = address >= plan_.workers && now > second_death;
        return plan_.first_dies ? (first && (stays || now < first_return)) || (second && !stays)
                                : plan_.first_fails && address < plan_.twins;
    }
    void leave(std::uint32_t client);
    void cut_dead();
    void open(std::uint32_t client, std::uint32_t worker);
    void vanish(std::uint32_t client);

    // workers.cpp
    void boot(std::uint32_t worker);
    void crash(std::uint32_t worker);
    void drain(std::uint32_t worker);
    void worker_effects(std::uint32_t worker, worker::Outbox& out);
    void worker_wakes(std::uint32_t worker);
    void worker_reads(std::uint64_t id, std::string_view bytes);
    void run_task(std::uint32_t worker, const worker::Start& start);
    void stop_task(std::uint32_t worker, const worker::Stop& stop);
    [[nodiscard]] bool make_room(std::uint32_t worker, Running& running);
    [[nodiscard]] worker::Ended outcome_of(Worker& worker, Running& running);
    void grow(std::uint32_t worker, std::uint64_t life, const AttemptId& attempt,
              std::uint64_t part);
    void end_task(std::uint32_t worker, std::uint64_t life, const AttemptId& id);
    void free_slot(std::uint32_t worker, const Running& running);
    void read_output(std::uint32_t worker, const worker::Read& read);

    // network.cpp
    void post(std::uint64_t id, Side from, wire::MessageType type, std::uint64_t correlation,
              std::string_view body);
    void send_bytes(std::uint64_t id, Side from, std::string bytes, bool bulk, std::uint64_t flow);
    void deliver(std::uint64_t id, Side to, const std::string& bytes);
    void cut(std::uint64_t id, bool tell_client, bool tell_worker);
    void hang_up(std::uint64_t id, Side side);
    void unstick(std::uint64_t id);
    [[nodiscard]] Machine& machine_of(const Connection& connection, Side side);
    [[nodiscard]] base::BootTime delay(std::uint32_t worker);

    void unlink(std::uint32_t client, std::uint32_t worker);
    // watch.cpp
    void watch_message(std::uint64_t id, Side from, wire::MessageType type, std::string_view body);
    void watch_goodbye(Connection& connection, Side from, std::string_view body);
    void watch_heartbeat(Connection& connection, Side from, std::string_view body);
    void watch_credit(Connection& connection, Side from, std::string_view body);
    void watch_output(const Connection& connection, std::string_view body);
    void watch_welcome(Connection& connection, wire::MessageType type, std::string_view body);
    void watch_list(std::uint64_t id, Side from, wire::MessageType type, std::string_view body);
    void watch_submit(std::uint64_t id, std::string_view body);
    void reattached(Worker& worker, std::uint64_t connection, const wire::Attempts& list);
    static bool differs(std::uint64_t now, std::uint64_t told);
    void watch_capacity(Client& client, const client::Capacity& now);
    void watch_reclaim(Connection& connection, const wire::Attempts& list);
    [[nodiscard]] std::optional<std::uint32_t> leased_at(std::uint32_t client,
                                                         const Job& job) const;
    /// @return whether the job waits at that client.
    [[nodiscard]] bool waits(std::uint32_t client, const Job& job) const {
        return job.client == client && job.arrival != 0 &&
               !clients_[client].reactor->lease_of(job.attempt);
    }
    [[nodiscard]] std::vector<std::uint32_t> leases(std::uint32_t client) const;
    void watch_dial(std::uint32_t client, std::uint32_t address);
    void watch_twin(std::uint32_t client, std::uint32_t address);
    void count_others(std::uint32_t client, std::uint32_t address, const wire::Message& message);
    void watch_order(const Connection& to, std::uint32_t job);
    void watch_trial(const Connection& connection, std::size_t tasks);
    void heard(std::uint64_t id, Side at, const wire::Message& message);
    void heard_of(const Client& client, Link& link);
    void queued(std::uint64_t id, const wire::Message& message);
    void watch_stop(std::uint32_t worker, const AttemptId& attempt);
    void watch_sends(std::uint32_t worker, std::uint64_t connection);
    void watch_drained(std::uint32_t worker);
    void watch_done(std::uint32_t worker);
    void watch_drain_by(std::uint32_t worker, std::uint64_t life);
    void watch_returned(std::uint32_t worker);
    void watch_farewell(std::uint32_t worker);
    void cut_off(std::uint32_t worker, std::uint64_t life);
    void watch_accepted(std::uint32_t worker);
    void watch_cancelled(std::uint32_t worker, const wire::Message& message);
    void watch_given_up(std::uint32_t worker, const AttemptId& attempt, const worker::Outbox& out);
    void watch_turn(Turns& turns, bool ahead, bool behind, const std::string& who);
    void watch_session(const Connection& connection);
    void watch_dropped(std::uint32_t client, std::uint32_t address);
    [[nodiscard]] std::vector<std::uint32_t> asked_back(std::uint64_t id,
                                                        const wire::Message& message);
    /// @return what a client must believe of the worker of a link.
    [[nodiscard]] core::Health believed(std::uint32_t client, const Link& link) const {
        return link.detector ? link.detector->ask(clients_[client].machine.now())
                             : core::Health::dead;
    }
    void watch_refused(const Job& job, const Error& error);
    [[nodiscard]] std::vector<const Job*> jobs_at(std::uint32_t client,
                                                  std::uint32_t address) const;
    [[nodiscard]] std::uint32_t backlog_of(const Client& client, std::uint32_t address,
                                           std::uint32_t here) const;
    [[nodiscard]] std::uint32_t programs_to_ask_for(std::uint32_t client) const;
    [[nodiscard]] bool all_are_up(const Client& client) const;
    void watch_queue(std::uint32_t worker);
    void watch_start(std::uint32_t worker, const AttemptId& attempt);
    [[nodiscard]] bool waits_at(const Worker& worker, const AttemptId& attempt,
                                const Queued& queued) const;

    // audit.cpp
    void audit();
    void audit_client(std::uint32_t client);
    void audit_capacity(std::uint32_t client);
    void audit_reach(std::uint32_t client);
    void audit_lost(std::uint32_t client);
    void audit_waiting(std::uint32_t client);
    [[nodiscard]] const Job* first_for(std::uint32_t client, std::uint32_t worker) const;
    void audit_moving(std::uint32_t client, std::uint32_t idle);
    void audit_stranded(std::uint32_t client);
    [[nodiscard]] bool has_place(std::uint32_t worker, const Job* first,
                                 std::uint32_t leases) const;
    void audit_connection(const Connection& connection);
    void audit_streams(std::uint32_t worker);
    [[nodiscard]] bool calm(std::uint32_t client, std::uint32_t worker) const;
    [[nodiscard]] bool reaches(const Client& client, std::uint32_t worker, const Job& job) const;

    // strangers.cpp
    [[nodiscard]] Answer tell_worker(std::uint32_t worker, std::uint64_t connection,
                                     wire::MessageType type, std::string_view body);
    [[nodiscard]] bool tell_client(std::uint32_t client, std::uint32_t worker,
                                   wire::MessageType type, std::string_view body);
    void expect(bool holds, std::string_view what);
    void trouble_stranger(std::uint32_t worker);
    void crowd(std::uint32_t worker);
    [[nodiscard]] bool visits(std::uint32_t worker, std::uint64_t session);
    void guest(std::uint32_t worker, std::uint64_t connection, const wire::Hello& hello,
               const Answer& answer);
    void forge_to_worker(std::uint64_t connection, std::uint32_t worker);
    void forge_goodbye(std::uint64_t connection, std::uint32_t worker);
    void forge_cut_off(std::uint64_t connection, std::uint32_t worker);
    void forge_tasks(std::uint64_t connection, std::uint32_t worker);
    void forge_to_client(std::uint32_t client, std::uint32_t worker);
    void lie(std::uint32_t client, std::uint32_t worker);
    void forge_list(std::uint32_t client, std::uint64_t connection);
    void lose_first(std::uint32_t client, std::uint32_t worker);
    void forge_refusal(std::uint32_t client, std::uint32_t worker);
    void forge_gap(std::uint32_t client, std::uint32_t worker);
    void trouble_forged(std::uint32_t client, std::uint32_t worker);

    // forged.cpp
    [[nodiscard]] std::uint64_t connection_of(std::uint32_t worker, std::uint32_t client) const;
    void forge_too_much(std::uint64_t connection, std::uint32_t worker);
    void forge_seen(std::uint64_t connection, std::uint32_t worker);
    void forge_later(std::uint64_t connection, std::uint32_t worker);
    void refuse_task(std::uint32_t job, std::uint32_t address);
    void send_again(std::uint32_t worker, const AttemptId& attempt);

    // trouble.cpp
    void make_trouble();
    void cut_off(std::uint32_t worker);
    void trouble_connection(std::uint32_t client, std::uint32_t worker);
    void trouble_worker(std::uint32_t worker);
    void trouble_client(std::uint32_t client);

    void violated(std::string sentence);
    void note(std::string_view what, std::uint64_t a = 0, std::uint64_t b = 0);
    void count(std::string_view trouble);
    [[nodiscard]] bool chance(std::uint32_t percent) { return random_.below(100) < percent; }
    [[nodiscard]] std::uint32_t addresses() const { return plan_.workers + plan_.twins; }
    /// @return the worker at an address.
    [[nodiscard]] std::uint32_t who(std::uint32_t address) const {
        return address < plan_.workers ? address : address - plan_.workers;
    }
    /// @return something from nothing to so long.
    [[nodiscard]] base::BootTime up_to(std::chrono::milliseconds most) {
        return std::chrono::milliseconds(random_.below(static_cast<std::uint64_t>(most.count())));
    }
    [[nodiscard]] static std::string pattern(std::uint32_t job, std::size_t channel,
                                             std::uint64_t offset, std::uint64_t bytes);
    /// @return whether the worker could run the job if it were idle.
    [[nodiscard]] static bool fits(const Worker& worker, const Job& job) {
        return job.cores <= worker.slots &&
               (worker.memory_bytes == 0 || job.memory_bytes <= worker.memory_bytes);
    }
    /// @return whether a worker that has these functions can serve the job. @param known their bits
    [[nodiscard]] static bool has(std::uint32_t known, const Job& job) {
        return job.kind == Kind::program ||
               (known >> static_cast<std::uint32_t>(job.kind) & 1U) != 0;
    }
    /// @return whether it could now.
    [[nodiscard]] static bool has_room(const Worker& worker, const Job& job) {
        return job.cores <= worker.slots - worker.running &&
               (worker.memory_bytes == 0 ||
                job.memory_bytes <= worker.memory_bytes - worker.memory_used);
    }

    static constexpr std::uint32_t sessions_max = 6;  // of a worker
    /// No attempt of anybody.
    static constexpr AttemptId nobodys{{{{1, 2, 3}}, 1U << 30U}, 1, 1, 1};
    [[nodiscard]] static std::string list_of(const AttemptId& attempt) {
        return codec::encode(codec::fields(std::span<const AttemptId>(&attempt, 1)));
    }

    Plan plan_;
    Clockwork clock_;
    base::Prng random_;
    Report report_;
    std::deque<Client> clients_;  // they stay where they are
    std::deque<Worker> workers_;  // as above
    std::vector<Job> jobs_;
    std::uint32_t ended_ = 0;  // jobs, and those whose client vanished
    std::map<std::uint64_t, Connection> connections_;
    std::uint64_t last_connection_ = 0;
    std::map<std::uint64_t, Stranger> strangers_;  // by connection
    std::optional<AttemptId> said_;                // the lease of which a result is being read
    std::uint32_t said_at_ = 0;                    // and by which worker it was sent
    std::uint64_t batch_ = 0;                      // of effects
    bool at_rest_ = false;                         // nothing is left to do
    bool quiet_ = false;                           // no more trouble
};

}  // namespace repartir::sim
