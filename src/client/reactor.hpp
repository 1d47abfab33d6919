// SPDX-License-Identifier: MIT
#pragma once
/// @file reactor.hpp The client's half of the protocol: which worker runs what, and what becomes of
/// it when one is lost. Pure: no sockets, threads, clocks or random device; exec/remote and the
/// simulator carry its effects out.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "base/prng.hpp"
#include "client/attempt_map.hpp"
#include "client/lanes.hpp"
#include "client/leases.hpp"
#include "core/credit.hpp"
#include "core/detector.hpp"
#include "core/placement.hpp"
#include "core/quarantine.hpp"
#include "core/throughput.hpp"
#include "repartir/error.hpp"
#include "repartir/policy.hpp"
#include "wire/framer.hpp"
#include "wire/messages.hpp"
#include "wire/result.hpp"

namespace repartir::client {

/// A worker, by its place in Options::workers.
using WorkerId = std::uint32_t;

/// Whom the client talks to, and how patiently.
struct Options {
    std::vector<std::string> workers;  ///< addresses, for people
    wire::Instance session{};          ///< random
    std::uint64_t epoch = 1;           ///< of the session
    std::string name;                  ///< for people
    bool compression = true;
    std::uint32_t tasks_max = 8192;              ///< at one worker at once, if it takes as many
    std::uint64_t output_bytes_max = 4U << 20U;  ///< on its way from one worker
    base::BootTime heartbeat = std::chrono::seconds(1);
    base::BootTime greeting = std::chrono::seconds(5);  ///< by when a worker must say welcome
    /// How long a worker whose connection broke may take to come back with what it had.
    base::BootTime reattach = std::chrono::seconds(4);
    /// How long a worker keeps the session's work when we are gone.
    std::chrono::milliseconds time_to_live = std::chrono::seconds(60);
    /// How long a task waits while no worker at all can be reached.
    base::BootTime reach = std::chrono::seconds(10);
    Backoff reconnect;
    core::QuarantineRule quarantine;
    std::uint64_t seed = 1;  ///< of the jitter
};

// Effects, in the order in which they are to be carried out.

/// @return how often a client of so many workers and each of them are to be heard: as often as is
/// wanted, but with more than five hundred workers as much less often as they are more, down to
/// every 5 s, so that who has many does not spend itself on asking whether they are there.
[[nodiscard]] base::BootTime heartbeat_for(std::size_t workers, base::BootTime wanted) noexcept;

/// Connect to a worker; connected() or disconnected() follows exactly once.
struct Dial {
    WorkerId worker = 0;
};
/// Send a message.
struct Send {
    WorkerId worker = 0;
    wire::MessageType type{};
    std::uint64_t correlation = 0;
    std::string body;
};
/// The worker said Welcome: its framer takes the wide limits.
struct Admit {
    WorkerId worker = 0;
    std::uint16_t version = 0;
    bool compression = false;
};
/// Close a connection once what was sent on it is on its way; disconnected() does not follow.
struct Close {
    WorkerId worker = 0;
};
/// The end of one stream: what Output did not bring before. An offset that was passed before means
/// that it begins anew there.
struct Tail {
    std::uint64_t offset = 0;
    std::string bytes;
    std::uint64_t lost = 0;
};
/// An attempt ended: the last that is said of it.
struct Finished {
    AttemptId attempt;
    wire::AttemptRecord report;
    Tail out, err, value;
    std::uint64_t lease = 0;  ///< as of Output; 0: nothing was heard of it
};
/// A piece of an attempt's output. An offset that was passed before means that it begins anew
/// there; another lease than before, that it runs anew, since its worker gave it back. To be
/// carried out before the message that brought it is gone: the bytes lie in that.
struct Output {
    AttemptId attempt;
    wire::Channel channel{};
    std::uint64_t offset = 0;
    std::string_view bytes;
    std::uint64_t total = 0;  ///< of this stream, as its worker says; 0: not known
    std::uint64_t lease = 0;  ///< the epoch under which its worker has the attempt
};
/// An attempt has not begun, and will not: it was asked for with give_back().
struct Returned {
    AttemptId attempt;
};
/// What the workers together can take changed.
struct Capacity {
    std::uint32_t slots = 0;             ///< cores' worth of tasks that they run at once
    std::uint32_t window = 0;            ///< and that they are handed at once
    std::uint32_t busy = 0;              ///< of `slots`, those that run calls, or others' work
    std::uint32_t task_slots_max = 0;    ///< of the largest of them
    base::BootTime round_trip{0};        ///< to them, smoothed
    std::uint64_t bytes_per_second = 0;  ///< from them, smoothed; 0: not known
    bool gpus = false;                   ///< some of them run shaders
};
using Effect = std::variant<Dial, Send, Admit, Close, Finished, Output, Returned, Capacity>;
using Outbox = std::vector<Effect>;

/// Counts for people and tests.
struct Stats {
    std::uint64_t sent = 0;        ///< attempts handed to workers, again counted again
    std::uint64_t finished = 0;    ///< attempts
    std::uint64_t moved = 0;       ///< attempts that came back unbegun from one worker for another
    std::uint64_t lost = 0;        ///< attempts that were lost with their worker
    std::uint64_t stale = 0;       ///< results of attempts that were not current, refused
    std::uint64_t reattached = 0;  ///< connections on which a worker still had the session
};

/// What an attempt needs, beside its bytes.
struct Order {
    std::string task;  ///< as wire::append_task() wrote it
    core::Demand demand;
    Priority priority = Priority::normal;  ///< what is more urgent goes first
    std::uint32_t function = 0;  ///< that it calls, by Reactor::function_number(); 0: none
};

/// Hands attempts to workers, keeps each worker busy with a little more than it runs, takes back
/// what a slow one has not begun for one that idles, and tells exactly once how each attempt ended:
/// with what its worker said, as cancelled, or as lost with its worker. A lost attempt is charged
/// to the machine (Fault::node); whether the task is tried again is for its owner
/// (core::RetryBudget).
///
/// Each time that an attempt is handed to a worker it gets a lease: an epoch that is higher than
/// all before. What a worker says counts only for the lease that is current, so that one that comes
/// back with an attempt that was given to another, or to itself again, changes nothing.
///
/// One owner at a time; every call appends to the outbox what is to be done.
class Reactor {
  public:
    /// Nothing is dialled before the first tick().
    explicit Reactor(Options options);

