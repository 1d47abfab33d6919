// SPDX-License-Identifier: MIT
#pragma once
/// @file remote_state.hpp What a Pending and a call to a worker share. Not for direct use.
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "repartir/codec.hpp"
#include "repartir/detail/call.hpp"
#include "repartir/detail/crew.hpp"
#include "repartir/detail/state.hpp"
#include "repartir/remote_executor.hpp"
#include "repartir/result.hpp"

namespace repartir::detail {

/// The Error of a call in a pool without remote workers.
[[nodiscard]] Error no_workers_error(std::string_view function);

/// A call to a worker, and its result.
template <class R>
class RemoteState final : public SharedState<R> {
  public:
    RemoteState(Crew* crew, std::shared_ptr<CallDoor> door)
        : SharedState<R>(crew, 2), door_(std::move(door)) {}

    /// Told by the executor; gives up its reference.
    class Sink final : public CallSink {
      public:
        explicit Sink(RemoteState& state) noexcept : state_(state) {}
        void returned(Result<std::string> value) noexcept override {
            state_.resolve(value ? decoded(*std::move(value))
                                 : Result<R>(fail(std::move(value).error())));
            state_.release();
        }
        [[nodiscard]] bool wants_text() const noexcept override { return is_text; }

      private:
        RemoteState& state_;
    };

    /// Begins it. @return the state, with one reference for a Pending
    static RemoteState* begin(Crew* crew, RemoteExecutor& executor, std::string_view function,
                              std::string_view arguments, const CallOptions& options) {
        auto* const state = new RemoteState(crew, executor.door());
        state->retain();  // of this function: the call may end before it has a number
        const CallId id =
            executor.call(function, arguments, options, std::make_shared<Sink>(*state));
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
    static constexpr bool is_text = std::is_same_v<R, std::string>;

    static Result<R> decoded(std::string&& bytes) noexcept {
        try {
            if constexpr (std::is_void_v<R>) {
                return {};
            } else if constexpr (is_text) {
                return std::move(bytes);
            } else {
                return codec::decode<R>(bytes);
            }
        } catch (...) { return fail(thrown_error()); }
    }

    std::shared_ptr<CallDoor> door_;  // shared by all calls of an executor, which may outlive it
    std::atomic<CallId> id_{0};
};

}  // namespace repartir::detail
