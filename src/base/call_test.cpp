// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "repartir/detail/remote_call.hpp"

namespace repartir::detail {
namespace {

/// @return all of it, read in pieces of so many bytes.
std::string in_pieces(const RemoteValue& value, std::size_t bytes) {
    std::string all;
    for (std::string room; all.size() < value.size();) {
        all += value.read(all.size(), bytes, room).bytes;
    }
    return all;
}

TEST(RemoteValueTest, ReadsTheSameInWhateverPieces) {
    const std::string text = "a text that is not short";
    for (const RemoteValue& value :
         {RemoteValue(codec::encode(text)), RemoteValue(text, std::shared_ptr<const void>())}) {
        for (std::size_t bytes = 1; bytes <= value.size() + 1; ++bytes) {
            EXPECT_EQ(in_pieces(value, bytes), codec::encode(text)) << bytes;
        }
        std::string room;
        EXPECT_EQ(value.read(value.size(), 1, room).bytes, "");
        EXPECT_EQ(value.read(value.size() + 100, 1, room).bytes, "");
    }
    EXPECT_EQ(RemoteValue().size(), 0U);
}

TEST(RemoteValueTest, ALargeTextStaysWhereItIs) {
    std::string large(100'000, 'l');
    const char* const there = large.data();
    const auto value = encode_result(std::move(large));
    ASSERT_TRUE(value);
    std::string room;
    EXPECT_EQ(value->read(4, 10, room).bytes.data(), there);
    EXPECT_EQ(in_pieces(*value, 4096), codec::encode(std::string(100'000, 'l')));
}

TEST(RemoteValueTest, ABufferStaysWhereItIsAndLivesAsLongAsTheValue) {
    Result<RemoteValue> value;
    const std::byte* there = nullptr;
    {
        auto buffer = SharedBuffer::create(100).value();
        buffer.writable()[0] = std::byte{'b'};
        there = buffer.bytes().data();
        value = encode_result(buffer);
    }
    ASSERT_TRUE(value);
    std::string room;
    const std::string_view text = value->read(4, 100, room).bytes;
    EXPECT_EQ(static_cast<const void*>(text.data()), there);
    EXPECT_EQ(text, "b" + std::string(99, '\0'));
}

TEST(RemoteValueTest, APieceOfWhatIsLargeOutlivesTheValue) {
    const std::vector<std::uint64_t> numbers(20'000, 7);
    std::string room;
    Piece piece;
    {
        const auto value = encode_result(std::vector(numbers));
        ASSERT_TRUE(value);
        EXPECT_EQ(in_pieces(*value, 4096), codec::encode(numbers));
        piece = value->read(4, 80'000, room);
        EXPECT_EQ(RemoteValue("small").read(1, 3, room).owner, nullptr);
    }
    ASSERT_NE(piece.owner, nullptr);
    EXPECT_EQ(piece.bytes, codec::encode(numbers).substr(4, 80'000));
}

/// What cannot be made here, as where memory is short.
struct Touchy {
    Touchy() { throw std::bad_alloc(); }
    int number = 0;
    static constexpr auto codec_fields = std::tuple(&Touchy::number);
};

TEST(RemoteFunctionTest, WhatIsThrownBesideTheFunctionIsItsErrorToo) {
    const RemoteFunction takes = remote_function("takes", [](const Touchy&) {});
    const auto refused = takes(encode_arguments(1), {});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::function_threw);
}

TEST(RemoteValueTest, FourGibibytesAreTooMuchForAnyMessage) {
    const auto buffer = SharedBuffer::create(std::size_t{1} << 32U);  // its pages are never touched
    if (!buffer) {
        GTEST_SKIP() << "no room for 4 GiB of addresses: " << buffer.error().sentence();
    }
    const auto value = encode_result(*buffer);
    ASSERT_FALSE(value);
    EXPECT_EQ(value.error().code(), Code::too_large);
}

}  // namespace
}  // namespace repartir::detail
