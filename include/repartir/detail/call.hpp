// SPDX-License-Identifier: MIT
#pragma once
/// @file call.hpp How user code is called: what it throws becomes an Error. Not for direct use.
#include <exception>
#include <functional>
#include <stop_token>
#include <type_traits>
#include <utility>

#include "repartir/result.hpp"

namespace repartir::detail {

/// What a callable's result becomes: Result<U> gives U, void stays, references are copied.
template <class R>
struct Flatten {
    using type = std::decay_t<R>;
    static constexpr bool is_result = false;
};
template <class U>
struct Flatten<Result<U>> {
    using type = U;
    static constexpr bool is_result = true;
};

template <class F>
concept TakesStopToken = std::is_invocable_v<F&, std::stop_token>;
template <class F>
concept Callable = TakesStopToken<F> || std::is_invocable_v<F&>;

/// Has no `type` where F cannot be called, so that submit(Task) drops this overload quietly: clang
/// 19 looks at a function's type before it looks at its constraints.
template <class F, bool Token = TakesStopToken<F>>
struct RawResult : std::invoke_result<F&> {};
template <class F>
struct RawResult<F, true> : std::invoke_result<F&, std::stop_token> {};
/// What Pending<...> a callable of type F gives.
template <class F>
using ValueOf = typename Flatten<std::remove_cv_t<typename RawResult<F>::type>>::type;

/// The Error for what is being thrown just now; keeps what(). Inside a catch clause only.
[[nodiscard]] Error thrown_error() noexcept;
/// The Error of a function that never ran, or whose result came too late to count.
[[nodiscard]] Error cancelled_error() noexcept;
/// The Error of who would wait for a task or a call on a thread that it needs to end.
[[nodiscard]] Error waits_for_itself_error() noexcept;

/// Calls `call` with the arguments and catches what it throws.
template <class F, class... Args>
[[nodiscard]] auto call_caught(F& call, Args&&... args) noexcept {
    using Raw = std::remove_cv_t<std::invoke_result_t<F&, Args...>>;
    using Value = typename Flatten<Raw>::type;
    try {
        if constexpr (std::is_void_v<Raw>) {
            std::invoke(call, std::forward<Args>(args)...);
            return Result<void>();
        } else if constexpr (Flatten<Raw>::is_result) {
            return Raw(std::invoke(call, std::forward<Args>(args)...));
        } else {
            return Result<Value>(std::invoke(call, std::forward<Args>(args)...));
        }
    } catch (...) { return Result<Value>(fail(thrown_error())); }
}

}  // namespace repartir::detail
