// SPDX-License-Identifier: MIT
#include "repartir/detail/crew.hpp"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "base/clock.hpp"
#include "repartir/detail/group.hpp"
#include "sched/crew_impl.hpp"

namespace repartir::detail {

namespace {

constexpr std::uint32_t workers_most = 4096;

/// Asks for an object that this thread is about to write: one trip between caches instead of two.
void prefetch_to_write(const void* object) noexcept {
#if defined(__x86_64__)
    asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(object)));  // SAFETY: only a hint
#else
    __builtin_prefetch(object, 1);
#endif
}

Error bad_argument(const std::string& sentence) {
    return Error(Domain::scheduler, Code::invalid_argument, Fault::user, sentence);
}

}  // namespace

Crew::Impl::Impl(Crew& owner, const SchedulerOptions& wanted, std::uint32_t count)
    : crew(owner),
      options(wanted),
      workers(count),
      share_max(std::max<std::size_t>(1, wanted.queue_capacity / (16 * std::size_t{count}))),
      parker(count + wanted.spare_workers_max),
      // ORDER: relaxed, the bit is constant
      fenced(ParkWord(parker.word().load(std::memory_order_relaxed)).fenced()),
      high(ring_slots),
      low(ring_slots),
      normal(ring_slots),
      members(std::make_unique<std::atomic<Member*>[]>(count + wanted.spare_workers_max)) {
    for (std::uint32_t i = 0; i < count; ++i) {
        owned.push_back(std::make_unique<Member>(crew, true, i, parker.word(), own_room));
        owned.back()->tiers = sched::victim_order(options.topology, count, i);
        members[i].store(owned.back().get(), std::memory_order_release);  // ORDER: with all readers
    }
    member_count.store(count, std::memory_order_release);  // ORDER: with all readers
}

Crew::Crew(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Crew>> Crew::create(const SchedulerOptions& options) {
    const std::uint32_t count =
        options.workers == 0 ? options.topology.default_workers() : options.workers;
    if (count > workers_most || options.spare_workers_max > workers_most) {
        return fail(bad_argument("a pool has at most " + std::to_string(workers_most) +
                                 " workers and as many spares; ask for fewer"));
    }
    if (options.queue_capacity == 0) {
        return fail(bad_argument("a queue capacity of 0 could never hold a task; give at least 1"));
    }
    if (options.pin_workers && options.topology.cpus.empty()) {
        return fail(bad_argument("workers cannot be pinned without a topology; give one"));
    }
    try {
        std::unique_ptr<Crew> crew(new Crew(nullptr));
        crew->impl_ = std::make_unique<Impl>(*crew, options, count);
        for (std::uint32_t i = 0; i < count; ++i) {
            crew->impl_->start(*crew->impl_->owned[i]);
        }
        return crew;
    } catch (const std::exception& failure) {
        return fail(Error(Domain::scheduler, Code::out_of_resources, Fault::system,
                          "the pool cannot start " + std::to_string(count) + " workers (" +
                              failure.what() + "); free threads or memory, or ask for fewer"));
    }
}

void Crew::Impl::start(Member& member) {
    member.thread = std::thread([this, &member] { serve(member); });
#if defined(__linux__)
    const auto& cpus = options.topology.cpus;
    if (options.pin_workers && !member.spare) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(cpus[member.index % cpus.size()].number, &set);
        const int failed = pthread_setaffinity_np(member.thread.native_handle(), sizeof(set), &set);
        if (failed != 0) {
            throw std::system_error(failed, std::generic_category(), "pinning a worker");
        }
    }
#endif
}

Crew::~Crew() {
    if (impl_ == nullptr) {
        return;
    }
    static_cast<void>(shutdown(Shutdown::cancel));
    {
        const std::lock_guard lock(impl_->spare_mutex);
        impl_->stopping.store(true, std::memory_order_seq_cst);
    }
    impl_->spare_wake.notify_all();
    impl_->parker.wake_all();
    for (const std::unique_ptr<Member>& member : impl_->owned) {
        if (member->thread.joinable()) {
            member->thread.join();
        }
    }
}

void Crew::Impl::serve(Member& me) noexcept {
    current_worker = &me;
    awake.wake();
    for (;;) {
        Word word = next(me);
        if (word == 0) {
            word = search(me);
        }
        if (word != 0) {
            run(me, word);
        } else if (stopping.load(std::memory_order_seq_cst)) {
            break;
        }
        // ORDER: relaxed, hints; retire() looks again under the mutex
        if (me.spare &&
            active_spares.load(std::memory_order_relaxed) >
                blocked.load(std::memory_order_relaxed) &&
            !retire(me)) {
            break;
        }
    }
    current_worker = nullptr;
}