    /// @return a number for the name of a function: the same one each time.
    [[nodiscard]] std::uint32_t function_number(std::string_view name);

    /// Run an attempt, from the next hand_out() on. Finished follows exactly once.
    void start(const AttemptId& id, Order&& order, base::BootTime now);
    /// End an attempt; ids that are not here are ignored. @param force without its grace
    void cancel(const AttemptId& id, bool force, base::BootTime now, Outbox& out);

    /// Gives attempts back that have not begun, the newest first: each comes by Returned, unless it
    /// has begun meanwhile. @return how many may come; 0 while an earlier request is under way
    std::uint32_t give_back(std::uint32_t most, base::BootTime now, Outbox& out);

    /// The worker's machine took the connection; the worker is still to be heard.
    void taken(WorkerId id) noexcept { workers_[id].taken = true; }
    /// The worker was reached and authenticated.
    void connected(WorkerId id, base::BootTime now, Outbox& out);
    /// The worker could not be reached, or its connection ended. @param why one phrase
    void disconnected(WorkerId id, std::string_view why, base::BootTime now, Outbox& out);
    /// A message came whole.
    void received(WorkerId id, const wire::Message& message, base::BootTime now, Outbox& out);
    /// Nothing else is to be told for now: hands out what waits, in as few messages as it takes.
    /// Call it after start() and received(); next() does not say that it is due.
    void hand_out(base::BootTime now, Outbox& out);
    /// All messages that had come are handled: acknowledges them and grants credit, unless that may
    /// wait for the next message to this worker.
    void flush(WorkerId id, Outbox& out);

    /// Time has passed. Call it at next() or later.
    void tick(base::BootTime now, Outbox& out);
    /// @return when tick() has something to do.
    [[nodiscard]] base::BootTime next() const;
    /// Says goodbye to all workers: what they still run for us is ended.
    void leave(Outbox& out);

