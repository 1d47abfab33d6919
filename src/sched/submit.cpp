// SPDX-License-Identifier: MIT
#include <functional>
#include <string>
#include <thread>

#include "repartir/detail/call.hpp"
#include "repartir/detail/crew.hpp"
#include "repartir/function.hpp"
#include "sched/crew_impl.hpp"
#include "sched/futex.hpp"

namespace repartir::detail {

namespace {

Error queue_full_error(std::uint32_t capacity) {
    return Error(Domain::scheduler, Code::queue_full, Fault::system,
                 "the pool's queue holds " + std::to_string(capacity) +
                     " functions already; wait for some, or build it with a larger queue_capacity");
}

/// A number that differs between threads, from the thread's own pointer.
std::size_t number_of_thread() noexcept {
    const std::size_t raw = std::hash<std::thread::id>()(std::this_thread::get_id());
    return (raw ^ (raw >> 32U)) * 0x9E3779B97F4A7C15ULL >> 32U;
}

/// Holds a shard of outside storage.
class Locked {
  public:
    explicit Locked(OutsideShard& shard) noexcept : shard_(shard) {
        // ORDER: acquire and release as of any lock
        while (shard_.locked.exchange(true, std::memory_order_acquire)) {
            std::this_thread::yield();
        }
    }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;
    // ORDER: release as of any lock
    ~Locked() { shard_.locked.store(false, std::memory_order_release); }

  private:
    OutsideShard& shard_;
};

}  // namespace

Error shut_down_error() {
    return Error(
        Domain::scheduler, Code::shut_down, Fault::user,
        "the pool has been shut down and takes no more functions; submit before shutdown()");
}

Error cancelled_error() noexcept {
    return Error(Domain::function, Code::cancelled, Fault::user,
                 "the function was cancelled before its result was there");
}

Error no_memory_error() noexcept {
    return Error(Domain::scheduler, Code::out_of_resources, Fault::system,
                 "there is no memory left to queue a function; free some and try again");
}

Error invalid_function_error(std::string_view name) {
    return Error(Domain::function, Code::invalid_task, Fault::user,
                 (name.empty() ? std::string("the function") : "function " + std::string(name)) +
                     " has a negative timeout or a priority that does not exist: use 0 for no "
                     "timeout, and high, normal or low");
}

Error timed_out_error(std::string_view name, std::chrono::milliseconds timeout) {
    return Error(Domain::function, Code::timed_out, Fault::task,
                 (name.empty() ? std::string("the function") : "function " + std::string(name)) +
                     " did not return within its timeout of " + std::to_string(timeout.count()) +
                     " ms; give it more time, or let it watch its stop_token");
}

Error thrown_error() noexcept {
    std::string sentence = "the function threw: ";
    try {
        throw;
    } catch (const std::exception& thrown) { sentence += thrown.what(); } catch (...) {
        sentence += "something that is no std::exception";
    }
    return Error(Domain::function, Code::function_threw, Fault::task, std::move(sentence));
}

Result<void> Crew::submit(StateBase& function, Priority priority) noexcept {
    Impl& impl = *impl_;
    if (impl.closed.load(std::memory_order_seq_cst)) {
        return fail(shut_down_error());
    }
    Worker* const worker = on_crew_thread() ? current_worker : nullptr;
    if (worker != nullptr && priority == Priority::normal) {
        if (worker->deque.size() >= impl.options.queue_capacity ||
            !worker->deque.push(word_of(&function))) {
            return fail(queue_full_error(impl.options.queue_capacity));
        }
        impl.parker.notify_after_release();
        return {};
    }
    sched::Lane& lane = priority == Priority::high  ? impl.high
                        : priority == Priority::low ? impl.low
                                                    : impl.shard_of_caller();
    if (!impl.has_room()) {
        if (worker != nullptr || impl.options.on_full == OnFull::refuse) {
            return fail(queue_full_error(impl.options.queue_capacity));
        }
        if (!impl.await_room()) {
            return fail(shut_down_error());
        }
    }
    lane.push(function);
    impl.notify_outside();
    if (impl.closed.load(std::memory_order_seq_cst)) [[unlikely]] {
        function.refuse(shut_down_error());  // came too late for a drain to see it
    }
    return {};
}

sched::Lane& Crew::Impl::shard_of_caller() noexcept {
    return *normal[normal.size() == 1 ? 0 : number_of_thread() % normal.size()];
}

void Crew::Impl::notify_outside() noexcept {
    // A worker that has just ended its job is about to search: worth a look before a system call.
    // Whoever searches now, after the push, looks at the queues before it sleeps.
    for (int i = 0; ParkWord(parker.word().load(std::memory_order_seq_cst)).wants_wake(); ++i) {
        if (i == 32) {
            parker.notify();
            return;
        }
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
}

bool Crew::Impl::has_room() const noexcept {
    // The rings' size is known; only what is behind them has to be looked at, and the real count,
    // which costs a look at every deque, only where it may matter.
    std::size_t most = (normal.size() + 2) * ring_slots + high.behind() + low.behind();
    for (const auto& lane : normal) {
        most += lane->behind();
    }
    return most < options.queue_capacity || queued() < options.queue_capacity;
}

bool Crew::Impl::await_room() noexcept {
    room_waiters.fetch_add(1, std::memory_order_seq_cst);
    bool room = false;
    for (;;) {
        const std::uint32_t epoch = room_epoch.load(std::memory_order_seq_cst);
        if (closed.load(std::memory_order_seq_cst)) {
            break;
        }
        room = queued() < options.queue_capacity;
        if (room) {
            break;
        }
        sched::FutexAtomics::wait_while(room_epoch, epoch);
    }
    room_waiters.fetch_sub(1, std::memory_order_seq_cst);
    return room;
}

void Crew::Impl::give_room() noexcept {
    // Not at every free place: a waiter that fills one is asleep again before it has paid its
    // waking.
    const std::size_t capacity = options.queue_capacity;
    if (queued() < capacity - capacity / 8 || closed.load(std::memory_order_seq_cst)) {
        room_epoch.fetch_add(1, std::memory_order_seq_cst);
        sched::FutexAtomics::wake_all(room_epoch);
    }
}

void Crew::post(Continuation& continuation) noexcept {
    if (on_crew_thread() && current_worker->deque.push(word_of(&continuation))) {
        impl_->parker.notify_after_release();
        return;
    }
    impl_->shard_of_caller().push(continuation);
    impl_->notify_outside();
}

void* Crew::allocate(std::size_t bytes) noexcept {
    if (current_worker != nullptr && current_worker->crew == this) {
        return member_of(*current_worker).slab->allocate(bytes);
    }
    OutsideShard& shard = impl_->outside[number_of_thread() % Impl::outside_shards];
    const Locked lock(shard);
    return shard.slab->allocate(bytes);
}

void Crew::free(void* block) noexcept {
    sched::Slab::free(block,
                      current_worker == nullptr ? nullptr : member_of(*current_worker).slab.get());
}

void Crew::wake_for_push() noexcept { impl_->parker.notify_own_slowly(); }

}  // namespace repartir::detail
