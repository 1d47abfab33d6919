// SPDX-License-Identifier: MIT
#pragma once
/// @file group.hpp The part of a TaskGroup that does not depend on what it runs. Not for direct
/// use.
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "repartir/detail/crew.hpp"
#include "repartir/result.hpp"

namespace repartir::detail {

class GroupCore;

/// One spawned piece of work. It stays where it is until it was run or cancelled.
class SpawnedBase {
  public:
    SpawnedBase(const SpawnedBase&) = delete;
    SpawnedBase& operator=(const SpawnedBase&) = delete;

  protected:
    /// Runs the work for `group`, or only consumes it when that is nullptr.
    using Invoke = void (*)(SpawnedBase&, GroupCore* group) noexcept;
    explicit SpawnedBase(Invoke invoke) noexcept : invoke_(invoke) {}
    ~SpawnedBase() = default;

    /// Says that nobody runs it any more: the last touch by whoever did.
    void settle() noexcept {
        group_.store(nullptr, std::memory_order_release);  // ORDER: with pending_group()
    }
    /// @return the group that it was given to, until it has settled.
    [[nodiscard]] GroupCore* pending_group() const noexcept {
        return group_.load(std::memory_order_acquire);  // ORDER: with settle(), perhaps a thief's
    }

  private:
    friend class GroupCore;
    Invoke invoke_;
    std::atomic<GroupCore*> group_{nullptr};
};

/// Counts the children of one group. Blumofe and Leiserson's fully strict fork-join: children are
/// pushed on the owner's deque, the owner pops what is left when it waits, and helps others
/// meanwhile.
///
/// The owner counts in a plain word; only those who took a child from another thread's deque count
/// in an atomic one. Done: both are equal.
///
/// Thread safety: the owner's thread only, except record() (any), and what thieves do.
class GroupCore {
  public:
    explicit GroupCore(Crew& crew) noexcept {
        Worker* const worker = current_worker;
        if (worker != nullptr && worker->crew == &crew) [[likely]] {
            worker_ = worker;
            mark_ = worker->deque.position();
        } else {
            become_guest(crew);
        }
    }
    GroupCore(const GroupCore&) = delete;
    GroupCore& operator=(const GroupCore&) = delete;
    ~GroupCore() {
        if (outstanding_ != 0) [[unlikely]] {
            abandon();
        }
        if (guest_) [[unlikely]] {
            end_guest();
        }
    }

    /// Offers a child to all workers.
    [[gnu::always_inline]] void spawn(SpawnedBase& child) noexcept {
        // ORDER: relaxed, published by the push
        child.group_.store(this, std::memory_order_relaxed);
        if (worker_ == nullptr || !worker_->deque.push_fast(word_of(child))) [[unlikely]] {
            return spawn_slowly(child);
        }
        ++outstanding_;
        StdAtomics::light_fence();
        // ORDER: relaxed, see Parker::notify_own
        if (ParkWord(worker_->park_word->load(std::memory_order_relaxed)).wants_wake())
            [[unlikely]] {
            worker_->crew->wake_for_push();
        }
    }

    /// Runs or awaits all children. @return the first failure among them.
    [[nodiscard, gnu::always_inline]] Result<void> wait() noexcept {
        if (outstanding_ != 0) [[likely]] {
            Word word = 0;
            if (pop_own(word)) [[likely]] {
                run_popped(word);
            }
            if (outstanding_ != 0) {
                wait_slowly();
            }
        }
        // ORDER: relaxed, the joins have ordered it
        if (flags_.load(std::memory_order_relaxed) != 0) [[unlikely]] {
            return take_failure();
        }
        return {};
    }

    /// Cancels what has not begun and awaits what has.
    void abandon() noexcept;
    /// Keeps the first failure. Any thread that runs a child.
    void record(Error error) noexcept;
    /// Whether what has not begun is not going to.
    [[nodiscard]] bool cancelled() const noexcept {
        // ORDER: a hint; joins order the rest
        return (flags_.load(std::memory_order_relaxed) & cancelled_bit) != 0;
    }
    /// Has the children that have not begun skipped, whoever holds them. Any thread that runs a
    /// child.
    void cancel_rest() noexcept {
        flags_.fetch_or(cancelled_bit, std::memory_order_relaxed);  // ORDER: as cancelled()
    }
    /// The thread that owns it; nullptr when it runs everything at once.
    [[nodiscard]] Worker* worker() const noexcept { return worker_; }

    /// Runs a child that `me` has popped or stolen, and counts it for its group.
    static void run_spawned(SpawnedBase& child, Worker& me) noexcept;
    [[nodiscard]] static SpawnedBase& child_of(Word word) noexcept {
        // SAFETY: a word with spawned_bit was made by word_of from a SpawnedBase that still lives
        return *reinterpret_cast<SpawnedBase*>(word & ~spawned_bit);
    }

  private:
    static constexpr std::uint8_t failed_bit = 1;     // somebody has claimed failure_
    static constexpr std::uint8_t cancelled_bit = 2;  // skip what has not begun

    [[nodiscard]] static Word word_of(SpawnedBase& child) noexcept {
        // SAFETY: aligned to at least 8, so that the lowest bit is free
        return reinterpret_cast<Word>(&child) | spawned_bit;
    }
    /// Takes the newest word above this group's frame.
    [[nodiscard]] bool pop_own(Word& word) noexcept {
        return worker_->deque.position() > mark_ && worker_->deque.pop_into(word);
    }
    /// Takes the newest word if it is a child of this group that lies below its frame: functions
    /// that stood before it were tidied away meanwhile.
    [[nodiscard]] bool pop_sunk(Word& word) noexcept;
    void run_popped(Word word) noexcept {
        if ((word & spawned_bit) != 0) [[likely]] {
            SpawnedBase& child = child_of(word);
            // ORDER: relaxed: pushed by this thread, or acquired with the steal
            if (child.group_.load(std::memory_order_relaxed) == this) [[likely]] {
                --outstanding_;
                child.invoke_(child, cancelled() ? nullptr : this);
                return;
            }
        }
        run_foreign(word);
    }
    [[nodiscard]] bool finished() const noexcept {
        return stolen_done_.load(std::memory_order_seq_cst) == outstanding_;
    }
    void spawn_slowly(SpawnedBase& child) noexcept;
    void run_foreign(Word word) noexcept;
    void wait_slowly() noexcept;
    void rest() noexcept;
    void become_guest(Crew& crew) noexcept;
    void end_guest() noexcept;
    Result<void> take_failure() noexcept;

    Worker* worker_ = nullptr;
    std::int64_t mark_ = 0;                      // the deque's position below which nothing is ours
    std::uint64_t outstanding_ = 0;              // spawned, less those that the owner ran
    std::atomic<std::uint64_t> stolen_done_{0};  // run by others
    std::atomic<std::uint8_t> flags_{0};
    bool guest_ = false;
    std::unique_ptr<Error> failure_;
};

}  // namespace repartir::detail
