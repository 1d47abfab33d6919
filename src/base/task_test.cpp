// SPDX-License-Identifier: MIT
#include "repartir/task.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace repartir {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

std::string refusal(const Task& task) {
    const auto checked = task.validate();
    if (checked) {
        return "";
    }
    EXPECT_EQ(checked.error().code(), Code::invalid_task);
    EXPECT_EQ(checked.error().fault(), Fault::user);
    return checked.error().sentence();
}

TEST(Task, KeepsProgramAndArguments) {
    const Task task =
        Task::binary("./compute", "a", std::string("b c")).args("--input", "x").arg("");
    EXPECT_EQ(task.kind(), Kind::binary);
    EXPECT_EQ(task.program().path(), "./compute");
    EXPECT_THAT(task.program().argv(), ElementsAre("./compute", "a", "b c", "--input", "x", ""));
    EXPECT_EQ(task.program().size(), 6U);
    EXPECT_TRUE(task.validate().has_value());
}

TEST(Task, TakesArgumentsFromAVector) {
    std::vector<std::string> values{"1", "2"};
    EXPECT_THAT(Task::binary("p").args(values).program().argv(), ElementsAre("p", "1", "2"));
}

TEST(Task, DefaultsAreThoseOfItsContract) {
    const Task task = Task::binary("true");
    EXPECT_EQ(task.timeout(), 0ms);
    EXPECT_EQ(task.kill_grace(), 2000ms);
    EXPECT_EQ(task.cores(), 1U);
    EXPECT_EQ(task.env_mode(), EnvMode::overlay);
    EXPECT_EQ(task.stdin_kind(), Input::nothing);
    EXPECT_EQ(task.stdout_kind(), Output::capture);
    EXPECT_EQ(task.stderr_kind(), Output::capture);
    EXPECT_EQ(task.backend(), Backend::any);
    EXPECT_EQ(task.affinity(), Affinity::none);
    EXPECT_EQ(task.priority(), Priority::normal);
    EXPECT_EQ(task.retry_policy().max_retries, 0U);
    EXPECT_EQ(task.retry_policy().max_start_retries, 3U);
}

TEST(Task, SettersChainOnTemporariesAndOnNamedTasks) {
    Task task = Task::binary("p")
                    .env("A", "1")
                    .env_mode(EnvMode::replace)
                    .cwd("/tmp")
                    .stdin_bytes("in")
                    .timeout(5s)
                    .kill_grace(1s)
                    .retries(3)
                    .priority(Priority::high)
                    .cores(2)
                    .memory(64)
                    .nice(5)
                    .name("n")
                    .label("k", "v")
                    .idempotency_key("key")
                    .backend(Backend::cpu)
                    .affinity(Affinity::cpu_only)
                    .on_cores({0, 1})
                    .on_numa_node(0)
                    .capture_limit(10)
                    .spill_dir("/tmp");
    task.priority(Priority::low).stdout_file("/tmp/o").stderr_file("/tmp/e");
    EXPECT_TRUE(task.validate().has_value());
    const TaskExtras& extras = task.extras();
    EXPECT_THAT(extras.env, ElementsAre(std::pair<std::string, std::string>("A", "1")));
    EXPECT_EQ(extras.cwd, "/tmp");
    EXPECT_EQ(extras.input, "in");
    EXPECT_EQ(task.timeout(), 5000ms);
    EXPECT_EQ(task.retry_policy().max_retries, 3U);
    EXPECT_EQ(task.priority(), Priority::low);
    EXPECT_EQ(task.cores(), 2U);
    EXPECT_EQ(extras.memory_bytes, 64U);
    EXPECT_EQ(extras.nice, 5);
    EXPECT_EQ(extras.idempotency_key, "key");
    EXPECT_THAT(extras.cores, ElementsAre(0U, 1U));
    EXPECT_EQ(extras.numa_node, 0U);
    EXPECT_EQ(task.stdout_kind(), Output::file);
    EXPECT_EQ(extras.err_path, "/tmp/e");
}

TEST(Task, IsAValue) {
    Task first = Task::binary("p").env("A", "1");
    Task second = first;
    second.arg("x").env("B", "2");
    EXPECT_EQ(first.program().size(), 1U);
    EXPECT_EQ(first.extras().env.size(), 1U);
    EXPECT_EQ(second.extras().env.size(), 2U);
    first = second;
    EXPECT_EQ(first.program().size(), 2U);
    Task& alias = first;
    first = alias;
    EXPECT_EQ(first.program().size(), 2U);
}

