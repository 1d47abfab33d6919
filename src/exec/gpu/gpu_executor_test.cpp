// SPDX-License-Identifier: MIT
#include "repartir/gpu_executor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exec/gpu/engine_fixture.hpp"
#include "exec/gpu/results_fixture.hpp"

namespace repartir {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class GpuExecutors : public gpu::OnSwiftShader {
  protected:
    void SetUp() override {
        OnSwiftShader::SetUp();
        if (!IsSkipped()) {
            executor_ = GpuExecutor::create(options()).value();
        }
    }
    static GpuOptions options() {
        GpuOptions options;
        options.allow_cpu = true;
        options.in_process = true;
        return options;
    }
    static Task twice(std::size_t count) {
        return Task::shader(Shader::glsl(gpu::twice_glsl))
            .workgroups(static_cast<std::uint32_t>((count + 63) / 64))
            .input_buffer(std::vector<float>(count, 1.5F))
            .output_buffer(count * sizeof(float));
    }
    static AttemptId id(std::uint32_t number) { return {{JobId::random(), number}, 1, 1, 1}; }

    gpu::Results results_;
    std::unique_ptr<GpuExecutor> executor_;
};

TEST_F(GpuExecutors, GivesWhatComesOut) {
    const Task task = twice(100);
    const AttemptId first = id(1);
    ASSERT_TRUE(executor_->accepts(task).has_value());
    executor_->start(first, task, results_);
    const AttemptResult result = results_.wait(first);
    EXPECT_TRUE(result.attempt.ending.ok());
    ASSERT_EQ(result.buffers.size(), 1U);
    EXPECT_EQ(result.buffers[0].as<float>().size(), 100U);
    EXPECT_EQ(result.buffers[0].as<float>()[99], 3.0F);
    EXPECT_THAT(result.attempt.where, HasSubstr("SwiftShader"));
    EXPECT_GT(result.attempt.wall.count(), 0);
}

TEST_F(GpuExecutors, RefusesWhatItCannotRun) {
    EXPECT_EQ(executor_->accepts(Task::binary("true")).error().code(), Code::unsupported);
    EXPECT_EQ(executor_->accepts(twice(4).push_constants(1)).error().code(), Code::invalid_task);
    const Task doubles =
        Task::shader(
            Shader::glsl("#version 450\nlayout(set = 0, binding = 0) buffer A { double a[]; };"
                         "void main() { a[0] = a[1] * 2.0; }"))
            .output_buffer(16);
    EXPECT_THAT(executor_->accepts(doubles).error().sentence(), HasSubstr("float64"));
}

TEST_F(GpuExecutors, ATaskWhoseTimeIsUpEndsAndTheProcessGoesOn) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(
        {
            auto executor = GpuExecutor::create(options()).value();
            const Task hangs =
                Task::shader(Shader::glsl(gpu::endless_glsl)).output_buffer(8).timeout(3s);
            const AttemptId first = id(1);
            executor->start(first, hangs, results_);
            const AttemptResult result = results_.wait(first);
            ::_exit(result.attempt.ending.end == End::timed_out && !result.attempt.notes.empty()
                        ? 7
                        : 1);
        },
        testing::ExitedWithCode(7), "");
}

TEST_F(GpuExecutors, CapabilitiesAreTheDevices) {
    const Capabilities can = executor_->capabilities();
    EXPECT_EQ(can.backend, Backend::gpu);
    EXPECT_GT(can.slots, 1U);
    EXPECT_EQ(can.memory_bytes, executor_->device().memory_bytes);
}

}  // namespace
}  // namespace repartir
