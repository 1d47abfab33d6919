// SPDX-License-Identifier: MIT
#pragma once
/// @file executor.hpp The one interface behind which CPUs, GPUs and other machines run tasks.
#include <cstdint>
#include <string>

#include "repartir/id.hpp"
#include "repartir/outcome.hpp"
#include "repartir/policy.hpp"
#include "repartir/task.hpp"

namespace repartir {

/// What an executor can take, constant over its life.
struct Capabilities {
    Backend backend = Backend::cpu;  ///< what it counts as
    std::uint32_t slots = 1;         ///< cores' worth of tasks that it runs at once
    std::uint64_t memory_bytes = 0;  ///< for admission; 0: not counted
    bool cgroup_limits = false;      ///< can enforce resident memory and process count
    std::string description;         ///< for `where` and for people: "2 CPUs of this machine"
};

/// What one attempt came to.
struct AttemptResult {
    Attempt attempt;  ///< number and backend are filled in by the scheduler
    Captured out;     ///< standard output (of a pipeline's last program)
    Captured err;     ///< standard error (of all programs)
};

/// Who is told when an attempt ends.
class AttemptSink {
  public:
    AttemptSink() = default;
    AttemptSink(const AttemptSink&) = delete;
    AttemptSink& operator=(const AttemptSink&) = delete;
    virtual ~AttemptSink() = default;
    /// Called exactly once per started attempt, on any thread, also from inside start(), with no
    /// lock of the executor held: the sink may call start() from here, on an executor's own thread
    /// without a wake-up. A result for an attempt that is not current is dropped.
    virtual void finished(const AttemptId& id, AttemptResult&& result) noexcept = 0;
};

/// Why a running attempt is to end.
enum class CancelReason : std::uint8_t { cancelled, timed_out };

/// Runs attempts of tasks. The scheduler never hands it more than Capabilities::slots cores' worth
/// at a time, and does queues, priorities, retries and deadlines between attempts; the executor
/// enforces the task's timeout within an attempt, its limits and its placement. What start() throws
/// is a failure of the attempt (Fault::node); what cancel() and shutdown() throw is dropped.
///
/// Thread safety: every function from any thread. None blocks, except shutdown.
class Executor {
  public:
    Executor() = default;
    Executor(const Executor&) = delete;
    Executor& operator=(const Executor&) = delete;
    virtual ~Executor() = default;

    /// @return what it can take; asked at registration, and by Scheduler::capabilities().
    [[nodiscard]] virtual Capabilities capabilities() const = 0;
    /// Begins an attempt. What prevents it from starting is a result (End::not_started), told
    /// through the sink. @param task outlives the call of sink.finished for this id. @param sink
    /// outlives the executor's use.
    virtual void start(const AttemptId& id, const Task& task, AttemptSink& sink) = 0;
    /// Asks a running attempt to end: SIGTERM, the task's kill grace, SIGKILL, or what comes
    /// closest. Idempotent; unknown ids are ignored. @param force skip the grace.
    virtual void cancel(const AttemptId& id, CancelReason reason, bool force) = 0;
    /// Ends what still runs by force, waits until every sink has been told, and stops the threads.
    virtual void shutdown() = 0;
    /// @return whether the calling thread is one that attempts need to go on, such as the thread
    /// that calls OutputCallbacks: there submit refuses on a full queue instead of waiting, and
    /// Scheduler::shutdown refuses. Cheap.
    [[nodiscard]] virtual bool on_own_thread() const noexcept { return false; }
};

}  // namespace repartir
