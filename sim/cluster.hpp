// SPDX-License-Identifier: MIT
#pragma once
/// @file cluster.hpp A client and its workers in one process, with a network that fails as one seed
/// says. The reactors, the framer and the messages are the ones that ship.
#include <array>
#include <cstdint>
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
#include "wire/framer.hpp"
#include "worker/reactor.hpp"

namespace repartir::sim {

/// What is simulated.
struct Plan {
    std::uint64_t seed = 1;
    std::uint32_t workers = 4;
    std::uint32_t tasks = 100;
    bool faults = true;
    base::BootTime trouble = std::chrono::seconds(60);   ///< how long things go wrong
    base::BootTime patience = std::chrono::minutes(30);  ///< by when all must have ended after it
    bool trace = false;                                  ///< keep what happened
};

/// What came of it.
struct Report {
    std::vector<std::string> broken;  ///< invariants, a sentence each; empty when all held
    std::vector<std::string> trace;   ///< what happened, with times
    std::uint64_t hash = 0;           ///< of what happened: the same for the same seed
    std::uint64_t messages = 0;
    std::uint64_t crashes = 0;
    std::uint64_t breaks = 0;
    base::BootTime took{0};
    client::Stats client;
};

/// One run. Not used again.
class Cluster {
  public:
    explicit Cluster(const Plan& plan);
    [[nodiscard]] Report run();

  private:
    enum class Side : std::uint8_t { client, worker };

    /// One direction of a connection.
    struct Pipe {
        base::BootTime arrives{0};  // the latest byte on its way
        bool stuck = false;         // nothing gets through: a partition
        std::vector<std::string> held;
        wire::Framer framer;         // of the end that reads
        wire::FrameOptions options;  // of the end that writes
    };
    struct Connection {
        std::uint32_t worker = 0;
        std::uint64_t life = 0;  // of the worker
        bool client_open = true;
        bool worker_open = true;
        Pipe to_worker;
        Pipe to_client;
    };
    /// A task that a worker runs or has run.
    struct Running {
        std::uint32_t element = 0;
        bool done = false;
        bool stopped = false;
        std::uint64_t output = 0;  // bytes that it writes
    };
    struct Worker {
        std::unique_ptr<worker::Reactor> reactor;  // none: it is down
        std::uint64_t life = 0;
        base::BootTime wakes{0};
        std::map<AttemptId, Running> store;
        std::set<AttemptId> begun;  // in this life
        std::uint32_t running = 0;
        bool draining = false;
    };
    /// A task as its owner sees it.
    struct Job {
        core::AttemptState state;
        RetryPolicy policy;
        AttemptId attempt;
        std::uint32_t failures = 0;          // of its own, planned
        std::uint32_t failures_to_come = 0;  // of them, not had yet
        std::uint32_t losses = 0;            // of its worker
        std::uint32_t started = 0;           // attempts
        base::BootTime duration{0};
        std::uint64_t output = 0;
        std::uint64_t received = 0;  // bytes of the current attempt
        std::uint32_t outcomes = 0;
        bool cancelled = false;
        Ending ending;
    };

    void submit_jobs();
    void begin(std::uint32_t element);
    void ended(const client::Finished& finished);
    void finish_job(Job& job, std::uint32_t element, const Ending& ending);
    void client_effects(client::Outbox& out);
    void client_wakes();
    void client_reads(std::uint64_t id, std::string_view bytes);
    void dial(std::uint32_t worker);
    void open(std::uint32_t worker);

    void boot(std::uint32_t worker);
    void crash(std::uint32_t worker);
    void drain(std::uint32_t worker);
    void worker_effects(std::uint32_t worker, worker::Outbox& out);
    void worker_wakes(std::uint32_t worker);
    void worker_reads(std::uint64_t id, std::string_view bytes);
    void run_task(std::uint32_t worker, const worker::Start& start);
    void end_task(std::uint32_t worker, std::uint64_t life, const AttemptId& id);
    void read_output(std::uint32_t worker, const worker::Read& read);

    void post(std::uint64_t id, Side from, wire::MessageType type, std::uint64_t correlation,
              std::string_view body);
    void deliver(std::uint64_t id, Side to, const std::string& bytes);
    void cut(std::uint64_t id, bool tell_client, bool tell_worker);
    void hang_up(std::uint64_t id, Side side);
    void unstick(std::uint64_t id);
    void make_trouble();
    [[nodiscard]] std::uint64_t connection_of(std::uint32_t worker) const;

    void check_end();
    void violated(std::string sentence);
    void note(std::string_view what, std::uint64_t a = 0, std::uint64_t b = 0);
    [[nodiscard]] base::BootTime delay();
    [[nodiscard]] bool chance(std::uint32_t percent) { return random_.below(100) < percent; }

    Plan plan_;
    Clockwork clock_;
    base::Prng random_;
    Report report_;
    core::Issuer issuer_;
    JobId job_;
    std::unique_ptr<client::Reactor> client_;
    base::BootTime client_wakes_{0};
    std::vector<Job> jobs_;
    std::uint32_t ended_ = 0;
    std::vector<Worker> workers_;
    std::map<std::uint64_t, Connection> connections_;
    std::uint64_t last_connection_ = 0;
    bool quiet_ = false;  // no more trouble
};

}  // namespace repartir::sim
