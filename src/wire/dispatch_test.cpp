// SPDX-License-Identifier: MIT
#include "wire/dispatch.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace repartir::wire {
namespace {

gpu::BufferArgument buffer(gpu::BufferUse use, std::string_view bytes, std::uint64_t size) {
    gpu::BufferArgument argument;
    argument.use = use;
    argument.bytes = size;
    argument.from = gpu::Bytes::copy_of(std::as_bytes(std::span(bytes)));
    return argument;
}

gpu::Dispatch some_task() {
    gpu::Dispatch task;
    task.workgroups = {1, 2, 3};
    task.push = {std::byte{1}, std::byte{2}};
    task.buffers.push_back(buffer(gpu::BufferUse::in, "abc", 3));
    task.buffers.push_back(buffer(gpu::BufferUse::out, "", 1000));
    task.buffers.push_back(buffer(gpu::BufferUse::in_out, "defg", 4));
    task.buffers.push_back(buffer(gpu::BufferUse::in, "", 0));
    return task;
}

constexpr std::array<std::uint32_t, 2> words{0x07230203, 5};

TEST(DispatchMessage, ComesThrough) {
    const gpu::Dispatch task = some_task();
    const std::string bytes = encode_dispatch(task, words, "main");
    const auto again = read_dispatch(bytes);
    ASSERT_TRUE(again) << again.error().sentence();
    EXPECT_EQ(again->entry, "main");
    EXPECT_EQ(std::vector(again->shader.words().begin(), again->shader.words().end()),
              std::vector(words.begin(), words.end()));
    EXPECT_EQ(again->workgroups, task.workgroups);
    EXPECT_EQ(again->push, task.push);
    ASSERT_EQ(again->buffers.size(), 4U);
    for (std::size_t i = 0; i < task.buffers.size(); ++i) {
        EXPECT_EQ(again->buffers[i].use, task.buffers[i].use);
        EXPECT_EQ(again->buffers[i].bytes, task.buffers[i].bytes);
        EXPECT_TRUE(std::ranges::equal(again->buffers[i].from.view(), task.buffers[i].from.view()));
    }
    EXPECT_EQ(output_bytes(*again), 1004U);
    EXPECT_EQ(input_bytes(*again), 7U);
}

TEST(DispatchMessage, CutShortIsMalformed) {
    const std::string bytes = encode_dispatch(some_task(), words, "main");
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        const auto read = read_dispatch(std::string_view(bytes).substr(0, length));
        ASSERT_FALSE(read) << length;
        EXPECT_EQ(read.error().code(), Code::malformed);
    }
}

TEST(DispatchMessage, WhatContradictsItselfIsMalformed) {
    gpu::Dispatch wrong = some_task();
    wrong.buffers[0].bytes = 4;  // of three
    EXPECT_FALSE(read_dispatch(encode_dispatch(wrong, words, "main")));
    wrong = some_task();
    wrong.buffers[0].use = static_cast<gpu::BufferUse>(3);
    EXPECT_FALSE(read_dispatch(encode_dispatch(wrong, words, "main")));
}

TEST(DispatchMessage, SizesDoNotWrap) {
    gpu::Dispatch task;
    task.buffers.push_back(buffer(gpu::BufferUse::out, "", UINT64_MAX));
    task.buffers.push_back(buffer(gpu::BufferUse::out, "", 2));
    EXPECT_EQ(output_bytes(task), UINT64_MAX);
}

}  // namespace
}  // namespace repartir::wire
