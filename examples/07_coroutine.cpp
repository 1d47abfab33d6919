// SPDX-License-Identifier: MIT
// Awaiting results in coroutines, of any coroutine type: here a small one of our own.
//
// Submit first, then await. g++ 12 miscompiles temporaries inside a co_await expression, so write
//     auto pending = pool.submit(work);
//     auto result = co_await std::move(pending);
// and not `co_await pool.submit(work)`.
#include <coroutine>
#include <cstdio>
#include <exception>
#include <latch>
#include <repartir/repartir.hpp>
#include <string>
#include <utility>

namespace {

/// A coroutine that starts at once and that nobody waits for.
struct Detached {
    struct promise_type {
        static Detached get_return_object() noexcept { return {}; }
        static std::suspend_never initial_suspend() noexcept { return {}; }
        static std::suspend_never final_suspend() noexcept { return {}; }
        static void return_void() noexcept {}
        [[noreturn]] static void unhandled_exception() noexcept { std::terminate(); }
    };
};

/// A function, then a program that gets its result, then a line. Goes on on a worker after each
/// await.
Detached report(repartir::Pool& pool, int number, std::latch& done) {
    auto squaring = pool.submit([number] { return number * number; });
    const repartir::Result<int> square = co_await std::move(squaring);

    auto printing =
        pool.submit(repartir::Task::binary("printf", "%s\n", std::to_string(square.value_or(-1))));
    const repartir::Result<repartir::Outcome> outcome = co_await std::move(printing);
    if (outcome && outcome->ok()) {
        std::printf("the square of %d is %s", number, outcome->out.bytes().c_str());
    }
    done.count_down();
}

}  // namespace

int main() {
    auto pool = repartir::Pool::builder().build();
    if (!pool) {
        std::fprintf(stderr, "%s\n", pool.error().describe().c_str());
        return 1;
    }
    std::latch done(3);
    for (int number = 1; number <= 3; ++number) {
        report(*pool, number, done);
    }
    done.wait();
    return 0;
}
