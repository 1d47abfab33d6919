// SPDX-License-Identifier: MIT
#pragma once
/// @file daemon.hpp Joins the worker's reactor to sockets, processes and the clock.
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/logfmt.hpp"
#include "loop/loop.hpp"
#include "net/server.hpp"
#include "repartir/worker.hpp"
#include "worker/daemon/runner.hpp"
#include "worker/reactor.hpp"

namespace repartir::worker {

/// A worker that serves. One thread runs it; drain() and stop() may be called from any.
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
    void on_finished(const AttemptId& id, Ended&& ended) noexcept override;
    void on_grew(const AttemptId& id, wire::Channel channel, std::uint64_t bytes) noexcept override;
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

    [[nodiscard]] Result<void> listen();
    void carry_out();
    void carry_out(Send& effect);
    void carry_out(Admit& effect);
    void carry_out(Close& effect);
    void carry_out(Start& effect);
    void carry_out(Stop& effect);
    void carry_out(Read& effect);
    void carry_out(Forget& effect);
    void log(LogLevel level, base::Logfmt line) const;

    std::unique_ptr<loop::Loop> loop_;
    WorkerOptions options_;
    net::Security security_;
    std::vector<std::string> addresses_;
    std::unique_ptr<Runner> runner_;
    std::optional<Reactor> reactor_;
    std::unique_ptr<net::Server> server_;
    Ticker ticker_{*this};
    Outbox outbox_;
    bool carrying_ = false;  // carry_out() is further up the stack
    bool over_ = false;
    std::atomic<bool> stopped_{false};
};

}  // namespace repartir::worker
