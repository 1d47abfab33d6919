// SPDX-License-Identifier: MIT
#include "exec/gpu/child_host.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "exec/gpu/host_fixture.hpp"

namespace repartir::gpu {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::span<float> floats(SharedBuffer& buffer) {
    // SAFETY: floats may be made of bytes, and pages are aligned.
    return {reinterpret_cast<float*>(buffer.writable().data()), buffer.size() / sizeof(float)};
}

/// Runs in children that are the built program.
class ChildHosts : public OnSwiftShader {
  protected:
    void SetUp() override {
        OnSwiftShader::SetUp();
        const char* program = std::getenv("REPARTIR_GPU_HOST");
        if (!IsSkipped() && (program == nullptr || !std::filesystem::exists(program))) {
            GTEST_SKIP() << "no program to host a GPU; ctest names it";
        }
    }
    static ChildHostOptions options(std::chrono::milliseconds dispatch_time_max = 60s) {
        ChildHostOptions options;
        const char* program = std::getenv("REPARTIR_GPU_HOST");
        options.program = program == nullptr ? "" : program;
        options.arguments = {"repartir", "gpu-host"};
        options.open = {"any", true, dispatch_time_max};
        options.silence_max = dispatch_time_max + 5s;
        return options;
    }
    void open(std::chrono::milliseconds dispatch_time_max = 60s) {
        Result<std::unique_ptr<ChildHost>> host =
            ChildHost::open(options(dispatch_time_max), ends_);
        ASSERT_TRUE(host.has_value()) << host.error().sentence();
        host_ = *std::move(host);
    }
    void start_twice(std::uint64_t id, std::size_t bytes = 400) {
        SharedBuffer from = SharedBuffer::create(bytes).value();
        std::ranges::fill(floats(from), static_cast<float>(id));
        host_->start(twice(id, from, SharedBuffer::create(bytes).value()));
    }
    void expect_twice(std::uint64_t id) {
        const Ended ended = ends_.wait(id);
        ASSERT_EQ(ended.how, Ended::How::done)
            << id << (ended.error ? ended.error->sentence() : "");
        const auto out = ended.buffers.at(0).as<float>();
        EXPECT_EQ(std::ranges::count(out, 2.0F * static_cast<float>(id)), std::ssize(out));
    }

