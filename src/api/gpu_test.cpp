// SPDX-License-Identifier: MIT
/// @file gpu_test.cpp Shader tasks in a pool, on a real driver.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <vector>

#include "api/gpu_fixture.hpp"
#include "repartir/pool.hpp"

namespace repartir {
namespace {

using testing::HasSubstr;

class GpuPool : public OnSwiftShader {
  protected:
    void SetUp() override {
        OnSwiftShader::SetUp();
        if (IsSkipped()) {
            return;
        }
        pool_ = std::make_unique<Pool>(
            Pool::builder().cpu_workers(2).gpu(swiftshader()).build().value());
    }

    std::unique_ptr<Pool> pool_;
};

TEST_F(GpuPool, RunsAShader) {
    const auto outcome = pool_->submit(twice({1, 2, 3}).name("twice")).get();
    ASSERT_TRUE(outcome.has_value()) << outcome.error().describe();
    EXPECT_TRUE(outcome->ok());
    EXPECT_EQ(outcome->name, "twice");
    EXPECT_EQ(outcome->last().backend, Backend::gpu);
    EXPECT_THAT(outcome->buffers.at(0).as<std::uint32_t>(), testing::ElementsAre(2, 4, 6));
}

TEST_F(GpuPool, ShadersGoToGpusAndProgramsDoNot) {
    EXPECT_EQ(pool_->submit(Task::binary("true")).get()->last().backend, Backend::cpu);
    const auto refused = pool_->submit(Task::binary("true").backend(Backend::gpu)).get();
    ASSERT_FALSE(refused.has_value());
    EXPECT_THAT(refused.error().sentence(), HasSubstr("a GPU runs shaders, not programs"));
    Pool cpus = Pool::builder().cpu_workers(1).build().value();
    const auto none = cpus.submit(twice({1})).get();
    ASSERT_FALSE(none.has_value());
    EXPECT_THAT(none.error().sentence(), HasSubstr("a shader needs a GPU"));
}

TEST_F(GpuPool, WhatDoesNotFitIsRefusedAtSubmit) {
    const auto outcome = pool_->submit(twice({1}).output_buffer(4)).get();
    ASSERT_FALSE(outcome.has_value());
    EXPECT_THAT(outcome.error().sentence(), HasSubstr("uses 2 buffers, and the task gives 3"));
    const auto broken = pool_->submit(Task::shader(Shader::glsl("void main() {"))).get();
    ASSERT_FALSE(broken.has_value());
    EXPECT_THAT(broken.error().sentence(), HasSubstr("does not compile"));
}

TEST_F(GpuPool, ThousandsOverSeveralSubmitters) {
    constexpr std::size_t threads = 3;
    constexpr std::uint32_t tasks = 700;
    std::atomic<std::uint32_t> right{0};
    std::vector<std::jthread> submitters;
    for (std::size_t t = 0; t < threads; ++t) {
        submitters.emplace_back([&] {
            std::vector<Pending<Outcome>> pending;
            for (std::uint32_t i = 0; i < tasks; ++i) {
                pending.push_back(pool_->submit(twice(std::vector<std::uint32_t>(i % 130, i))));
            }
            for (std::uint32_t i = 0; i < tasks; ++i) {
                const auto outcome = std::move(pending[i]).get();
                const auto out = outcome->buffers.at(0).as<std::uint32_t>();
                right += out.size() == i % 130 && std::ranges::count(out, 2 * i) == i % 130 ? 1 : 0;
            }
        });
    }
    submitters.clear();
    EXPECT_EQ(right, threads * tasks);
}

TEST_F(GpuPool, BesideProgramsAndFunctions) {
    std::vector<Pending<Outcome>> shaders;
    std::vector<Pending<Outcome>> programs;
    std::vector<Pending<int>> functions;
    for (int i = 0; i < 30; ++i) {
        shaders.push_back(pool_->submit(twice({1, 2, 3})));
        programs.push_back(pool_->submit(Task::binary("true")));
        functions.push_back(pool_->submit([i] { return i; }));
    }
    for (std::size_t i = 0; i < shaders.size(); ++i) {
        EXPECT_TRUE(std::move(shaders[i]).get()->ok());
        EXPECT_TRUE(std::move(programs[i]).get()->ok());
        EXPECT_EQ(std::move(functions[i]).get().value(), static_cast<int>(i));
    }
}

TEST_F(GpuPool, CallbacksNeedNobodyToWait) {
    std::atomic<int> came{0};
    for (int i = 0; i < 20; ++i) {
        pool_->submit(twice({5})).on_ready([&](Result<Outcome> outcome) {
            came += outcome.has_value() && outcome->ok() ? 1 : 0;
        });
    }
    for (int i = 0; i < 600 && came != 20; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    EXPECT_EQ(came, 20);
}

TEST_F(GpuPool, AllEndWhenThePoolGoes) {
    std::vector<Pending<Outcome>> pending;
    for (int i = 0; i < 500; ++i) {
        pending.push_back(pool_->submit(twice(std::vector<std::uint32_t>(1000, 1))));
    }
    pool_.reset();
    for (Pending<Outcome>& one : pending) {
        const auto outcome = std::move(one).get();
        EXPECT_TRUE(!outcome || outcome->ok() || outcome->ending.end == End::cancelled ||
                    outcome->ending.end == End::not_started);
    }
}

TEST(PoolBuilder, SaysWhichProgramHostsGpus) {
    GpuOptions options;
    options.host_program = "/nowhere/repartir";
    const auto pool = Pool::builder().cpu_workers(1).gpu(options).build();
    ASSERT_FALSE(pool.has_value());
    EXPECT_EQ(pool.error().code(), Code::not_found);
    EXPECT_THAT(pool.error().sentence(), HasSubstr("/nowhere/repartir"));
    EXPECT_THAT(pool.error().sentence(), HasSubstr("REPARTIR_GPU_HOST"));
}

TEST_F(GpuPool, InAProcessOfItsOwn) {
    const char* program = std::getenv("REPARTIR_GPU_HOST");
    if (program == nullptr || !std::filesystem::exists(program)) {
        GTEST_SKIP() << "no program to host a GPU; ctest names it";
    }
    GpuOptions options;
    options.allow_cpu = true;
    options.host_program = program;
    Pool pool = Pool::builder().cpu_workers(2).gpu(options).build().value();
    std::vector<Pending<Outcome>> pending;
    for (std::uint32_t i = 0; i < 300; ++i) {
        pending.push_back(pool.submit(twice(std::vector<std::uint32_t>(i * 30, i))));
    }
    for (std::uint32_t i = 0; i < 300; ++i) {
        const auto outcome = std::move(pending[i]).get();
        ASSERT_TRUE(outcome.has_value() && outcome->ok());
        const auto out = outcome->buffers.at(0).as<std::uint32_t>();
        ASSERT_EQ(std::ranges::count(out, 2 * i), i * 30);
    }
}

}  // namespace
}  // namespace repartir
