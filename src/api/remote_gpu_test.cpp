// SPDX-License-Identifier: MIT
/// @file remote_gpu_test.cpp Shader tasks on the GPUs of workers, on a real driver.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "api/gpu_fixture.hpp"
#include "repartir/kernel.hpp"
#include "repartir/pool.hpp"
#include "repartir/worker.hpp"

namespace repartir {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

/// A worker of this process.
class Served {
  public:
    Served(const std::string& address, std::optional<GpuOptions> gpu) {
        Worker::Builder builder = Worker::builder().listen(address).cpu_workers(2);
        builder.function("halve", [](int n) { return n / 2; });
        if (gpu) {
            builder.gpu(*gpu);
        }
        worker_ = std::make_unique<Worker>(std::move(builder).build().value());
        thread_ = std::thread([this] { worker_->run(); });
    }
    ~Served() {
        worker_->stop();
        thread_.join();
    }

  private:
    std::unique_ptr<Worker> worker_;
    std::thread thread_;
};

class RemoteGpu : public OnSwiftShader {
  protected:
    void SetUp() override {
        OnSwiftShader::SetUp();
        if (IsSkipped()) {
            return;
        }
        char name[] = "/tmp/repartir-gpu-test-XXXXXX";
        folder_ = ::mkdtemp(name);
    }
    void TearDown() override {
        workers_.clear();
        if (!folder_.empty()) {
            std::filesystem::remove_all(folder_);
        }
    }
    std::string serve(std::optional<GpuOptions> gpu) {
        std::string address = "unix:" + folder_ + "/w" + std::to_string(workers_.size());
        workers_.push_back(std::make_unique<Served>(address, std::move(gpu)));
        return address;
    }
    static Pool pool_of(const std::vector<std::string>& addresses) {
        return Pool::builder().cpu_workers(2).remote_workers(addresses).build().value();
    }

