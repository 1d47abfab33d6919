// SPDX-License-Identifier: MIT
#include "repartir/cpu_executor.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "exec/cpu/executor_fixture.hpp"

namespace repartir::exec {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Ending exited_well{End::exited, 0};

class CpuExecutorTest : public ExecutorTest {
  protected:
    CpuExecutorTest() {
        char name[] = "/tmp/repartir-executor-test-XXXXXX";
        folder_ = ::mkdtemp(name);
    }
    ~CpuExecutorTest() override { std::filesystem::remove_all(folder_); }
    [[nodiscard]] std::string in_folder(const char* name) const { return folder_ + "/" + name; }
    [[nodiscard]] static std::string content(const std::string& path) {
        std::ostringstream text;
        text << std::ifstream(path).rdbuf();
        return text.str();
    }
    void write(const char* name, std::string_view text) const {
        std::ofstream(in_folder(name)) << text;
    }

    std::string folder_;
};

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

TEST_F(CpuExecutorTest, MeasuresTimesAndMemory) {
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

TEST_F(CpuExecutorTest, APeakAboveOurOwnIsTheProgramsOwn) {
    ::rusage own{};
    ::getrusage(RUSAGE_SELF, &own);
    const std::uint64_t target = static_cast<std::uint64_t>(own.ru_maxrss) * 1024 + (64U << 20U);
    const AttemptResult large = run(Task::binary("dd", "if=/dev/zero", "of=/dev/null", "count=1",
                                                 "bs=" + std::to_string(target)));
    ASSERT_EQ(large.attempt.ending, exited_well);
    EXPECT_EQ(large.attempt.peak_memory.source, PeakMemory::Source::rusage);
    EXPECT_GE(large.attempt.peak_memory.bytes, target);
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

// Input.

TEST_F(CpuExecutorTest, StdinIsNothingUnlessGiven) {
    EXPECT_EQ(run(Task::binary("cat")).out.bytes(), "");
}

TEST_F(CpuExecutorTest, FeedsBytesSmallAndLarge) {
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

TEST_F(CpuExecutorTest, AProgramMayStopReadingEarly) {
    const AttemptResult result =
        run(Task::binary("head", "-c", "3").stdin_bytes(std::string(4U << 20U, 'q')));
    EXPECT_EQ(result.attempt.ending, exited_well);
    EXPECT_EQ(result.out.bytes(), "qqq");
    EXPECT_EQ(
        run(Task::binary("/bin/true").stdin_bytes(std::string(1U << 20U, 'q'))).attempt.ending,
        exited_well);
}

TEST_F(CpuExecutorTest, HandsAFileOverAsInput) {
    write("input", "from a file");
    EXPECT_EQ(run(Task::binary("cat").stdin_file(in_folder("input"))).out.bytes(), "from a file");
    const AttemptResult missing = run(Task::binary("cat").stdin_file(in_folder("none")));
    ASSERT_TRUE(missing.attempt.error.has_value());
    EXPECT_EQ(missing.attempt.error->code(), Code::not_found);
    EXPECT_THAT(missing.attempt.error->sentence(), HasSubstr("as stdin"));
}

TEST_F(CpuExecutorTest, InheritedInputIsOurs) {
    const AttemptResult result = run(Task::binary("readlink", "/proc/self/fd/0").stdin_inherit());
    char ours[4096] = {};
    ASSERT_GT(::readlink("/proc/self/fd/0", ours, sizeof ours - 1), 0);
    EXPECT_EQ(result.out.bytes(), std::string(ours) + "\n");
}

// Output.

TEST_F(CpuExecutorTest, OutputGoesToFiles) {
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

TEST_F(CpuExecutorTest, OutputCanBeDiscarded) {
    const AttemptResult result = run(shell("p=$(readlink /proc/$$/fd/1); echo $p >&2; echo lost")
                                         .stdout_to(Output::discard)
                                         .stderr_file(in_folder("e")));
    EXPECT_EQ(result.out.size(), 0U);
    EXPECT_THAT(content(in_folder("e")), HasSubstr("/dev/null"));
}

TEST_F(CpuExecutorTest, ACallbackSeesOutputAsItArrives) {
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

TEST_F(CpuExecutorTest, MegabytesOnStderrDoNotBlockStdout) {
    const AttemptResult result = run(shell("head -c 8388608 /dev/zero >&2; echo done"));
    EXPECT_EQ(result.attempt.ending, exited_well);
    EXPECT_EQ(result.out.bytes(), "done\n");
    EXPECT_EQ(result.err.size(), 8388608U);
    EXPECT_FALSE(result.err.in_memory());
}

TEST_F(CpuExecutorTest, OutputBeyondTheLimitGoesToAFileInItsFolder) {
    for (const std::uint64_t size : {9'999U, 10'000U, 10'001U, 200'000U}) {
        const AttemptResult result =
            run(Task::binary("head", "-c", std::to_string(size), "/dev/zero")
                    .capture_limit(10'000)
                    .spill_dir(folder_));
        EXPECT_EQ(result.out.size(), size);
        EXPECT_EQ(result.out.in_memory(), size <= 10'000) << size;
        EXPECT_TRUE(result.out.read().value() == std::string(size, '\0'));
        EXPECT_EQ(result.out.path().starts_with(folder_), size > 10'000) << size;
    }
    EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(CpuExecutorTest, SixtyFourMebibytesArriveWhole) {
    const std::uint64_t size = 64U << 20U;
    const AttemptResult result = run(Task::binary("head", "-c", std::to_string(size), "/dev/zero"));
    EXPECT_EQ(result.attempt.ending, exited_well);
    EXPECT_EQ(result.out.size(), size);
    EXPECT_EQ(std::filesystem::file_size(result.out.path()), size);
}

TEST_F(CpuExecutorTest, ASpillFolderThatIsMissingIsNamedAndTheTaskEndsWell) {
    const AttemptResult result = run(Task::binary("head", "-c", "5000", "/dev/zero")
                                         .capture_limit(1000)
                                         .spill_dir("/nonexistent"));
    EXPECT_EQ(result.attempt.ending, exited_well);
    ASSERT_THAT(result.attempt.notes, ElementsAre(HasSubstr("stdout is incomplete")));
}

TEST_F(CpuExecutorTest, ABackgroundChildCannotKeepATaskFromEnding) {
    const auto before = std::chrono::steady_clock::now();
    const AttemptResult result = run(shell("sleep 600 & echo main"));
    EXPECT_EQ(result.attempt.ending, exited_well);
    EXPECT_EQ(result.out.bytes(), "main\n");
    EXPECT_LT(std::chrono::steady_clock::now() - before, 60s);
}

// Environment and placement.

TEST_F(CpuExecutorTest, OverlaysOrReplacesTheEnvironment) {
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

TEST_F(CpuExecutorTest, StartsInItsDirectory) {
    EXPECT_EQ(run(Task::binary("pwd").cwd(folder_)).out.bytes(), folder_ + "\n");
}

TEST_F(CpuExecutorTest, ChildrenMayUseEveryCpuAlthoughTheirSpawnerIsBound) {
    ::cpu_set_t ours;
    ASSERT_EQ(::sched_getaffinity(0, sizeof ours, &ours), 0);
    EXPECT_EQ(run(Task::binary("nproc")).out.bytes(), std::to_string(CPU_COUNT(&ours)) + "\n");
}

TEST_F(CpuExecutorTest, BindsToCpusAndRefusesThoseThatAreNotOurs) {
    const std::uint32_t last = CpuExecutor::this_machine().cpus.back().number;
    const AttemptResult bound =
        run(shell("grep Cpus_allowed_list /proc/self/status").on_cores({last}));
    EXPECT_EQ(bound.out.bytes(), "Cpus_allowed_list:\t" + std::to_string(last) + "\n");
    const AttemptResult refused = run(Task::binary("/bin/true").on_cores({last, 4000}));
    ASSERT_TRUE(refused.attempt.error.has_value());
    EXPECT_EQ(refused.attempt.error->code(), Code::invalid_argument);
    EXPECT_THAT(refused.attempt.error->sentence(), HasSubstr("CPU 4000"));
}

TEST_F(CpuExecutorTest, BindsToANumaNodeAndRefusesOneThatIsNotThere) {
    const std::uint32_t node = CpuExecutor::this_machine().cpus.front().numa_node;
    const AttemptResult bound = run(shell("head -1 /proc/self/numa_maps").on_numa_node(node));
    EXPECT_EQ(bound.attempt.ending, exited_well) << bound.err.bytes();
    EXPECT_THAT(bound.out.bytes(), HasSubstr("bind:" + std::to_string(node)));
    const AttemptResult refused = run(Task::binary("/bin/true").on_numa_node(99));
    ASSERT_TRUE(refused.attempt.error.has_value());
    EXPECT_THAT(refused.attempt.error->sentence(), HasSubstr("NUMA node 99"));
}

TEST_F(CpuExecutorTest, IsNicer) {
    const int ours = ::getpriority(PRIO_PROCESS, 0);
    EXPECT_EQ(run(Task::binary("nice").nice(5)).out.bytes(), std::to_string(ours + 5) + "\n");
}

TEST_F(CpuExecutorTest, EnforcesRlimits) {
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

TEST_F(CpuExecutorTest, SharesBuffersInAndOut) {
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

// Pipelines.

TEST_F(CpuExecutorTest, JoinsStages) {
    const AttemptResult result = run(Task::pipeline(
        Task::binary("printf", "b\\na\\nb\\n"), Task::binary("sort"), Task::binary("uniq", "-c")));
    EXPECT_EQ(result.attempt.ending, exited_well);
    EXPECT_EQ(result.out.bytes(), "      1 a\n      2 b\n");
    EXPECT_THAT(result.attempt.stages, ElementsAre(exited_well, exited_well, exited_well));
}

TEST_F(CpuExecutorTest, TheVerdictIsTheLastStageThatFailed) {
    const AttemptResult result =
        run(Task::pipeline(shell("echo a >&2; exit 2"), shell("echo b >&2; exit 3"), shell("cat")));
    EXPECT_EQ(result.attempt.ending, (Ending{End::exited, 3}));
    EXPECT_THAT(result.attempt.stages,
                ElementsAre(Ending{End::exited, 2}, Ending{End::exited, 3}, exited_well));
    EXPECT_THAT(result.err.bytes(), HasSubstr("a\n"));
    EXPECT_THAT(result.err.bytes(), HasSubstr("b\n"));
}

TEST_F(CpuExecutorTest, AStageEndedBySigpipeCountsAsInBash) {
    const AttemptResult result =
        run(Task::pipeline(Task::binary("yes"), Task::binary("head", "-1")));
    EXPECT_EQ(result.out.bytes(), "y\n");
    EXPECT_EQ(result.attempt.ending, (Ending{End::signaled, SIGPIPE}));
    EXPECT_THAT(result.attempt.stages, ElementsAre(Ending{End::signaled, SIGPIPE}, exited_well));
}

TEST_F(CpuExecutorTest, APipelineWhoseMiddleCannotStartEndsTheOthers) {
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

TEST_F(CpuExecutorTest, LargeDataFlowsThroughAPipeline) {
    const AttemptResult result =
        run(Task::pipeline(Task::binary("head", "-c", "20000000", "/dev/zero"), Task::binary("cat"),
                           Task::binary("wc", "-c")));
    EXPECT_EQ(result.out.bytes(), "20000000\n");
}

TEST_F(CpuExecutorTest, StagesShareOneProcessGroup) {
    const Task stage = shell("cat; cut -d' ' -f5 /proc/$$/stat");
    const AttemptResult result = run(Task::pipeline(stage, stage));
    std::istringstream lines(result.out.bytes());
    std::string first;
    std::string second;
    ASSERT_TRUE(std::getline(lines, first) && std::getline(lines, second));
    EXPECT_EQ(first, second);
    EXPECT_NE(first, std::to_string(::getpgrp()));
}

// Ends.

TEST_F(CpuExecutorTest, ATimeoutEndsAProgram) {
    const auto before = std::chrono::steady_clock::now();
    const AttemptResult result = run(Task::binary("sleep", "600").timeout(50ms));
    EXPECT_EQ(result.attempt.ending, (Ending{End::timed_out, 0}));
    EXPECT_GE(result.attempt.wall, 50ms);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 30s);
}

TEST_F(CpuExecutorTest, AProgramThatIgnoresSigtermIsKilledAfterItsGrace) {
    const AttemptResult result =
        run(shell("trap '' TERM; while :; do sleep 600; done").timeout(50ms).kill_grace(100ms));
    EXPECT_EQ(result.attempt.ending, (Ending{End::timed_out, 0}));
    EXPECT_GE(result.attempt.wall, 150ms);
}

TEST_F(CpuExecutorTest, TheGraceLetsAProgramCleanUp) {
    const AttemptResult result =
        run(shell("trap 'echo bye; exit 0' TERM; while :; do sleep 0.01; done")
                .timeout(300ms)
                .kill_grace(60s));
    EXPECT_EQ(result.attempt.ending, (Ending{End::timed_out, 0}));
    EXPECT_EQ(result.out.bytes(), "bye\n");
}

TEST_F(CpuExecutorTest, ATimeoutEndsAllStages) {
    const AttemptResult result = run(
        Task::pipeline(Task::binary("sleep", "600"), Task::binary("sleep", "600")).timeout(50ms));
    EXPECT_EQ(result.attempt.ending.end, End::timed_out);
    EXPECT_EQ(result.attempt.stages.size(), 2U);
}

TEST_F(CpuExecutorTest, CancelEndsGentlyOrByForce) {
    const Task gentle = Task::binary("sleep", "600");
    const AttemptId first = start(gentle);
    executor_->cancel(first, CancelReason::cancelled, false);
    executor_->cancel(first, CancelReason::timed_out, false);
    EXPECT_EQ(sink_.wait(first).attempt.ending, (Ending{End::cancelled, 0}));
    const Task stubborn = shell("trap '' TERM; while :; do sleep 600; done").kill_grace(600s);
    const AttemptId second = start(stubborn);
    executor_->cancel(second, CancelReason::timed_out, false);
    executor_->cancel(second, CancelReason::cancelled, true);
    EXPECT_EQ(sink_.wait(second).attempt.ending, (Ending{End::timed_out, 0})) << "the first counts";
    executor_->cancel(second, CancelReason::cancelled, true);  // unknown by now: ignored
}

TEST_F(CpuExecutorTest, CancelRacesWithTheEnd) {
    const Task task = Task::binary("/bin/true");
    for (int i = 0; i < 200; ++i) {
        const AttemptId id = start(task);
        if (i % 2 == 0) {
            std::this_thread::yield();
        }
        executor_->cancel(id, CancelReason::cancelled, i % 3 == 0);
        const End end = sink_.wait(id).attempt.ending.end;
        EXPECT_TRUE(end == End::exited || end == End::cancelled);
    }
    EXPECT_EQ(sink_.told(), 200U);
}

TEST_F(CpuExecutorTest, ShutdownEndsWhatRunsAndTellsEverySink) {
    const Task task = shell("trap '' TERM; sleep 600");
    std::vector<AttemptId> ids;
    for (int i = 0; i < 6; ++i) {
        ids.push_back(start(task));
    }
    executor_->shutdown();
    EXPECT_EQ(sink_.told(), 6U);
    for (const AttemptId& id : ids) {
        EXPECT_EQ(sink_.wait(id).attempt.ending.end, End::cancelled);
    }
    executor_->shutdown();
    const AttemptResult late = run(task);
    EXPECT_EQ(late.attempt.ending.end, End::not_started);
    EXPECT_EQ(late.attempt.error->code(), Code::shut_down);
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