    [[nodiscard]] const Stats& stats() const noexcept { return stats_; }
    /// @return the attempt as the worker that has it knows it: with the epoch of its lease there.
    [[nodiscard]] std::optional<AttemptId> lease_of(const AttemptId& id) const;
    [[nodiscard]] std::size_t attempts() const noexcept { return attempts_.size(); }  ///< not ended
    [[nodiscard]] std::uint32_t slots() const noexcept { return told_.slots; }  ///< of all in reach
    /// @return why nobody was in reach for so long that nothing is to wait for it any more.
    [[nodiscard]] std::optional<Error> unreachable(base::BootTime now) const;

  private:
    enum class Link : std::uint8_t { down, dialling, greeting, up };
    static constexpr std::uint64_t not_ready = ~std::uint64_t{0};

    struct Held {
        std::optional<WorkerId> at;
        std::uint64_t lease = 0;  // the epoch of its place there; 0: none
        std::uint64_t arrival = 0;
        std::uint8_t level = 0;              // among what waits: 0 is the most urgent
        bool cancelled = false;              // the worker was told to end it
        bool unwanted = false;               // it was asked back, to be run by somebody else
        std::array<std::uint64_t, 3> got{};  // bytes of output
        Order order;
        base::BootTime waits_since{0};
    };
    /// Found by the id that their owner gave them, and as their worker knows them: ids that differ
    /// in the epoch alone.
    using Attempts = AttemptMap<Held>;
    using Entry = Attempts::Element;
    /// What a worker must have: the function of that number, and room.
    using Kind = std::pair<std::uint32_t, core::Demand>;
    /// With each lane stands who could run what is in it, when that was last looked for.
    using Waiting = Lanes<Kind, Entry, WorkerId>;
    using Here = Leases<Entry>;
    /// With thousands of workers each is out of the caches when its next message comes: what
    /// messages and tasks need stands first, and together.
    struct Worker {
        explicit Worker(const Options& options)
            : detector({options.heartbeat, 30 * options.heartbeat}, base::BootTime(0)),
              prefetch(1, options.tasks_max),
              quarantine(options.quarantine),
              output(options.output_bytes_max) {}
        Link link = Link::down;
        bool welcomed = false;  // ever
        bool draining = false;
        bool reclaiming = false;            // it was asked to give something back
        bool in_vain = false;               // it gave nothing, and nothing changed there since
        bool ask_all = false;               // but it says that something waits
        bool reconciling = false;           // it came back, and has not said yet what it has
        bool counted_up = false;            // its part of up_
        bool counted_gpus = false;          // its part of with_gpus_
        bool unsettled = false;             // it is in unsettled_
        bool unmatched = false;             // it is in unmatched_
        bool kept = false;                  // it is in kept_
        std::uint32_t others_permille = 0;  // of its slots that ran others' work when last heard
        std::uint32_t queued = 0;           // of what it has, when last heard
        core::Detector detector;
        std::vector<std::uint64_t> seen;  // results to acknowledge
        std::size_t seen_bytes = 0;       // of their messages
        core::Allowance tasks;
        core::Allowance input;
        Here here;  // what it has
        core::Prefetch prefetch;
        std::uint32_t counted_slots = 0;   // its part of slots_sum_
        std::uint32_t counted_window = 0;  // its part of window_sum_
        std::uint32_t counted_busy = 0;    // its part of busy_sum_
        std::uint32_t busy = 0;            // slots that ran no program of ours when last heard
        std::uint64_t load = not_ready;    // its key in ready_
        std::size_t backlog = 0;           // of its tasks, waiting there
        std::uint64_t left = 0;            // its key in backlogs_, where it has a backlog
        base::BootTime wake{0};            // its key in timers_
        base::BootTime next_beat{0};
        core::Site site;  // as it said when it was last up
        core::Quarantine quarantine;
        core::Grantor output;
        core::Throughput throughput;
        std::vector<bool> has;               // which functions, by number
        std::vector<std::string> functions;  // that it has
        base::BootTime due{0};               // what its link does next: dial, or give up greeting
        base::BootTime lost_at{0};           // while it is down with attempts: when they are lost
        std::uint32_t failures = 0;          // to reach it, in a row
        std::string why;                     // it is not up
        base::BootTime dialled_at{0};        // for the last time
        bool taken = false;                  // and that was answered, by its machine at least
        wire::Instance instance{};
        std::uint64_t incarnation = 0;  // which of its lives
        std::optional<WorkerId> twin;   // that is the same worker at another address
        std::uint64_t beat = 0;         // our heartbeats on this connection
        base::BootTime beat_at{0};      // when the latest one was sent, or hello
        base::BootTime heartbeat{0};
        std::uint64_t heard = 0;  // its latest heartbeat
        base::BootTime heard_at{0};
    };

