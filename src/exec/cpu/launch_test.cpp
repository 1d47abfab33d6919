// SPDX-License-Identifier: MIT
#include "exec/cpu/launch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>

#include "exec/cpu/executor_fixture.hpp"

namespace repartir::exec {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class LaunchTest : public ::testing::Test, protected ExecutorFixture {};

TEST_F(LaunchTest, OverlaysOrReplacesTheEnvironment) {
    const AttemptResult overlay = run(shell("echo $REPARTIR_A $REPARTIR_B; test -n \"$PATH\"")
                                          .env("REPARTIR_A", "1")
                                          .env("REPARTIR_B", "2")
                                          .env("REPARTIR_A", "3"));
    EXPECT_EQ(overlay.attempt.ending, exited_well);
    EXPECT_EQ(overlay.out.bytes(), "3 2\n");
    const AttemptResult replaced =
        run(Task::binary("/usr/bin/env").env_mode(EnvMode::replace).env("ONLY", "this"));
    EXPECT_EQ(replaced.out.bytes(), "ONLY=this\n");
    const AttemptResult path = run(Task::binary("/usr/bin/env").env("PATH", "/nowhere"));
    EXPECT_THAT(path.out.bytes(), HasSubstr("PATH=/nowhere\n"));
    const std::string variables = "\n" + path.out.bytes();
    EXPECT_EQ(variables.find("\nPATH="), variables.rfind("\nPATH="));
}

TEST_F(LaunchTest, StartsInItsDirectory) {
    EXPECT_EQ(run(Task::binary("pwd").cwd(folder_)).out.bytes(), folder_ + "\n");
}

TEST_F(LaunchTest, ChildrenMayUseEveryCpuAlthoughTheirSpawnerIsBound) {
    ::cpu_set_t ours;
    ASSERT_EQ(::sched_getaffinity(0, sizeof ours, &ours), 0);
    EXPECT_EQ(run(Task::binary("nproc")).out.bytes(), std::to_string(CPU_COUNT(&ours)) + "\n");
}

TEST_F(LaunchTest, BindsToCpusAndRefusesThoseThatAreNotOurs) {
    const std::uint32_t last = CpuExecutor::this_machine().cpus.back().number;
    const AttemptResult bound =
        run(shell("grep Cpus_allowed_list /proc/self/status").on_cores({last}));
    EXPECT_EQ(bound.out.bytes(), "Cpus_allowed_list:\t" + std::to_string(last) + "\n");
    const AttemptResult refused = run(Task::binary("/bin/true").on_cores({last, 4000}));
    ASSERT_TRUE(refused.attempt.error.has_value());
    EXPECT_EQ(refused.attempt.error->code(), Code::invalid_argument);
    EXPECT_THAT(refused.attempt.error->sentence(), HasSubstr("CPU 4000"));
}

TEST_F(LaunchTest, BindsToANumaNodeAndRefusesOneThatIsNotThere) {
    const std::uint32_t node = CpuExecutor::this_machine().cpus.front().numa_node;
    const AttemptResult bound = run(shell("head -1 /proc/self/numa_maps").on_numa_node(node));
    EXPECT_EQ(bound.attempt.ending, exited_well) << bound.err.bytes();
    EXPECT_THAT(bound.out.bytes(), HasSubstr("bind:" + std::to_string(node)));
    const AttemptResult refused = run(Task::binary("/bin/true").on_numa_node(99));
    ASSERT_TRUE(refused.attempt.error.has_value());
    EXPECT_THAT(refused.attempt.error->sentence(), HasSubstr("NUMA node 99"));
}

TEST_F(LaunchTest, IsNicer) {
    const int ours = ::getpriority(PRIO_PROCESS, 0);
    EXPECT_EQ(run(Task::binary("nice").nice(5)).out.bytes(), std::to_string(ours + 5) + "\n");
}

TEST_F(LaunchTest, EnforcesRlimits) {
    Limits limits;
    limits.file_bytes = 4096;
    EXPECT_EQ(
        run(shell("head -c 10000 /dev/zero > f").cwd(folder_).limits(limits)).attempt.ending.ok(),
        false);
    EXPECT_LE(std::filesystem::file_size(in_folder("f")), 4096U);
    limits = {};
    limits.open_files = 17;
    limits.address_space_bytes = 1ULL << 30U;
    EXPECT_EQ(run(shell("ulimit -n; ulimit -v").limits(limits)).out.bytes(), "17\n1048576\n");
    limits = {};
    limits.cpu_time = 1s;
    EXPECT_EQ(run(shell("while :; do :; done").limits(limits)).attempt.ending,
              (Ending{End::signaled, SIGXCPU}));
}

TEST_F(LaunchTest, SoftLimitOfOpenFilesIsTheOneThatIsAskedForProgramsThatAskForNone) {
    ::rlimit ours{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &ours), 0);
    CpuExecutorOptions options;
    options.open_files = 123;
    make(std::move(options));
    const std::string hard =
        ours.rlim_max == RLIM_INFINITY ? "unlimited" : std::to_string(ours.rlim_max);
    EXPECT_EQ(run(shell("ulimit -Sn; ulimit -Hn")).out.bytes(), "123\n" + hard + "\n");
    Limits limits;
    limits.open_files = 77;
    EXPECT_EQ(run(shell("ulimit -Sn").limits(limits)).out.bytes(), "77\n");
}

TEST_F(LaunchTest, SharesBuffersInAndOut) {
    auto input = SharedBuffer::create(1U << 20U);
    auto output = SharedBuffer::create(1U << 20U);
    ASSERT_TRUE(input && output);
    for (std::byte& byte : input->writable()) {
        byte = static_cast<std::byte>('s');
    }
    const AttemptResult result =
        run(shell("echo $IN $OUT; dd if=$IN of=$OUT bs=1M conv=notrunc status=none")
                .buffer("IN", *input)
                .buffer("OUT", *output));
    EXPECT_EQ(result.attempt.ending, exited_well) << result.err.bytes();
    EXPECT_EQ(result.out.bytes(), "/proc/self/fd/10 /proc/self/fd/11\n");
    EXPECT_TRUE(output->text() == std::string(1U << 20U, 's'));
    ASSERT_TRUE(output->seal().has_value());
    EXPECT_FALSE(run(shell("echo x > $OUT").buffer("OUT", *output)).attempt.ending.ok());
}

}  // namespace
}  // namespace repartir::exec
