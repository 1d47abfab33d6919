// SPDX-License-Identifier: MIT
#include "loop/loop.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <thread>

namespace repartir::loop {
namespace {

using namespace std::chrono_literals;

TEST(Loop, PostFromAnotherThreadEndsAWait) {
    auto loop = Loop::create();
    ASSERT_TRUE(loop);
    bool ran = false;
    std::jthread other([&] { (*loop)->post([&]() noexcept { ran = true; }); });
    while (!ran) {
        (*loop)->run_once(base::never);
    }
    EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace repartir::loop
