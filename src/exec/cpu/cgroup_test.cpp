// SPDX-License-Identifier: MIT
#include "exec/cpu/cgroup.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "exec/cpu/executor_fixture.hpp"
#include "exec/cpu/topology.hpp"

namespace repartir::exec {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(CgroupText, ReadsKeyedNumbers) {
    const std::string events = "low 0\nhigh 1\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n";
    EXPECT_EQ(parse_keyed(events, "oom_kill"), 2U);
    EXPECT_EQ(parse_keyed(events, "max"), 12U);
    EXPECT_EQ(parse_keyed(events, "oom_k"), std::nullopt);
    EXPECT_EQ(parse_keyed("oom_kill_disable 0\nunder_oom 0\noom_kill 7", "oom_kill"), 7U);
    EXPECT_EQ(parse_keyed("oom_kill x\n", "oom_kill"), std::nullopt);
    EXPECT_EQ(parse_keyed("oom_kill", "oom_kill"), std::nullopt);
    EXPECT_EQ(parse_keyed("", "oom_kill"), std::nullopt);
}

TEST(CgroupText, KnowsWhoMadeAGroup) {
    EXPECT_EQ(group_maker("repartir-123-4"), 123);
    EXPECT_EQ(group_maker(new_group_prefix() + "1"), ::getpid());
    EXPECT_NE(new_group_prefix(), new_group_prefix());
    EXPECT_EQ(group_maker("repartir-123-0-probe"), 123);
    EXPECT_EQ(group_maker("repartir-123"), std::nullopt);
    EXPECT_EQ(group_maker("repartir--4"), std::nullopt);
    EXPECT_EQ(group_maker("repartir-x-4"), std::nullopt);
    EXPECT_EQ(group_maker("docker-123-4"), std::nullopt);
    EXPECT_EQ(group_maker(""), std::nullopt);
}

TEST(CgroupProbe, WithoutCgroupsItSaysSo) {
    const CgroupSupport support = probe_cgroups("/nonexistent");
    EXPECT_FALSE(support.complete());
    EXPECT_THAT(support.why_not, HasSubstr("no cgroup file system"));
}

TEST(CgroupProbe, AGroupThatCannotBeLimitedIsRefusedWithTheReason) {
    CgroupSupport support;
    support.why_not = "the moon is full";
    Limits limits;
    limits.resident_bytes = 1U << 20U;
    const auto refused = TaskCgroup::create(support, limits, new_group_prefix() + "1");
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code(), Code::unsupported);
    EXPECT_EQ(refused.error().fault(), Fault::policy);
    EXPECT_THAT(refused.error().sentence(), HasSubstr("resident memory"));
    EXPECT_THAT(refused.error().sentence(), HasSubstr("the moon is full"));
}

/// Tests of groups that are really made: skipped where that is not allowed.
class RealCgroupTest : public ::testing::Test, protected ExecutorFixture {
  protected:
    void SetUp() override {
        if (!support_.complete()) {
            GTEST_SKIP() << "no cgroup limits here: " << support_.why_not;
        }
    }
    [[nodiscard]] std::size_t groups_of_ours() const {
        std::size_t count = 0;
        for (const std::string& parent : {support_.memory_folder, support_.pids_folder}) {
            for (const auto& entry : std::filesystem::directory_iterator(parent)) {
                count += group_maker(entry.path().filename().native()) == ::getpid() ? 1U : 0U;
            }
        }
        return count;
    }
    /// A task that wants much more memory than its limit.
    [[nodiscard]] static Task glutton(std::string_view script) {
        Limits limits;
        limits.resident_bytes = 24U << 20U;
        return shell(script).limits(limits);
    }

    const CgroupSupport support_ = probe_cgroups();
};

TEST_F(RealCgroupTest, ATaskThatUsesTooMuchMemoryEndsAsOutOfMemory) {
    const AttemptResult result =
        run(glutton("exec dd if=/dev/zero of=/dev/null bs=200M count=1 2> /dev/null"));
    EXPECT_EQ(result.attempt.ending, (Ending{End::out_of_memory, 0}));
    EXPECT_EQ(result.attempt.peak_memory.source, PeakMemory::Source::cgroup);
    EXPECT_GT(result.attempt.peak_memory.bytes, 12U << 20U);
    EXPECT_LE(result.attempt.peak_memory.bytes, 24U << 20U);
    EXPECT_EQ(result.attempt.containment, Containment::cgroup);
    EXPECT_EQ(groups_of_ours(), 0U);
}

