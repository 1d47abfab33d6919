// SPDX-License-Identifier: MIT
#pragma once
/// @file worker.hpp A worker: runs the tasks that clients on other machines submit.
///
///     double mean(const std::vector<double>& values);
///
///     auto worker = repartir::Worker::builder().listen("unix:/run/mean").function("mean", mean)
///                       .build();
///     if (worker) {
///         worker->run();
///     }
///
/// A client calls it by name: pool->submit_remote<double>("mean", values).
#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "repartir/codec.hpp"
#include "repartir/detail/call.hpp"
#include "repartir/detail/remote_call.hpp"
#include "repartir/gpu_executor.hpp"
#include "repartir/network.hpp"
#include "repartir/result.hpp"

namespace repartir {

/// How much a line of a worker's log matters.
enum class LogLevel : std::uint8_t { debug, info, warning, error };
[[nodiscard]] std::string_view to_string(LogLevel level) noexcept;  ///< "debug", "info", ...

/// Takes a line of the log, without time and level: logfmt, such as
/// `event=listening address=0.0.0.0:9000`. Called on a thread of the worker's, one call at a time.
using LogSink = std::function<void(LogLevel, std::string_view line)>;

/// How a worker is set up. Every field but `listen` has a working default.
struct WorkerOptions {
    std::vector<std::string> listen;  ///< addresses: "0.0.0.0:9000", "[::]:9000", "unix:/path"
    std::string name;                 ///< for people; empty: this machine's
    std::uint32_t slots = 0;          ///< cores' worth of tasks at once; 0: this machine's CPUs
    std::uint64_t memory_bytes = 0;   ///< for admission; 0: not counted
    NetworkSecurity security;
    /// Tasks of one client, from arrival to acknowledgement; twice the slots where that is more, so
    /// that none of them waits for the way.
    std::uint32_t tasks_max = 1024;
    std::chrono::milliseconds heartbeat{1000};
    /// How long the work of a client that is gone is kept at most, for it to come back.
    std::chrono::milliseconds keep_work{std::chrono::hours(24)};
    /// Soft limit of open descriptors of programs whose task sets none, for a process that raised
    /// its own. Nothing: this process's.
    std::optional<std::uint64_t> open_files;
    /// The GPUs that run clients' shaders, each in a process of its own unless it says otherwise.
    std::vector<GpuOptions> gpus;
    LogSink log;  ///< empty: none
    /// Called on a thread of the worker's when it begins to serve, and then each tick_interval
    /// until it ends: a sign of life, such as for a watchdog. Empty: none.
    std::function<void()> on_tick;
    std::chrono::milliseconds tick_interval{1000};
};

/// Runs tasks for clients. Made by a WorkerBuilder.
///
/// Thread safety: run() on one thread, once; the rest from any thread.
class Worker {
  public:
    class Builder;
    /// Begins a worker with the defaults.
    [[nodiscard]] static Builder builder();

    /// Serves until drain() or stop() ends it.
    void run();
    /// Takes no more tasks, gives back what has not begun, and ends when the rest is finished and
    /// fetched, or at the deadline, when what still runs is ended and given back. Idempotent: a
    /// nearer deadline counts. @param reason for people
    void drain(std::chrono::milliseconds deadline, std::string_view reason);
    /// Ends what runs by force, and run(). Clients take it for a loss, and run it elsewhere.
    void stop();
    /// @return where it listens, with the port that was free where 0 was asked for.
    [[nodiscard]] const std::vector<std::string>& addresses() const noexcept;

    Worker(Worker&& other) noexcept;
    Worker& operator=(Worker&& other) noexcept;
    ~Worker();

  private:
    struct Impl;
    explicit Worker(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// Says how a Worker is to be. Nothing is checked until build().
class Worker::Builder {
  public:
    /// One more address to listen at.
    Builder& listen(std::string_view address) & {
        options_.listen.emplace_back(address);
        return *this;
    }
    /// All options at once, but for functions.
    Builder& options(WorkerOptions options) & {
        options_ = std::move(options);
        return *this;
    }
    Builder& cpu_workers(std::uint32_t count) & {  ///< see WorkerOptions::slots
        options_.slots = count;
        return *this;
    }
    Builder& security(NetworkSecurity security) & {  ///< see NetworkSecurity
        options_.security = std::move(security);
        return *this;
    }
    /// One more GPU that runs clients' shaders.
    Builder& gpu(GpuOptions options) & {
        options_.gpus.push_back(std::move(options));
        return *this;
    }
    /// Lets clients call `call` by a name, which does not begin with "repartir:". Its arguments and
    /// result are what codec.hpp can carry; it may take a std::stop_token first, and return a
    /// Result. A SharedBuffer that it returns travels as a string, without a copy; leave it as it
    /// is then. A large string is not copied either. Called on any of the worker's threads, several
    /// at once. A call that is cancelled, or whose time is up, has ended for its caller, but keeps
    /// its slot until the function returns: have it watch the token.
    template <class F>
    Builder& function(std::string_view name, F call) & {
        functions_.insert_or_assign(std::string(name),
                                    detail::remote_function(std::string(name), std::move(call)));
        return *this;
    }

    Builder&& listen(std::string_view a) && { return std::move(listen(a)); }
    Builder&& options(WorkerOptions o) && { return std::move(options(std::move(o))); }
    Builder&& cpu_workers(std::uint32_t n) && { return std::move(cpu_workers(n)); }
    Builder&& gpu(GpuOptions o) && { return std::move(gpu(std::move(o))); }
    Builder&& security(NetworkSecurity s) && { return std::move(security(std::move(s))); }
    template <class F>
    Builder&& function(std::string_view name, F f) && {
        return std::move(function(name, std::move(f)));
    }

    /// Makes the worker, which listens from here on; the builder is spent. Errors:
    /// invalid_argument (no or a bad address, ...), too_large (names of 60 KiB and more),
    /// permission_denied (TCP without TLS), io_error (an address in use, a key that cannot be
    /// read), unsupported, out_of_resources.
    [[nodiscard]] Result<Worker> build();

  private:
    WorkerOptions options_;
    std::map<std::string, detail::RemoteFunction, std::less<>> functions_;
};

inline Worker::Builder Worker::builder() { return {}; }

}  // namespace repartir
