// SPDX-License-Identifier: MIT
#include "repartir/detail/group.hpp"

#include <memory>
#include <utility>

#include "base/clock.hpp"
#include "sched/crew_impl.hpp"
#include "sched/futex.hpp"

namespace repartir::detail {

namespace {
/// Children that wait in one deque, at most.
constexpr std::uint32_t spawned_max = 8192;
/// How often a worker that waits for children, and has no stand-in, looks for other work.
constexpr std::chrono::milliseconds look_again{1};
}  // namespace

void GroupCore::run_spawned(SpawnedBase& child, Worker& me) noexcept {
    // ORDER: relaxed, acquired with the steal
    GroupCore& group = *child.group_.load(std::memory_order_relaxed);
    GroupCore* const runs_for = group.cancelled() ? nullptr : &group;
    if (group.worker_ == &me) {
        --group.outstanding_;
        child.invoke_(child, runs_for);
        return;
    }
    Worker& owner = *group.worker_;  // the group may be gone once it has been counted
    child.invoke_(child, runs_for);
    group.stolen_done_.fetch_add(1, std::memory_order_seq_cst);
    if (owner.resting.load(std::memory_order_seq_cst) != 0) {
        owner.resting.store(0, std::memory_order_seq_cst);
        sched::FutexAtomics::wake_all(owner.resting);
    }
}

void GroupCore::spawn_slowly(SpawnedBase& child) noexcept {
    if (worker_ == nullptr) {
        child.invoke_(child, this);  // no guest's place: here and now
        return;
    }
    // A deque is bounded: past that the owner works off some of what it has spawned, newest first,
    // while its caches are warm; thieves have enough to take from the other end.
    auto& deque = worker_->deque;
    if (deque.capacity() >= spawned_max && deque.size() >= deque.capacity()) {
        Word word = 0;
        for (std::uint32_t i = 0; i < spawned_max / 16 && pop_own(word); ++i) {
            run_popped(word);
        }
    }
    if (deque.size() >= spawned_max || !deque.push(word_of(child))) {
        child.invoke_(child, this);  // the work is below this frame, or memory is short
        return;
    }
    ++outstanding_;
    worker_->crew->wake_for_push();
}

void GroupCore::run_foreign(Word word) noexcept {
    Member& me = member_of(*worker_);
    me.crew->impl().run(me, word);
}

bool GroupCore::pop_sunk(Word& word) noexcept {
    Member& me = member_of(*worker_);
    if (!me.deque.pop_into(word)) {
        return false;
    }
    if ((word & spawned_bit) != 0 &&
        child_of(word).group_.load(std::memory_order_relaxed) == this) {  // ORDER: this thread's
        return true;
    }
    if (!me.deque.push(word)) {
        run_foreign(word);  // cannot be: its place has just become free
    }
    me.crew->impl().parker.notify_after_release();  // who looked meanwhile has missed it
    return false;
}

void GroupCore::wait_slowly() noexcept {
    Member& me = member_of(*worker_);
    Crew::Impl& impl = me.crew->impl();
    while (!finished()) {
        if (Word own = 0; pop_own(own) || (me.sunk && pop_sunk(own))) {
            run_popped(own);
            continue;
        }
        const Word stolen = me.depth < Crew::Impl::depth_max ? impl.steal_spawned(me) : 0;
        if (stolen != 0) {
            ++me.depth;
            impl.run(me, stolen);
            --me.depth;
            continue;
        }
        rest();
    }
    outstanding_ = 0;
    stolen_done_.store(0, std::memory_order_relaxed);  // ORDER: no thief is left
}

void GroupCore::rest() noexcept {
    Member& me = member_of(*worker_);
    Crew::Impl& impl = me.crew->impl();
    const base::BootTime end = base::now() + Crew::Impl::spin_time;
    do {
        for (int i = 0; i < 32; ++i) {
            if (finished()) {
                return;
            }
            pause();
        }
        if (me.depth < Crew::Impl::depth_max) {
            if (const Word stolen = impl.steal_spawned(me); stolen != 0) {
                ++me.depth;
                impl.run(me, stolen);
                --me.depth;
                return;
            }
        }
    } while (base::now() < end);
    // A spare looks for work while this worker sleeps: the children may spawn more, and what lies
    // below this frame in its deque must not be stuck.
    const StandIn spare;
    if (me.member && !spare.complete() && impl.visible_work()) {
        Word word = impl.next(me);  // nobody stands in: run anything rather than hang
        word = word == 0 ? impl.steal(me) : word;
        if (word != 0) {
            impl.run(me, word);
        }
        return;
    }
    worker_->resting.store(1, std::memory_order_seq_cst);
    if (!finished()) {
        if (me.member && !spare.complete()) {  // what comes later has nobody else to run it either
            static_cast<void>(sched::FutexAtomics::wait_while(
                worker_->resting, 1, std::chrono::steady_clock::now() + look_again));
        } else {
            sched::FutexAtomics::wait_while(worker_->resting, 1);
        }
    }
    worker_->resting.store(0, std::memory_order_seq_cst);
}

Word Crew::Impl::steal_spawned(Member& me) noexcept {
    const auto wanted = [](Word word) { return (word & spawned_bit) != 0; };
    const auto take = [&](Worker& victim) -> Word {
        if (&victim == &me || victim.deque.empty()) {
            return 0;
        }
        const Raid raid(victim);
        const std::optional<Word> word = victim.deque.steal_if(wanted);
        if (word) {
            me.steals.add(1);
        }
        return word.value_or(0);
    };
    // ORDER: acquire pairs with the releases when the places were first used
    const std::uint32_t count = member_count.load(std::memory_order_acquire);
    const auto first = static_cast<std::uint32_t>(me.random.below(count));
    for (std::uint32_t i = 0; i < count; ++i) {
        if (const Word word = take(*members[(first + i) % count].load(std::memory_order_acquire))) {
            return word;
        }
    }
    // ORDER: as of the members above
    const std::uint32_t visitors = guest_count.load(std::memory_order_acquire);
    for (std::uint32_t i = 0; i < visitors; ++i) {
        if (const Word word = take(*guests[i].load(std::memory_order_acquire))) {
            return word;
        }
    }
    return 0;
}

void GroupCore::abandon() noexcept {
    cancel_rest();
    static_cast<void>(wait());
}

void GroupCore::record(Error error) noexcept {
    // ORDER: relaxed: it only elects the writer; the join releases what is written
    if ((flags_.fetch_or(failed_bit, std::memory_order_relaxed) & failed_bit) == 0) {
        failure_ = std::make_unique<Error>(std::move(error));
    }
}

Result<void> GroupCore::take_failure() noexcept {
    flags_.store(0, std::memory_order_relaxed);  // ORDER: no child is left
    Result<void> result;
    if (failure_) {
        result = fail(*std::move(failure_));
        failure_.reset();
    }
    return result;
}

void GroupCore::become_guest(Crew& crew) noexcept {
    worker_ = crew.enter();
    if (worker_ != nullptr) {
        guest_ = true;
        worker_->below = std::exchange(current_worker, worker_);
        mark_ = worker_->deque.position();
    }
}

void GroupCore::end_guest() noexcept {
    current_worker = worker_->below;
    Crew::leave(*worker_);
}

Worker* Crew::enter() noexcept {
    Impl& impl = *impl_;
    const std::uint32_t known =
        impl.guest_count.load(std::memory_order_acquire);  // ORDER: as steal
    for (std::uint32_t i = 0; i < known; ++i) {
        Member& place = *impl.guests[i].load(std::memory_order_acquire);
        bool taken = false;
        // ORDER: acquire pairs with leave(): the deque is handed over
        if (place.taken.compare_exchange_strong(taken, true, std::memory_order_acquire,
                                                std::memory_order_relaxed)) {
            return &place;
        }
    }
    const std::lock_guard lock(impl.spare_mutex);
    const auto index = static_cast<std::uint32_t>(impl.owned_guests.size());
    if (index == Impl::guests_max) {
        return nullptr;
    }
    try {
        impl.owned_guests.push_back(
            std::make_unique<Member>(*this, false, index, impl.parker.word(), impl.room));
    } catch (const std::exception&) { return nullptr; }
    Member& place = *impl.owned_guests.back();
    place.taken.store(true, std::memory_order_relaxed);  // ORDER: published by the next lines
    impl.guests[index].store(&place, std::memory_order_release);
    impl.guest_count.store(index + 1, std::memory_order_release);
    return &place;
}

void Crew::leave(Worker& guest) noexcept {
    member_of(guest).taken.store(false, std::memory_order_release);  // ORDER: with enter()
}

}  // namespace repartir::detail
