// SPDX-License-Identifier: MIT
#include "cli/task_maker.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace repartir::cli {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::Pair;
using Words = std::vector<std::string>;

RunConfig config_of(Words command, std::size_t lists = 1) {
    RunConfig config;
    config.command = std::move(command);
    config.lists.assign(lists, Words{"unused"});
    return config;
}

MadeTask made(const RunConfig& config, Words values, std::uint64_t sequence = 7) {
    return TaskMaker(config, "").make(Item{sequence, std::move(values), std::nullopt}).value();
}

Words argv(const RunConfig& config, Words values) {
    return made(config, std::move(values)).task.program().argv();
}

TEST(TaskMaker, InputsAreAppendedOnlyWithoutPlaceholders) {
    EXPECT_THAT(argv(config_of({"p", "-x"}), {"in put"}), ElementsAre("p", "-x", "in put"));
    EXPECT_THAT(argv(config_of({"p", "{#}"}), {"a"}), ElementsAre("p", "7"));
    EXPECT_THAT(argv(config_of({"p", "{.}", "{{}"}), {"a.c"}), ElementsAre("p", "a", "{}"));
    EXPECT_THAT(argv(config_of({"p"}, 2), {"a", "b"}), ElementsAre("p", "a", "b"));
}

TEST(TaskMaker, ABareHoleIsOneArgumentPerList) {
    EXPECT_THAT(argv(config_of({"p", "{}", "<{}>"}, 2), {"a", "b"}),
                ElementsAre("p", "a", "b", "<a b>"));
    EXPECT_THAT(argv(config_of({"{}"}, 2), {"prog", "arg"}), ElementsAre("prog", "arg"));
}

TEST(TaskMaker, WithoutInputsBracesAreLiteral) {
    RunConfig config = config_of({"p", "{}", "{#}"}, 0);
    config.env = {{"K", "{}"}};
    const MadeTask task = made(config, {});
    EXPECT_THAT(task.task.program().argv(), ElementsAre("p", "{}", "{#}"));
    EXPECT_THAT(task.task.extras().env, ElementsAre(Pair("K", "{}")));
    EXPECT_EQ(task.task.stdin_kind(), Input::inherit);
    EXPECT_EQ(task.task.stdout_kind(), Output::inherit);
    EXPECT_EQ(task.label, "p");
}

TEST(TaskMaker, OptionsReachTheTask) {
    RunConfig config = config_of({"p"});
    config.timeout = 3s;
    config.kill_grace = 1s;
    config.retries = 4;
    config.retry_delay = 40s;
    config.priority = Priority::high;
    config.cores = 2;
    config.nice = 3;
    config.cwd = "/d/{}";
    config.env = {{"K", "<{}>"}};
    config.clean_env = true;
    config.limits.open_files = 8;
    config.output_bytes = 77;
    const Task task = made(config, {"i"}).task;
    EXPECT_EQ(task.timeout(), 3s);
    EXPECT_EQ(task.kill_grace(), 1s);
    EXPECT_EQ(task.extras().retry.max_retries, 4U);
    EXPECT_EQ(task.extras().retry.backoff.initial, 40s);
    EXPECT_EQ(task.extras().retry.backoff.max, 40s);
    EXPECT_EQ(task.priority(), Priority::high);
    EXPECT_EQ(task.cores(), 2U);
    EXPECT_EQ(task.extras().nice, 3);
    EXPECT_EQ(task.extras().cwd, "/d/i");
    EXPECT_THAT(task.extras().env, ElementsAre(Pair("K", "<i>")));
    EXPECT_EQ(task.env_mode(), EnvMode::replace);
    EXPECT_EQ(task.extras().limits.open_files, 8U);
    EXPECT_EQ(task.extras().output_bytes, 77U);
    EXPECT_EQ(task.stdin_kind(), Input::nothing);
    EXPECT_EQ(task.stdout_kind(), Output::capture);
}

