// SPDX-License-Identifier: MIT
#pragma once
/// @file crew.hpp The worker threads that run functions and continuations. Not for direct use.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "repartir/detail/deque.hpp"
#include "repartir/detail/park_word.hpp"
#include "repartir/detail/state.hpp"
#include "repartir/policy.hpp"
#include "repartir/result.hpp"
#include "repartir/scheduler.hpp"

namespace repartir::detail {

/// One piece of work in a deque: a Spawned of a TaskGroup when its lowest bit is set, else a Job.
using Word = std::uintptr_t;
inline constexpr Word spawned_bit = 1;

/// What a thread that can spawn needs at hand: a worker of a crew, or an outside thread that is its
/// guest while it has a TaskGroup. Touched by its own thread, except where it says otherwise.
struct Worker {
    explicit Worker(Crew& owner, bool is_member, const std::atomic<std::uint64_t>& word) noexcept
        // ORDER: relaxed, the bit is constant
        : deque(256, ParkWord(word.load(std::memory_order_relaxed)).fenced() ? 0 : alert_pops),
          crew(&owner),
          member(is_member),
          park_word(&word) {}

    /// So many careful pops cost about what the heavy fence of a raid does.
    static constexpr std::uint32_t alert_pops = 512;

    WorkDeque<Word> deque;                              ///< any thread steals from it
    Crew* const crew;                                   ///< whose worker this is
    const bool member;                                  ///< false: a guest
    Worker* below = nullptr;                            ///< of a guest: what its thread was before
    const std::atomic<std::uint64_t>* const park_word;  ///< see ParkWord; any thread
    /// 1 while it sleeps for children that others run; they reset and wake it. Any thread.
    std::atomic<std::uint32_t> resting{0};
};

/// The worker that the calling thread is; nullptr on an outside thread.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): the house's one exception
inline constinit thread_local Worker* current_worker = nullptr;

/// A running function that watches a stop_token: a node in the crew's list of those.
struct Stoppable {
    explicit Stoppable(StateBase& watched) noexcept : state(&watched) {}
    StateBase* state;
    Stoppable* before = nullptr;
    Stoppable* after = nullptr;
};

class Deadline;

/// A fixed number of worker threads with work-stealing deques, and spares for workers that block.
///
/// Thread safety: every function from any thread; creating and destroying from one outside thread.
class Crew {
  public:
    /// Starts the workers. Errors: invalid_argument, out_of_resources (threads, memory).
    [[nodiscard]] static Result<std::unique_ptr<Crew>> create(const SchedulerOptions& options);
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;
    /// Shuts down with Shutdown::cancel, runs what was posted, joins the workers.
    ~Crew();

    /// Has a worker run a continuation. Never blocks, never fails; not after the destructor has
    /// begun.
    void post(Continuation& continuation) noexcept;
    /// Queues a function; the crew takes over one reference, the caller owns another. On a full
    /// queue an outside thread waits or is refused, as configured; a worker is always refused.
    /// Errors: queue_full, shut_down; then nothing was queued.
    [[nodiscard]] Result<void> submit(StateBase& function, Priority priority) noexcept;

    /// Refuses later functions, then drains or cancels those accepted. Continuations still run
    /// after it. Idempotent; a cancel after a drain turns it into a cancel. Errors: would_deadlock
    /// on a thread of this crew.
    Result<void> shutdown(Shutdown how);

    /// @return how many workers there are, spares aside.
    [[nodiscard]] std::uint32_t workers() const noexcept;
    /// @return whether the calling thread is one of this crew's.
    [[nodiscard]] bool on_crew_thread() const noexcept { return own_member() != nullptr; }
    /// @return whether the calling thread is that, or the one that the crew's deadlines need.
    [[nodiscard]] bool on_own_thread() const noexcept;
    /// @return the member of this crew that the calling thread is, though perhaps as a guest of
    /// others just now; nullptr when it is none.
    [[nodiscard]] Worker* own_member() const noexcept {
        Worker* worker = current_worker;
        while (worker != nullptr && (worker->crew != this || !worker->member)) {
            worker = worker->below;
        }
        return worker;
    }
    /// Adds the crew's counts to `stats`.
    void count(SchedulerStats& stats) const noexcept;

    /// Storage for a submitted function or closure, aligned to 64. @return nullptr: memory is
    /// short.
    [[nodiscard]] void* allocate(std::size_t bytes) noexcept;
    /// The same for a function of that priority.
    [[nodiscard]] void* allocate(std::size_t bytes, Priority priority) noexcept;
    /// Gives it back; the crew may be gone.
    static void free(void* block) noexcept;
    /// The function in that storage has begun or ended elsewhere than on the worker that will take
    /// its entry from the queue: the entry counts no longer. The crew may be gone.
    static void spend(void* block) noexcept;
    /// Such an entry has left the queue.
    static void drop(void* block) noexcept;

    /// A worker is about to wait for something that it cannot help along: a spare stands in for it.
    /// @return false when no spare is left; then end_block() must not be called.
    [[nodiscard]] bool begin_block() noexcept;
    void end_block() noexcept;
    /// Waits for `state` on own_member(); see Pending::get. Errors: would_deadlock.
    [[nodiscard]] Result<void> wait_on_worker(Worker& member, StateBase& state) noexcept;

    /// Begins to watch a running function for shutdown(cancel).
    void enlist(Stoppable& running) noexcept;
    /// Ends it; on return the crew does not touch the node again.
    void delist(Stoppable& running) noexcept;
    /// Has `state.expire()` called after `timeout`, on a thread of the crew's own. The crew holds a
    /// reference meanwhile. Errors: out_of_resources.
    [[nodiscard]] Result<Deadline*> arm(StateBase& state, std::chrono::milliseconds timeout);
    /// Takes an armed deadline back, unless it has passed. Must be called once for each arm().
    void disarm(Deadline* deadline) noexcept;

    // For task groups.
    /// Makes the calling outside thread a guest. @return nullptr when there are too many.
    [[nodiscard]] Worker* enter() noexcept;
    /// Ends it; its deque is empty.
    static void leave(Worker& guest) noexcept;
    /// Wakes a sleeper for what the caller has just pushed.
    void wake_for_push() noexcept;

    struct Impl;
    [[nodiscard]] Impl& impl() noexcept { return *impl_; }

  private:
    explicit Crew(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace repartir::detail