void Crew::Impl::run(Member& me, Word word) noexcept {
    Job* const job = job_of(word);
    const std::int64_t mark = std::exchange(me.mark, me.deque.position());
    if (job == nullptr) {
        GroupCore::run_spawned(GroupCore::child_of(word), me);
        me.mark = mark;
        return;
    }
    if (room->awaited()) [[unlikely]] {
        give_room(options.queue_capacity / 8);  // now, however long the job runs
    }
    if (cancelling.load(std::memory_order_relaxed))
        [[unlikely]] {  // ORDER: a late look only runs it
        job->abandon_job();
    } else {
        job->run_job();
    }
    me.mark = mark;
    me.functions_run.add(1);
}

Word Crew::Impl::next(Member& me) noexcept {
    if (++me.tick % fair_every == 0) [[unlikely]] {
        if (Job* const job = low.ready() ? low.pop() : nullptr) {
            return word_of(job);
        }
        if (const Word word = take_from_lanes(me, 1)) {  // more would be buried in the own deque
            return word;
        }
    }
    if (high.ready()) [[unlikely]] {
        if (Job* const job = high.pop()) {
            return word_of(job);
        }
    }
    if (const std::optional<Word> word = me.deque.pop()) {
        return *word;
    }
    return take_from_lanes(me, batch_max);
}

Word Crew::Impl::take_from_lanes(Member& me, std::size_t most) noexcept {
    // Each in its turn: who floods one does not keep the others waiting. The lane is the last.
    const std::size_t count = inlets.count();
    std::size_t turn = me.turn;
    for (std::size_t i = 0; i <= count; ++i) {
        turn = turn < count ? turn + 1 : 0;
        const Word word = turn < count     ? take_from(inlets.at(turn), me, most)
                          : normal.ready() ? take_from(normal, me, most)
                                           : 0;
        if (word != 0) {
            me.turn = turn;
            return word;
        }
    }
    return 0;
}

Word Crew::Impl::take_from(sched::Inlet& inlet, Member& me, std::size_t most) noexcept {
    const std::size_t size = inlet.queue.size();
    if (size == 0) {
        return 0;
    }
    // Filled up to `count`, and not before: zeroing half a KiB would be most of taking one job.
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init)
    std::array<Word, batch_max> batch __attribute__((uninitialized));
    const std::size_t count = inlet.queue.steal_batch(batch.data(), fair_share(size, most));
    return keep_first(batch.data(), count, me);
}

Word Crew::Impl::take_from(sched::Lane& lane, Member& me, std::size_t most) noexcept {
    // Where there is only one, the line that producers exchange on is left alone.
    const std::size_t share = most == 1 || !lane.ready(2) ? 1 : fair_share(lane.size(), most);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): as above
    std::array<Word, batch_max> batch __attribute__((uninitialized));
    std::size_t count = 0;
    lane.pop_batch(share, [&](Job* job) { batch[count++] = word_of(job); });
    return keep_first(batch.data(), count, me);
}

std::size_t Crew::Impl::fair_share(std::size_t size, std::size_t most) const noexcept {
    // Several at once, so that the exchange is paid once for many; the rest stays stealable.
    return std::clamp<std::size_t>(size / (2 * std::size_t{workers}), 1, std::min(most, share_max));
}

Word Crew::Impl::keep_first(const Word* batch, std::size_t count, Member& me) noexcept {
    if (count == 0) {
        return 0;
    }
    for (std::size_t i = count; i-- > 1;) {  // the owner pops them in their order
        Job* const job = job_of(batch[i]);
        prefetch_to_write(job);
        if (!me.deque.push(batch[i])) {
            normal.push(*job);
        }
    }
    return batch[0];
}

Word Crew::Impl::search(Member& me) noexcept {
    parker.begin_search();
    Word word = 0;
    while ((word = look_around(me)) == 0) {
        parker.announce_sleep(me.index);
        const bool stop = stopping.load(std::memory_order_seq_cst);
        const bool surplus = me.spare && active_spares.load(std::memory_order_seq_cst) >
                                             blocked.load(std::memory_order_seq_cst);
        if (stop || surplus || visible_work()) {
            parker.cancel_sleep(me.index);
            if ((stop && !visible_work()) || surplus) {
                break;
            }
            continue;
        }
        me.parks.add(1);
        if (room->awaited()) [[unlikely]] {
            give_room(0);
        }
        rest();
        parker.sleep(me.index);
        awake.wake();
        me.wakes.add(1);
    }
    if (parker.end_search() && visible_work()) {
        parker.wake_one();
    }
    return word;
}