    void welcome(WorkerId id, Worker& worker, const wire::Message& message, Outbox& out);
    [[nodiscard]] bool serves(const Worker& worker, const wire::Instance& instance) const;
    [[nodiscard]] std::optional<WorkerId> twin_of(WorkerId id,
                                                  const wire::Instance& instance) const;
    void settle_in(WorkerId id, Worker& worker, bool same, Outbox& out);
    void dispatch(WorkerId id, Worker& worker, const wire::Message& message, Outbox& out);
    void heartbeat(WorkerId id, Worker& worker, const wire::Message& message);
    [[nodiscard]] bool hear_load(Worker& worker, const wire::Heartbeat& beat);
    void answered(Worker& worker, base::BootTime trip);
    void beat(WorkerId id, Worker& worker, Outbox& out);
    void acknowledge(WorkerId id, Worker& worker, Outbox& out);
    void end_cancelled(Worker& worker, Outbox& out);
    void drop_link(WorkerId id, Worker& worker, std::string_view why, Outbox& out);
    void hang_up(WorkerId id, Worker& worker, std::string_view why, Outbox& out);
    void lose(WorkerId id, Worker& worker, Outbox& out);
    void wake_worker(WorkerId id, Worker& worker, Outbox& out);
    [[nodiscard]] static std::string silence(const Worker& worker, base::BootTime now);
    void set_timer(WorkerId id, Worker& worker);
    void count(Worker& worker);
    void rank(WorkerId id, Worker& worker);
    void settle_backlogs();
    void count_slots(Outbox& out);

    void place(Outbox& out);
    void give_up_waiting(Outbox& out);
    std::optional<WorkerId> place_head(Waiting::Lane& lane, const std::vector<WorkerId>& gained,
                                       Outbox& out);
    [[nodiscard]] std::optional<WorkerId> choose(const Held& held) const;
    [[nodiscard]] std::optional<WorkerId> choose_of(const std::vector<WorkerId>& ids,
                                                    const Held& held) const;
    void hand(Entry& entry, WorkerId to);
    bool put_first(Priority priority);
    void keep_for(const Kind& kind, WorkerId id);
    void submit(WorkerId id, std::uint64_t after, Outbox& out);
    [[nodiscard]] static bool idles(const Worker& worker);
    void steal(Outbox& out);
    bool move_half(WorkerId from, const std::set<Kind>& kinds, WorkerId to, Outbox& out);
    [[nodiscard]] bool anyone_could(const Kind& kind, WorkerId& able) const;
    [[nodiscard]] static bool could(const Worker& worker, const Kind& kind);
    [[nodiscard]] static std::size_t backlog_of(const Worker& worker);
    [[nodiscard]] static std::set<Kind> waiting_at(const Worker& worker);
    [[nodiscard]] bool all_are_up() const;
    void learn_functions(Worker& worker, const codec::List<std::string_view>& names);
    void end_unplaced(Entry& entry, Outbox& out);
    void strand(Entry& entry);
    void unstrand(const Worker& worker);
    void end_hopeless(Outbox& out);
    void stop_waiting(const Held& held);
    [[nodiscard]] static Place place_of(const Held& held) noexcept {
        return {held.level, held.arrival};
    }
    [[nodiscard]] static Kind kind_of(const Held& held) noexcept {
        return {held.order.function, held.order.demand};
    }
    [[nodiscard]] std::uint32_t ask_back(WorkerId id, std::size_t most, const Worker* idle,
                                         Outbox& out);
    [[nodiscard]] static std::uint64_t load_of(const Worker& worker, std::size_t tasks);
    [[nodiscard]] static bool takes(const Worker& worker, const Held& held);
    void settle_unwanted(Worker& worker);
    void wait_again(Entry& entry);
    void finish(Entry& entry, Finished&& finished, Outbox& out);
    void end_here(Entry& entry, End end, std::optional<Error> why, Outbox& out,
                  std::string_view where = {});
    void result(WorkerId id, Worker& worker, const wire::Message& message, Outbox& out);
    void output(WorkerId id, Worker& worker, const wire::Message& message, Outbox& out);
    void reconcile(WorkerId id, Worker& worker, const wire::Message& message, Outbox& out);
    void reclaimed(WorkerId id, Worker& worker, const wire::Message& message, Outbox& out);
    void refused(WorkerId id, Worker& worker, const wire::Message& message, Outbox& out);
    [[nodiscard]] Entry* entry_at(const AttemptId& lease, WorkerId worker);
    /// @return the attempt as its worker knows it.
    [[nodiscard]] static AttemptId leased(const Entry& entry) noexcept {
        const AttemptId& id = entry.first;
        return {id.task, id.number, id.issuer, entry.second.lease};
    }

