// SPDX-License-Identifier: MIT
// Inside an asio program: results arrive on the io_context's own thread, by whatever completion
// token the program uses. A callback here, and a coroutine.
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#include <cstdio>
#include <repartir/interop/asio.hpp>
#include <repartir/repartir.hpp>
#include <utility>

namespace {

using repartir::interop::async_get;

/// g++ 12 miscompiles temporaries inside co_await: name what is awaited, then await it.
asio::awaitable<void> count_lines(repartir::Pool& pool, asio::io_context& context) {
    auto pending = pool.submit(
        repartir::Task::binary("wc", "-l").stdin_bytes("one line\nanother line\na third one\n"));
    auto arriving = async_get(context.get_executor(), std::move(pending), asio::use_awaitable);
    const repartir::Result<repartir::Outcome> outcome = co_await std::move(arriving);
    if (outcome && outcome->ok()) {
        std::printf("lines: %s", outcome->out.bytes().c_str());
    }
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): an exception of asio may end an example
int main() {
    auto pool = repartir::Pool::builder().build();
    if (!pool) {
        std::fprintf(stderr, "%s\n", pool.error().describe().c_str());
        return 1;
    }
    asio::io_context context(1);
    async_get(context.get_executor(), pool->submit([] { return 6 * 7; }),
              [&](const repartir::Result<int>& answer) {
                  std::printf("a function gave %d\n", answer.value_or(0));
                  asio::co_spawn(context, count_lines(*pool, context), asio::detached);
              });
    context.run();  // ends when both results have arrived
    return 0;
}