Word Crew::Impl::look_around(Member& me) noexcept {
    const base::BootTime start = base::now();
    for (std::uint32_t round = 0;; ++round) {
        Word word = next(me);
        if (word == 0) {
            word = steal(me);
        }
        if (word == 0) {
            word = low.ready() ? word_of(low.pop()) : 0;
            me.tick = 0;  // it has just looked everywhere
        }
        if (word != 0) {
            return word;
        }
        pause();
        if (round % 8 != 7) {  // a look at the clock costs as much as one at the queues
            continue;
        }
        // One searcher spins on behalf of all; a second one not for long. Not at all would not do:
        // who was woken counts as a searcher long before it runs.
        if (base::now() - start >= (parker.sole_searcher() ? spin_time : spin_time / 4) ||
            stopping.load(std::memory_order_relaxed)) {  // ORDER: a hint
            return 0;
        }
        if (round % 64 == 63) {
            std::this_thread::yield();  // on a busy machine the submitter may wait for this CPU
        }
    }
}

Word Crew::Impl::steal(Member& me) noexcept {
    for (const sched::Tier& tier : me.tiers) {
        const std::size_t first = me.random.below(tier.size());
        for (std::size_t i = 0; i < tier.size(); ++i) {
            // ORDER: acquire pairs with the constructor's release
            Member* const victim =
                members[tier[(first + i) % tier.size()]].load(std::memory_order_acquire);
            if (const Word word = steal_from(*victim, me)) {
                return word;
            }
        }
    }
    // ORDER: acquire pairs with the release when a place was first used
    const std::uint32_t spares = member_count.load(std::memory_order_acquire);
    for (std::uint32_t i = me.spare ? 0 : workers; i < spares; ++i) {
        Member* const victim = members[i].load(std::memory_order_acquire);
        if (victim != &me) {
            if (const Word word = steal_from(*victim, me)) {
                return word;
            }
        }
    }
    // ORDER: as of the members above
    const std::uint32_t visitors = guest_count.load(std::memory_order_acquire);
    for (std::uint32_t i = 0; i < visitors; ++i) {
        if (const Word word = steal_from(*guests[i].load(std::memory_order_acquire), me)) {
            return word;
        }
    }
    return 0;
}

Word Crew::Impl::steal_from(Worker& victim, Member& me) noexcept {
    const std::size_t size = victim.deque.size();
    if (size == 0) {
        return 0;
    }
    const Raid raid(victim);
    const std::optional<Word> first = victim.deque.steal();
    if (!first) {
        return 0;
    }
    // Half of it, oldest first, each by a steal of its own: the thief's deque keeps the order.
    const std::size_t half = std::min(size / 2, batch_max);
    std::uint64_t taken = 1;
    while (taken < half) {
        const std::optional<Word> word = victim.deque.steal();
        if (!word) {
            break;
        }
        ++taken;
        if (!me.deque.push(*word)) {
            run(me, *word);  // no memory for a larger ring: here and now
        }
    }
    me.steals.add(taken);
    return *first;
}

bool Crew::Impl::visible_work() const noexcept {
    if (queued() != 0) {
        return true;
    }
    // ORDER: acquire pairs with the releases when the places were first used
    for (std::uint32_t i = 0; i < guest_count.load(std::memory_order_acquire); ++i) {
        if (!guests[i].load(std::memory_order_acquire)->deque.empty()) {
            return true;
        }
    }
    return false;
}

std::size_t Crew::Impl::queued() const noexcept {
    std::size_t sum = high.size() + low.size() + normal.size();
    for (std::size_t i = 0; i < inlets.count(); ++i) {
        sum += inlets.at(i).queue.size();
    }
    // ORDER: acquire pairs with the releases when they were made
    for (std::uint32_t i = 0; i < member_count.load(std::memory_order_acquire); ++i) {
        sum += members[i].load(std::memory_order_acquire)->deque.size();
    }
    return sum;
}

bool Crew::on_own_thread() const noexcept {
    return on_crew_thread() || impl_->timekeeper.on_own_thread();
}

std::uint32_t Crew::workers() const noexcept { return impl_->workers; }

void Crew::count(SchedulerStats& stats) const noexcept {
    // ORDER: acquire pairs with the release when a place was first used
    const std::uint32_t count = impl_->member_count.load(std::memory_order_acquire);
    for (std::uint32_t i = 0; i < count; ++i) {
        const Member& member = *impl_->members[i].load(std::memory_order_acquire);
        stats.functions_run += member.functions_run.get();
        stats.steals += member.steals.get();
        stats.parks += member.parks.get();
        stats.wakes += member.wakes.get();
    }
}

}  // namespace repartir::detail
