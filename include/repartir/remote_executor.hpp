// SPDX-License-Identifier: MIT
#pragma once
/// @file remote_executor.hpp Runs tasks on workers on other machines.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "repartir/executor.hpp"
#include "repartir/network.hpp"
#include "repartir/result.hpp"

namespace repartir {

/// Whom a RemoteExecutor talks to. Every field but `workers` has a working default.
struct RemoteOptions {
    std::vector<std::string> workers;  ///< addresses: "host:9000", "[::1]:9000", "unix:/path"
    NetworkSecurity security;
    std::string name;  ///< of this client, for people; empty: this machine's
    /// How often each end is to be heard; with more than 1,000 workers as much less often as they
    /// are more, down to every 5 s.
    std::chrono::milliseconds heartbeat{1000};
    /// How long a worker whose connection broke may take to come back with what it had, before
    /// that is run elsewhere.
    std::chrono::milliseconds reattach{4000};
    /// How long tasks wait while no worker at all can be reached.
    std::chrono::milliseconds reach{10'000};
    /// How long a worker keeps our tasks when we are gone.
    std::chrono::milliseconds time_to_live{20'000};
    std::uint32_t tasks_max = 8192;             ///< at one worker at once; most workers take fewer
    bool compression = true;                    ///< of large messages
    std::uint64_t capture_bytes = 4ULL << 20U;  ///< captured in memory per stream; more spills
    std::uint64_t value_bytes_max = 1ULL << 30U;  ///< that a function may give, encoded
};

/// How a function on a worker is called.
struct CallOptions {
    CallOptions() = default;
    std::chrono::milliseconds timeout{0};  ///< of one try, from its start; 0: none
    Priority priority = Priority::normal;
    RetryPolicy retry;  ///< tries beyond those that a lost worker costs
};

/// Who gets what a call gives, and is told how it ended.
class CallSink {
  public:
    CallSink() = default;
    CallSink(const CallSink&) = delete;
    CallSink& operator=(const CallSink&) = delete;
    virtual ~CallSink() = default;
    /// A piece of what the function gave, encoded; piece after piece, on one thread at a time. One
    /// at offset 0 begins anew: the call was tried again. At least one before a returned() without
    /// error, none after it. @param total bytes in all, as the worker says; 0: not known @return
    /// an error, which then is the call's, where it cannot be taken
    [[nodiscard]] virtual Result<void> take(std::uint64_t offset, std::uint64_t total,
                                            std::string_view bytes) noexcept = 0;
    /// Called exactly once, on any thread. Errors: what the function failed with, not_found (no
    /// such function there), too_large, unreachable, cancelled, timed_out, shut_down
    virtual void returned(Result<void> how) noexcept = 0;
};

/// Names a call to a RemoteExecutor; 0 names none.
using CallId = std::uint64_t;

class RemoteExecutor;

namespace detail {

class StateBase;

/// The way to a RemoteExecutor from Pendings, which may outlive it. Any thread.
class CallDoor {
  public:
    explicit CallDoor(RemoteExecutor& executor) noexcept : executor_(executor) {}
    /// The executor is about to end. Waits until nobody is inside; after it, nobody calls it from
    /// here.
    void close() noexcept;
    void cancel(CallId id) noexcept;
    /// See RemoteExecutor::drive; true once it is closed.
    [[nodiscard]] bool drive(const StateBase& state) noexcept;

  private:
    bool enter() noexcept;
    void leave() noexcept;

    static constexpr std::uint32_t closed = 1;
    static constexpr std::uint32_t visitor = 2;
    RemoteExecutor& executor_;
    std::atomic<std::uint32_t> word_{0};  // visitors who are inside, and whether it is closed
};

}  // namespace detail

/// Runs tasks on workers: one connection to each, opened again with backoff when it breaks. A
/// worker gets a little more than it runs; what it has not begun is taken back for one that idles,
/// or for another executor. What was lost with a worker is a failure of that machine's
/// (Fault::node), which the scheduler tries again.
///
/// Programs, paths and users are the worker's. A task that uses what cannot leave this machine
/// (shared buffers, its submitter's terminal) is not accepted. Output callbacks are called on a
/// thread of the executor's, or on one that is in drive(); where a worker is lost they hear the
/// output of the next try from its beginning.
///
/// Thread safety: see Executor.
class RemoteExecutor final : public Executor {
  public:
    /// Begins to connect, and returns: workers may come later. Errors: invalid_argument (no or a
    /// bad address), not_found, permission_denied (certificates), out_of_resources (threads)
    [[nodiscard]] static Result<std::unique_ptr<RemoteExecutor>> connect(RemoteOptions options);
    ~RemoteExecutor() override;

    [[nodiscard]] Capabilities capabilities() const override;
    [[nodiscard]] Result<void> accepts(const Task& task) const override;
    void observe(AttemptSink& sink) override;
    void start(const AttemptId& id, const Task& task, AttemptSink& sink) override;
    void cancel(const AttemptId& id, CancelReason reason, bool force) override;
    std::uint32_t give_back(std::uint32_t most) override;
    void shutdown() override;
    [[nodiscard]] bool on_own_thread() const noexcept override;

    /// Calls a function that workers have by name. @param arguments encoded, one after the other
    /// @param sink told of the end, perhaps before this returns; shared by the caller and this
    CallId call(std::string_view function, std::string_view arguments, const CallOptions& options,
                std::shared_ptr<CallSink> sink);
    /// Asks for a call to end; ids that are not here are ignored.
    void cancel(CallId id);
    /// The calling thread, which waits for `state`, sees to the network until that is ready: so a
    /// call's answer wakes nobody else first. Returns at once where another thread does, and may
    /// return early. @return false where this thread does already, further up: it must not wait
    [[nodiscard]] bool drive(const detail::StateBase& state) noexcept;
    /// @return the way to cancel() for who may outlive this.
    [[nodiscard]] const std::shared_ptr<detail::CallDoor>& door() const noexcept { return door_; }

  private:
    struct Impl;
    explicit RemoteExecutor(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
    std::shared_ptr<detail::CallDoor> door_;  // shared with Pendings of calls
};

}  // namespace repartir
