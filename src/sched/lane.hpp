// SPDX-License-Identifier: MIT
#pragma once
/// @file lane.hpp A queue of submitted jobs: a lock-free ring, and a list behind it that never
/// fills.
#include <atomic>
#include <cstddef>
#include <mutex>
#include <utility>

#include "repartir/detail/state.hpp"
#include "sched/injector.hpp"
#include "sched/job_list.hpp"

namespace repartir::sched {

/// First in, first out, for any number of producers and consumers. The ring is small, so that it
/// stays in the cache and an idle pool stays small; what does not fit queues in an intrusive list
/// behind it. Producers append to that list under one mutex; consumers take all of it at once and
/// walk what they took under another, so that nobody waits while cold jobs are fetched (after M.
/// Michael, M. Scott, "Simple, Fast, and Practical Non-Blocking and Blocking Concurrent Queue
/// Algorithms", PODC 1996, the two-lock queue). How much may wait in all is the crew's business.
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
        if (behind() == 0 && ring_.try_push(&job)) {
            return;
        }
        const std::lock_guard lock(in_.mutex);
        in_.jobs.push_back(job);
        in_.add(1);
    }

    /// Takes up to `most` of the oldest jobs and gives them to `take(Job*)` in their order.
    /// @return how many; perhaps 0 while another thread is fetching.
    template <class Take>
    std::size_t pop_batch(std::size_t most, Take&& take) noexcept {
        std::size_t taken = ring_.pop_batch(most, take);
        if (taken < most && behind() != 0) {
            taken += pop_behind(most - taken, take);
        }
        return taken;
    }

    /// Takes the oldest job. @return nullptr when there is none, or as pop_batch().
    [[nodiscard]] detail::Job* pop() noexcept {
        detail::Job* job = nullptr;
        pop_batch(1, [&](detail::Job* taken) { job = taken; });
        return job;
    }

    /// Takes out the jobs that are spent, each of which gives up its place. The others keep their
    /// order; a job that is pushed at the same moment may come before them. Looks at as many jobs
    /// as there are at the beginning, more or less. @return those taken out, for the caller to
    /// discard
    [[nodiscard]] JobList tidy() noexcept {
        JobList spent;
        JobList kept;
        const std::lock_guard out(out_.mutex);
        // The ring's go to the list, before what is there. They are counted in it beforehand, so
        // that size() never misses one.
        const std::size_t most = ring_.size();
        {
            const std::lock_guard in(in_.mutex);
            in_.add(most);
        }
        std::size_t gone = most;
        const auto sort = [&](detail::Job* job) {
            if (job->spent()) {
                job->leave_queue();
                spent.push_back(*job);
                ++gone;
            } else {
                kept.push_back(*job);
            }
        };
        const std::size_t moved = ring_.pop_batch(most, sort);
        gone -= moved;                          // the others never left the ring
        for (int part = 0; part < 2; ++part) {  // what consumers had, then what producers appended
            while (!out_.jobs.empty()) {
                sort(&out_.jobs.pop_front());
            }
            if (part == 0) {
                static_cast<void>(refill());
            }
        }
        out_.jobs = std::move(kept);
        out_.add(gone);
        return spent;
    }

    /// How many jobs wait; a snapshot, never 0 while a push that the caller can know of is
    /// unserved.
    [[nodiscard]] std::size_t size() const noexcept {
        // ORDER: acquire, pairs with pop_behind: what left is in the other count too, which is read
        // after this one, so that the difference is never below 0. An old count of what left only
        // makes the lane look longer.
        const std::size_t out = out_.count.load(std::memory_order_acquire);
        return ring_.size() + in_.count.load(std::memory_order_seq_cst) - out;
    }
    /// How many of them are behind the ring; a hint, but exact for who is alone.
    [[nodiscard]] std::size_t behind() const noexcept {
        // ORDER: as in size(), but a hint
        const std::size_t out = out_.count.load(std::memory_order_acquire);
        return in_.count.load(std::memory_order_relaxed) - out;
    }
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    /// Whether pop() would find a job, or so many; a hint for those who poll, cheaper for producers
    /// than size().
    [[nodiscard]] bool ready(std::size_t count = 1) const noexcept {
        return ring_.ready(count) || behind() != 0;
    }

  private:
    /// An end of the list: its jobs, and how many have ever passed it. Each job owns its reference.
    struct alignas(detail::cache_line_bytes) End {
        std::mutex mutex;
        JobList jobs;
        std::atomic<std::size_t> count{0};

        /// Under the mutex.
        void add(std::size_t more) noexcept {
            // ORDER: relaxed under the mutex; seq_cst is the publication: a push is followed by
            // Parker::notify, and size() must not miss what leaves the ring in tidy()
            count.store(count.load(std::memory_order_relaxed) + more, std::memory_order_seq_cst);
        }
    };

    template <class Take>
    std::size_t pop_behind(std::size_t most, Take&& take) noexcept {
        const std::unique_lock lock(out_.mutex, std::try_to_lock);
        if (!lock.owns_lock()) {
            return 0;
        }
        std::size_t taken = 0;
        while (taken < most && (!out_.jobs.empty() || refill())) {
            take(&out_.jobs.pop_front());
            ++taken;
        }
        out_.add(taken);
        return taken;
    }
    /// Takes over what producers have appended, when all before it is gone. @return whether there
    /// was anything.
    bool refill() noexcept {
        const std::lock_guard lock(in_.mutex);
        out_.jobs = std::move(in_.jobs);
        return !out_.jobs.empty();
    }

    Injector<detail::Job*> ring_;
    End in_;
    End out_;
};

}  // namespace repartir::sched
