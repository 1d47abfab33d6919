// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel_executor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "exec/gpu/results_fixture.hpp"
#include "repartir/kernel.hpp"

namespace repartir::gpu {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

AttemptId id(std::uint32_t number) { return {{JobId::random(), number}, 1, 1, 1}; }

const Kernel& axpy() {
    static const Kernel made = kernel("axpy", [](In<float> x, InOut<float> y, Float a, UInt skip) {
        const UInt i = global_id().x;
        If(i >= skip && i < x.length(), [&] { y[i] = a * x[i] + y[i] * constant("b", 1.0F); });
    });
    return made;
}

const Kernel& endless() {
    static const Kernel made = kernel("endless", [](Out<std::uint32_t> out) {
        Var<std::uint32_t> n = 0U;
        Loop([&] { n += 1; });
        out[0] = n;
    });
    return made;
}

Task axpy_of(std::size_t count) {
    std::vector<float> x(count);
    std::iota(x.begin(), x.end(), 0.0F);
    return Task::shader(axpy())
        .workgroups(static_cast<std::uint32_t>(count / 64 + 1))
        .input_buffer(x)
        .inout_buffer(std::vector<float>(count, 1.0F))
        .push_constants(2.0F, 3U);
}

class KernelExecutors : public testing::Test {
  protected:
    AttemptResult run(const Task& task) {
        const AttemptId one = id(1);
        executor_.start(one, task, results_);
        return results_.wait(one);
    }
    Results results_;
    KernelExecutor executor_{3};
};

TEST_F(KernelExecutors, GivesWhatComesOut) {
    for (const std::size_t count : {0U, 1U, 64U, 100'003U}) {
        const Task task = axpy_of(count);
        ASSERT_TRUE(executor_.accepts(task));
        const AttemptResult result = run(task);
        ASSERT_TRUE(result.attempt.ending.ok()) << result.attempt.error->sentence();
        const auto y = result.buffers.at(0).as<float>();
        ASSERT_EQ(y.size(), count);
        for (std::size_t i = 0; i < count; ++i) {
            ASSERT_EQ(y[i], i < 3 ? 1.0F : 2.0F * static_cast<float>(i) + 1.0F);
        }
    }
}

TEST_F(KernelExecutors, ConstantsAndSharedBuffersCount) {
    SharedBuffer memory = SharedBuffer::create(256).value();
    // SAFETY: floats may be made of bytes, and pages are aligned.
    const std::span y(reinterpret_cast<float*>(memory.writable().data()), 64);
    std::ranges::fill(y, 5.0F);
    const Task task = Task::shader(axpy())
                          .input_buffer(std::vector<float>(64, 1.0F))
                          .inout_buffer(memory)
                          .push_constants(10.0F, 0U)
                          .constant("b", 3);
    const AttemptResult result = run(task);
    ASSERT_TRUE(result.attempt.ending.ok()) << result.attempt.error->sentence();
    EXPECT_EQ(std::ranges::count(y, 25.0F), 64);
}

TEST_F(KernelExecutors, RefusesWhatDoesNotFit) {
    EXPECT_EQ(executor_.accepts(Task::binary("true")).error().code(), Code::unsupported);
    EXPECT_EQ(executor_.accepts(Task::shader(Shader::wgsl("fn"))).error().code(),
              Code::unsupported);
    const Task few = Task::shader(axpy()).input_buffer(std::vector<float>(64));
    EXPECT_THAT(executor_.accepts(few).error().sentence(),
                HasSubstr("uses 2 buffers, and the task gives 1"));
    EXPECT_THAT(run(few).attempt.error->sentence(), HasSubstr("uses 2 buffers"));
    EXPECT_THAT(executor_.accepts(axpy_of(1).push_constants(1.0F)).error().sentence(),
                HasSubstr("8 bytes of push constants"));
    EXPECT_EQ(executor_.accepts(axpy_of(1).constant("c", 1)).error().code(), Code::not_found);
}

TEST_F(KernelExecutors, NoWorkgroupsAreDoneAtOnce) {
    const AttemptResult result = run(axpy_of(100).workgroups(0));
    EXPECT_TRUE(result.attempt.ending.ok());
    EXPECT_EQ(result.buffers.at(0).as<float>()[99], 1.0F);
}

TEST_F(KernelExecutors, WhatDoesNotEndIsEndedInTime) {
    const Task task = Task::shader(endless()).workgroups(100).output_buffer(4).timeout(50ms);
    EXPECT_EQ(run(task).attempt.ending.end, End::timed_out);
    EXPECT_TRUE(run(axpy_of(10)).attempt.ending.ok());
}

TEST_F(KernelExecutors, CancelsAndShutsDown) {
    const Task task = Task::shader(endless()).workgroups(100).output_buffer(4);
    const AttemptId first = id(1);
    const AttemptId second = id(2);
    executor_.start(first, task, results_);
    executor_.start(second, task, results_);
    executor_.cancel(first, CancelReason::cancelled, false);
    EXPECT_EQ(results_.wait(first).attempt.ending.end, End::cancelled);
    executor_.shutdown();
    EXPECT_EQ(results_.wait(second).attempt.ending.end, End::cancelled);
    EXPECT_EQ(run(task).attempt.ending.end, End::cancelled);
}

TEST_F(KernelExecutors, AMistakeThatOnlyARunFindsIsTold) {
    const Kernel diverges = kernel("diverges", [](Out<std::uint32_t> out) {
        If(local_index() < 3, [] { barrier(); });
        out[0] = 1U;
    });
    const Task task = Task::shader(diverges).workgroups(50).output_buffer(4);
    const AttemptResult result = run(task);
    EXPECT_EQ(result.attempt.ending.end, End::not_started);
    EXPECT_THAT(result.attempt.error->sentence(), HasSubstr("barrier"));
}

TEST_F(KernelExecutors, ManyAtOnce) {
    std::vector<AttemptId> ids;
    const Task task = axpy_of(1000);
    for (std::uint32_t i = 0; i < 200; ++i) {
        ids.push_back(id(i));
        executor_.start(ids.back(), task, results_);
    }
    for (const AttemptId& one : ids) {
        EXPECT_EQ(results_.wait(one).buffers.at(0).as<float>()[999], 1999.0F);
    }
}

}  // namespace
}  // namespace repartir::gpu
