// SPDX-License-Identifier: MIT
#include "repartir/cpu_executor.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "exec/cpu/executor_fixture.hpp"

namespace repartir::exec {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CpuExecutorTest : public ::testing::Test, protected ExecutorFixture {};

TEST_F(CpuExecutorTest, RunsAProgramAndKeepsBothStreamsApart) {
    const AttemptResult result = run(shell("printf out; printf err >&2; exit 3"));
    EXPECT_EQ(result.attempt.ending, (Ending{End::exited, 3}));
    EXPECT_EQ(result.out.bytes(), "out");
    EXPECT_EQ(result.err.bytes(), "err");
    EXPECT_FALSE(result.attempt.error.has_value());
    EXPECT_THAT(result.attempt.notes, IsEmpty());
    EXPECT_THAT(result.attempt.stages, IsEmpty());
    EXPECT_THAT(result.attempt.where, HasSubstr("/cpu"));
    EXPECT_EQ(result.attempt.containment, Containment::process_group);
}

TEST_F(CpuExecutorTest, NamesTheSignalThatEndedAProgram) {
    EXPECT_EQ(run(shell("kill -SEGV $$")).attempt.ending, (Ending{End::signaled, SIGSEGV}));
    EXPECT_EQ(run(shell("kill -KILL $$")).attempt.ending, (Ending{End::signaled, SIGKILL}));
}

TEST_F(CpuExecutorTest, SaysWhyAProgramCannotBeStarted) {
    write("plain", "no program");
    const AttemptResult missing = run(Task::binary("/nonexistent/program"));
    EXPECT_EQ(missing.attempt.ending.end, End::not_started);
    ASSERT_TRUE(missing.attempt.error.has_value());
    EXPECT_EQ(missing.attempt.error->code(), Code::not_found);
    EXPECT_EQ(missing.attempt.error->fault(), Fault::user);
    EXPECT_THAT(missing.attempt.error->sentence(), HasSubstr("/nonexistent/program"));
    EXPECT_EQ(missing.attempt.containment, Containment::none);
    const AttemptResult unnamed = run(Task::binary("repartir-no-such-program"));
    EXPECT_EQ(unnamed.attempt.error->code(), Code::not_found);
    const AttemptResult forbidden = run(Task::binary(in_folder("plain")));
    EXPECT_EQ(forbidden.attempt.error->code(), Code::permission_denied);
    const AttemptResult nowhere = run(shell("true").cwd("/nonexistent"));
    EXPECT_EQ(nowhere.attempt.error->code(), Code::not_found);
    EXPECT_THAT(nowhere.attempt.error->sentence(), HasSubstr("/nonexistent"));
    const AttemptResult large = run(Task::binary("/bin/true", std::string(4U << 20U, 'a')));
    EXPECT_EQ(large.attempt.error->code(), Code::too_large);
}

TEST_F(CpuExecutorTest, AProgramThatIsBeingWrittenIsATransientFailure) {
    std::filesystem::copy_file("/bin/true", in_folder("busy"));
    const int writer = ::open(in_folder("busy").c_str(), O_WRONLY | O_CLOEXEC);
    const AttemptResult result = run(Task::binary(in_folder("busy")));
    ::close(writer);
    ASSERT_TRUE(result.attempt.error.has_value());
    EXPECT_EQ(result.attempt.error->fault(), Fault::system);
}

TEST_F(CpuExecutorTest, SaysSoWhenSomebodyElseTookTheExitCode) {
    const auto before = ::signal(SIGCHLD, SIG_IGN);  // the kernel reaps now
    const AttemptResult result = run(Task::binary("/bin/true"));
    ::signal(SIGCHLD, before);
    EXPECT_EQ(result.attempt.ending.end, End::not_started);
    ASSERT_TRUE(result.attempt.error.has_value());
    EXPECT_THAT(result.attempt.error->sentence(), HasSubstr("how it ended is lost"));
}

TEST_F(CpuExecutorTest, RefusesToWorkWhereChildrenCannotBeWaitedFor) {
    const auto before = ::signal(SIGCHLD, SIG_IGN);
    const auto refused = CpuExecutor::create({});
    ::signal(SIGCHLD, before);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code(), Code::unsupported);
}

TEST_F(CpuExecutorTest, SaysWhatItCanTake) {
    CpuExecutorOptions options;
    options.slots = 7;
    make(std::move(options));
    const Capabilities can = executor_->capabilities();
    EXPECT_EQ(can.backend, Backend::cpu);
    EXPECT_EQ(can.slots, 7U);
    EXPECT_GT(can.memory_bytes, 0U);
    EXPECT_THAT(can.description, HasSubstr("7 slots"));
}

}  // namespace
}  // namespace repartir::exec