TEST(Task, PipelineKeepsItsStagesInOrder) {
    const Task task = Task::pipeline(Task::binary("zcat", "log.gz"), Task::binary("sort"),
                                     Task::binary("uniq", "-c"))
                          .timeout(1s);
    EXPECT_EQ(task.kind(), Kind::pipeline);
    ASSERT_EQ(task.stage_count(), 3U);
    EXPECT_THAT(task.stage(0).argv(), ElementsAre("zcat", "log.gz"));
    EXPECT_THAT(task.stage(1).argv(), ElementsAre("sort"));
    EXPECT_THAT(task.stage(2).argv(), ElementsAre("uniq", "-c"));
    EXPECT_TRUE(task.validate().has_value());
}

TEST(Task, PipelineRefusesWhatItWouldDrop) {
    const Task inner = Task::pipeline(Task::binary("a"), Task::binary("b"));
    EXPECT_THAT(refusal(Task::pipeline(Task::binary("x"), inner)), HasSubstr("itself a pipeline"));
    EXPECT_THAT(refusal(Task::pipeline(inner, Task::binary("x"))), HasSubstr("itself a pipeline"));
    EXPECT_THAT(refusal(Task::pipeline(Task::binary("x"), Task::binary("y").timeout(1s))),
                HasSubstr("options of its own"));
    EXPECT_THAT(refusal(Task::pipeline(Task::binary("x"), Task::binary("y").env("A", "b"))),
                HasSubstr("options of its own"));
    EXPECT_THAT(refusal(Task::pipeline(std::vector<Task>{})), HasSubstr("no program"));
}

TEST(Task, ValidateNamesWhatIsWrong) {
    using namespace std::string_view_literals;
    EXPECT_THAT(refusal(Task::binary("")), HasSubstr("no program"));
    EXPECT_THAT(refusal(Task::binary("p", "a\0b"sv)), HasSubstr("NUL"));
    EXPECT_THAT(refusal(Task::binary("p").env("A=B", "c")), HasSubstr("'A=B'"));
    EXPECT_THAT(refusal(Task::binary("p").env("", "c")), HasSubstr("variable ''"));
    EXPECT_THAT(refusal(Task::binary("p").env("A", "\0"sv)), HasSubstr("'A'"));
    EXPECT_THAT(refusal(Task::binary("p").stdin_file("")), HasSubstr("standard input"));
    EXPECT_THAT(refusal(Task::binary("p").stdin_file("\0"sv)), HasSubstr("NUL"));
    EXPECT_THAT(refusal(Task::binary("p").stdout_file("")), HasSubstr("without a name"));
    EXPECT_THAT(refusal(Task::binary("p").stderr_file("")), HasSubstr("without a name"));
    EXPECT_THAT(refusal(Task::binary("p").stdout_to(Output::callback)), HasSubstr("on_output"));
    EXPECT_THAT(refusal(Task::binary("p").cwd("a\0b"sv)), HasSubstr("NUL"));
    EXPECT_THAT(refusal(Task::binary("p").cores(0)), HasSubstr("0 cores"));
    EXPECT_THAT(refusal(Task::binary("p").on_cores({9000})), HasSubstr("8192"));
    EXPECT_THAT(refusal(Task::binary("p").affinity(Affinity::cpu_only).backend(Backend::gpu)),
                HasSubstr("cpu_only"));
    EXPECT_THAT(refusal(Task::binary("p").affinity(Affinity::gpu_required).backend(Backend::cpu)),
                HasSubstr("requires a GPU"));
    EXPECT_THAT(refusal(Task::binary("p").timeout(-1ms)), HasSubstr("negative"));
    EXPECT_THAT(refusal(Task::binary("p").kill_grace(-1ms)), HasSubstr("negative"));
    EXPECT_THAT(refusal(Task::binary("p").priority(static_cast<Priority>(3))),
                HasSubstr("priority"));
    RetryPolicy retry;
    retry.backoff.initial = -1ms;
    EXPECT_THAT(refusal(Task::binary("p").retry(retry)), HasSubstr("backoff"));
    Limits limits;
    limits.processes = 0;
    EXPECT_THAT(refusal(Task::binary("p").limits(limits)), HasSubstr("limit of zero"));
}

TEST(Task, RetryPolicyIsWhole) {
    RetryPolicy policy;
    policy.max_retries = 4;
    policy.exit_codes = {75};
    const Task task = Task::binary("p").retry(policy);
    EXPECT_EQ(task.retry_policy().max_retries, 4U);
    EXPECT_THAT(task.retry_policy().exit_codes, ElementsAre(75));
    const Task fewer = Task(task).retries(1);
    EXPECT_EQ(fewer.retry_policy().max_retries, 1U);
    EXPECT_THAT(fewer.retry_policy().exit_codes, ElementsAre(75));
}

TEST(Task, IsSmall) { EXPECT_LE(sizeof(Task), 96U); }

}  // namespace
}  // namespace repartir
