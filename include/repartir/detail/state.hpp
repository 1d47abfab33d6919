// SPDX-License-Identifier: MIT
#pragma once
/// @file state.hpp What a Pending and the one who will fulfil it share. Not for direct use.
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "repartir/detail/call.hpp"
#include "repartir/detail/state_word.hpp"
#include "repartir/result.hpp"

namespace repartir::detail {

class Crew;

}  // namespace repartir::detail

namespace repartir::sched {
class JobList;
}  // namespace repartir::sched

namespace repartir::detail {

/// Something that a crew does once on one of its workers. Intrusive: queueing it cannot fail.
class Job {
  public:
    Job() = default;
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;
    virtual ~Job() = default;
    /// A worker does it. Called once, after which the crew does not touch the object again.
    virtual void run_job() noexcept = 0;
    /// The crew is shut down with Shutdown::cancel: called in place of run_job().
    virtual void abandon_job() noexcept { run_job(); }
    /// Whether run_job() would find nothing left to do. Any thread; once true, always true.
    [[nodiscard]] virtual bool spent() const noexcept { return false; }
    // Of a spent one, in place of run_job(): its place in the queue is given up, and then itself.
    virtual void leave_queue() noexcept {}
    virtual void discard() noexcept {}

  private:
    friend class repartir::sched::JobList;
    Job* next_ = nullptr;  // in a list
};

/// What is to happen once a state is ready: on a worker, for a callback or a coroutine that waits.
class Continuation : public Job {
  public:
    /// The state is ready. Called once for each, on the thread that made it so, or that attaches
    /// this later.
    virtual void due(Crew& crew) noexcept;
};

/// The counted, immovable state behind a Pending. One consumer (the Pending), one or more who may
/// fulfil it; the first to claim does.
///
/// Thread safety: every function from any thread, unless it says otherwise.
class StateBase : public Job {
  public:
    /// @param crew where continuations run; outlives every call that can attach or post one
    /// @param references how many owners it begins with
    explicit StateBase(Crew* crew, std::uint32_t references = 1) noexcept
        : crew_(crew), word_(references) {}

    /// One more owner.
    void retain() noexcept { word_.retain(); }
    /// One owner less; the last one destroys it.
    void release() noexcept {
        if (word_.release()) {
            destroy();
        }
    }
    /// @return whether the result is there; then it may be taken.
    [[nodiscard]] bool ready() const noexcept { return word_.ready(); }
    /// The error that stands for what has overtaken the work.
    [[nodiscard]] virtual Error overtaken_error(bool expired) const;
    /// The consumer wants no result any more, or dropped its Pending. Idempotent.
    virtual void cancel() noexcept {}
    /// The work behind this state has passed its deadline: that is its result, unless there is one.
    virtual void expire() noexcept {}
    /// Tells running work, which watches a stop_token, that it need not go on.
    virtual void request_stop() noexcept {}
    /// Resolves the work with `error`, if nobody has begun it.
    // NOLINTNEXTLINE(performance-unnecessary-value-param): those who override it keep the error
    virtual void refuse([[maybe_unused]] Error error) noexcept {}
    /// Runs the work behind this state here and now, if there is some that nobody has begun. On a
    /// worker of the crew, which lives as long as the crew does.
    /// @param give_up the caller has it from the queue, whose reference goes with it, if it runs
    /// @return whether it did.
    virtual bool claim_and_run([[maybe_unused]] bool give_up) noexcept { return false; }

    /// Blocks until ready. On a thread of the crew: see Pending::get. Errors: would_deadlock.
    [[nodiscard]] Result<void> wait() noexcept;
    /// Blocks until ready, doing nothing else; for the crew.
    void sleep() noexcept { static_cast<void>(sleep_until(nullptr)); }
    /// Blocks until ready or the deadline. @return ready().
    bool wait_until(std::chrono::steady_clock::time_point deadline) noexcept;

    /// Has `continuation` told once this is ready, perhaps at once. One at most, consumer only.
    void attach(Continuation& continuation) noexcept;
    /// Takes an attached continuation back. @return false when it is told already. Consumer only.
    bool detach_continuation() noexcept;

    [[nodiscard]] Crew* crew() const noexcept { return crew_; }

    // As a job it owns one reference.
    void run_job() noexcept override {
        if (!claim_and_run(true)) {
            leave_queue();
            discard();
        }
    }
    void abandon_job() noexcept override {
        cancel();
        leave_queue();
        discard();
    }
    [[nodiscard]] bool spent() const noexcept override { return word_.begun(); }
    void discard() noexcept override { release(); }

  protected:
    ~StateBase() override = default;
    /// Gives the storage back; called once, by the last owner.
    virtual void destroy() noexcept { delete this; }

