// SPDX-License-Identifier: MIT
#include "sched/key_table.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "repartir/scheduler.hpp"
#include "sched/fake_executor.hpp"

namespace repartir::detail {
namespace {

TEST(SameWork, LooksAtAllThatChangesTheResult) {
    const Task task = Task::binary("p", "a").env("K", "v").cwd("/").stdin_bytes("in");
    EXPECT_TRUE(same_work(task, Task(task).timeout(std::chrono::seconds(3))));
    EXPECT_FALSE(same_work(task, Task(task).arg("b")));
    EXPECT_FALSE(same_work(task, Task(task).env("K", "w")));
    EXPECT_FALSE(same_work(task, Task(task).env_mode(EnvMode::replace)));
    EXPECT_FALSE(same_work(task, Task(task).cwd("/tmp")));
    EXPECT_FALSE(same_work(task, Task(task).stdin_bytes("other")));
    EXPECT_FALSE(same_work(task, Task(task).stdin_file("in")));
    EXPECT_FALSE(same_work(task, Task::pipeline(Task(task), Task::binary("q"))));
}

TEST(SameWork, OfShadersIsAllThatTheyAreGiven) {
    const std::vector<int> values{1, 2};
    const SharedBuffer out = SharedBuffer::create(8).value();
    const auto task = [&] {
        return Task::shader(Shader::glsl("a"), "main").workgroups(2).input_buffer(values);
    };
    EXPECT_TRUE(same_work(task(), task().name("x")));
    EXPECT_TRUE(same_work(task().output_buffer(out), task().output_buffer(out)));
    EXPECT_FALSE(same_work(task(), Task::binary("p")));
    EXPECT_FALSE(same_work(Task::binary("p"), task()));
    EXPECT_FALSE(same_work(task(), task().workgroups(3)));
    EXPECT_FALSE(same_work(task(), task().push_constants(1)));
    EXPECT_FALSE(same_work(task(), task().constant("c", 1)));
    EXPECT_FALSE(same_work(task(), task().output_buffer(8)));
    EXPECT_FALSE(same_work(task().output_buffer(8), task().output_buffer(out)));
    EXPECT_FALSE(same_work(task(), Task::shader(Shader::glsl("a"), "main")
                                       .workgroups(2)
                                       .input_buffer(std::vector<int>{1, 3})));
    EXPECT_FALSE(same_work(
        task(), Task::shader(Shader::glsl("b"), "main").workgroups(2).input_buffer(values)));
}

TEST(KeyTable, RemembersTheLatestThousandsOfKeys) {
    auto scheduler = Scheduler::create(SchedulerOptions{});
    ASSERT_TRUE(scheduler.has_value());
    sched::FakeState state;
    state.can.backend = Backend::cpu;
    state.can.slots = 1;
    state.inline_result = [](const Task&) { return sched::ended(End::exited); };
    ASSERT_TRUE(
        scheduler->register_backend(Backend::cpu, std::make_unique<sched::FakeExecutor>(state))
            .has_value());
    const auto run = [&](std::size_t key) {
        const auto outcome =
            scheduler->schedule(Task::binary("p").idempotency_key(std::to_string(key))).get();
        EXPECT_TRUE(outcome.has_value() && outcome->ok());
        return state.started().size();
    };
    constexpr std::size_t keys = KeyTable::finished_max + 1;
    for (std::size_t key = 0; key < keys; ++key) {
        EXPECT_EQ(run(key), key + 1);
    }
    EXPECT_EQ(run(1), keys) << "the second is still remembered";
    EXPECT_EQ(run(0), keys + 1) << "the first had to go";
}

}  // namespace
}  // namespace repartir::detail
