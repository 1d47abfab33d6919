// SPDX-License-Identifier: MIT
#include "repartir/interop/asio.hpp"

#include <gtest/gtest.h>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "repartir/pool.hpp"

namespace repartir {
namespace {

class AsioTest : public ::testing::Test {
  protected:
    AsioTest() : pool_(*Pool::builder().cpu_workers(2).build()) {}
    Pool pool_;
    asio::io_context context_;
};

TEST_F(AsioTest, ACallbackCompletesOnTheContextsThread) {
    std::thread::id where;
    int value = 0;
    interop::async_get(context_.get_executor(), pool_.submit([] { return 7; }),
                       [&](Result<int> result) {
                           where = std::this_thread::get_id();
                           value = *result;
                       });
    context_.run();
    EXPECT_EQ(value, 7);
    EXPECT_EQ(where, std::this_thread::get_id());
}

TEST_F(AsioTest, AFutureCarriesMoveOnlyResults) {
    std::future<Result<std::unique_ptr<int>>> future =
        interop::async_get(context_.get_executor(),
                           pool_.submit([] { return std::make_unique<int>(5); }), asio::use_future);
    context_.run();
    EXPECT_EQ(**future.get(), 5);
}

asio::awaitable<void> await_both(asio::io_context& context, Pool& pool, std::string& text) {
    Pending<std::string> good = pool.submit([] { return std::string("through"); });
    auto first_there =
        interop::async_get(context.get_executor(), std::move(good), asio::use_awaitable);
    Result<std::string> first = co_await std::move(first_there);
    Pending<int> bad = pool.submit([]() -> int { throw 3; });
    auto second_there =
        interop::async_get(context.get_executor(), std::move(bad), asio::use_awaitable);
    Result<int> second = co_await std::move(second_there);
    text = second ? "no failure" : *first;
}

TEST_F(AsioTest, CoroutinesGetFailuresAsValues) {
    std::string text;
    asio::co_spawn(context_, await_both(context_, pool_, text), asio::detached);
    context_.run();
    EXPECT_EQ(text, "through");
}

}  // namespace
}  // namespace repartir
