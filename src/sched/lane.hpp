// SPDX-License-Identifier: MIT
#pragma once
/// @file lane.hpp A queue of submitted jobs: a lock-free ring, and a list behind it that never
/// fills.
#include <atomic>
#include <cstddef>
#include <mutex>

#include "repartir/detail/state.hpp"
#include "sched/injector.hpp"

namespace repartir::sched {

/// First in, first out, for any number of producers and consumers. The ring is small, so that it
/// stays in the cache and an idle pool stays small; what does not fit queues in an intrusive list
/// behind a mutex, which consumers empty in batches. How much may wait in all is the crew's
/// business.
///
/// Thread safety: every function from any thread.
class Lane {
  public:
    /// Throws std::bad_alloc. @param ring slots of the lock-free part
    explicit Lane(std::size_t ring) : ring_(ring) {}

    /// Adds a job at the end. Never fails, never allocates.
    void push(detail::Job& job) noexcept {
        // ORDER: relaxed: who sees 0 although another thread's job waits behind is concurrent with
        // it
        if (behind_.load(std::memory_order_relaxed) == 0 && ring_.try_push(&job)) {
            return;
        }
        const std::lock_guard lock(mutex_);
        job.next_ = nullptr;
        (first_ == nullptr ? first_ : last_->next_) = &job;
        last_ = &job;
        behind_.fetch_add(1, std::memory_order_seq_cst);  // the publication, for Parker::notify
    }

    /// Takes up to `most` of the oldest jobs and gives them to `take(Job*)` in their order.
    /// @return how many.
    template <class Take>
    std::size_t pop_batch(std::size_t most, Take&& take) noexcept {
        std::size_t taken = ring_.pop_batch(most, take);
        // ORDER: relaxed, a hint; the list is guarded by the mutex
        if (taken < most && behind_.load(std::memory_order_relaxed) != 0) {
            taken += pop_behind(most - taken, take);
        }
        return taken;
    }

    /// Takes the oldest job. @return nullptr when there is none.
    [[nodiscard]] detail::Job* pop() noexcept {
        detail::Job* job = nullptr;
        pop_batch(1, [&](detail::Job* taken) { job = taken; });
        return job;
    }

    /// How many jobs wait; a snapshot, never 0 while a push that the caller can know of is
    /// unserved.
    [[nodiscard]] std::size_t size() const noexcept {
        return ring_.size() + behind_.load(std::memory_order_seq_cst);
    }
    /// How many of them are behind the ring; a hint.
    [[nodiscard]] std::size_t behind() const noexcept {
        return behind_.load(std::memory_order_relaxed);  // ORDER: a hint
    }
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }

  private:
    template <class Take>
    std::size_t pop_behind(std::size_t most, Take&& take) noexcept {
        const std::lock_guard lock(mutex_);
        std::size_t taken = 0;
        while (taken < most && first_ != nullptr) {
            detail::Job* const job = first_;
            first_ = job->next_;
            take(job);
            ++taken;
        }
        // ORDER: relaxed: a size that is too large for a moment only makes a worker look again
        behind_.fetch_sub(taken, std::memory_order_relaxed);
        return taken;
    }

    Injector<detail::Job*> ring_;
    alignas(detail::cache_line_bytes) std::atomic<std::size_t> behind_{0};
    std::mutex mutex_;
    detail::Job* first_ = nullptr;  // intrusive list; each job owns its reference
    detail::Job* last_ = nullptr;
};

}  // namespace repartir::sched
