// SPDX-License-Identifier: MIT
#pragma once
/// @file function.hpp C++ callables as tasks.
#include <chrono>
#include <memory>
#include <new>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "repartir/detail/call.hpp"
#include "repartir/detail/crew.hpp"
#include "repartir/pending.hpp"
#include "repartir/policy.hpp"

namespace repartir {

/// A C++ callable with options: what Task::function gives. Any callable that can be moved, called
/// once, with a std::stop_token if it takes one. It may return a value, a Result, or nothing.
///
/// A value as far as the callable is one. Thread safety: as an int.
template <class F>
class FunctionTask {
    static_assert(detail::Callable<F>,
                  "a function task is called with no argument or a stop_token");

  public:
    explicit FunctionTask(F work) : work_(std::move(work)) {}

    /// The lane it waits in; default normal.
    FunctionTask& priority(Priority value) & {
        priority_ = value;
        return *this;
    }
    /// From its start. At the deadline its Pending is resolved with Code::timed_out and its
    /// stop_token is told; the worker stays busy until it returns. 0: no deadline (the default).
    /// An outside thread's get() never runs it, so as to return at the deadline; a worker's may,
    /// and returns when it does.
    FunctionTask& timeout(std::chrono::milliseconds value) & {
        timeout_ = value;
        return *this;
    }
    /// For errors that speak of it.
    FunctionTask& name(std::string_view value) & {
        name_ = value;
        return *this;
    }
    FunctionTask&& priority(Priority value) && { return std::move(priority(value)); }
    FunctionTask&& timeout(std::chrono::milliseconds value) && { return std::move(timeout(value)); }
    FunctionTask&& name(std::string_view value) && { return std::move(name(value)); }

    [[nodiscard]] Priority priority() const noexcept { return priority_; }  ///< as set
    /// @return as set; 0 ms: none.
    [[nodiscard]] std::chrono::milliseconds timeout() const noexcept { return timeout_; }
    [[nodiscard]] const std::string& name() const noexcept { return name_; }  ///< as set, or empty
    /// @return the callable, moved out.
    [[nodiscard]] F take() && { return std::move(work_); }

  private:
    F work_;
    std::chrono::milliseconds timeout_{0};
    std::string name_;
    Priority priority_ = Priority::normal;
};

namespace detail {

[[nodiscard]] Error timed_out_error(std::string_view name, std::chrono::milliseconds timeout);
[[nodiscard]] Error no_memory_error() noexcept;
[[nodiscard]] Error invalid_function_error(std::string_view name);

/// A submitted function and its result, in one recycled block.
template <class F>
class FunctionState : public SharedState<ValueOf<F>> {
  public:
    using Value = ValueOf<F>;

    FunctionState(Crew* crew, F&& work) : SharedState<Value>(crew, 2), work_(std::move(work)) {}
    ~FunctionState() override {}  // the callable has ended by then

    bool claim_and_run(bool give_up) noexcept override {
        if (!begin(give_up)) {
            return false;
        }
        run(give_up);
        return true;
    }
    std::optional<Result<Value>> run_for_consumer() noexcept override {
        if constexpr (!TakesStopToken<F>) {  // a shutdown must find those that do
            if (!this->crew()->on_crew_thread() && begin(false)) {
                std::optional<Result<Value>> result = call_for_consumer();
                std::destroy_at(&work_);
                return result;
            }
        }
        return std::nullopt;
    }
    void cancel() noexcept override {
        if (!end_unstarted(cancelled_error)) {
            this->overtake(StateWord<>::cancelled);  // first: what it returns when told is dropped
            request_stop();
        }
    }
    void request_stop() noexcept override {
        if constexpr (TakesStopToken<F>) {
            stop_.source.request_stop();
        }
    }
    void leave_queue() noexcept override { Crew::drop(this); }
    void refuse(Error error) noexcept override {
        end_unstarted([&error] { return std::move(error); });
    }

  protected:
    void destroy() noexcept override {
        this->~FunctionState();
        Crew::free(this);
    }
    /// claim_start(). @param from_queue the caller has taken the function from its queue
    [[nodiscard]] bool begin(bool from_queue) noexcept {
        if (!this->claim_start()) {
            return false;
        }
        if (!from_queue) {
            Crew::spend(this);
        }
        return true;
    }
    /// After begin(). @param give_up a reference of the caller's, with the publication
    void run(bool give_up) noexcept {
        if constexpr (TakesStopToken<F>) {
            Stoppable node(*this);
            this->crew()->enlist(node);
            Result<Value> result = call_caught(work_, stop_.source.get_token());
            this->crew()->delist(node);
            std::destroy_at(&work_);
            this->finish_with(std::move(result), give_up);
        } else {
            Result<Value> result = call_caught(work_);
            std::destroy_at(&work_);
            this->finish_with(std::move(result), give_up);
        }
    }
    /// In place of run().
    void refuse_run(Error error, bool give_up) noexcept {
        std::destroy_at(&work_);
        this->finish_with(fail(std::move(error)), give_up);
    }

