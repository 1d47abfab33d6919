// SPDX-License-Identifier: MIT
#include "wire/task.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace repartir::wire {
namespace {

using namespace std::literals;

const AttemptId some_attempt{{{{1, 2, 3}}, 4}, 5, 6, 7};

std::string encoded(const Task& task, bool stream = false) {
    std::string bytes;
    append_task(bytes, some_attempt, task, stream);
    return bytes;
}

Task there_and_back(const Task& task) {
    const std::string bytes = encoded(task);
    const auto view = read_task(bytes);
    EXPECT_TRUE(view);
    EXPECT_EQ(view->attempt, some_attempt);
    auto again = to_task(*view);
    EXPECT_TRUE(again) << again.error().sentence();
    return std::move(*again);
}

TEST(TaskMessageTest, ATypicalTaskIsSmall) {
    const Task task = Task::binary("/opt/simulation/bin/compute-the-answer42", "--input",
                                   "data.csv", "--seed", "17")
                          .env("OMP_NUM_THREADS", "4")
                          .env("HOME", "/home/me")
                          .env("LANG", "C.UTF-8")
                          .env("TMPDIR", "/scratch")
                          .timeout(5s)
                          .memory(1U << 30U);
    EXPECT_LE(encoded(task).size(), 300U);
    const Task again = there_and_back(task);
    EXPECT_EQ(again.program().packed(), task.program().packed());
    EXPECT_EQ(again.extras().env, task.extras().env);
    EXPECT_EQ(again.timeout(), 5s);
    EXPECT_EQ(again.extras().memory_bytes, 1U << 30U);
}

TEST(TaskMessageTest, EveryOptionThatIsTheWorkersComesThrough) {
    Limits limits;
    limits.cpu_time = 7s;
    limits.address_space_bytes = 1U << 31U;
    limits.file_bytes = 1;
    limits.open_files = 20;
    limits.resident_bytes = 3;
    limits.processes = 4;
    const Task task = Task::pipeline(Task::binary("zcat", "a.gz"), Task::binary("sort", "-n"),
                                     Task::binary("head"))
                          .env("A", "")
                          .env_mode(EnvMode::replace)
                          .cwd("/tmp")
                          .stdin_bytes("in\0put"s)
                          .stdout_file("/tmp/out")
                          .stderr_to(Output::discard)
                          .capture_limit(1000)
                          .output_limit(2000)
                          .spill_dir("/var/tmp")
                          .affinity(Affinity::remote_allowed)
                          .cores(3)
                          .on_cores({0, 2})
                          .priority(Priority::high)
                          .nice(5)
                          .kill_grace(3s)
                          .limits(limits)
                          .name("sorted")
                          .label("run", "7")
                          .retries(9);
    const Task again = there_and_back(task);
    ASSERT_EQ(again.stage_count(), 3U);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(again.stage(i).packed(), task.stage(i).packed());
    }
    EXPECT_EQ(again.env_mode(), EnvMode::replace);
    EXPECT_EQ(again.extras().env, task.extras().env);
    EXPECT_EQ(again.extras().cwd, "/tmp");
    EXPECT_EQ(again.stdin_kind(), Input::bytes);
    EXPECT_EQ(again.extras().input, "in\0put"s);
    EXPECT_EQ(again.stdout_kind(), Output::file);
    EXPECT_EQ(again.extras().out_path, "/tmp/out");
    EXPECT_EQ(again.stderr_kind(), Output::discard);
    EXPECT_EQ(again.extras().capture_bytes, 1000U);
    EXPECT_EQ(again.extras().output_bytes, 2000U);
    EXPECT_EQ(again.extras().spill_dir, "/var/tmp");
    EXPECT_EQ(again.affinity(), Affinity::remote_allowed);
    EXPECT_EQ(again.cores(), 3U);
    EXPECT_EQ(again.extras().cores, (std::vector<std::uint32_t>{0, 2}));
    EXPECT_EQ(again.priority(), Priority::high);
    EXPECT_EQ(again.extras().nice, 5);
    EXPECT_EQ(again.kill_grace(), 3s);
    EXPECT_EQ(again.extras().limits.cpu_time, 7s);
    EXPECT_EQ(again.extras().limits.address_space_bytes, 1U << 31U);
    EXPECT_EQ(again.extras().limits.file_bytes, 1U);
    EXPECT_EQ(again.extras().limits.open_files, 20U);
    EXPECT_EQ(again.extras().limits.resident_bytes, 3U);
    EXPECT_EQ(again.extras().limits.processes, 4U);
    EXPECT_EQ(again.extras().name, "sorted");
    EXPECT_EQ(again.extras().labels, task.extras().labels);
    // retries are the submitter's: a worker tries once
    EXPECT_EQ(again.retry_policy().max_retries, 0U);
    EXPECT_EQ(again.retry_policy().max_start_retries, 0U);
}

