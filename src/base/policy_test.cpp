// SPDX-License-Identifier: MIT
#include "repartir/policy.hpp"

#include <gtest/gtest.h>

namespace repartir {
namespace {

TEST(Policy, EveryEnumeratorHasItsOwnName) {
    EXPECT_EQ(to_string(Priority::high), "high");
    EXPECT_EQ(to_string(Priority::normal), "normal");
    EXPECT_EQ(to_string(Priority::low), "low");
    EXPECT_EQ(to_string(Backend::any), "any");
    EXPECT_EQ(to_string(Backend::cpu), "cpu");
    EXPECT_EQ(to_string(Backend::gpu), "gpu");
    EXPECT_EQ(to_string(Backend::remote), "remote");
    EXPECT_EQ(to_string(Affinity::none), "none");
    EXPECT_EQ(to_string(Affinity::cpu_only), "cpu_only");
    EXPECT_EQ(to_string(Affinity::gpu_required), "gpu_required");
    EXPECT_EQ(to_string(Affinity::remote_allowed), "remote_allowed");
    EXPECT_EQ(to_string(static_cast<Priority>(99)), "unknown");
    EXPECT_EQ(to_string(static_cast<Backend>(99)), "unknown");
    EXPECT_EQ(to_string(static_cast<Affinity>(99)), "unknown");
}

TEST(Policy, LimitsKnowWhatTheyNeed) {
    Limits limits;
    EXPECT_TRUE(limits.empty());
    EXPECT_FALSE(limits.needs_cgroup());
    limits.open_files = 3;
    EXPECT_FALSE(limits.empty());
    EXPECT_FALSE(limits.needs_cgroup());
    limits.processes = 3;
    EXPECT_TRUE(limits.needs_cgroup());
}

}  // namespace
}  // namespace repartir
