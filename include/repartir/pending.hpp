// SPDX-License-Identifier: MIT
#pragma once
/// @file pending.hpp A result that is not there yet.
#include <cassert>
#include <chrono>
#include <concepts>
#include <coroutine>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "repartir/detail/state.hpp"
#include "repartir/result.hpp"

namespace repartir {

/// Is told that results are there; for a thread that waits for other things too, such as an event
/// loop. One may serve any number of Pendings. It outlives their Pool.
class Observer : public detail::Continuation {
  public:
    /// A Pending is ready. On the thread that made it so, which goes on after that: it is to be
    /// brief, to wait for nothing, and to use no Pending and no Pool.
    virtual void ready() noexcept = 0;

  private:
    void due(detail::Crew& /*crew*/) noexcept final { ready(); }
    void run_job() noexcept final {}
};

namespace detail {

/// @return that far from now; the end of the clock, where it does not reach that far.
template <class Rep, class Period>
[[nodiscard]] std::chrono::steady_clock::time_point deadline_after(
    std::chrono::duration<Rep, Period> duration) {
    using Clock = std::chrono::steady_clock;
    constexpr std::chrono::duration<double> reach = std::chrono::hours(24 * 365 * 100);
    const std::chrono::duration<double> wanted(duration);  // holds any duration, if not exactly
    if (wanted >= reach) {
        return Clock::time_point::max();
    }
    return wanted <= -reach ? Clock::time_point::min()
                            : Clock::now() + std::chrono::ceil<std::chrono::nanoseconds>(duration);
}

/// A callback that waits for a result; owns the state and itself.
template <class T, class F>
class Callback final : public Continuation {
  public:
    Callback(SharedState<T>* state, F&& callback) : state_(state), callback_(std::move(callback)) {}
    void run_job() noexcept override {
        const std::unique_ptr<Callback> self(this);
        try {
            callback_(state_->take());
        } catch (...) {  // contract of on_ready: what the callback throws is dropped
        }
        state_->release();
    }

  private:
    SharedState<T>* state_;
    F callback_;
};

/// A coroutine that waits for a result. Lives in the coroutine's frame.
template <class T>
class Awaiter final : public Continuation {
  public:
    explicit Awaiter(SharedState<T>* state) noexcept : state_(state) {}
    ~Awaiter() override {
        if (waiting_ && state_->detach_continuation()) {
            state_->cancel();  // the coroutine was destroyed while it waited
        }
        state_->release();
    }
    [[nodiscard]] static bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) noexcept {
        handle_ = handle;
        waiting_ = true;
        state_->attach(*this);  // last: the coroutine may go on elsewhere from here
    }
    [[nodiscard]] Result<T> await_resume() { return state_->take(); }
    void run_job() noexcept override {
        waiting_ = false;
        handle_.resume();
    }

  private:
    SharedState<T>* state_;
    std::coroutine_handle<> handle_;
    bool waiting_ = false;
};

}  // namespace detail

/// The one handle to a result that is not there yet. Dropping it requests cancellation and never
/// waits; detach() lets the work run on without an audience.
///
/// Thread safety: one thread at a time, like a unique_ptr; the work behind it may end on any
/// thread. After a move, get, detach, on_ready or co_await it is empty and may only be destroyed or
/// assigned. A Pending may outlive its Pool: it is ready then. The pool must live while on_ready or
/// co_await is called on it.
template <class T>
class [[nodiscard]] Pending {
  public:
    using value_type = T;  ///< what get() gives, inside a Result

    /// Takes over one reference to `adopted`. For producers.
    explicit Pending(detail::SharedState<T>* adopted) noexcept : state_(adopted) {}
    Pending(Pending&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    Pending& operator=(Pending&& other) noexcept {
        if (this != &other) {
            drop();
            state_ = std::exchange(other.state_, nullptr);
        }
        return *this;
    }
    ~Pending() { drop(); }

    /// Waits for the result and takes it.
    ///
    /// A function without a timeout that has not started runs here, on the calling thread.
    /// Otherwise an outside thread sleeps; a pool thread runs work that was submitted above its
    /// frame, then sleeps while a spare worker stands in for it. Errors: those of the work, and
    /// would_deadlock (the work is cancelled then) when the pool has no spare worker left, and for
    /// tasks and calls on a thread that they need to end, such as in an OutputCallback.
    [[nodiscard]] Result<T> get() && {
        assert(state_ != nullptr);
        if (!state_->ready()) {
            if (std::optional<Result<T>> result = state_->run_for_consumer()) {
                std::exchange(state_, nullptr)->release();
                return *std::move(result);
            }
            if (Result<void> waited = state_->wait(); !waited) {
                drop();
                return fail(std::move(waited).error());
            }
        }
        const Release guard(std::exchange(state_, nullptr));
        return guard.state->take();
    }

    /// Waits at most `duration`; starts nothing on this thread. A spare worker stands in for a pool
    /// thread that waits here, if one is left. @return whether the result is there.
    template <class Rep, class Period>
    bool wait_for(std::chrono::duration<Rep, Period> duration) {
        assert(state_ != nullptr);
        return state_->ready() || state_->wait_until(detail::deadline_after(duration));
    }

    /// @return whether get() would return at once. Never blocks.
    [[nodiscard]] bool ready() const noexcept {
        assert(state_ != nullptr);
        return state_->ready();
    }

    /// Asks for the work to end. What has not started never runs; of result and cancellation the
    /// first wins. Idempotent, never blocks.
    void cancel() noexcept {
        assert(state_ != nullptr);
        if (!state_->ready()) {
            state_->cancel();
        }
    }

    /// Lets the work go on; its result is dropped.
    void detach() && noexcept {
        assert(state_ != nullptr);
        std::exchange(state_, nullptr)->release();
    }

    /// Has `callback(Result<T>)` called on a pool worker once the result is there; never inline.
    /// What it throws is dropped. Allocates once.
    template <class F>
        requires std::invocable<std::decay_t<F>&, Result<T>>
    void on_ready(F&& callback) && {
        assert(state_ != nullptr);
        using Node = detail::Callback<T, std::decay_t<F>>;
        auto node = std::make_unique<Node>(state_, std::decay_t<F>(std::forward<F>(callback)));
        std::exchange(state_, nullptr)->attach(*node.release());  // owns itself from here on
    }

    /// Has `observer` told once the result is there, perhaps at once; the result stays here. Once,
    /// and not before on_ready or co_await.
    void observe(Observer& observer) noexcept {
        assert(state_ != nullptr);
        state_->attach(observer);
    }

    /// Awaits the result in a coroutine of any type: it goes on on a pool worker and gets a
    /// Result<T>. Submit first, then await (g++ 12 miscompiles temporaries inside co_await):
    ///     auto pending = pool.submit(work);
    ///     auto result = co_await std::move(pending);
    /// A coroutine that waits may be destroyed only while the result is not there.
    [[nodiscard]] detail::Awaiter<T> operator co_await() && noexcept {
        assert(state_ != nullptr);
        return detail::Awaiter<T>(std::exchange(state_, nullptr));
    }

  private:
    struct Release {
        explicit Release(detail::SharedState<T>* held) noexcept : state(held) {}
        Release(const Release&) = delete;
        Release& operator=(const Release&) = delete;
        ~Release() { state->release(); }
        detail::SharedState<T>* state;
    };
    void drop() noexcept {
        if (state_ != nullptr) {
            cancel();
            std::exchange(state_, nullptr)->release();
        }
    }

    detail::SharedState<T>* state_;  // one counted reference, or none
};

}  // namespace repartir
