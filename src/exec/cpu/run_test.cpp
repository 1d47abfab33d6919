// SPDX-License-Identifier: MIT
#include "exec/cpu/run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <sstream>
#include <string>

#include "exec/cpu/executor_fixture.hpp"

namespace repartir::exec {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class RunTest : public ::testing::Test, protected ExecutorFixture {};

TEST_F(RunTest, StdinIsNothingUnlessGiven) { EXPECT_EQ(run(Task::binary("cat")).out.bytes(), ""); }

TEST_F(RunTest, FeedsBytesSmallAndLarge) {
    for (const std::size_t size : {0U, 1U, 65'536U, 65'537U, 5'000'000U}) {
        std::string bytes(size, '\0');
        for (std::size_t i = 0; i < size; ++i) {
            bytes[i] = static_cast<char>(i * 7U + i / 251U);
        }
        const AttemptResult result = run(Task::binary("cat").stdin_bytes(bytes));
        EXPECT_EQ(result.attempt.ending, exited_well) << size;
        EXPECT_TRUE(result.out.read().value() == bytes) << size;
    }
}

TEST_F(RunTest, AProgramMayStopReadingEarly) {
    const AttemptResult result =
        run(Task::binary("head", "-c", "3").stdin_bytes(std::string(4U << 20U, 'q')));
    EXPECT_EQ(result.attempt.ending, exited_well);
    EXPECT_EQ(result.out.bytes(), "qqq");
    EXPECT_EQ(
        run(Task::binary("/bin/true").stdin_bytes(std::string(1U << 20U, 'q'))).attempt.ending,
        exited_well);
}

TEST_F(RunTest, HandsAFileOverAsInput) {
    write("input", "from a file");
    EXPECT_EQ(run(Task::binary("cat").stdin_file(in_folder("input"))).out.bytes(), "from a file");
    const AttemptResult missing = run(Task::binary("cat").stdin_file(in_folder("none")));
    ASSERT_TRUE(missing.attempt.error.has_value());
    EXPECT_EQ(missing.attempt.error->code(), Code::not_found);
    EXPECT_THAT(missing.attempt.error->sentence(), HasSubstr("as stdin"));
}

TEST_F(RunTest, InheritedInputIsOurs) {
    const AttemptResult result = run(Task::binary("readlink", "/proc/self/fd/0").stdin_inherit());
    char ours[4096] = {};
    ASSERT_GT(::readlink("/proc/self/fd/0", ours, sizeof ours - 1), 0);
    EXPECT_EQ(result.out.bytes(), std::string(ours) + "\n");
}

TEST_F(RunTest, OutputGoesToFiles) {
    const AttemptResult result = run(
        shell("echo out; echo err >&2").stdout_file(in_folder("o")).stderr_file(in_folder("e")));
    EXPECT_EQ(result.attempt.ending, exited_well);
    EXPECT_EQ(content(in_folder("o")), "out\n");
    EXPECT_EQ(content(in_folder("e")), "err\n");
    EXPECT_EQ(result.out.path(), in_folder("o"));
    EXPECT_EQ(result.out.size(), 4U);
    const AttemptResult both = run(shell("echo out; echo err >&2; echo out")
                                       .stdout_file(in_folder("b"))
                                       .stderr_file(in_folder("b")));
    EXPECT_EQ(both.attempt.ending, exited_well);
    EXPECT_EQ(content(in_folder("b")), "out\nerr\nout\n");
    const AttemptResult nowhere = run(shell("true").stdout_file("/nonexistent/file"));
    ASSERT_TRUE(nowhere.attempt.error.has_value());
    EXPECT_THAT(nowhere.attempt.error->sentence(), HasSubstr("/nonexistent/file for stdout"));
}

TEST_F(RunTest, OutputCanBeDiscarded) {
    const AttemptResult result = run(shell("p=$(readlink /proc/$$/fd/1); echo $p >&2; echo lost")
                                         .stdout_to(Output::discard)
                                         .stderr_file(in_folder("e")));
    EXPECT_EQ(result.out.size(), 0U);
    EXPECT_THAT(content(in_folder("e")), HasSubstr("/dev/null"));
}

TEST_F(RunTest, ACallbackSeesOutputAsItArrives) {
    std::atomic<int> pieces{0};
    std::string out;
    std::string err;
    const Task task =
        shell("echo one; echo two >&2; read go < " + in_folder("fifo") + "; echo three")
            .on_output([&](Stream stream, std::span<const char> bytes) {
                (stream == Stream::out ? out : err).append(bytes.data(), bytes.size());
                ++pieces;
                pieces.notify_all();
                throw 7;  // is dropped
            });
    ASSERT_EQ(::mkfifo(in_folder("fifo").c_str(), 0600), 0);
    const AttemptId id = start(task);
    for (int seen = pieces.load(); seen < 2; seen = pieces.load()) {
        pieces.wait(seen);  // both came although the program is still there
    }
    write("fifo", "go\n");
    EXPECT_EQ(sink_.wait(id).attempt.ending, exited_well);
    EXPECT_EQ(out, "one\nthree\n");
    EXPECT_EQ(err, "two\n");
}

TEST_F(RunTest, MegabytesOnStderrDoNotBlockStdout) {
    const AttemptResult result = run(shell("head -c 8388608 /dev/zero >&2; echo done"));
    EXPECT_EQ(result.attempt.ending, exited_well);
    EXPECT_EQ(result.out.bytes(), "done\n");
    EXPECT_EQ(result.err.size(), 8388608U);
    EXPECT_FALSE(result.err.in_memory());
}

TEST_F(RunTest, OutputBeyondTheLimitGoesToAFileWithoutAName) {
    for (const std::uint64_t size : {9'999U, 10'000U, 10'001U, 200'000U}) {
        const AttemptResult result =
            run(Task::binary("head", "-c", std::to_string(size), "/dev/zero")
                    .capture_limit(10'000)
                    .spill_dir(folder_));
        EXPECT_EQ(result.out.size(), size);
        EXPECT_EQ(result.out.in_memory(), size <= 10'000) << size;
        EXPECT_TRUE(result.out.read().value() == std::string(size, '\0'));
        EXPECT_TRUE(std::filesystem::is_empty(folder_)) << "the file has no name";
    }
}

TEST_F(RunTest, SixtyFourMebibytesArriveWhole) {
    const std::uint64_t size = 64U << 20U;
    const AttemptResult result = run(Task::binary("head", "-c", std::to_string(size), "/dev/zero"));
    EXPECT_EQ(result.attempt.ending, exited_well);
    EXPECT_EQ(result.out.size(), size);
    EXPECT_EQ(std::filesystem::file_size(result.out.path()), size);
}

TEST_F(RunTest, ASpillFolderThatIsMissingIsNamed) {
    const AttemptResult result = run(Task::binary("head", "-c", "5000", "/dev/zero")
                                         .capture_limit(1000)
                                         .spill_dir("/nonexistent"));
    EXPECT_EQ(result.attempt.ending, (Ending{End::output_lost, 0}));
    ASSERT_TRUE(result.attempt.error.has_value());
    EXPECT_THAT(result.attempt.error->sentence(), HasSubstr("/nonexistent: No such file"));
    EXPECT_GT(result.out.lost(), 0U);
    // As many as had come: with the first that are lost the program is ended.
    EXPECT_LE(result.out.size() + result.out.lost(), 5000U);
}

TEST_F(RunTest, OutputWithoutEndEndsTheTask) {
    const AttemptResult result =
        run(shell("yes; exit 0").capture_limit(1000).output_limit(100'000).spill_dir(folder_));
    EXPECT_EQ(result.attempt.ending, (Ending{End::output_lost, 0}));
    ASSERT_TRUE(result.attempt.error.has_value());
    EXPECT_EQ(result.attempt.error->code(), Code::too_large);
    EXPECT_THAT(result.attempt.error->sentence(), HasSubstr("output limit is 100000 bytes"));
    EXPECT_EQ(result.out.size(), 100'000U);
    EXPECT_GT(result.out.lost(), 0U);
    EXPECT_FALSE(result.out.read().has_value());
}

TEST_F(RunTest, AProgramThatIgnoresTheRequestIsKilledAfterItsGrace) {
    const AttemptResult result = run(shell("trap '' TERM; while :; do echo x >&2; done")
                                         .output_limit(1000)
                                         .kill_grace(std::chrono::milliseconds(50)));
    EXPECT_EQ(result.attempt.ending, (Ending{End::output_lost, 0}));
    EXPECT_THAT(result.attempt.error.value().sentence(), HasSubstr("stderr is incomplete"));
}

TEST_F(RunTest, ExactlyTheOutputLimitIsNotTooMuch) {
    const auto writing = [](int bytes) {
        return Task::binary("head", "-c", std::to_string(bytes), "/dev/zero").output_limit(5000);
    };
    EXPECT_EQ(run(writing(5000)).attempt.ending, exited_well);
    EXPECT_EQ(run(writing(5001)).attempt.ending.end, End::output_lost)
        << "also where the program had ended by itself";
}

TEST_F(RunTest, TheFirstReasonOfAnEndCounts) {
    const AttemptResult result = run(shell("trap '' TERM; while :; do echo x; done")
                                         .output_limit(1000)
                                         .kill_grace(std::chrono::milliseconds(300))
                                         .timeout(std::chrono::milliseconds(100)));
    EXPECT_EQ(result.attempt.ending.end, End::output_lost);
}

TEST_F(RunTest, ABackgroundChildCannotKeepATaskFromEnding) {
    const auto before = std::chrono::steady_clock::now();
    const AttemptResult result = run(shell("sleep 600 & echo main"));
    EXPECT_EQ(result.attempt.ending, exited_well);
    EXPECT_EQ(result.out.bytes(), "main\n");
    EXPECT_LT(std::chrono::steady_clock::now() - before, 60s);
}

TEST_F(RunTest, JoinsStages) {
    const AttemptResult result = run(Task::pipeline(
        Task::binary("printf", "b\\na\\nb\\n"), Task::binary("sort"), Task::binary("uniq", "-c")));
    EXPECT_EQ(result.attempt.ending, exited_well);
    EXPECT_EQ(result.out.bytes(), "      1 a\n      2 b\n");
    EXPECT_THAT(result.attempt.stages, ElementsAre(exited_well, exited_well, exited_well));
}

TEST_F(RunTest, TheVerdictIsTheLastStageThatFailed) {
    const AttemptResult result =
        run(Task::pipeline(shell("echo a >&2; exit 2"), shell("echo b >&2; exit 3"), shell("cat")));
    EXPECT_EQ(result.attempt.ending, (Ending{End::exited, 3}));
    EXPECT_THAT(result.attempt.stages,
                ElementsAre(Ending{End::exited, 2}, Ending{End::exited, 3}, exited_well));
    EXPECT_THAT(result.err.bytes(), HasSubstr("a\n"));
    EXPECT_THAT(result.err.bytes(), HasSubstr("b\n"));
}

TEST_F(RunTest, AStageEndedBySigpipeCountsAsInBash) {
    const AttemptResult result =
        run(Task::pipeline(Task::binary("yes"), Task::binary("head", "-1")));
    EXPECT_EQ(result.out.bytes(), "y\n");
    EXPECT_EQ(result.attempt.ending, (Ending{End::signaled, SIGPIPE}));
    EXPECT_THAT(result.attempt.stages, ElementsAre(Ending{End::signaled, SIGPIPE}, exited_well));
}

TEST_F(RunTest, APipelineWhoseMiddleCannotStartEndsTheOthers) {
    const AttemptResult result = run(Task::pipeline(
        Task::binary("sleep", "600"), Task::binary("/nonexistent/middle"), Task::binary("cat")));
    EXPECT_EQ(result.attempt.ending.end, End::not_started);
    ASSERT_TRUE(result.attempt.error.has_value());
    EXPECT_THAT(result.attempt.error->sentence(), HasSubstr("/nonexistent/middle"));
    ASSERT_EQ(result.attempt.stages.size(), 3U);
    EXPECT_EQ(result.attempt.stages[0], (Ending{End::signaled, SIGKILL}));
    EXPECT_EQ(result.attempt.stages[1].end, End::not_started);
    EXPECT_EQ(result.attempt.stages[2].end, End::not_started);
}

TEST_F(RunTest, LargeDataFlowsThroughAPipeline) {
    const AttemptResult result =
        run(Task::pipeline(Task::binary("head", "-c", "20000000", "/dev/zero"), Task::binary("cat"),
                           Task::binary("wc", "-c")));
    EXPECT_EQ(result.out.bytes(), "20000000\n");
}

TEST_F(RunTest, StagesShareOneProcessGroup) {
    const Task stage = shell("cat; cut -d' ' -f5 /proc/$$/stat");
    const AttemptResult result = run(Task::pipeline(stage, stage));
    std::istringstream lines(result.out.bytes());
    std::string first;
    std::string second;
    ASSERT_TRUE(std::getline(lines, first) && std::getline(lines, second));
    EXPECT_EQ(first, second);
    EXPECT_NE(first, std::to_string(::getpgrp()));
}

TEST_F(RunTest, MeasuresTimesAndMemory) {
    const AttemptResult result = run(shell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"));
    EXPECT_GT(result.attempt.wall.count(), 0);
    EXPECT_GT((result.attempt.user + result.attempt.system).count(), 0);
    EXPECT_LE(result.attempt.user + result.attempt.system, result.attempt.wall + 20ms);
    EXPECT_GT(result.attempt.peak_memory.bytes, 0U);
    EXPECT_NE(result.attempt.peak_memory.source, PeakMemory::Source::unknown);
    const auto age = std::chrono::system_clock::now() - result.attempt.started;
    EXPECT_LT(age, 60s);
    EXPECT_GE(age, 0s);
}

TEST_F(RunTest, APeakAboveOurOwnIsTheProgramsOwn) {
    ::rusage own{};
    ::getrusage(RUSAGE_SELF, &own);
    const std::uint64_t target = static_cast<std::uint64_t>(own.ru_maxrss) * 1024 + (64U << 20U);
    const AttemptResult large = run(Task::binary("dd", "if=/dev/zero", "of=/dev/null", "count=1",
                                                 "bs=" + std::to_string(target)));
    ASSERT_EQ(large.attempt.ending, exited_well);
    EXPECT_EQ(large.attempt.peak_memory.source, PeakMemory::Source::rusage);
    EXPECT_GE(large.attempt.peak_memory.bytes, target);
}

}  // namespace
}  // namespace repartir::exec