TEST_F(RealCgroupTest, ALimitUnderWhichNothingCanBeginIsTheRequestsFault) {
    for (const std::uint64_t kib : {0U, 4U, 8U, 16U, 32U, 64U}) {
        Limits limits;
        limits.resident_bytes = std::max<std::uint64_t>(kib << 10U, 1);
        const AttemptResult result = run(Task::binary("true").limits(limits));
        if (kib > 0 && result.attempt.ending.end == End::out_of_memory) {
            continue;  // as true: the kernel ended it after it had begun
        }
        ASSERT_EQ(result.attempt.ending, (Ending{End::not_started, 0})) << kib;
        EXPECT_FALSE(result.attempt.error->retryable());
        EXPECT_THAT(
            result.attempt.error->sentence(),
            AllOf(HasSubstr("cannot start 'true': its memory limit"), HasSubstr("raise it")));
    }
    EXPECT_EQ(groups_of_ours(), 0U);
}

TEST_F(RealCgroupTest, AChildThatRunsOutOfMemoryIsTheTasksOutOfMemoryOrANote) {
    const std::string_view hungry = "dd if=/dev/zero of=/dev/null bs=200M count=1 2> /dev/null";
    EXPECT_EQ(run(glutton(std::string(hungry) + "; exit $?")).attempt.ending.end,
              End::out_of_memory);
    const AttemptResult survived = run(glutton(std::string(hungry) + "; exit 0"));
    if (support_.memory_version == 1) {  // version 2 ends the whole group
        EXPECT_TRUE(survived.attempt.ending.ok());
        EXPECT_THAT(survived.attempt.notes, Contains(HasSubstr("for lack of memory")));
    }
}

TEST_F(RealCgroupTest, AKillThatWasNotTheKernelsIsASignal) {
    EXPECT_EQ(run(glutton("kill -KILL $$")).attempt.ending, (Ending{End::signaled, 9}));
}

TEST_F(RealCgroupTest, TheNumberOfProcessesIsLimited) {
    Limits limits;
    limits.processes = 4;
    const AttemptResult result =
        run(shell("for i in 1 2 3 4 5 6 7 8; do sleep 600 > /dev/null 2>&1 & done; true")
                .limits(limits));
    EXPECT_FALSE(result.attempt.ending.ok());
    EXPECT_THAT(result.err.bytes(), HasSubstr("fork"));
    EXPECT_THAT(result.attempt.notes, Contains(HasSubstr("limit of processes was met")));
    EXPECT_EQ(groups_of_ours(), 0U);
}

TEST_F(RealCgroupTest, NothingEscapesTheGroupNotEvenBySetsid) {
    Limits limits;
    limits.processes = 50;
    const AttemptResult result =
        run(shell("mkfifo f; setsid sh -c 'echo $$; echo > f; exec sleep 600 > /dev/null 2>&1' & "
                  "read line < f")
                .cwd(folder_)
                .limits(limits));
    EXPECT_EQ(groups_of_ours(), 0U) << "the group could be removed, so it was empty";
    int escaped = 0;
    ASSERT_GT(std::istringstream(result.out.bytes()) >> escaped ? escaped : 0, 0);
    EXPECT_FALSE(std::filesystem::exists("/proc/" + std::to_string(escaped) + "/fd/0"));
}

TEST_F(RealCgroupTest, APipelineSharesOneGroup) {
    Limits limits;
    limits.resident_bytes = 64U << 20U;
    const AttemptResult result = run(Task::pipeline(Task::binary("cat", "/proc/self/cgroup"),
                                                    Task::binary("cat", "/proc/self/cgroup", "-"))
                                         .limits(limits));
    const std::string name = "repartir-" + std::to_string(::getpid());
    const std::size_t first = result.out.bytes().find(name);
    ASSERT_NE(first, std::string::npos);
    EXPECT_NE(result.out.bytes().find(name, first + 1), std::string::npos);
}

TEST_F(RealCgroupTest, GroupsOfProcessesThatAreGoneAreRemoved) {
    const ::pid_t gone = ::fork();
    if (gone == 0) {
        ::_exit(0);
    }
    ::waitpid(gone, nullptr, 0);
    const std::string left = support_.memory_folder + "/repartir-" + std::to_string(gone) + "-1";
    ASSERT_TRUE(std::filesystem::create_directory(left));
    (void)probe_cgroups();
    EXPECT_FALSE(std::filesystem::exists(left));
}

TEST_F(RealCgroupTest, TheExecutorSaysThatItCan) {
    EXPECT_TRUE(executor_->capabilities().cgroup_limits);
}

}  // namespace
}  // namespace repartir::exec
