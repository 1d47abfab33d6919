// SPDX-License-Identifier: MIT
#include "repartir/dispatch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "repartir/task.hpp"

namespace repartir {
namespace {

using testing::HasSubstr;

Task shader() { return Task::shader(Shader::glsl("void main() {}"), "main"); }

void expect_invalid(const Task& task, const char* sentence) {
    const Result<void> valid = task.validate();
    ASSERT_FALSE(valid.has_value()) << sentence;
    EXPECT_EQ(valid.error().code(), Code::invalid_task);
    EXPECT_THAT(valid.error().sentence(), HasSubstr(sentence));
}

TEST(Bytes, AreSharedByTheirCopies) {
    const std::array<std::uint32_t, 3> values{1, 2, 3};
    const gpu::Bytes bytes = gpu::Bytes::copy_of(std::as_bytes(std::span(values)));
    const gpu::Bytes copy = bytes;  // NOLINT(performance-unnecessary-copy-initialization)
    EXPECT_EQ(copy.view().data(), bytes.view().data());
    EXPECT_EQ(copy.as<std::uint32_t>()[2], 3U);
    EXPECT_EQ(copy.as<std::uint64_t>().size(), 1U);
    EXPECT_EQ(copy.shared(), nullptr);
    EXPECT_EQ(gpu::Bytes().size(), 0U);
    EXPECT_EQ(gpu::Bytes().shared(), nullptr);
}

TEST(Bytes, OfASharedBufferAreItsOwn) {
    SharedBuffer buffer = SharedBuffer::create(8).value();
    const gpu::Bytes bytes(buffer);
    buffer.writable()[3] = std::byte{7};
    EXPECT_EQ(bytes.view()[3], std::byte{7});
    ASSERT_NE(bytes.shared(), nullptr);
    EXPECT_EQ(bytes.shared()->fd(), buffer.fd());
}

TEST(ShaderTask, KeepsWhatItIsGivenInOrder) {
    const Task task = shader()
                          .workgroups(4, 5)
                          .input_buffer(std::vector<float>{1, 2})
                          .output_buffer(100)
                          .inout_buffer(SharedBuffer::create(16).value())
                          .push_constants(7U);
    EXPECT_EQ(task.kind(), Kind::shader);
    ASSERT_TRUE(task.validate().has_value());
    const gpu::Dispatch& dispatch = *task.extras().dispatch;
    EXPECT_EQ(dispatch.workgroups, (std::array<std::uint32_t, 3>{4, 5, 1}));
    ASSERT_EQ(dispatch.buffers.size(), 3U);
    EXPECT_EQ(dispatch.buffers[0].from.as<float>()[1], 2.0F);
    EXPECT_EQ(dispatch.buffers[1].use, gpu::BufferUse::out);
    EXPECT_EQ(dispatch.buffers[1].bytes, 100U);
    EXPECT_EQ(dispatch.buffers[2].use, gpu::BufferUse::in_out);
    EXPECT_TRUE(dispatch.buffers[2].into.has_value());
    EXPECT_EQ(dispatch.push.size(), 4U);
    const Task copy = task;  // NOLINT(performance-unnecessary-copy-initialization)
    EXPECT_EQ(copy.extras().dispatch->buffers.size(), 3U);
}

TEST(ShaderTask, HasNothingOfAProgram) {
    expect_invalid(shader().arg("x"), "a program or arguments");
    expect_invalid(Task::binary("true").workgroups(2), "a program or arguments");
    expect_invalid(shader().env("A", "b"), "an environment or a directory");
    expect_invalid(shader().stdin_bytes("x"), "standard streams");
    expect_invalid(shader().buffer("A", SharedBuffer::create(1).value()), "a variable's name");
    expect_invalid(shader().nice(1), "limits of a process");
    expect_invalid(shader().cores(2), "cores");
    expect_invalid(shader().backend(Backend::cpu), "kernels written in C++ only");
    expect_invalid(shader().affinity(Affinity::cpu_only), "kernels written in C++ only");
    expect_invalid(shader().cpu_fallback(), "kernels written in C++ only");
}

TEST(ShaderTask, NeedsAShader) {
    expect_invalid(Task::shader(Shader()), "a task has no shader");
    const Task missing = Task::shader("/nowhere/x.spv");
    EXPECT_EQ(missing.validate().error().code(), Code::not_found);
    EXPECT_THAT(missing.validate().error().sentence(), HasSubstr("/nowhere/x.spv"));
    expect_invalid(Task::shader(Shader::glsl("x"), std::string_view("a\0b", 3)), "a NUL byte");
}

TEST(ShaderTask, DoesNotWriteToWhatIsSealed) {
    SharedBuffer sealed = SharedBuffer::create(8).value();
    ASSERT_TRUE(sealed.seal().has_value());
    expect_invalid(shader().output_buffer(sealed), "is sealed");
    EXPECT_TRUE(shader().input_buffer(sealed).validate().has_value());
}

}  // namespace
}  // namespace repartir