  private:
    /// Resolves it with `error()`, unless it has begun. @return whether this call did.
    template <class MakeError>
    bool end_unstarted(MakeError&& error) noexcept {
        if (!this->claim_unstarted()) {
            return false;
        }
        Crew::spend(this);
        std::destroy_at(&work_);
        this->store(fail(error()));
        this->publish();
        return true;
    }

    /// @return what the work gives; where that cannot be moved, what its move has thrown.
    std::optional<Result<Value>> call_for_consumer() noexcept {
        if constexpr (std::is_nothrow_move_constructible_v<Result<Value>>) {
            return std::optional<Result<Value>>(call_caught(work_));
        } else {
            try {
                return std::optional<Result<Value>>(call_caught(work_));
            } catch (...) {
                return std::optional<Result<Value>>(std::in_place, fail(thrown_error()));
            }
        }
    }

    struct Stop {
        std::stop_source source;
    };
    struct Nothing {};
    union {
        F work_;  // alive until it was run, cancelled or refused
    };
    [[no_unique_address]] std::conditional_t<TakesStopToken<F>, Stop, Nothing> stop_;
};

/// As above, with a deadline.
template <class F>
class TimedFunctionState final : public FunctionState<F> {
  public:
    TimedFunctionState(Crew* crew, F&& work, std::chrono::milliseconds timeout, std::string name)
        : FunctionState<F>(crew, std::move(work)), timeout_(timeout), name_(std::move(name)) {}

    std::optional<Result<typename FunctionState<F>::Value>> run_for_consumer() noexcept override {
        return std::nullopt;  // it is to have its result at the deadline
    }
    bool claim_and_run(bool give_up) noexcept override {
        if (!this->begin(give_up)) {
            return false;
        }
        Result<Deadline*> deadline = this->crew()->arm(*this, timeout_);
        if (!deadline) {  // refused rather than run without what was asked for
            this->refuse_run(std::move(deadline).error(), give_up);
            return true;
        }
        this->run(false);
        this->crew()->disarm(*deadline);
        if (give_up) {
            this->release();
        }
        return true;
    }
    void expire() noexcept override { this->overtake(StateWord<>::expired); }
    [[nodiscard]] Error overtaken_error(bool expired) const override {
        return expired ? timed_out_error(name_, timeout_) : cancelled_error();
    }

  private:
    void destroy() noexcept override {
        this->~TimedFunctionState();
        Crew::free(this);
    }
    std::chrono::milliseconds timeout_;
    std::string name_;
};

/// Makes a state in a recycled block and queues it. What prevents that is the Pending's result.
template <class State, class Value, class... Args>
[[nodiscard]] Pending<Value> submit_state(Crew& crew, Priority priority, Args&&... args) {
    static_assert(alignof(State) <= 64, "callables aligned beyond 64 bytes are not supported");
    void* const block = crew.allocate(sizeof(State), priority);
    if (block == nullptr) {
        auto* const refused = new SharedState<Value>(&crew);
        refused->resolve(fail(no_memory_error()));
        return Pending<Value>(refused);
    }
    struct Free {
        void operator()(void* held) const noexcept { Crew::free(held); }
    };
    std::unique_ptr<void, Free> guard(block);  // a callable's move may throw
    auto* const state = new (block) State(&crew, std::forward<Args>(args)...);
    static_cast<void>(guard.release());
    Pending<Value> pending(state);
    if (Result<void> queued = crew.submit(*state, priority); !queued) {
        Crew::drop(state);  // it was never queued; before refuse(), which counts it as spent
        state->refuse(std::move(queued).error());
        state->release();  // the queue's reference
    }
    return pending;
}

/// Submits a plain callable, which is given up to it.
template <class F>
    requires(!std::is_reference_v<F>)
[[nodiscard]] Pending<ValueOf<F>> submit_function(Crew& crew, F&& work, Priority priority) {
    return submit_state<FunctionState<F>, ValueOf<F>>(crew, priority, std::forward<F>(work));
}

/// Submits a callable with options.
template <class F>
[[nodiscard]] Pending<ValueOf<F>> submit_function(Crew& crew, FunctionTask<F>&& task) {
    const Priority priority = task.priority();
    const std::chrono::milliseconds timeout = task.timeout();
    std::string name = task.name();
    if (timeout.count() < 0 || priority > Priority::low) {
        auto* const refused = new SharedState<ValueOf<F>>(&crew);
        refused->resolve(fail(invalid_function_error(name)));
        return Pending<ValueOf<F>>(refused);
    }
    if (timeout.count() == 0) {
        return submit_function(crew, std::move(task).take(), priority);
    }
    return submit_state<TimedFunctionState<F>, ValueOf<F>>(crew, priority, std::move(task).take(),
                                                           timeout, std::move(name));
}

}  // namespace detail

}  // namespace repartir
