// SPDX-License-Identifier: MIT
#include "worker/daemon/shader_value.hpp"

#include <gtest/gtest.h>

#include <span>
#include <string_view>

namespace repartir::worker {
namespace {

gpu::Bytes bytes(std::string_view text) {
    return gpu::Bytes::copy_of(std::as_bytes(std::span(text)));
}

TEST(ShaderValue, IsItsBuffersInTheirOrder) {
    const ShaderValue value({bytes("abc"), bytes(""), bytes("de"), bytes("f")});
    constexpr std::string_view all = "abcdef";
    ASSERT_EQ(value.size(), all.size());
    for (std::uint64_t offset = 0; offset <= all.size() + 1; ++offset) {
        for (std::uint64_t length = 0; length <= all.size() + 1; ++length) {
            std::string room;
            const detail::Piece piece = value.read(offset, length, room);
            EXPECT_EQ(piece.bytes, offset > all.size() ? "" : all.substr(offset, length));
        }
    }
}

TEST(ShaderValue, APieceOfOneBufferIsNotCopied) {
    const gpu::Bytes whole = bytes("abcdef");
    const ShaderValue value({whole});
    std::string room;
    const detail::Piece piece = value.read(2, 3, room);
    EXPECT_EQ(static_cast<const void*>(piece.bytes.data()),
              static_cast<const void*>(whole.view().data() + 2));
    EXPECT_NE(piece.owner, nullptr);
}

TEST(ShaderValue, NoneIsEmpty) {
    std::string room;
    EXPECT_EQ(ShaderValue().size(), 0U);
    EXPECT_EQ(ShaderValue().read(0, 5, room).bytes, "");
}

}  // namespace
}  // namespace repartir::worker