TEST(TaskMaker, JobsOverrideTheCommandLine) {
    RunConfig config;
    config.from_json = "f";
    config.timeout = 3s;
    config.env = {{"A", "1"}};
    JobSpec job;
    job.program = "p";
    job.args = {"x"};
    job.env = {{"A", "2"}};
    job.timeout = 9s;
    job.stdin_text = "text";
    job.cwd = "/j";
    const MadeTask task = TaskMaker(config, "").make(Item{1, {""}, job}).value();
    EXPECT_EQ(shell_command(task.task), "printf %s text | (cd -- /j && A=2 p x)");
    EXPECT_EQ(task.task.timeout(), 9s);
    EXPECT_EQ(task.task.stdin_kind(), Input::bytes);
    EXPECT_EQ(task.task.extras().cwd, "/j");
    EXPECT_EQ(task.label, "p");
}

TEST(TaskMaker, AShownCommandSaysWhereItRunsAndWhatItReads) {
    RunConfig config = config_of({"p", "{}"});
    config.cwd = "-a b/{}";
    config.clean_env = true;
    config.env = {{"K", "{#}"}};
    const Item item{1, {"x"}, std::nullopt};
    EXPECT_EQ(shell_command(TaskMaker(config, "in put").make(item)->task),
              "(cd -- '-a b/x' && env -i K=1 p x) < 'in put'");
}

TEST(TaskMaker, OutputFilesAreNamedByNumberAndInput) {
    RunConfig config = config_of({"p"});
    config.output_dir = "out/{/}";
    const MadeTask task = made(config, {"../a b/c;d"}, 42);
    EXPECT_EQ(task.out_path, "out/c;d/000042-.._a_b_c_d.out");
    EXPECT_EQ(task.err_path, "out/c;d/000042-.._a_b_c_d.err");
    EXPECT_EQ(task.task.stdout_kind(), Output::file);
    EXPECT_EQ(file_name_part(std::string(500, 'x')).size(), 100U);
}

TEST(TaskMaker, NoInputLeadsOutOfTheFolderForOutputs) {
    const auto made_in = [](std::string folder, std::string input) {
        RunConfig config = config_of({"p"});
        config.output_dir = std::move(folder);
        return TaskMaker(config, "").make(Item{1, {std::move(input)}, std::nullopt});
    };
    for (const auto& [folder, input] :
         {std::pair("o/{/}", "/x/.."), std::pair("o/{1}", "../../x"), std::pair("o/{}", "a/../b"),
          std::pair("o/.{}", "./x"), std::pair("../o/{}", "..")}) {
        const Result<MadeTask> refused = made_in(folder, input);
        ASSERT_FALSE(refused) << folder << ' ' << input;
        EXPECT_THAT(refused.error().sentence(), testing::HasSubstr("lead out of it"));
    }
    EXPECT_TRUE(made_in("o/{}", "a..b/...")) << "names like others";
    EXPECT_TRUE(made_in("../o/{}", "a")) << "as it was asked for";
    EXPECT_TRUE(made_in("{//}", "../a/b")) << "the input says where";
}

TEST(TaskMaker, KeysTellTasksApart) {
    const auto key = [](RunConfig config, Words values, std::string input = "") {
        const TaskMaker maker(config, std::move(input));
        const Item item{1, std::move(values), std::nullopt};
        return maker.key(maker.make(item)->task, item);
    };
    const Fingerprint base = key(config_of({"p"}), {"a"});
    EXPECT_EQ(key(config_of({"p"}), {"a"}), base);
    EXPECT_NE(key(config_of({"p"}), {"b"}), base);
    EXPECT_NE(key(config_of({"q"}), {"a"}), base);
    RunConfig changed = config_of({"p"});
    changed.env = {{"K", "v"}};
    EXPECT_NE(key(changed, {"a"}), base);
    changed = config_of({"p"});
    changed.cwd = "/";
    EXPECT_NE(key(changed, {"a"}), base);
    changed = config_of({"p"});
    changed.stdin_from = "-";  // a spool file's name changes from run to run
    EXPECT_EQ(key(changed, {"a"}, "/tmp/one"), key(changed, {"a"}, "/tmp/two"));
}

TEST(TaskMaker, TheCommandIsRecognisedByWhatMatters) {
    const auto print = [](const RunConfig& config) {
        return TaskMaker(config, "").command_fingerprint();
    };
    RunConfig config = config_of({"p", "{}"});
    const Fingerprint base = print(config);
    config.timeout = 3s;
    config.workers = 7;
    EXPECT_EQ(print(config), base);
    config.clean_env = true;
    EXPECT_NE(print(config), base);
    EXPECT_NE(print(config_of({"p", "{.}"})), base);
}

}  // namespace
}  // namespace repartir::cli
