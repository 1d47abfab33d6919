// SPDX-License-Identifier: MIT
#pragma once
/// @file crew_impl.hpp The inside of a crew: its members, guests, lanes and spares.
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/prng.hpp"
#include "repartir/detail/crew.hpp"
#include "sched/awake_count.hpp"
#include "sched/inlet.hpp"
#include "sched/lane.hpp"
#include "sched/parker.hpp"
#include "sched/queue_room.hpp"
#include "sched/slab.hpp"
#include "sched/timekeeper.hpp"
#include "sched/victims.hpp"

namespace repartir::detail {

/// A count with one writer that anybody may read.
class Count {
  public:
    void add(std::uint64_t more) noexcept {
        // ORDER: relaxed, a statistic
        value_.store(value_.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t get() const noexcept {
        return value_.load(std::memory_order_relaxed);  // ORDER: relaxed, a statistic
    }

  private:
    std::atomic<std::uint64_t> value_{0};
};

/// A worker thread of the crew, a spare one, or (member == false) a guest's place.
struct Member final : Worker {
    Member(Crew& owner, bool is_member, std::uint32_t number,
           const std::atomic<std::uint64_t>& word, std::shared_ptr<sched::QueueRoom> room)
        : Worker(owner, is_member, word),
          index(number),
          random(base::random_seed()),
          slab(sched::Slab::create(std::move(room))) {}

    const std::uint32_t index;       // among members; the parker's number of it
    std::vector<sched::Tier> tiers;  // whom to steal from first
    base::Prng random;
    sched::Slab::Owner slab;
    std::uint32_t tick = 0;        // pops since the start
    std::size_t turn = 0;          // the inlet that was taken from last
    std::uint32_t depth = 0;       // stolen work that runs inside waits now
    std::size_t tidy_at = 4096;    // tidy_own() when the deque has so many entries
    std::uint64_t tidy_spent = 0;  // entries that members had spent by then
    std::int64_t mark = 0;         // the deque's position when the running job began
    bool sunk = false;             // its own entries may lie deeper than where they were pushed
    Count functions_run;
    Count steals;
    Count parks;
    Count wakes;
    bool spare = false;
    bool active = false;             // of a spare: guarded by Impl::spare_mutex
    std::atomic<bool> taken{false};  // of a guest's place
    std::thread thread;
};

/// A turn of a loop that spins: tells the CPU so.
inline void pause() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

/// While it lives, its thread may steal from the victim.
class Raid {
  public:
    explicit Raid(Worker& victim) noexcept : deque_(victim.deque) {
        deque_.begin_raid([] { sched::FutexAtomics::heavy_fence(); });
    }
    Raid(const Raid&) = delete;
    Raid& operator=(const Raid&) = delete;
    ~Raid() { deque_.end_raid(); }

  private:
    WorkDeque<Word>& deque_;
};

/// @return the job as a deque holds it; 0 for none.
[[nodiscard]] inline Word word_of(Job* job) noexcept {
    // SAFETY: a Job is aligned to at least 8, so that spawned_bit stays clear; job_of() casts it
    // back
    return reinterpret_cast<Word>(job);
}

/// @return the job behind a word of a deque; nullptr for a child of a TaskGroup.
[[nodiscard]] inline Job* job_of(Word word) noexcept {
    // SAFETY: a word without spawned_bit was made by word_of() from a Job that is still queued
    return (word & spawned_bit) != 0 ? nullptr : reinterpret_cast<Job*>(word);
}

/// While it lives, spares stand in for the workers that the calling thread is, of whatever pools:
/// what it waits for may need them to go on. Four pools deep at most.
class StandIn {
  public:
    StandIn() noexcept;
    StandIn(const StandIn&) = delete;
    StandIn& operator=(const StandIn&) = delete;
    ~StandIn();
    /// @return false when one of them has no spare left.
    [[nodiscard]] bool complete() const noexcept { return complete_; }

  private:
    std::array<Crew*, 4> crews_{};
    std::size_t count_ = 0;
    bool complete_ = true;
};

struct Crew::Impl {
    static constexpr std::uint32_t guests_max = 64;
    static constexpr std::size_t credit_max = 64;  // submissions between looks at the room
    static constexpr std::size_t credit_part = 64 * sched::Inlets::inlets_max;
    static constexpr std::uint32_t fair_every = 61;  // pops between looks at low and the lanes
    static constexpr std::uint32_t depth_max = 32;   // stolen work nested in waits of one thread
    static constexpr std::size_t batch_max = 64;     // jobs taken from a lane or a victim at once
    static constexpr std::size_t ring_slots = 4096;
    static constexpr std::size_t spent_many = 4096;  // spent entries that are let be
    static constexpr std::chrono::microseconds spin_time{30};

    Impl(Crew& owner, const SchedulerOptions& wanted, std::uint32_t count);

    // crew.cpp: finding work and sleeping
    void serve(Member& me) noexcept;
    [[nodiscard]] Word next(Member& me) noexcept;
    [[nodiscard]] Word take_from_lanes(Member& me, std::size_t most) noexcept;
    [[nodiscard]] Word take_from(sched::Lane& lane, Member& me, std::size_t most) noexcept;
    [[nodiscard]] Word take_from(sched::Inlet& inlet, Member& me, std::size_t most) noexcept;
    [[nodiscard]] std::size_t fair_share(std::size_t size, std::size_t most) const noexcept;
    [[nodiscard]] Word keep_first(const Word* batch, std::size_t count, Member& me) noexcept;
    [[nodiscard]] Word search(Member& me) noexcept;
    [[nodiscard]] Word look_around(Member& me) noexcept;
    [[nodiscard]] Word steal(Member& me) noexcept;
    [[nodiscard]] Word steal_from(Worker& victim, Member& me) noexcept;
    void run(Member& me, Word word) noexcept;
    /// Whether there is anything that a member could take.
    [[nodiscard]] bool visible_work() const noexcept;
    /// How many jobs wait in the lanes and the members' deques (and children that they spawned).
    [[nodiscard]] std::size_t queued() const noexcept;
    void start(Member& member);

    // submit.cpp
    /// Wakes a sleeper for a job that was just pushed on a lane, unless somebody searches.
    void notify_outside() noexcept;
    /// Queues a job of the calling outside thread. Never fails.
    void push(sched::Inlet& inlet, Job& job) noexcept;
    /// Queues a function of the calling outside thread. Errors: queue_full, shut_down.
    [[nodiscard]] Result<void> submit_through(sched::Inlet& inlet, StateBase& function,
                                              Priority priority) noexcept;
    /// Looks how many more functions there is room for. Errors: as admit().
    [[nodiscard]] Result<void> renew_credit(sched::Inlet& inlet) noexcept;
    /// Takes spent entries out of an inlet, which is the calling thread's. @return those
    [[nodiscard]] sched::JobList tidy(sched::Inlet& inlet) noexcept;
    /// Queues a function of the calling member. Errors: queue_full.
    [[nodiscard]] Result<void> submit_inside(Member& me, StateBase& function,
                                             Priority priority) noexcept;
    /// Calls `enter(places)` once there are some, with nobody else counting meanwhile.
    /// @param may_wait waits for that, if the crew is configured so
    /// Errors: queue_full, shut_down.
    template <class Enter>
    [[nodiscard]] Result<void> admit(bool may_wait, Enter&& enter) noexcept;
    /// Whether functions or programs need the calling thread, no worker, to go on.
    [[nodiscard]] bool needs_this_thread() const noexcept;
    [[nodiscard]] sched::Lane& lane_of(Priority priority) noexcept;
    /// How many more functions outside threads may queue. Exact within room_mutex, but for what
    /// workers take meanwhile.
    [[nodiscard]] std::size_t places() const noexcept;
    /// Wakes who waits for room when there are more than so many places.
    void give_room(std::size_t least) noexcept;
    /// Ends spent entries that were taken out of their queue. In no lock.
    static void discard(sched::JobList spent) noexcept;
    /// Takes spent entries out of the lanes, when they have become many.
    void tidy_lanes() noexcept;
    /// Takes those out of the own deque that the running job has pushed, from the newest on.
    /// @param through past entries that are alive too
    void tidy_deque(Member& me, bool through) noexcept;
    /// That, from a submission to a deque of `size` entries, where it may be worth it.
    void tidy_own(Member& me, std::size_t size) noexcept;

    // waiting.cpp
    [[nodiscard]] Word steal_spawned(Member& me) noexcept;
    [[nodiscard]] bool retire(Member& me) noexcept;
    /// A member that holds no job is about to sleep.
    void rest() noexcept;
    [[nodiscard]] bool quiet() const noexcept;

    Crew& crew;
    const TaskPlane* plane = nullptr;  // of the same scheduler; set before anything is submitted
    const SchedulerOptions options;
    const std::uint32_t workers;
    const std::size_t share_max;  // jobs that a worker takes at once: what it holds is not counted
    sched::Parker<> parker;
    const bool fenced;  // there is no heavy fence here
    // Of what outside threads submit, and of what members do.
    const std::shared_ptr<sched::QueueRoom> room = std::make_shared<sched::QueueRoom>();
    const std::shared_ptr<sched::QueueRoom> own_room = std::make_shared<sched::QueueRoom>();
    sched::Lane high;
    sched::Lane low;
    sched::Inlets inlets{room};
    // Of threads that have no inlet, and the storage of what members put on a lane:
    sched::Lane normal;
    std::mutex shared_mutex;
    sched::Slab::Owner shared_slab = sched::Slab::create(room);  // guarded by shared_mutex

    // Members never move and live as long as the crew: workers first, then spares as they are
    // needed.
    std::unique_ptr<std::atomic<Member*>[]> members;
    std::atomic<std::uint32_t> member_count{0};
    std::vector<std::unique_ptr<Member>> owned;  // guarded by spare_mutex
    std::array<std::atomic<Member*>, guests_max> guests{};
    std::atomic<std::uint32_t> guest_count{0};          // places ever used, from 0
    std::vector<std::unique_ptr<Member>> owned_guests;  // guarded by spare_mutex

    std::mutex spare_mutex;
    std::condition_variable spare_wake;
    std::atomic<std::uint32_t> blocked{0};        // workers that wait; written under spare_mutex
    std::atomic<std::uint32_t> active_spares{0};  // written under spare_mutex

    std::mutex room_mutex;                         // who admits functions; no user code within
    std::atomic<std::size_t> tidy_at{spent_many};  // tidy_lanes() when so many entries are spent

    std::atomic<bool> closed{false};      // takes no more functions
    std::atomic<bool> cancelling{false};  // resolves queued functions instead of running them
    std::atomic<bool> stopping{false};    // workers end when no work is left
    sched::AwakeCount<> awake;            // members that have left the parker: may hold a job
    std::mutex closing_mutex;
    std::condition_variable rested;  // the last member has gone to sleep while closed

    std::mutex stop_mutex;
    Stoppable* first_stoppable = nullptr;  // running functions that watch a stop_token

    sched::Timekeeper timekeeper;
};

/// The member behind a worker: every Worker is one.
[[nodiscard]] inline Member& member_of(Worker& worker) noexcept {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-static-cast-downcast): as said
    return static_cast<Member&>(worker);
}

[[nodiscard]] Error shut_down_error();

}  // namespace repartir::detail
