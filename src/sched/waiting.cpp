// SPDX-License-Identifier: MIT
#include <exception>
#include <string>
#include <utility>

#include "base/clock.hpp"
#include "repartir/detail/crew.hpp"
#include "sched/crew_impl.hpp"
#include "sched/futex.hpp"

namespace repartir::detail {

/// A timer for one running function; shared by the function's thread and the timekeeper's.
class Deadline final : public sched::Timed {
  public:
    explicit Deadline(StateBase& state) noexcept : state_(&state) { state.retain(); }
    ~Deadline() override { state_->release(); }
    void due() noexcept override {
        // As a member that is awake: a drain that misses the post of a continuation ends too early.
        Crew::Impl& impl = state_->crew()->impl();
        impl.awake.wake();
        state_->expire();
        impl.rest();
        state_->request_stop();  // user code
        drop();
    }
    void drop() noexcept {
        // ORDER: acq_rel: the last sees the other's use before it deletes
        if (owners_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            const std::unique_ptr<Deadline> self(this);
        }
    }

  private:
    StateBase* const state_;
    std::atomic<int> owners_{2};
};

Result<Deadline*> Crew::arm(StateBase& state, std::chrono::milliseconds timeout) {
    auto deadline = std::make_unique<Deadline>(state);
    if (Result<void> armed =
            impl_->timekeeper.schedule(*deadline, base::later(base::now(), timeout));
        !armed) {
        return fail(std::move(armed).error());
    }
    return deadline.release();  // owned by its two users, see Deadline::drop
}

void Crew::disarm(Deadline* deadline) noexcept {
    if (impl_->timekeeper.cancel(*deadline)) {
        deadline->drop();
    }
    // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDelete): the second of two owners
    deadline->drop();
}

void Crew::enlist(Stoppable& running) noexcept {
    {
        const std::lock_guard lock(impl_->stop_mutex);
        running.after = impl_->first_stoppable;
        if (running.after != nullptr) {
            running.after->before = &running;
        }
        impl_->first_stoppable = &running;
    }
    // Whoever enlists behind shutdown's look at the list is told here.
    if (impl_->cancelling.load(std::memory_order_seq_cst)) [[unlikely]] {
        running.state->cancel();
    }
}

void Crew::delist(Stoppable& running) noexcept {
    const std::lock_guard lock(impl_->stop_mutex);
    (running.before == nullptr ? impl_->first_stoppable : running.before->after) = running.after;
    if (running.after != nullptr) {
        running.after->before = running.before;
    }
}

StandIn::StandIn() noexcept {
    for (const Worker* worker = current_worker; worker != nullptr; worker = worker->below) {
        if (!worker->member) {
            continue;
        }
        if (count_ < crews_.size() && worker->crew->begin_block()) {
            crews_[count_++] = worker->crew;
        } else {
            complete_ = false;
        }
    }
}

StandIn::~StandIn() {
    while (count_ > 0) {
        crews_[--count_]->end_block();
    }
}

bool Crew::begin_block() noexcept {
    Impl& impl = *impl_;
    const std::lock_guard lock(impl.spare_mutex);
    const std::uint32_t blocked = impl.blocked.load(std::memory_order_relaxed) + 1;  // ORDER: mutex
    const std::uint32_t active = impl.active_spares.load(std::memory_order_relaxed);
    if (active < blocked) {
        Member* spare = nullptr;
        for (std::size_t i = impl.workers; i < impl.owned.size() && spare == nullptr; ++i) {
            Member& owned = *impl.owned[i];  // without a thread where that could not be started
            spare = owned.active || !owned.thread.joinable() ? nullptr : &owned;
        }
        if (spare == nullptr) {
            const auto index = static_cast<std::uint32_t>(impl.owned.size());
            if (index >= impl.workers + impl.options.spare_workers_max) {
                return false;
            }
            try {
                impl.owned.push_back(std::make_unique<Member>(*this, true, index,
                                                              impl.parker.word(), impl.own_room));
                spare = impl.owned.back().get();
                spare->spare = true;
                spare->active = true;
                impl.members[index].store(spare, std::memory_order_release);  // ORDER: with thieves
                impl.member_count.store(index + 1, std::memory_order_release);
                impl.active_spares.store(active + 1, std::memory_order_seq_cst);
                impl.blocked.store(blocked, std::memory_order_seq_cst);
                impl.start(*spare);
                return true;
            } catch (const std::exception&) {
                if (spare != nullptr) {
                    spare->active = false;  // a place without a thread: its deque stays empty
                    impl.active_spares.store(active, std::memory_order_seq_cst);
                    impl.blocked.store(blocked - 1, std::memory_order_seq_cst);
                }
                return false;
            }
        }
        spare->active = true;
        impl.active_spares.store(active + 1, std::memory_order_seq_cst);
        impl.spare_wake.notify_all();
    }
    impl.blocked.store(blocked, std::memory_order_seq_cst);
    return true;
}

void Crew::end_block() noexcept {
    const std::lock_guard lock(impl_->spare_mutex);
    impl_->blocked.fetch_sub(1, std::memory_order_seq_cst);
}

bool Crew::Impl::retire(Member& me) noexcept {
    if (!me.deque.empty()) {
        parker.notify_after_release();  // what it leaves behind is for others to steal
    }
    std::unique_lock lock(spare_mutex);
    // ORDER: relaxed under the mutex
    if (active_spares.load(std::memory_order_relaxed) > blocked.load(std::memory_order_relaxed)) {
        me.active = false;
        active_spares.fetch_sub(1, std::memory_order_seq_cst);
        lock.unlock();
        rest();
        lock.lock();
        spare_wake.wait(lock, [&] {
            return me.active || stopping.load(std::memory_order_relaxed);  // ORDER: mutex
        });
        if (!me.active) {
            return false;
        }
        awake.wake();
    }
    return true;
}

Result<void> Crew::wait_on_worker(Worker& member, StateBase& state) noexcept {
    Impl& impl = *impl_;
    Member& me = member_of(member);
    const std::int64_t mark = std::exchange(me.mark, me.deque.position());
    const bool ran = state.claim_and_run(false);
    me.mark = mark;
    if (ran) {
        me.functions_run.add(1);
        impl.tidy_deque(me, false);
    }
    const base::BootTime end = base::now() + Impl::spin_time;
    while (!state.ready()) {
        const std::optional<Word> word =
            me.deque.position() > me.mark ? me.deque.pop() : std::nullopt;
        if (word) {
            impl.run(me, *word);
        } else if (base::now() >= end) {
            break;
        }
    }
    if (state.ready()) {
        return {};
    }
    if (!begin_block()) {
        return fail(Error(Domain::scheduler, Code::would_deadlock, Fault::user,
                          "waiting here could hang the pool: all of its " +
                              std::to_string(impl.options.spare_workers_max) +
                              " spare workers stand in for others; build it with more "
                              "spare_workers, or use on_ready instead of get"));
    }
    state.sleep();
    end_block();
    return {};
}

void Crew::Impl::rest() noexcept {
    // Either a shutdown that closes after this look sees the count, or it is told.
    if (awake.rest() && closed.load(std::memory_order_seq_cst)) {
        { const std::lock_guard lock(closing_mutex); }
        rested.notify_all();
    }
}

bool Crew::Impl::quiet() const noexcept {
    return awake.quiet([&] { return queued() == 0; });
}

Result<void> Crew::shutdown(Shutdown how) {
    Impl& impl = *impl_;
    if (on_crew_thread()) {
        return fail(Error(Domain::scheduler, Code::would_deadlock, Fault::user,
                          "a function cannot shut down the pool that runs it; call shutdown from a "
                          "thread outside the pool"));
    }
    if (how == Shutdown::cancel) {
        impl.cancelling.store(true, std::memory_order_seq_cst);
    }
    impl.closed.store(true, std::memory_order_seq_cst);
    impl.fenced ? sched::FutexAtomics::fence(std::memory_order_seq_cst)
                : sched::FutexAtomics::heavy_fence();
    impl.inlets.await_holds();  // who has not seen `closed` is to be seen by a drain,
    { const std::lock_guard lock(impl.room_mutex); }  // by a way or the other
    impl.room->wake();
    if (how == Shutdown::cancel) {
        std::vector<StateBase*> running;
        {
            const std::lock_guard lock(impl.stop_mutex);
            for (Stoppable* node = impl.first_stoppable; node != nullptr; node = node->after) {
                node->state->retain();
                running.push_back(node->state);
            }
        }
        for (StateBase* const state : running) {  // without the lock: stop callbacks are user code
            state->cancel();
            state->release();
        }
    }
    std::unique_lock lock(impl.closing_mutex);
    impl.rested.wait(lock, [&] { return impl.quiet(); });
    return {};
}

}  // namespace repartir::detail
