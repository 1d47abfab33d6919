// SPDX-License-Identifier: MIT
#include "proc/spawn.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>

namespace repartir::proc {
namespace {

TEST(Spawn, True) {
    auto spawner = Spawner::create();
    ASSERT_TRUE(spawner) << spawner.error().sentence();
    const std::array<const char*, 2> argv{"true", nullptr};
    const std::array<const char*, 2> envp{"PATH=/usr/bin:/bin", nullptr};
    SpawnPlan plan;
    plan.program = "true";
    plan.argv = argv.data();
    plan.envp = envp.data();
    auto child = (*spawner)->spawn(plan);
    ASSERT_TRUE(child) << child.error().sentence();
    siginfo_t info{};
    ASSERT_EQ(::waitid(P_PIDFD, static_cast<id_t>(child->pidfd.get()), &info, WEXITED), 0);
    EXPECT_EQ(info.si_code, CLD_EXITED);
    EXPECT_EQ(info.si_status, 0);
}

}  // namespace
}  // namespace repartir::proc
