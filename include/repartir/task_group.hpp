// SPDX-License-Identifier: MIT
#pragma once
/// @file task_group.hpp Fork and join: children that end before their parent goes on.
#include <functional>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "repartir/detail/call.hpp"
#include "repartir/detail/group.hpp"

namespace repartir {

class Pool;
class TaskGroup;

namespace detail {

/// Calls a child and tells the group how it failed, if so.
template <class F>
void run_child(F& child, GroupCore& group) noexcept {
    using Raw = std::remove_cv_t<std::invoke_result_t<F&>>;
    try {
        if constexpr (Flatten<Raw>::is_result) {
            auto result = std::invoke(child);
            if (!result) {
                group.record(std::move(result).error());
            }
        } else {
            static_cast<void>(std::invoke(child));
        }
    } catch (...) { group.record(thrown_error()); }
}

/// A closure in a recycled block, which it gives back itself.
template <class F>
class Closure final : public SpawnedBase {
  public:
    explicit Closure(F&& work) : SpawnedBase(&invoke), work_(std::move(work)) {}

  private:
    static void invoke(SpawnedBase& base, GroupCore* group) noexcept {
        auto& self = static_cast<Closure&>(base);
        if (group != nullptr) {
            run_child(self.work_, *group);
        }
        self.settle();
        std::destroy_at(&self);
        Crew::free(&self);
    }
    F work_;
};

}  // namespace detail

/// A child that lives in its parent's frame: spawning it allocates nothing.
///
/// It must not be destroyed or moved by others while a group runs it; its destructor sees to that:
/// it cancels and joins the group that it was given to, unless that has run it. Use it again after
/// TaskGroup::wait. Thread safety: the thread of the group that it is given to.
template <class F>
class Spawned final : public detail::SpawnedBase {
    static_assert(std::is_invocable_v<F&>, "a Spawned is called without arguments");

  public:
    /// @param work called at most once per TaskGroup::run; may return void or Result<void>
    explicit Spawned(F work) noexcept(std::is_nothrow_move_constructible_v<F>)
        : SpawnedBase(&invoke), work_(std::move(work)) {}
    ~Spawned() {
        if (detail::GroupCore* const group = pending_group(); group != nullptr) [[unlikely]] {
            group->abandon();
        }
    }

  private:
    friend class TaskGroup;
    static void invoke(detail::SpawnedBase& base, detail::GroupCore* group) noexcept {
        auto& self = static_cast<Spawned&>(base);
        if (group != nullptr) {
            detail::run_child(self.work_, *group);
        }
        self.settle();
    }
    F work_;
};

/// A set of children that run in parallel with their parent and end before it goes on.
///
///     TaskGroup group(pool);
///     Spawned left([&] { a = fib(n - 1); });
///     group.run(left);
///     b = fib(n - 2);
///     Result<void> all = group.wait();
///
/// On a worker children wait in its deque, where others steal them. An outside thread is a guest of
/// the pool while it has a group: it has a deque, and helps while it waits. Beyond 64 such threads
/// at a time, run() calls the child at once. Do not keep children that wait for each other in one
/// group.
///
/// Thread safety: the thread that made it. Groups of a thread end in the reverse order of their
/// making. The pool outlives its groups. The destructor cancels children that have not begun and
/// joins those that have, also while an exception passes.
class TaskGroup {
  public:
    /// Never fails; costs a few nanoseconds on a worker, a search for a place on an outside thread.
    explicit TaskGroup(Pool& pool) noexcept;
    /// As above, for users of the low-level API.
    explicit TaskGroup(detail::Crew& crew) noexcept : core_(crew) {}
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;
    ~TaskGroup() = default;

    /// Spawns a child that the caller keeps alive until wait() or the destructor. No allocation.
    template <class F>
    void run(Spawned<F>& child) noexcept {
        core_.spawn(child);
    }
    /// Spawns a closure that the group stores, in a recycled block: nothing is allocated once the
    /// pool is warm. Throws what moving or copying the closure throws.
    template <class F>
        requires std::is_invocable_v<std::decay_t<F>&>
    void run(F&& work) {
        using Node = detail::Closure<std::decay_t<F>>;
        static_assert(alignof(Node) <= 64, "closures aligned beyond 64 bytes are not supported");
        detail::Worker* const worker = core_.worker();
        void* const block = worker == nullptr ? nullptr : worker->crew->allocate(sizeof(Node));
        if (block == nullptr) {
            std::decay_t<F> now(std::forward<F>(work));
            detail::run_child(now, core_);
            return;
        }
        std::unique_ptr<void, Free> guard(block);
        auto* const node = new (block) Node(std::decay_t<F>(std::forward<F>(work)));
        static_cast<void>(guard.release());  // the node gives its block back itself
        core_.spawn(*node);
    }

    /// Runs what nobody has taken, helps others while thieves finish the rest, then sleeps. The
    /// group can be used again afterwards. Errors: the first that a child returned or threw
    /// (Code::function_threw keeps its message); the others run all the same. Children that cannot
    /// fail leave nothing to look at in the result.
    Result<void> wait() noexcept { return core_.wait(); }
    /// Has children that have not begun skipped; wait() still joins those that have.
    void cancel() noexcept { core_.cancel_rest(); }

  private:
    struct Free {
        void operator()(void* block) const noexcept { detail::Crew::free(block); }
    };
    detail::GroupCore core_;
};

}  // namespace repartir
