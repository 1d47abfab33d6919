// SPDX-License-Identifier: MIT
#pragma once
/// @file daemon.hpp Joins the worker's reactor to sockets, processes and the clock.
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/logfmt.hpp"
#include "loop/lead.hpp"
#include "loop/loop.hpp"
#include "loop/spin.hpp"
#include "net/server.hpp"
#include "repartir/worker.hpp"
#include "worker/daemon/runner.hpp"
#include "worker/daemon/short_calls.hpp"
#include "worker/reactor.hpp"

namespace repartir::worker {

/// A worker that serves. One thread runs it; drain() and stop() may be called from any.
///
/// Where functions are served, a second thread stands by. Whoever has the lead of the loop makes
/// short calls itself, which saves a wake-up or two for each, and gives the lead up while it does:
/// when such a call takes long after all, the other one takes the lead, and the late one stands by
/// once it is back. So no function keeps the network waiting for more than two looks of the one who
/// stands by; and no short call is made while nobody does.
class Daemon final : private net::Server::Owner, private Runner::Owner, private loop::Timer {
  public:
    /// Listens from here on. Errors: as Worker::Builder::build
    [[nodiscard]] static Result<std::unique_ptr<Daemon>> create(WorkerOptions options,
                                                                FunctionTable functions);
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;
    ~Daemon() override;

    /// Serves until it is drained or stopped.
    void run();
    /// See Worker. Any thread.
    void drain(std::chrono::milliseconds deadline, std::string reason);
    void stop() noexcept;
    [[nodiscard]] const std::vector<std::string>& addresses() const noexcept { return addresses_; }

  private:
    Daemon(std::unique_ptr<loop::Loop> loop, WorkerOptions options, net::Security security);

    void on_open(net::Server::Id id, const net::Peer& peer) noexcept override;
    void on_message(net::Server::Id id, const wire::Message& message) noexcept override;
    void on_drained(net::Server::Id id) noexcept override;
    void on_closed(net::Server::Id id, const Error* why) noexcept override;
    void on_refused(const Error& why) noexcept override;
    void on_finished(const AttemptId& id, Ended&& ended, bool busy) noexcept override;
    void on_freed(const AttemptId& id) noexcept override;
    void on_grew(const AttemptId& id, wire::Channel channel, std::uint64_t bytes) noexcept override;
    void on_overdue(std::string_view function, base::BootTime took,
                    base::BootTime expected) noexcept override;
    void on_told() noexcept override { carry_out(); }
    void on_timer(base::BootTime now) noexcept override;

    /// Calls WorkerOptions::on_tick again and again.
    class Ticker final : public loop::Timer {
      public:
        explicit Ticker(Daemon& daemon) : daemon_(daemon) {}
        void on_timer(base::BootTime now) noexcept override;

      private:
        Daemon& daemon_;
    };

    [[nodiscard]] net::ServerOptions server_options() const;
    [[nodiscard]] Result<void> listen(const net::ServerOptions& clients);
    void serve();
    void lead();
    void linger();
    bool make_short_calls();
    [[nodiscard]] bool stand_by();
    void step_in();
    void carry_out();
    void carry_out(Send& effect);
    void carry_out(Admit& effect);
    void carry_out(Close& effect);
    void carry_out(Start& effect);
    void carry_out(Stop& effect);
    void carry_out(Read& effect);
    void carry_out(Forget& effect);
    void log(LogLevel level, base::Logfmt line) const;

    loop::Lead lead_;  // guards what no mutex and no atomic does
    std::unique_ptr<loop::Loop> loop_;
    loop::Spin spin_;
    WorkerOptions options_;
    net::Security security_;
    std::vector<std::string> addresses_;
    std::unique_ptr<Runner> runner_;
    std::optional<Reactor> reactor_;
    std::unique_ptr<net::Server> server_;
    Ticker ticker_{*this};
    Outbox outbox_;
    Outbox doing_;  // of carry_out() alone
    base::BootTime flushed_at_{0};
    bool carrying_ = false;  // carry_out() is further up the stack
    bool over_ = false;
    std::atomic<bool> stopped_{false};

    ShortCalls short_calls_;
    std::atomic<std::uint64_t> short_turns_{0};  // how often there were some
    std::atomic<bool> standby_{false};           // somebody stands by
    std::atomic<bool> watching_{false};          // and looks again and again
    std::mutex standby_mutex_;                   // guards what follows
    std::condition_variable standby_ends_;
    bool called_to_watch_ = false;
    bool ended_ = false;
};

}  // namespace repartir::worker
