// SPDX-License-Identifier: MIT
#pragma once
/// @file remote_state.hpp What a Pending and a call to a worker share. Not for direct use.
#include <atomic>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "repartir/detail/call.hpp"
#include "repartir/detail/crew.hpp"
#include "repartir/detail/state.hpp"
#include "repartir/detail/taken.hpp"
#include "repartir/remote_executor.hpp"
#include "repartir/result.hpp"

namespace repartir::detail {

/// The Error of a call in a pool without remote workers.
[[nodiscard]] Error no_workers_error(std::string_view function);
/// The Error of a call whose result is to go where nobody can write.
[[nodiscard]] Error sealed_buffer_error(std::string_view function);
/// The Error of a value of so many bytes (0: unknown) where memory is short.
[[nodiscard]] Error no_room_error(std::uint64_t bytes);

/// A call to a worker, and its result. Taken: what makes the result of what comes, see taken.hpp.
template <class R, class Taken>
class RemoteState final : public SharedState<R> {
  public:
    RemoteState(Crew* crew, std::shared_ptr<CallDoor> door)
        : SharedState<R>(crew, 2), door_(std::move(door)) {}

    /// Told by the executor; gives up its reference.
    class Sink final : public CallSink {
      public:
        Sink(RemoteState& state, Taken&& taken) noexcept
            : state_(state), taken_(std::move(taken)) {}
        [[nodiscard]] Result<void> take(std::uint64_t offset, std::uint64_t total,
                                        std::string_view bytes) noexcept override {
            try {
                return taken_.take(offset, total, bytes);
            } catch (...) { return fail(no_room_error(total)); }
        }
        void returned(Result<void> how) noexcept override {
            state_.resolve(how ? whole() : Result<R>(fail(std::move(how).error())));
            state_.release();
        }

      private:
        Result<R> whole() noexcept {
            try {
                return taken_.whole();
            } catch (...) { return fail(thrown_error()); }
        }

        RemoteState& state_;
        Taken taken_;
    };

    /// Begins it. @return the state, with one reference for a Pending
    static RemoteState* begin(Crew* crew, RemoteExecutor& executor, std::string_view function,
                              std::string_view arguments, const CallOptions& options,
                              Taken&& taken) {
        auto* const state = new RemoteState(crew, executor.door());
        state->retain();  // of this function: the call may end before it has a number
        const CallId id = executor.call(function, arguments, options,
                                        std::make_shared<Sink>(*state, std::move(taken)));
        state->id_.store(id);
        state->release();
        return state;
    }
    void cancel() noexcept override { door_->cancel(id_.load()); }
    /// Sees to the network here while it waits, unless this thread has other work to do.
    [[nodiscard]] std::optional<Result<R>> run_for_consumer() noexcept override {
        if (current_worker == nullptr && !door_->drive(*this)) {
            cancel();
            return fail(waits_for_itself_error());
        }
        return std::nullopt;
    }

  private:
    std::shared_ptr<CallDoor> door_;  // shared by all calls of an executor, which may outlive it
    std::atomic<CallId> id_{0};
};

}  // namespace repartir::detail
