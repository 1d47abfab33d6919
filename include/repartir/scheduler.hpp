// SPDX-License-Identifier: MIT
#pragma once
/// @file scheduler.hpp The low-level API: queues, priorities, retries and placement over executors.
#include <cstdint>
#include <memory>
#include <vector>

#include "repartir/executor.hpp"
#include "repartir/pending.hpp"
#include "repartir/result.hpp"
#include "repartir/task.hpp"
#include "repartir/topology.hpp"

namespace repartir {

/// What submit does when a bounded queue is full.
enum class OnFull : std::uint8_t {
    wait,    ///< hold the caller until there is room; on a thread of the pool or of one of its
             ///< executors (an OutputCallback): refuse, never hold
    refuse,  ///< Code::queue_full
};

/// What shutdown does with what was accepted.
enum class Shutdown : std::uint8_t {
    drain,   ///< run all of it first; what a get() outside the pool runs itself just then is its
             ///< thread's, and not waited for
    cancel,  ///< end what runs, resolve what waits as cancelled
};

/// How a Scheduler is set up. Every field has a working default.
struct SchedulerOptions {
    SchedulerOptions() = default;
    std::uint32_t workers = 0;  ///< threads for functions; 0: the topology's default
    /// Tasks that wait, functions and programs apart. Functions that outside threads submit count
    /// together, those that a function submits per worker; children of a TaskGroup do not.
    std::uint32_t queue_capacity = 1 << 20;
    OnFull on_full = OnFull::wait;         ///< what submit does when they are that many
    std::uint32_t spare_workers_max = 64;  ///< stand-ins for workers that block in get()
    bool pin_workers = false;              ///< bind function worker i to the topology's CPU i
    bool explain = false;                  ///< fill Attempt::candidates
    Topology topology;                     ///< for victim order and pinning
};

/// Counts since the start, but for what is queued and what runs now. Each is right by itself;
/// together they are no consistent snapshot.
struct SchedulerStats {
    std::uint64_t functions_run = 0;      ///< functions that workers took up
    std::uint64_t steals = 0;             ///< pieces of work taken from another worker's deque
    std::uint64_t parks = 0;              ///< times that a worker went to sleep
    std::uint64_t wakes = 0;              ///< times that a sleeper was woken
    std::uint64_t tasks_accepted = 0;     ///< programs and pipelines accepted
    std::uint64_t tasks_finished = 0;     ///< of them, those with an outcome
    std::uint64_t tasks_queued = 0;       ///< of them, those that wait now (for a slot or a retry)
    std::uint64_t tasks_running = 0;      ///< of them, those that an executor holds now
    std::uint64_t attempts_retried = 0;   ///< attempts after which the task was tried again
    std::uint64_t attempts_returned = 0;  ///< attempts that came back unbegun, to run elsewhere
};

namespace detail {
class Crew;
class TaskPlane;
}  // namespace detail

/// Runs functions on its own work-stealing crew and hands tasks to registered executors: one queue
/// per priority, first in first out within it, resource admission, retries with backoff,
/// idempotency.
///
/// Thread safety: every function from any thread; moving and destroying from one. The destructor
/// shuts down with Shutdown::cancel and waits; on a thread of the scheduler's own (a function that
/// held its last owner) it leaves the waiting to a thread that it starts.
class Scheduler {
  public:
    /// Starts the crew. Errors: invalid_argument, out_of_resources (threads).
    [[nodiscard]] static Result<Scheduler> create(const SchedulerOptions& options);

    /// Adds an executor. Several may share a backend; they are tried in order of registration.
    /// Errors: shut_down, invalid_argument (Backend::any, a null executor, no slots unless
    /// elastic).
    Result<void> register_backend(Backend backend, std::unique_ptr<Executor> executor);

    /// Takes a task; the Pending ends in exactly one Outcome, or in the Error that refused the
    /// task: invalid_task, cannot_schedule, queue_full, shut_down, idempotency_conflict.
    [[nodiscard]] Pending<Outcome> schedule(Task task);

    /// Refuses later submissions, then waits as `how` says. Idempotent; the first call decides,
    /// except that a cancel after a drain turns it into a cancel. Not from a pool thread or an
    /// executor's, such as in an OutputCallback (would_deadlock).
    Result<void> shutdown(Shutdown how);

    /// @return counts since the start: see SchedulerStats. Takes the scheduler's lock.
    [[nodiscard]] SchedulerStats stats() const;
    /// @return what the registered executors can take, in order of registration.
    [[nodiscard]] std::vector<Capabilities> capabilities() const;
    /// The crew that runs functions; for Pool and TaskGroup.
    [[nodiscard]] detail::Crew& crew() noexcept { return *crew_; }

    Scheduler(Scheduler&& other) noexcept;
    Scheduler& operator=(Scheduler&& other) noexcept;
    ~Scheduler();

  private:
    Scheduler();
    std::unique_ptr<detail::Crew> crew_;  // outlives plane_: continuations run on it
    std::unique_ptr<detail::TaskPlane> plane_;
};

}  // namespace repartir
