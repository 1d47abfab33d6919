// SPDX-License-Identifier: MIT
#include "wire/header.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string_view>

#include "wire/crc32c.hpp"

namespace repartir::wire {
namespace {

TEST(HeaderTest, TheBytesAreWhatTheFormatSays) {
    FrameHeader header;
    header.frame_bytes = 0x124;
    header.type = 3;
    header.flags = flag_more;
    header.body_bytes = 0x100;
    header.plain_bytes = 0x200;
    header.correlation = 0x0807060504030201;
    header.body_crc = 0xAABBCCDD;
    std::array<char, header_bytes> bytes{};
    write_header(bytes.data(), header);
    const std::string_view text(bytes.data(), bytes.size());
    using namespace std::string_view_literals;
    EXPECT_EQ(text.substr(0, header_checked_bytes),
              "\x24\x01\0\0"
              "RPTR"
              "\x01\0\x03\0\x01\0\0\0"
              "\0\x01\0\0\0\x02\0\0"
              "\x01\x02\x03\x04\x05\x06\x07\x08"
              "\xDD\xCC\xBB\xAA"sv);
    header.header_crc = crc32c(text.substr(0, header_checked_bytes));
    EXPECT_EQ(read_header(bytes.data()), header);
}

TEST(HeaderTest, EveryTypeHasAName) {
    for (std::uint16_t type = 1; type <= 14; ++type) {
        EXPECT_NE(to_string(static_cast<MessageType>(type)), "unknown") << type;
    }
    EXPECT_EQ(to_string(MessageType::task_reclaim), "task_reclaim");
    EXPECT_EQ(to_string(static_cast<MessageType>(0)), "unknown");
    EXPECT_EQ(to_string(static_cast<MessageType>(15)), "unknown");
}

}  // namespace
}  // namespace repartir::wire
