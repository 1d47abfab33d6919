// SPDX-License-Identifier: MIT
#include "exec/remote/shader_outputs.hpp"

#include <gtest/gtest.h>

#include <string>

namespace repartir::exec {
namespace {

gpu::Dispatch task_of(const std::vector<std::uint64_t>& outputs) {
    gpu::Dispatch task;
    task.buffers.push_back({.bytes = 5, .from = gpu::Bytes::copy_of({})});
    for (const std::uint64_t bytes : outputs) {
        task.buffers.push_back({.use = gpu::BufferUse::out, .bytes = bytes, .from = {}});
    }
    return task;
}

std::string text(const gpu::Bytes& bytes) {
    const auto all = bytes.as<char>();
    return {all.begin(), all.end()};
}

TEST(ShaderOutputs, ComeInPiecesOfAnySize) {
    const gpu::Dispatch task = task_of({3, 0, 4, 1});
    constexpr std::string_view all = "abcdefgh";
    for (std::size_t piece = 1; piece <= all.size(); ++piece) {
        ShaderOutputs outputs(task);
        std::size_t at = 0;
        for (; at + piece < all.size(); at += piece) {
            outputs.take(at, all.substr(at, piece));
        }
        const auto got = outputs.finish(at, all.substr(at));
        ASSERT_TRUE(got) << got.error().sentence();
        ASSERT_EQ(got->size(), 4U);
        EXPECT_EQ(
            text((*got)[0]) + "|" + text((*got)[1]) + "|" + text((*got)[2]) + "|" + text((*got)[3]),
            "abc||defg|h");
    }
}

TEST(ShaderOutputs, MayBeginAnew) {
    const gpu::Dispatch task = task_of({4});
    ShaderOutputs outputs(task);
    outputs.take(0, "xx");
    outputs.take(0, "ab");
    const auto got = outputs.finish(2, "cd");
    ASSERT_TRUE(got);
    EXPECT_EQ(text((*got)[0]), "abcd");
}

TEST(ShaderOutputs, MustBeAsLongAsTheyAreToBe) {
    const gpu::Dispatch task = task_of({2, 2});
    for (const auto& [offset, bytes] : std::vector<std::pair<std::uint64_t, std::string>>{
             {0, "abc"}, {0, "abcde"}, {1, "bcd"}, {9, ""}, {0, ""}}) {
        ShaderOutputs outputs(task);
        const auto got = outputs.finish(offset, bytes);
        ASSERT_FALSE(got) << offset << bytes;
        EXPECT_EQ(got.error().code(), Code::malformed);
    }
}

TEST(ShaderOutputs, GoIntoSharedBuffers) {
    SharedBuffer into = SharedBuffer::create(2).value();
    gpu::Dispatch task = task_of({2});
    task.buffers[1].into = into;
    ShaderOutputs outputs(task);
    outputs.take(0, "a");
    EXPECT_EQ(into.text(), std::string_view("\0\0", 2)) << "not before all of it is there";
    const auto got = outputs.finish(1, "b");
    ASSERT_TRUE(got);
    EXPECT_EQ(into.text(), "ab");
    ASSERT_NE((*got)[0].shared(), nullptr);
    EXPECT_EQ((*got)[0].shared()->fd(), into.fd());
    ASSERT_TRUE(into.seal());
    EXPECT_FALSE(ShaderOutputs(task).finish(0, "ab"));
}

TEST(ShaderOutputs, ThatNoMemoryHoldsAreAnError) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer ends who asks for so much";
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    GTEST_SKIP() << "a sanitizer ends who asks for so much";
#endif
#endif
    const gpu::Dispatch task = task_of({1ULL << 60U});
    ShaderOutputs outputs(task);
    outputs.take(0, "a");
    const auto got = outputs.finish(1, "");
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code(), Code::out_of_resources);
}

}  // namespace
}  // namespace repartir::exec
