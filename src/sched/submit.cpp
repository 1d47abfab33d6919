// SPDX-License-Identifier: MIT
#include <limits>
#include <string>
#include <thread>

#include "repartir/detail/call.hpp"
#include "repartir/detail/crew.hpp"
#include "repartir/function.hpp"
#include "sched/crew_impl.hpp"
#include "sched/task_plane.hpp"

namespace repartir::detail {

namespace {

Error queue_full_error(std::uint32_t capacity) {
    return Error(Domain::scheduler, Code::queue_full, Fault::system,
                 "the pool's queue holds " + std::to_string(capacity) +
                     " functions already; wait for some, or build it with a larger queue_capacity");
}

}  // namespace

Error shut_down_error() {
    return Error(
        Domain::scheduler, Code::shut_down, Fault::user,
        "the pool has been shut down and takes no more functions; submit before shutdown()");
}

Result<void> Crew::submit(StateBase& function, Priority priority) noexcept {
    Impl& impl = *impl_;
    if (impl.closed.load(std::memory_order_seq_cst)) {
        return fail(shut_down_error());
    }
    if (Worker* const member = own_member(); member != nullptr) {
        return impl.submit_inside(member_of(*member), function, priority);
    }
    if (sched::Inlet* const inlet = impl.inlets.mine(); inlet != nullptr) [[likely]] {
        return impl.submit_through(*inlet, function, priority);
    }
    Result<void> admitted =
        impl.admit(true, [&](std::size_t) { impl.lane_of(priority).push(function); });
    if (admitted) {
        impl.notify_outside();
    }
    return admitted;
}

sched::Lane& Crew::Impl::lane_of(Priority priority) noexcept {
    return priority == Priority::high ? high : priority == Priority::low ? low : normal;
}

Result<void> Crew::Impl::submit_through(sched::Inlet& inlet, StateBase& function,
                                        Priority priority) noexcept {
    // ORDER: relaxed, the thread's own
    std::size_t credit = inlet.credit.load(std::memory_order_relaxed);
    if (credit == 0) [[unlikely]] {
        if (Result<void> renewed = renew_credit(inlet); !renewed) {
            return renewed;
        }
        credit = inlet.credit.load(std::memory_order_relaxed);  // ORDER: as above
    }
    {
        const sched::Hold<> hold(inlet.held, fenced);
        // ORDER: relaxed, ordered by the Hold
        if (closed.load(std::memory_order_relaxed)) [[unlikely]] {
            return fail(shut_down_error());
        }
        if (priority != Priority::normal || !inlet.queue.push(word_of(&function))) [[unlikely]] {
            lane_of(priority).push(function);  // normal: no memory for a larger ring
        }
        // ORDER: release: who sees it sees what was pushed on it
        inlet.credit.store(credit - 1, std::memory_order_release);
    }
    if (parker.must_notify()) [[unlikely]] {
        notify_outside();
    }
    return {};
}

void Crew::Impl::push(sched::Inlet& inlet, Job& job) noexcept {
    {
        const sched::Hold<> hold(inlet.held, fenced);
        if (!inlet.queue.push(word_of(&job))) {
            normal.push(job);
        }
        // Within the Hold: the job may run, and have the crew ended, before this returns.
        if (parker.must_notify()) [[unlikely]] {
            notify_outside();
        }
    }
}

template <class Enter>
Result<void> Crew::Impl::admit(bool may_wait, Enter&& enter) noexcept {
    // ORDER: relaxed, tidy_lanes() looks again
    if (room->spent() >= tidy_at.load(std::memory_order_relaxed)) [[unlikely]] {
        tidy_lanes();
    }
    for (;;) {
        {
            const std::lock_guard lock(room_mutex);
            if (closed.load(std::memory_order_seq_cst)) {
                return fail(shut_down_error());
            }
            if (const std::size_t left = places(); left != 0) {
                enter(left);
                return {};
            }
        }
        if (!may_wait || options.on_full == OnFull::refuse || needs_this_thread()) {
            return fail(queue_full_error(options.queue_capacity));
        }
        const StandIn spare;
        room->await([&] { return closed.load(std::memory_order_seq_cst) || places() != 0; });
    }
}

bool Crew::Impl::needs_this_thread() const noexcept {
    return timekeeper.on_own_thread() || (plane != nullptr && plane->on_own_thread());
}

Result<void> Crew::Impl::renew_credit(sched::Inlet& inlet) noexcept {
    if (room->spent() >= spent_many && inlet.queue.size() >= inlet.tidy_at) {
        sched::JobList spent;
        {
            const std::lock_guard lock(room_mutex);
            spent = tidy(inlet);
        }
        discard(std::move(spent));
    }
    return admit(true, [&](std::size_t left) {
        // Little, since nobody else can use what this thread does not.
        inlet.credit.store(std::clamp<std::size_t>(left / credit_part, 1, credit_max),
                           std::memory_order_relaxed);  // ORDER: within room_mutex
    });
}

std::size_t Crew::Impl::places() const noexcept {
    for (;;) {
        const std::uint64_t dropped = room->dropped();
        std::size_t used = 0;
        for (std::size_t i = 0; i < inlets.count(); ++i) {
            // ORDER: acquire pairs with submit_through: a place is not missed between the two
            used += inlets.at(i).credit.load(std::memory_order_acquire);
            used += inlets.at(i).queue.size();
        }
        used += high.size() + low.size() + normal.size();  // behind the credits spent on them
        const std::size_t alive = used - std::min(used, room->spent());
        if (alive < options.queue_capacity) {
            return options.queue_capacity - alive;
        }
        if (room->dropped() == dropped) {
            return 0;
        }
        // Spent entries were counted in their queues, and left before they could be subtracted.
    }
}

sched::JobList Crew::Impl::tidy(sched::Inlet& inlet) noexcept {
    sched::JobList spent;
    sched::JobList kept;
    std::array<Word, batch_max> batch{};
    awake.wake();  // as whoever moves work between queues, so that a drain misses nothing
    while (const std::size_t count = inlet.queue.steal_batch(batch.data(), batch_max)) {
        for (std::size_t i = 0; i < count; ++i) {
            Job* const job = job_of(batch[i]);
            if (job->spent()) {
                job->leave_queue();
                spent.push_back(*job);
            } else {
                kept.push_back(*job);
            }
        }
    }
    std::size_t left = 0;
    while (!kept.empty()) {
        push(inlet, kept.pop_front());
        ++left;
    }
    rest();
    inlet.tidy_at = std::max(spent_many, 2 * left);
    return spent;
}

void Crew::Impl::notify_outside() noexcept {
    // A worker that has just ended its job is about to search: worth a look before a system call.
    // Whoever searches now, after the push, looks at the queues before it sleeps.
    for (int i = 0; ParkWord(parker.word().load(std::memory_order_seq_cst)).wants_wake(); ++i) {
        if (i == 32) {
            parker.notify();
            return;
        }
        pause();
    }
}

void Crew::Impl::give_room(std::size_t least) noexcept {
    // Not at every free place: a waiter that fills one is asleep again before it has paid its
    // waking. It looks for itself now and then.
    if (places() > least || closed.load(std::memory_order_seq_cst)) {
        room->wake();
    }
}

void Crew::Impl::tidy_lanes() noexcept {
    // Who gets here first does it; the others see that there is nothing to do until it has set when
    // the next time is: not before as many more are spent as a look at all of them costs.
    constexpr std::size_t never = std::numeric_limits<std::size_t>::max();
    if (tidy_at.exchange(never, std::memory_order_seq_cst) == never) {
        return;
    }
    for (sched::Lane* const lane : {&high, &low, &normal}) {
        sched::JobList spent;
        {
            const std::lock_guard lock(room_mutex);
            spent = lane->tidy();
        }
        discard(std::move(spent));
    }
    tidy_at.store(room->spent() + std::max(spent_many, queued()), std::memory_order_seq_cst);
}

void Crew::Impl::discard(sched::JobList spent) noexcept {
    while (!spent.empty()) {  // holding no lock: a result that goes with it is user code
        spent.pop_front().discard();
    }
}

Result<void> Crew::Impl::submit_inside(Member& me, StateBase& function,
                                       Priority priority) noexcept {
    if (priority != Priority::normal) {
        Result<void> admitted =
            admit(false, [&](std::size_t) { lane_of(priority).push(function); });
        if (admitted) {
            parker.notify();
        }
        return admitted;
    }
    const std::size_t capacity = options.queue_capacity;
    const std::size_t size = me.deque.size();
    if (size >= std::min(me.tidy_at, capacity)) [[unlikely]] {
        tidy_own(me, size);
        if (me.deque.size() >= capacity &&
            me.deque.count_if([](Word word) { return job_of(word) != nullptr; }) >= capacity) {
            return fail(queue_full_error(options.queue_capacity));
        }
    }
    if (!me.deque.push(word_of(&function))) {
        return fail(no_memory_error());
    }
    parker.notify_after_release();
    return {};
}

void Crew::Impl::tidy_own(Member& me, std::size_t size) noexcept {
    // A large deque is not looked through again for every single entry that was spent since.
    const std::uint64_t spent = own_room->spent_ever();
    if (spent - me.tidy_spent < std::max<std::size_t>(size / 1024, 1)) {
        return;
    }
    tidy_deque(me, true);
    me.tidy_spent = spent;
    me.tidy_at = std::max(spent_many, 2 * me.deque.size());
}

void Crew::Impl::tidy_deque(Member& me, bool through) noexcept {
    sched::JobList spent;
    sched::JobList alive;
    const auto put_back = [&](Word word) {
        if (!me.deque.push(word)) {
            run(me, word);  // cannot be: its place has just become free
        }
        parker.notify_after_release();  // who looked meanwhile has missed it
    };
    Word word = 0;
    while (me.deque.position() > me.mark && me.deque.pop_into(word)) {
        Job* const job = job_of(word);
        if (job != nullptr && job->spent()) {
            job->leave_queue();
            spent.push_back(*job);
            me.sunk = true;
        } else if (job != nullptr && through) {
            alive.push_front(*job);
        } else {
            put_back(word);
            break;
        }
    }
    while (!alive.empty()) {
        put_back(word_of(&alive.pop_front()));
    }
    discard(std::move(spent));
}

void Crew::post(Continuation& continuation) noexcept {
    if (Worker* const member = own_member();
        member != nullptr && member->deque.push(word_of(&continuation))) {
        impl_->parker.notify_after_release();
        return;
    }
    if (sched::Inlet* const inlet = impl_->inlets.mine(); inlet != nullptr) {
        impl_->push(*inlet, continuation);
        return;
    }
    const std::lock_guard lock(impl_->room_mutex);  // as the Hold in push()
    impl_->normal.push(continuation);
    impl_->notify_outside();
}

void Crew::spend(void* block) noexcept { sched::Slab::room_of(block).spend(); }

void Crew::drop(void* block) noexcept { sched::Slab::room_of(block).drop(); }

void* Crew::allocate(std::size_t bytes) noexcept {
    if (current_worker != nullptr && current_worker->crew == this) {
        return member_of(*current_worker).slab->allocate(bytes);
    }
    return allocate(bytes, Priority::normal);
}

void* Crew::allocate(std::size_t bytes, Priority priority) noexcept {
    // The storage decides where the function counts while it is queued: what a member keeps on its
    // own deque counts there, all else together.
    Worker* const member = own_member();
    if (member != nullptr && priority == Priority::normal) {
        return member_of(*member).slab->allocate(bytes);
    }
    if (sched::Inlet* const inlet = member == nullptr ? impl_->inlets.mine() : nullptr;
        inlet != nullptr) {
        const sched::Hold<> hold(inlet->held, impl_->fenced);
        return inlet->slab->allocate(bytes);
    }
    const std::lock_guard lock(impl_->shared_mutex);
    return impl_->shared_slab->allocate(bytes);
}

void Crew::free(void* block) noexcept {
    sched::Slab::free(block,
                      current_worker == nullptr ? nullptr : member_of(*current_worker).slab.get());
}

void Crew::wake_for_push() noexcept { impl_->parker.notify_own_slowly(); }

}  // namespace repartir::detail
