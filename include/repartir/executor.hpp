// SPDX-License-Identifier: MIT
#pragma once
/// @file executor.hpp The one interface behind which CPUs, GPUs and other machines run tasks.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "repartir/error.hpp"
#include "repartir/id.hpp"
#include "repartir/outcome.hpp"
#include "repartir/policy.hpp"
#include "repartir/result.hpp"
#include "repartir/task.hpp"

namespace repartir {

/// What an executor can take; constant over its life, unless it is elastic.
struct Capabilities {
    Backend backend = Backend::cpu;  ///< what it counts as
    std::uint32_t slots = 1;         ///< cores' worth of tasks that it is handed at once
    std::uint64_t memory_bytes = 0;  ///< for admission; 0: not counted
    bool cgroup_limits = false;      ///< can enforce resident memory and process count
    std::string description;         ///< for `where` and for people: "2 CPUs of this machine"

    /// What it can take changes (AttemptSink::capacity_changed). 0 slots: nobody is there just now.
    /// A task that asks for more than there is waits for it instead of being refused.
    bool elastic = false;
    std::uint32_t running_slots = 0;  ///< of `slots`, those that run at once, the others wait there
                                      ///< for their turn; 0: all of them run, so that none of
                                      ///< them is ever asked for again (give_back)
    std::uint32_t busy_slots = 0;  ///< of `running_slots`, those that run what was not handed out
                                   ///< here, as far as is known: what others sent there
    std::uint32_t task_slots_max = 0;  ///< the most that one task can have of them; 0: all. Where
                                       ///< it is less than `slots`, tasks that only an elastic
                                       ///< executor can run are counted by what they ask for:
                                       ///< of each kind it is handed at most `slots`
    /// It has been as large as it is for so long that nobody is to wait for it to grow: tasks that
    /// ask for more than it has, and that no other executor may run, end as not_started.
    bool settled = false;
    std::chrono::nanoseconds round_trip{0};  ///< until something sent there is answered
    std::uint64_t bytes_per_second = 0;      ///< to and from there; 0: not measured
    /// Set: nobody has been there for so long that no task is to wait any more. Tasks that no other
    /// executor may run end with this error, as not_started, until a change takes it back.
    std::optional<Error> unreachable = std::nullopt;
    bool gpus = false;  ///< of Backend::remote: shaders can run there, too
};

/// What one attempt came to.
struct AttemptResult {
    Attempt attempt;                  ///< number and backend are filled in by the scheduler
    Captured out;                     ///< standard output (of a pipeline's last program)
    Captured err;                     ///< standard error (of all programs)
    std::vector<gpu::Bytes> buffers;  ///< of a shader, see Outcome::buffers
};

class Executor;

/// Who is told what becomes of attempts. Every function may be called on any thread, also from
/// inside the executor's start(), cancel() and give_back(), with no lock of the executor held.
class AttemptSink {
  public:
    AttemptSink() = default;
    AttemptSink(const AttemptSink&) = delete;
    AttemptSink& operator=(const AttemptSink&) = delete;
    virtual ~AttemptSink() = default;
    /// Called exactly once per started attempt that was not returned(): the sink may call start()
    /// from here, on an executor's own thread without a wake-up. A result for an attempt that is
    /// not current is dropped.
    virtual void finished(const AttemptId& id, AttemptResult&& result) noexcept = 0;
    /// The attempt has not begun and will not, here: an answer to give_back(), or to an executor's
    /// having less capacity than before. The task waits again in its old place; nothing is charged,
    /// and no attempt shows in its Outcome. Ids that are not current are ignored. An executor that
    /// goes on returning what it has room for gets it again, for ever.
    virtual void returned(const AttemptId& /*id*/) noexcept {}
    /// An elastic executor can take `now`, from now on. What is there beyond that stays there;
    /// no more is started until there is room.
    // NOLINTNEXTLINE(performance-unnecessary-value-param): it is for those that keep it
    virtual void capacity_changed(Executor& /*executor*/, Capabilities /*now*/) noexcept {}
};

/// Something that a thread waits for.
class Awaited {
  public:
    Awaited() = default;
    Awaited(const Awaited&) = delete;
    Awaited& operator=(const Awaited&) = delete;
    virtual ~Awaited() = default;
    [[nodiscard]] virtual bool there() const noexcept = 0;  ///< any thread; cheap
};

/// Why a running attempt is to end.
enum class CancelReason : std::uint8_t { cancelled, timed_out };

/// Runs attempts of tasks. The scheduler never hands it more than Capabilities::slots cores' worth
/// at a time (the latest that an elastic one has told of; but see task_slots_max), and does queues,
/// priorities, retries and deadlines between attempts; the executor enforces the task's timeout
/// within an attempt, its limits and its placement. What start() throws is a failure of the attempt
/// (Fault::node); what the others throw is dropped.
///
/// Thread safety: every function from any thread. None blocks, except help and shutdown.
class Executor {
  public:
    Executor() = default;
    Executor(const Executor&) = delete;
    Executor& operator=(const Executor&) = delete;
    virtual ~Executor() = default;

    /// @return what it can take; asked at registration, and by Scheduler::capabilities().
    [[nodiscard]] virtual Capabilities capabilities() const = 0;
    /// @return an error that says in one sentence why it cannot run this task, whatever its
    /// capacity: because a callback cannot leave this machine, say. Asked once, when the task is
    /// submitted (or the executor registered), perhaps under the scheduler's lock: it is to look at
    /// the task only, and to call nothing of the scheduler's.
    [[nodiscard]] virtual Result<void> accepts(const Task& /*task*/) const { return {}; }
    /// Called once, at registration, before any start(). @param sink whom to tell of changes of
    /// capacity; outlives the executor's use
    virtual void observe(AttemptSink& /*sink*/) {}
    /// Begins an attempt. What prevents it from starting is a result (End::not_started), told
    /// through the sink. @param task outlives the call of sink.finished for this id. @param sink
    /// outlives the executor's use.
    virtual void start(const AttemptId& id, const Task& task, AttemptSink& sink) = 0;
    /// Asks a running attempt to end: SIGTERM, the task's kill grace, SIGKILL, or what comes
    /// closest. Idempotent; unknown ids are ignored. @param force skip the grace.
    virtual void cancel(const AttemptId& id, CancelReason reason, bool force) = 0;
    /// Asks for attempts that have not begun here, the newest first, since they could run elsewhere
    /// at once. Each comes by AttemptSink::returned(), now or later, or not at all: those that have
    /// begun meanwhile go on. @param most at most so many
    /// @return how many may come; 0: none that has not begun, or an earlier request is under way
    virtual std::uint32_t give_back(std::uint32_t /*most*/) { return 0; }
    /// Lends the calling thread, which waits for an attempt that runs here: to see to its end until
    /// that is there, or until there is nothing to see to. May block.
    virtual void help(const Awaited& /*until*/) {}
    /// Ends what still runs by force, waits until every sink has been told, and stops the threads.
    virtual void shutdown() = 0;
    /// @return whether the calling thread is one that attempts need to go on, such as the thread
    /// that calls OutputCallbacks: there submit refuses on a full queue instead of waiting, and
    /// Scheduler::shutdown refuses. Cheap.
    [[nodiscard]] virtual bool on_own_thread() const noexcept { return false; }
};

}  // namespace repartir