    /// @return true for the first caller: only it may store a result and publish it.
    [[nodiscard]] bool claim() noexcept { return word_.claim(); }
    /// Makes the stored result visible, wakes waiters, tells the continuation. After claim(), once.
    /// The caller owns a reference until this returns.
    void publish() noexcept {
        const std::uint32_t left = word_.publish();
        if (left != 0) {
            notify(left);
        }
    }
    /// Resolves work that somebody runs with `how`, of StateWord's `cancelled` and `expired`, if it
    /// has no result yet. The caller owns a reference until this returns.
    void overtake(std::uint32_t how) noexcept {
        if (std::uint32_t left = 0; word_.overtake(how, left) && left != 0) {
            notify(left);
        }
    }
    /// The runner's publish(). @return StateWord::drop_result, or that and the destruction are
    /// done.
    [[nodiscard]] bool finish(bool give_up) noexcept {
        const std::uint32_t left = word_.finish(give_up);
        if (left == 0) [[likely]] {
            return true;
        }
        return end_finish(left, give_up);
    }
    /// @return true for the first caller: only it may run the work. Fails once a result is claimed.
    [[nodiscard]] bool claim_start() noexcept { return word_.claim_start(); }
    /// As claim(), but only while the work has not begun.
    [[nodiscard]] bool claim_unstarted() noexcept { return word_.claim_unstarted(); }
    /// @return what has come before the runner's result, see StateWord::overtaken.
    [[nodiscard]] std::uint32_t overtaken() const noexcept { return word_.overtaken(); }

  private:
    void notify(std::uint32_t left) noexcept;
    bool end_finish(std::uint32_t left, bool give_up) noexcept;
    bool sleep_until(const std::chrono::steady_clock::time_point* deadline) noexcept;

    Crew* crew_;
    Continuation* continuation_ = nullptr;
    StateWord<> word_;
};

/// A StateBase with room for the result. Large results, and those whose move may throw, are kept
/// out of line so that a state that waits stays small.
template <class T>
class SharedState : public StateBase {
  public:
    using StateBase::StateBase;

    /// Fulfils the state: wakes waiters, tells the continuation. The first call wins. Not for the
    /// runner of a function, nor while there is one. The caller owns a reference until this
    /// returns. @return whether this call did.
    bool resolve(Result<T>&& result) noexcept {
        if (!claim()) {
            return false;
        }
        store(std::move(result));
        publish();
        return true;
    }
    /// Runs the work behind this state for its consumer, if there is some that nobody has begun and
    /// that nothing else may end. @return its result, which is not stored: only release() is left.
    [[nodiscard]] virtual std::optional<Result<T>> run_for_consumer() noexcept {
        return std::nullopt;
    }
    /// Takes the result out. Consumer only, once, after ready().
    [[nodiscard]] Result<T> take() {
        if (const std::uint32_t how = overtaken(); how != 0) [[unlikely]] {
            return fail(overtaken_error(how == StateWord<>::expired));
        }
        if constexpr (is_inline) {
            return std::move(storage_.result);
        } else {
            return std::move(*storage_.result);
        }
    }

  protected:
    ~SharedState() override {
        if (ready() && overtaken() == 0) {
            std::destroy_at(&storage_.result);
        }
    }
    /// The runner's end: stores and publishes, unless somebody was faster.
    void finish_with(Result<T>&& result, bool give_up) noexcept {
        store(std::move(result));
        if (!finish(give_up)) [[unlikely]] {
            std::destroy_at(&storage_.result);
            if (give_up) {
                release();
            }
        }
    }
    /// Between claim() and publish().
    void store(Result<T>&& result) noexcept {
        if constexpr (is_inline) {
            std::construct_at(&storage_.result, std::move(result));
        } else {
            std::construct_at(&storage_.result, kept_apart(std::move(result)));
        }
    }

  private:
    static constexpr bool is_inline =
        sizeof(Result<T>) <= 48 && std::is_nothrow_move_constructible_v<Result<T>>;
    using Stored = std::conditional_t<is_inline, Result<T>, std::unique_ptr<Result<T>>>;
    /// @return the result, or what its move has thrown.
    static std::unique_ptr<Result<T>> kept_apart(Result<T>&& result) noexcept {
        try {
            return std::make_unique<Result<T>>(std::move(result));
        } catch (...) { return std::make_unique<Result<T>>(fail(thrown_error())); }
    }
    union Storage {  // alive from store() on: ready() tells
        Storage() noexcept {}
        ~Storage() {}
        Storage(const Storage&) = delete;
        Storage& operator=(const Storage&) = delete;
        Stored result;
    };
    Storage storage_;
};

}  // namespace repartir::detail