    Ends ends_;
    std::unique_ptr<ChildHost> host_;
};

TEST_F(ChildHosts, RunsWithSharedMemory) {
    open();
    EXPECT_THAT(host_->info().name, HasSubstr("SwiftShader"));
    EXPECT_TRUE(host_->features().has(Feature::memory_model));
    for (std::uint64_t id = 1; id <= 5; ++id) {
        start_twice(id, id == 3 ? 1U << 20U : 400);
    }
    for (std::uint64_t id = 1; id <= 5; ++id) {
        expect_twice(id);
    }
    EXPECT_EQ(host_->children(), 1U);
}

TEST_F(ChildHosts, RunsWithBytesOfAnySize) {
    open();
    std::uint64_t id = 0;
    for (const std::size_t count : {0U, 1U, 4096U, 4097U, 1'000'003U}) {
        auto memory = std::make_unique<std::byte[]>(count * 4);
        const std::vector<float> values(count, 1.5F);
        std::ranges::copy(std::as_bytes(std::span(values)), memory.get());
        Work work = twice(++id, SharedBuffer::create(0).value(), SharedBuffer::create(0).value());
        work.workgroups = {static_cast<std::uint32_t>(count / 64 + 1), 1, 1};
        work.buffers = {{BufferUse::in, count * 4, Bytes(std::move(memory), count * 4), {}},
                        {BufferUse::out, count * 4, {}, {}}};
        host_->start(std::move(work));
        const Ended ended = ends_.wait(id);
        ASSERT_EQ(ended.how, Ended::How::done);
        const auto out = ended.buffers.at(0).as<float>();
        ASSERT_EQ(out.size(), count);
        EXPECT_EQ(std::ranges::count(out, 3.0F), std::ssize(out));
    }
}

TEST_F(ChildHosts, SmallBuffersMayBeManyTogether) {
    open();
    constexpr std::size_t count = 12;
    constexpr std::size_t floats_each = inline_bytes_max / sizeof(float);
    std::string glsl = "#version 450\nlayout(local_size_x = 64) in;\n";
    std::string body = "void main() { uint i = gl_GlobalInvocationID.x;\n";
    Work work;
    work.id = 1;
    work.workgroups = {floats_each / 64, 1, 1};
    for (std::size_t i = 0; i < count; ++i) {
        const std::string n = std::to_string(i);
        glsl += "layout(binding = " + n + ") buffer B" + n + " { float b" + n + "[]; };\n";
        body += "b" + n + "[i] += " + n + ".0;\n";
        const std::vector<float> ones(floats_each, 1.0F);
        work.buffers.push_back({BufferUse::in_out,
                                inline_bytes_max,
                                Bytes::copy_of(std::as_bytes(std::span(ones))),
                                {}});
    }
    work.kernel = kernel_of(glsl + body + "}");
    host_->start(std::move(work));
    const Ended ended = ends_.wait(1);
    ASSERT_EQ(ended.how, Ended::How::done) << ended.error->sentence();
    for (std::size_t i = 0; i < count; ++i) {
        const auto out = ended.buffers.at(i).as<float>();
        EXPECT_EQ(std::ranges::count(out, 1.0F + static_cast<float>(i)), std::ssize(out)) << i;
    }
}

TEST_F(ChildHosts, KernelsAreForgotten) {
    ChildHostOptions few = options();
    few.kernels_max = 4;
    host_ = ChildHost::open(few, ends_).value();
    constexpr std::uint64_t count = 10;
    for (std::uint64_t id = 1; id <= 2 * count; ++id) {
        const std::string add = std::to_string(id % count);
        Work work;
        work.id = id;
        work.kernel = kernel_of(
            "#version 450\nlayout(binding = 0) buffer B { uint n; }; void main() { n = " + add +
            "; }");
        work.workgroups = {1, 1, 1};
        work.buffers = {{BufferUse::out, 4, {}, {}}};
        host_->start(std::move(work));
        const Ended ended = ends_.wait(id);
        ASSERT_EQ(ended.how, Ended::How::done);
        EXPECT_EQ(ended.buffers.at(0).as<std::uint32_t>()[0], id % count);
    }
}

TEST_F(ChildHosts, AChildThatSleepsIsReplaced) {
    ChildHostOptions patience = options();
    patience.silence_max = 1s;
    host_ = ChildHost::open(patience, ends_).value();
    const int pid = host_->child_pid();
    ASSERT_EQ(::kill(pid, SIGSTOP), 0);
    for (std::uint64_t id = 1; id <= 3000; ++id) {  // more than the socket has room for
        start_twice(id);
    }
    for (std::uint64_t id = 1; id <= 3000; ++id) {
        expect_twice(id);
    }
    EXPECT_GE(host_->children(), 2U);  // more where the machine is so busy that one seems to sleep
}

TEST_F(ChildHosts, AChildThatIsKilledCostsNobodyAnything) {
    open();
    for (std::uint64_t id = 1; id <= 300; ++id) {
        start_twice(id, 40'000);
        if (id == 150) {
            ASSERT_EQ(::kill(host_->child_pid(), SIGKILL), 0);
        }
    }
    for (std::uint64_t id = 1; id <= 300; ++id) {
        expect_twice(id);
    }
    EXPECT_EQ(host_->children(), 2U);
}

TEST_F(ChildHosts, OnlyWhatDoesNotEndIsCharged) {
    open(500ms);
    for (std::uint64_t id = 1; id <= 20; ++id) {
        if (id == 7) {
            host_->start(endless(id));
        } else {
            start_twice(id);
        }
    }
    EXPECT_EQ(ends_.wait(7).how, Ended::How::hung);
    for (std::uint64_t id = 1; id <= 20; ++id) {
        if (id != 7) {
            expect_twice(id);
        }
    }
    start_twice(21);
    expect_twice(21);
    EXPECT_LE(host_->children(), 4U);
}

TEST_F(ChildHosts, WhatRunsWhenAChildDiesAloneIsCharged) {
    open();
    host_->start(endless(1));
    std::this_thread::sleep_for(300ms);  // so that it runs; it is charged also if it did not
    ASSERT_EQ(::kill(host_->child_pid(), SIGKILL), 0);
    const Ended ended = ends_.wait(1);
    EXPECT_EQ(ended.how, Ended::How::lost);
    EXPECT_THAT(ended.error.value().sentence(), HasSubstr("signal 9, SIGKILL"));
    start_twice(2);
    expect_twice(2);
}

TEST_F(ChildHosts, AllIsToldAtTheEnd) {
    open();
    for (std::uint64_t id = 1; id <= 50; ++id) {
        start_twice(id, 400'000);
    }
    host_->start(endless(51));
    const int pid = host_->child_pid();
    host_->close();
    for (std::uint64_t id = 1; id <= 51; ++id) {
        EXPECT_TRUE(ends_.has(id)) << id;
    }
    EXPECT_NE(::kill(pid, 0), 0);
    start_twice(52);
    EXPECT_EQ(ends_.wait(52).how, Ended::How::not_begun);
}

TEST_F(ChildHosts, WhatWaitsCanBeWithdrawn) {
    open();
    host_->start(endless(1));
    EXPECT_FALSE(host_->withdraw(1));
    EXPECT_FALSE(host_->withdraw(9));
    host_->close();
}

TEST_F(ChildHosts, ProgramsThatAreNone) {
    ChildHostOptions missing = options();
    missing.program = "/nowhere/repartir";
    EXPECT_EQ(ChildHost::open(missing, ends_).error().code(), Code::not_found);
    ChildHostOptions other = options();
    other.program = "/bin/false";
    const Result<std::unique_ptr<ChildHost>> host = ChildHost::open(other, ends_);
    ASSERT_FALSE(host.has_value());
    EXPECT_EQ(host.error().code(), Code::driver_failed);
    EXPECT_THAT(host.error().sentence(), HasSubstr("it exited with 1"));
}

TEST_F(ChildHosts, NoDeviceIsTheSameAnswer) {
    ::setenv("VK_DRIVER_FILES", "/nowhere.json", 1);
    const Result<std::unique_ptr<ChildHost>> host = ChildHost::open(options(), ends_);
    ASSERT_FALSE(host.has_value());
    EXPECT_EQ(host.error().code(), Code::unsupported);
    EXPECT_THAT(host.error().sentence(), HasSubstr("no Vulkan driver was found"));
}

}  // namespace
}  // namespace repartir::gpu
