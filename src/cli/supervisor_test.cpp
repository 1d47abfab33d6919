// SPDX-License-Identifier: MIT
#include "cli/supervisor.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "cli/exit_code.hpp"

namespace repartir::cli {
namespace {

using namespace std::chrono_literals;

// Starting, ending and handing on signals: tests/program/worker_test.py.

TEST(RestartPolicy, WhatEndedOnPurposeIsLeftAlone) {
    for (const int code : {exit_ok, exit_usage, exit_cancelled}) {
        EXPECT_TRUE(RestartPolicy::final(code)) << code;
    }
    for (const int code : {exit_failed, exit_unreachable, exit_cannot_schedule, 128 + 9}) {
        EXPECT_FALSE(RestartPolicy::final(code)) << code;
    }
}

TEST(RestartPolicy, WaitsLongerUpToHalfAMinute) {
    base::BootTime longest{0};
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        RestartPolicy policy{base::Prng(seed)};
        EXPECT_LE(policy.crashed(1s), 500ms);
        EXPECT_LE(policy.crashed(1s), 1000ms);
        for (int i = 0; i < 20; ++i) {
            longest = std::max(longest, policy.crashed(1s));
        }
        EXPECT_EQ(policy.crashes(), 22U);
    }
    EXPECT_LE(longest, 30s);
    EXPECT_GT(longest, 25s);
}

TEST(RestartPolicy, AMinuteOfHealthIsForgiveness) {
    RestartPolicy policy{base::Prng(1)};
    for (int i = 0; i < 20; ++i) {
        (void)policy.crashed(59s);
    }
    EXPECT_LE(policy.crashed(60s), 500ms);
    EXPECT_EQ(policy.crashes(), 1U);
}

}  // namespace
}  // namespace repartir::cli