    template <class T>
    void send(WorkerId to, wire::MessageType type, const T& value, Outbox& out) {
        out.emplace_back(Send{to, type, ++asked_, codec::encode(value)});
    }

    Options options_;
    base::Prng random_;
    std::vector<Worker> workers_;
    Attempts attempts_;
    std::uint64_t lease_ = 0;  // the latest one: they only grow
    Waiting waiting_;          // attempts that are at no worker
    // Those that no worker in reach could run, instead, by kind, and by since when and arrival.
    Lanes<Kind, Entry> set_aside_;
    std::map<std::pair<base::BootTime, std::uint64_t>, Entry*> stranded_;
    std::map<std::string, std::uint32_t, std::less<>> function_numbers_;  // of those called so far
    std::vector<const std::string*> function_names_;                      // by number - 1
    std::set<std::pair<std::uint64_t, WorkerId>> ready_;  // may get more, the least loaded first
    // Have tasks that wait at the worker, by its load without half of those.
    std::set<std::pair<std::uint64_t, WorkerId>> backlogs_;
    std::vector<WorkerId> unsettled_;  // whose place in backlogs_ is not up to date
    std::vector<WorkerId> unmatched_;  // with whom something has changed since the latest steal()
    std::set<std::pair<base::BootTime, WorkerId>> timers_;
    std::uint64_t arrival_ = 0;
    std::vector<WorkerId> gained_;  // who may take more than when what waits was last gone through
    std::vector<WorkerId> kept_;    // who gets nothing but what waits for its credit
    std::uint64_t asked_ = 0;
    Capacity told_;                 // the latest effect
    std::uint64_t slots_sum_ = 0;   // of workers in reach
    std::uint64_t window_sum_ = 0;  // as above, of what they are handed at once
    std::uint64_t busy_sum_ = 0;    // as above, of slots that run no program of ours
    std::uint32_t largest_ = 0;     // slots of the largest of them
    base::BootTime round_trip_{0};  // to workers, smoothed
    std::uint64_t rate_ = 0;        // bytes of output per second from workers, smoothed
    std::size_t up_ = 0;            // workers
    std::size_t with_gpus_ = 0;     // workers
    std::uint32_t shaders_ = 0;     // the number of the function that runs them
    std::uint32_t unwanted_ = 0;    // attempts that are asked back from workers
    bool to_hand_out_ = false;      // place() has something to do
    base::BootTime now_{0};
    base::BootTime out_of_reach_ = base::BootTime::max();  // since when no worker is up
    base::BootTime give_up_at_ = base::BootTime::max();    // while none is: when some wait ends
    Stats stats_;
};

}  // namespace repartir::client
