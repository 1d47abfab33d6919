// SPDX-License-Identifier: MIT
#include "exec/gpu/host_messages.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

#include "repartir/codec.hpp"

namespace repartir::gpu {
namespace {

class HostMessages : public testing::Test {
  protected:
    void SetUp() override {
        std::array<int, 2> pair{};
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()), 0);
        ours_ = base::Fd(pair[0]);
        theirs_ = base::Fd(pair[1]);
    }
    Result<std::optional<HostPacket>> receive() { return receive_packet(theirs_.get(), buffer_); }

    base::Fd ours_;
    base::Fd theirs_;
    std::string buffer_;
};

TEST_F(HostMessages, ComeAsTheyWent) {
    WorkMessage work;
    work.id = 7;
    work.workgroups = {1, 2, 3};
    work.operands = {{BufferUse::in_out, 3, 0, "abc"}};
    ASSERT_TRUE(send_packet(ours_.get(), HostVerb::work, codec::encode(work)).value());
    const HostPacket packet = receive().value().value();
    EXPECT_EQ(packet.verb, HostVerb::work);
    EXPECT_FALSE(packet.fd);
    const WorkMessage again = codec::decode<WorkMessage>(packet.body).value();
    EXPECT_EQ(again.id, 7U);
    EXPECT_EQ(again.workgroups[2], 3U);
    EXPECT_EQ(again.operands.at(0).inline_bytes, "abc");
    EXPECT_FALSE(receive().value().has_value());
}

TEST_F(HostMessages, MemoryComesAlong) {
    SharedBuffer buffer = SharedBuffer::create(5000).value();
    buffer.writable()[4999] = std::byte{9};
    ASSERT_TRUE(send_packet(ours_.get(), HostVerb::buffer, codec::encode(BufferMessage{3, false}),
                            buffer.fd())
                    .value());
    const HostPacket packet = receive().value().value();
    SharedBuffer same = SharedBuffer::of_descriptor(packet.fd.get()).value();
    EXPECT_EQ(same.bytes()[4999], std::byte{9});
    same.writable()[0] = std::byte{8};
    EXPECT_EQ(buffer.bytes()[0], std::byte{8});
}

TEST_F(HostMessages, TheEndIsAnError) {
    ours_.reset();
    EXPECT_EQ(receive().error().code(), Code::io_error);
    EXPECT_EQ(send_packet(theirs_.get(), HostVerb::withdraw, "").error().code(), Code::io_error);
}

TEST_F(HostMessages, NoRoomIsNoError) {
    const std::string large(100'000, 'x');
    int sent = 0;
    while (send_packet(ours_.get(), HostVerb::work, large).value() && sent < 1000) {
        ++sent;
    }
    EXPECT_LT(sent, 1000);
    for (int i = 0; i < sent; ++i) {
        EXPECT_EQ(receive().value()->body.size(), large.size());
    }
}

TEST_F(HostMessages, WhatIsNoneIsMalformed) {
    ASSERT_EQ(::send(ours_.get(), "\xff", 1, 0), 1);
    EXPECT_EQ(receive().error().code(), Code::malformed);
    const std::string too_long(host_message_bytes_max + 1, '\0');
    ASSERT_GT(::send(ours_.get(), too_long.data(), too_long.size(), 0), 0);
    EXPECT_EQ(receive().error().code(), Code::malformed);
}

TEST(ErrorMessage, KeepsWhatProgramsLookAt) {
    const Error error(Domain::gpu, Code::too_large, Fault::user, "too much");
    const Error again = error_of(message_of(error));
    EXPECT_EQ(again.code(), Code::too_large);
    EXPECT_EQ(again.fault(), Fault::user);
    EXPECT_EQ(again.sentence(), "too much");
}

}  // namespace
}  // namespace repartir::gpu
