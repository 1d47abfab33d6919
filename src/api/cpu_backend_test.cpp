// SPDX-License-Identifier: MIT
/// @file cpu_backend_test.cpp Kernels written in C++ in a pool: on CPUs, and on GPUs where there
/// are.
#include "api/cpu_backend.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "repartir/kernel.hpp"
#include "repartir/pool.hpp"

namespace repartir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

template <class T>
gpu::Kernel scale() {
    return gpu::kernel("scale", [](gpu::In<T> in, gpu::Out<T> out, gpu::Scalar<T> by) {
        const gpu::UInt i = gpu::global_id().x;
        gpu::If(i < in.length(), [&] { out[i] = in[i] * by; });
    });
}

template <class T>
Task scaled(const std::vector<T>& values, T by) {
    return Task::shader(scale<T>())
        .workgroups(static_cast<std::uint32_t>(values.size() / 64 + 1))
        .input_buffer(values)
        .output_buffer(values.size() * sizeof(T))
        .push_constants(by);
}

TEST(KernelTasks, RunOnCpusWhenToldSo) {
    Pool pool = Pool::builder().cpu_workers(2).build().value();
    const auto outcome =
        pool.submit(scaled<float>({1, 2, 3}, 2.5F).backend(Backend::cpu)).get().value();
    ASSERT_TRUE(outcome.ok()) << outcome.ending.describe();
    EXPECT_EQ(outcome.last().backend, Backend::cpu);
    EXPECT_THAT(outcome.buffers.at(0).as<float>(), ElementsAre(2.5F, 5.0F, 7.5F));
    EXPECT_TRUE(pool.submit(Task::binary("true")).get()->ok());
}

TEST(KernelTasks, FallBackToCpusOnlyWhenToldSo) {
    Pool pool = Pool::builder().cpu_workers(1).build().value();
    const auto refused = pool.submit(scaled<float>({1}, 2)).get();
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().sentence(), HasSubstr("a shader needs a GPU"));
    const auto outcome = pool.submit(scaled<float>({1}, 2).cpu_fallback()).get().value();
    EXPECT_EQ(outcome.last().backend, Backend::cpu);
    EXPECT_THAT(outcome.buffers.at(0).as<float>(), ElementsAre(2.0F));
    const auto required =
        pool.submit(scaled<float>({1}, 2).cpu_fallback().affinity(Affinity::gpu_required)).get();
    EXPECT_FALSE(required);
}

TEST(KernelTasks, APoolMayGoWithoutAGpu) {
    ::setenv("VK_DRIVER_FILES", "/nowhere.json", 1);
    GpuOptions options;
    options.in_process = true;
    EXPECT_EQ(Pool::builder().gpu(options).build().error().code(), Code::unsupported);
    options.required = false;
    Pool pool = Pool::builder().cpu_workers(1).gpu(options).build().value();
    const auto outcome = pool.submit(scaled<float>({1}, 2).cpu_fallback()).get().value();
    EXPECT_EQ(outcome.last().backend, Backend::cpu);
}

TEST(KernelTasks, OneThatCouldNotBeRecordedSaysWhy) {
    Pool pool = Pool::builder().cpu_workers(1).build().value();
    const gpu::Kernel wrong = gpu::kernel("wrong", [](gpu::Out<float>) { gpu::Break(); });
    const auto refused = pool.submit(Task::shader(wrong).output_buffer(4)).get();
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().sentence(), HasSubstr("stands in no loop"));
}

TEST(KernelTasks, AGpuThatLacksSomethingIsNoGpuForIt) {
    const char* ours = std::getenv("REPARTIR_SWIFTSHADER");
    if (ours == nullptr || !std::filesystem::exists(ours)) {
        GTEST_SKIP() << "no SwiftShader; ./dev test fetches it (Debian: chromium-common)";
    }
    ::setenv("VK_DRIVER_FILES", ours, 1);
    GpuOptions options;
    options.allow_cpu = options.in_process = true;
    Pool pool = Pool::builder().cpu_workers(1).gpu(options).build().value();
    const auto floats = pool.submit(scaled<float>({1, 2}, 3).cpu_fallback()).get().value();
    EXPECT_EQ(floats.last().backend, Backend::gpu);
    EXPECT_THAT(floats.buffers.at(0).as<float>(), ElementsAre(3.0F, 6.0F));
    const auto doubles = pool.submit(scaled<double>({1, 2}, 3).cpu_fallback()).get().value();
    EXPECT_EQ(doubles.last().backend, Backend::cpu);
    EXPECT_THAT(doubles.buffers.at(0).as<double>(), ElementsAre(3.0, 6.0));
    const auto refused = pool.submit(scaled<double>({1, 2}, 3)).get();
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().sentence(), HasSubstr("float64"));
}

}  // namespace
}  // namespace repartir
