// SPDX-License-Identifier: MIT
#pragma once
/// @file asio.hpp Awaiting a Pending with any completion token of standalone asio. The one public
/// header that needs more than the standard library; nothing else includes it.
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <utility>

#include "repartir/pending.hpp"
#include "repartir/result.hpp"

namespace repartir::interop {

/// Completes with the Pending's Result<T>, on the executor of the token's handler:
///
///     auto pending = pool.submit(Task::binary("./compute"));
///     auto there = interop::async_get(executor, std::move(pending), asio::use_awaitable);
///     Result<Outcome> out = co_await std::move(there);  // g++ 12: no temporaries inside co_await
///
/// The signature of completion is void(Result<T>): a failure is a value, not an error_code. While
/// it waits no thread is held, and `executor` is kept from running out of work. The result travels
/// by way of a pool worker, so the pool must outlive the wait.
///
/// @param executor where a handler completes that has no executor of its own
/// @param pending taken over; cancel it before if need be, as it cannot be reached while it waits
/// @param token any completion token: a callback, asio::use_future, asio::use_awaitable, ...
/// Thread safety: any thread.
template <class Executor, class T, class Token>
auto async_get(const Executor& executor, Pending<T> pending, Token&& token) {
    return asio::async_initiate<Token, void(Result<T>)>(
        [executor](auto handler, Pending<T> waited) {
            auto work = asio::make_work_guard(asio::get_associated_executor(handler, executor));
            std::move(waited).on_ready([handler = std::move(handler),
                                        work = std::move(work)](Result<T> result) mutable {
                asio::post(work.get_executor(),
                           [handler = std::move(handler), result = std::move(result)]() mutable {
                               std::move(handler)(std::move(result));
                           });
            });
        },
        token, std::move(pending));
}

}  // namespace repartir::interop