    std::string folder_;
    std::vector<std::unique_ptr<Served>> workers_;
};

TEST_F(RemoteGpu, RunsAShader) {
    Pool pool = pool_of({serve(swiftshader())});
    const auto outcome = pool.submit(twice({1, 2, 3}).name("twice")).get();
    ASSERT_TRUE(outcome.has_value()) << outcome.error().describe();
    ASSERT_TRUE(outcome->ok()) << outcome->error()->describe();
    EXPECT_EQ(outcome->last().backend, Backend::remote);
    EXPECT_THAT(outcome->last().where, HasSubstr("/SwiftShader"));
    ASSERT_EQ(outcome->buffers.size(), 1U);
    EXPECT_THAT(outcome->buffers[0].as<std::uint32_t>(), testing::ElementsAre(2, 4, 6));
}

TEST_F(RemoteGpu, OutputsMayBeLargerThanInputs) {
    Pool pool = pool_of({serve(swiftshader())});
    constexpr std::uint64_t words = std::uint64_t{6} << 20U;  // 24 MiB
    const Task task = Task::shader(Shader::glsl(R"(#version 450
layout(local_size_x = 256) in;
layout(binding = 0) writeonly buffer A { uint a[]; };
layout(binding = 1) buffer B { uint b[]; };
layout(push_constant) uniform Push { uint add; };
void main() {
    uint i = gl_GlobalInvocationID.x;
    a[i] = i + add;
    if (i == 0u) b[0] += add;
})"))
                          .workgroups(words / 256)
                          .output_buffer(words * 4)
                          .inout_buffer(std::vector<std::uint32_t>{5})
                          .push_constants(std::uint32_t{7});
    const auto outcome = pool.submit(task).get();
    ASSERT_TRUE(outcome.has_value()) << outcome.error().describe();
    ASSERT_TRUE(outcome->ok()) << outcome->error()->describe();
    const auto all = outcome->buffers.at(0).as<std::uint32_t>();
    ASSERT_EQ(all.size(), words);
    std::uint64_t wrong = 0;
    for (std::uint32_t i = 0; i < words; ++i) {
        wrong += all[i] == i + 7 ? 0 : 1;
    }
    EXPECT_EQ(wrong, 0U);
    EXPECT_THAT(outcome->buffers.at(1).as<std::uint32_t>(), testing::ElementsAre(12));
}

TEST_F(RemoteGpu, SharedBuffersComeAndGo) {
    Pool pool = pool_of({serve(swiftshader())});
    std::vector<std::uint32_t> values(10'000);
    std::iota(values.begin(), values.end(), 0U);
    SharedBuffer from = SharedBuffer::create(values.size() * 4).value();
    SharedBuffer into = SharedBuffer::create(values.size() * 4).value();
    std::ranges::copy(std::as_bytes(std::span(values)), from.writable().begin());
    const auto outcome = pool.submit(Task::shader(Shader::glsl(twice_glsl))
                                         .workgroups(200)
                                         .input_buffer(from)
                                         .output_buffer(into))
                             .get();
    ASSERT_TRUE(outcome.has_value()) << outcome.error().describe();
    ASSERT_TRUE(outcome->ok()) << outcome->error()->describe();
    ASSERT_NE(outcome->buffers.at(0).shared(), nullptr);
    const auto got = outcome->buffers[0].as<std::uint32_t>();
    EXPECT_EQ(got[9'999], 19'998U);
    EXPECT_EQ(std::memcmp(into.bytes().data(), got.data(), into.size()), 0);
}

TEST_F(RemoteGpu, KernelsTravelAsSpirv) {
    Pool pool = pool_of({serve(swiftshader())});
    const gpu::Kernel thrice = gpu::kernel("thrice", [](gpu::In<float> in, gpu::Out<float> out) {
        const gpu::UInt i = gpu::global_id().x;
        gpu::If(i < in.length(), [&] { out[i] = in[i] * 3.0F; });
    });
    const auto outcome = pool.submit(Task::shader(thrice)
                                         .input_buffer(std::vector<float>{1, 2})
                                         .output_buffer(8)
                                         .cpu_fallback()
                                         .backend(Backend::gpu))
                             .get();
    ASSERT_TRUE(outcome.has_value()) << outcome.error().describe();
    EXPECT_EQ(outcome->last().backend, Backend::remote) << "gpu is any GPU";
    EXPECT_THAT(outcome->buffers.at(0).as<float>(), testing::ElementsAre(3, 6));
}

// A hundred tasks of all kinds at once: programs, functions, shaders here and there.
TEST_F(RemoteGpu, OnePoolRunsAllKinds) {
    const std::vector<std::string> workers{serve(swiftshader()), serve(std::nullopt)};
    Pool pool =
        Pool::builder().cpu_workers(2).gpu(swiftshader()).remote_workers(workers).build().value();
    std::vector<Pending<Outcome>> shaders;
    std::vector<Pending<Outcome>> programs;
    std::vector<Pending<int>> calls;
    std::vector<Pending<int>> functions;
    for (int i = 0; i < 25; ++i) {
        const auto n = static_cast<std::uint32_t>(i);
        shaders.push_back(
            pool.submit(twice({n, n + 1}).backend(i % 3 == 0 ? Backend::remote : Backend::any)));
        programs.push_back(pool.submit(Task::binary("echo", std::to_string(i))));
        calls.push_back(pool.submit_remote<int>("halve", 2 * i));
        functions.push_back(pool.submit([i] { return i; }));
    }
    for (int i = 0; i < 25; ++i) {
        const auto at = static_cast<std::size_t>(i);
        const auto n = static_cast<std::uint32_t>(i);
        const auto shader = std::move(shaders[at]).get();
        ASSERT_TRUE(shader.has_value()) << shader.error().describe();
        ASSERT_TRUE(shader->ok()) << shader->error()->describe();
        EXPECT_THAT(shader->buffers.at(0).as<std::uint32_t>(),
                    testing::ElementsAre(2 * n, 2 * n + 2));
        const auto program = std::move(programs[at]).get();
        ASSERT_TRUE(program.has_value()) << program.error().describe();
        EXPECT_EQ(program->out.bytes(), std::to_string(i) + "\n");
        EXPECT_EQ(std::move(calls[at]).get().value(), i);
        EXPECT_EQ(std::move(functions[at]).get().value(), i);
    }
}

TEST_F(RemoteGpu, TheWorkerWithAGpuIsFound) {
    Pool pool = pool_of({serve(std::nullopt), serve(swiftshader()), serve(std::nullopt)});
    for (std::uint32_t i = 0; i < 20; ++i) {
        const auto outcome = pool.submit(twice({i})).get();
        ASSERT_TRUE(outcome.has_value()) << outcome.error().describe();
        ASSERT_TRUE(outcome->ok()) << outcome->error()->describe();
        EXPECT_THAT(outcome->buffers.at(0).as<std::uint32_t>(), testing::ElementsAre(2 * i));
    }
}

TEST_F(RemoteGpu, WhereNoWorkerHasOneThatIsSaid) {
    RemoteOptions options;
    options.workers = {serve(std::nullopt)};
    options.reach = 300ms;
    Pool pool = Pool::builder().cpu_workers(1).remote(options).build().value();
    const auto outcome = pool.submit(twice({1})).get();
    ASSERT_TRUE(outcome.has_value()) << outcome.error().describe();
    ASSERT_NE(outcome->error(), nullptr);
    EXPECT_THAT(outcome->error()->sentence(), HasSubstr("no worker in reach has one"));
}

TEST_F(RemoteGpu, WhereNoWorkerHasOneCpusRunKernelsThatMay) {
    Pool pool = pool_of({serve(std::nullopt)});
    EXPECT_EQ(pool.submit_remote<int>("halve", 4).get().value(), 2) << "the worker is there";
    const gpu::Kernel thrice = gpu::kernel("thrice", [](gpu::In<float> in, gpu::Out<float> out) {
        const gpu::UInt i = gpu::global_id().x;
        gpu::If(i < in.length(), [&] { out[i] = in[i] * 3.0F; });
    });
    for (int i = 0; i < 20; ++i) {
        const auto outcome = pool.submit(Task::shader(thrice)
                                             .input_buffer(std::vector<float>{1, 2})
                                             .output_buffer(8)
                                             .cpu_fallback())
                                 .get();
        ASSERT_TRUE(outcome.has_value()) << outcome.error().describe();
        EXPECT_EQ(outcome->last().backend, Backend::cpu);
        EXPECT_THAT(outcome->buffers.at(0).as<float>(), testing::ElementsAre(3, 6));
    }
}

TEST_F(RemoteGpu, WorkersThatComeLaterAreUsed) {
    const std::string address = "unix:" + folder_ + "/w0";
    Pool pool = pool_of({address});
    auto early = pool.submit(twice({5}));
    serve(swiftshader());
    const auto outcome = std::move(early).get();
    ASSERT_TRUE(outcome.has_value()) << outcome.error().describe();
    ASSERT_TRUE(outcome->ok()) << outcome->error()->describe();
    EXPECT_THAT(outcome->buffers.at(0).as<std::uint32_t>(), testing::ElementsAre(10));
}

TEST_F(RemoteGpu, AWorkerThatGoesTakesNothingAlong) {
    std::vector<std::string> addresses{serve(swiftshader()), serve(swiftshader())};
    Pool pool = pool_of(addresses);
    std::vector<Pending<Outcome>> all;
    for (std::uint32_t i = 0; i < 200; ++i) {
        all.push_back(pool.submit(twice({i})));
        if (i == 100) {
            workers_.front().reset();
        }
    }
    for (std::uint32_t i = 0; i < 200; ++i) {
        const auto outcome = std::move(all[i]).get();
        ASSERT_TRUE(outcome.has_value()) << outcome.error().describe();
        ASSERT_TRUE(outcome->ok()) << i << outcome->ending.describe();
        EXPECT_THAT(outcome->buffers.at(0).as<std::uint32_t>(), testing::ElementsAre(2 * i));
    }
}

TEST_F(RemoteGpu, WhatDoesNotFitIsRefusedAtSubmit) {
    Pool pool = pool_of({serve(swiftshader())});
    const auto missing =
        pool.submit(Task::shader(Shader::glsl(twice_glsl)).input_buffer(std::vector<int>{1})).get();
    ASSERT_FALSE(missing.has_value());
    EXPECT_THAT(missing.error().describe(), HasSubstr("binding 1 of set 0, 'B'"));
    const auto large = pool.submit(twice(std::vector<std::uint32_t>(4U << 20U))).get();
    ASSERT_FALSE(large.has_value());
    EXPECT_THAT(large.error().describe(), HasSubstr("more than 15 MiB"));
}

TEST_F(RemoteGpu, WhatTheDeviceCannotRunIsSaidWithItsName) {
    Pool pool = pool_of({serve(swiftshader())});
    const auto outcome = pool.submit(Task::shader(Shader::glsl(R"(#version 450
layout(binding = 0) buffer B { double d; };
void main() { d = d * 2.0; })"))
                                         .inout_buffer(std::vector<double>{1}))
                             .get();
    ASSERT_TRUE(outcome.has_value()) << outcome.error().describe();
    ASSERT_NE(outcome->error(), nullptr);
    EXPECT_THAT(outcome->error()->sentence(), HasSubstr("float64"));
    EXPECT_THAT(outcome->error()->sentence(), HasSubstr("on worker '"));
}

TEST_F(RemoteGpu, TimeLimitsHold) {
    GpuOptions options = swiftshader();
    options.in_process = false;  // what does not end dies with its process
    Pool pool = pool_of({serve(options)});
    const auto outcome = pool.submit(Task::shader(Shader::glsl(R"(#version 450
layout(binding = 0) buffer B { uint n[]; };
void main() { while (n[0] < 1000000000u) { n[0] += 1u; } })"))
                                         .output_buffer(4)
                                         .timeout(100ms))
                             .get();
    ASSERT_TRUE(outcome.has_value()) << outcome.error().describe();
    EXPECT_EQ(outcome->ending.end, End::timed_out);
}

TEST(RemoteGpuNames, OfRepartirsOwnAreRefused) {
    const auto worker = Worker::builder()
                            .listen("unix:/tmp/repartir-never")
                            .function("repartir:shader", [] {})
                            .build();
    ASSERT_FALSE(worker.has_value());
    EXPECT_THAT(worker.error().sentence(), HasSubstr("'repartir:' are Repartir's own"));
}

}  // namespace
}  // namespace repartir