TEST(TaskMessageTest, FilesAndNodesComeThrough) {
    const Task again = there_and_back(
        Task::binary("cat").stdin_file("/etc/hostname").on_numa_node(1).stderr_file("/tmp/err"));
    EXPECT_EQ(again.stdin_kind(), Input::file);
    EXPECT_EQ(again.extras().input, "/etc/hostname");
    EXPECT_EQ(again.extras().numa_node, 1U);
    EXPECT_EQ(again.extras().err_path, "/tmp/err");
    EXPECT_EQ(there_and_back(Task::binary("cat").stdin_inherit()).stdin_kind(), Input::inherit);
}

TEST(TaskMessageTest, ACallbackIsItsSubmittersAndTheWorkerCaptures) {
    const Task task = Task::binary("yes").on_output([](Stream, std::span<const char>) {});
    const std::string bytes = encoded(task, true);
    const auto view = read_task(bytes);
    ASSERT_TRUE(view);
    EXPECT_TRUE(view->stream);
    EXPECT_EQ(to_task(*view)->stdout_kind(), Output::capture);
}

TEST(TaskMessageTest, ACallNamesItsFunction) {
    std::string bytes;
    append_call(bytes, some_attempt, "mean", "\1\2\3", 2s, Priority::low);
    const auto view = read_task(bytes);
    ASSERT_TRUE(view);
    EXPECT_EQ(view->work, Work::function);
    EXPECT_EQ(view->program.second, "mean");
    EXPECT_EQ(view->input, "\1\2\3");
    EXPECT_EQ(view->timeout, 2s);
    EXPECT_EQ(view->priority, Priority::low);
    EXPECT_FALSE(to_task(*view)) << "it is no program";
}

TEST(TaskMessageTest, AViewThatIsUsedAgainKeepsNothing) {
    const std::string rich = encoded(Task::binary("a", "b").env("A", "B").cwd("/tmp").name("n"));
    const std::string plain = encoded(Task::binary("c"));
    TaskView view;
    ASSERT_TRUE(read_task(rich, view));
    EXPECT_TRUE(view.extras);
    ASSERT_TRUE(read_task(plain, view));
    EXPECT_FALSE(view.extras);
    EXPECT_TRUE(view.env.empty());
    EXPECT_EQ(view.name, "");
    EXPECT_EQ(to_task(view)->program().packed(), "c\0"s);
    EXPECT_EQ(read_task("\1", view).error().code(), Code::malformed);
}

TEST(TaskMessageTest, TheEpochCanBeChangedAndNothingElse) {
    const Task task = Task::binary("a", "b").env("C", "D");
    std::string bytes = encoded(task);
    set_epoch(bytes, 0x1122334455667788);
    AttemptId other = some_attempt;
    other.epoch = 0x1122334455667788;
    std::string expected;
    append_task(expected, other, task, false);
    EXPECT_EQ(bytes, expected);
    std::string none = "short";
    set_epoch(none, 1);
    EXPECT_EQ(none, "short");
}

TEST(TaskMessageTest, EveryCutIsRefused) {
    const std::string bytes = encoded(Task::pipeline(Task::binary("a", "b"), Task::binary("c"))
                                          .env("A", "B")
                                          .label("c", "d")
                                          .on_cores({1}));
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
        const auto view = read_task(std::string_view(bytes).substr(0, cut));
        ASSERT_FALSE(view) << cut;
        EXPECT_EQ(view.error().code(), Code::malformed);
    }
}

TEST(TaskMessageTest, ArgumentsThatAreNotPackedWellAreRefused) {
    const std::string bytes = encoded(Task::binary("a", "b"));
    const TaskView good = *read_task(bytes);
    ASSERT_TRUE(to_task(good));
    for (const PackedArgs& args :
         {PackedArgs{0, ""sv}, PackedArgs{1, "a\0b\0"sv}, PackedArgs{3, "a\0b\0"sv},
          PackedArgs{2, "a\0b"sv}, PackedArgs{1, "a\0b"sv}, PackedArgs{1, ""sv}}) {
        TaskView bad = good;
        bad.program = args;
        const auto task = to_task(bad);
        ASSERT_FALSE(task);
        EXPECT_EQ(task.error().code(), Code::malformed);
    }
}

TEST(TaskMessageTest, NumbersThatNameNothingAndTasksThatCannotBeAreRefused) {
    const std::string bytes = encoded(Task::binary("a"));
    const TaskView good = *read_task(bytes);
    TaskView bad = good;
    bad.priority = static_cast<Priority>(3);
    EXPECT_FALSE(to_task(bad));
    bad = good;
    bad.affinity = static_cast<Affinity>(4);
    EXPECT_FALSE(to_task(bad));
    bad = good;
    bad.env_mode = static_cast<EnvMode>(2);
    EXPECT_FALSE(to_task(bad));
    bad = good;
    bad.input_kind = static_cast<Input>(4);
    EXPECT_FALSE(to_task(bad));
    bad = good;
    bad.out = static_cast<Output>(5);
    EXPECT_FALSE(to_task(bad));
    bad = good;
    bad.err = static_cast<Output>(99);
    EXPECT_EQ(to_task(bad).error().code(), Code::malformed);
    bad = good;
    bad.cores = 0;
    EXPECT_EQ(to_task(bad).error().code(), Code::invalid_task);
}

}  // namespace
}  // namespace repartir::wire
