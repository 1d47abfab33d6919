// SPDX-License-Identifier: MIT
#include "wire/framer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/prng.hpp"
#include "wire/crc32c.hpp"

namespace repartir::wire {
namespace {

using namespace std::literals;

/// A message that outlives the framer's view.
struct Kept {
    MessageType type{};
    std::uint64_t correlation = 0;
    std::string body;
    bool operator==(const Kept&) const = default;
};

Framer admitted(bool compression = false) {
    Framer framer;
    framer.admit(version_max, compression);
    return framer;
}

/// Feeds bytes in pieces of at most `piece`. @return the messages; the fault where one came.
std::expected<std::vector<Kept>, FrameFault> feed(Framer& framer, std::string_view bytes,
                                                  std::size_t piece) {
    std::vector<Kept> all;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
        // a copy of its own, so that the sanitizer sees who reads on after it has ended
        const std::string part(bytes.substr(at, piece));
        framer.give(part);
        for (;;) {
            const auto message = framer.next();
            if (!message) {
                return std::unexpected(message.error());
            }
            if (!*message) {
                break;
            }
            all.push_back(
                {(*message)->type, (*message)->correlation, std::string((*message)->body)});
        }
    }
    return all;
}

FrameFault fault_of(Framer framer, std::string_view bytes) {
    const auto got = feed(framer, bytes, bytes.size());
    EXPECT_FALSE(got) << "no fault was found";
    return got ? FrameFault::tls : got.error();
}

std::string message(std::string_view body, const FrameOptions& options = {},
                    std::uint64_t correlation = 7, MessageType type = MessageType::task_output) {
    std::string out;
    std::size_t at = 0;
    do {
        at = append_frame(out, type, correlation, body, at, options);
    } while (at < body.size());
    return out;
}

std::string noise(std::size_t size, std::uint64_t seed) {
    base::Prng random(seed);
    std::string bytes(size, '\0');
    std::ranges::generate(bytes, [&] { return static_cast<char>(random.next()); });
    return bytes;
}

/// @return the frame with its header changed by `change` and sealed again.
template <class F>
std::string changed(std::string frame, F change) {
    FrameHeader header = read_header(frame.data());
    change(header);
    write_header(frame.data(), header);
    return frame;
}

TEST(FramerTest, MessagesComeThroughHoweverTheyAreCut) {
    std::vector<Kept> sent;
    std::string bytes;
    for (const std::size_t size : {0UL, 1UL, 100UL, frame_body_bytes_max - 1, frame_body_bytes_max,
                                   frame_body_bytes_max + 1, 5 * frame_body_bytes_max + 17}) {
        sent.push_back({MessageType::task_output, size, noise(size, size)});
        bytes += message(sent.back().body, {}, size);
    }
    for (const std::size_t piece : {1UL, 7UL, 39UL, 40UL, 41UL, 4096UL, bytes.size()}) {
        Framer framer = admitted();
        const auto got = feed(framer, bytes, piece);
        ASSERT_TRUE(got) << sentence(got.error());
        EXPECT_EQ(*got, sent) << "in pieces of " << piece;
    }
}

TEST(FramerTest, AValueIsAMessageWhetherItFitsAFrameOrNot) {
    for (const bool compress : {false, true}) {
        for (const std::size_t size : {10UL, 2000UL, 70'000UL}) {
            const std::string value(size, 'v');
            std::string bytes = "before";
            append_message(bytes, MessageType::credit, 3, std::string_view(value),
                           {version_max, compress});
            Framer framer = admitted(compress);
            const auto got = feed(framer, std::string_view(bytes).substr(6), bytes.size());
            ASSERT_TRUE(got) << sentence(got.error());
            ASSERT_EQ(got->size(), 1U);
            EXPECT_EQ(got->front().body, codec::encode(value));
            EXPECT_EQ(compress && size > compress_bytes_min, bytes.size() < size);
        }
    }
}

TEST(FramerTest, FramesOfSeveralMessagesMayAlternate) {
    const std::string first = noise(3 * frame_body_bytes_max, 1);
    const std::string second = noise(2 * frame_body_bytes_max, 2);
    std::string bytes;
    std::size_t a = append_frame(bytes, MessageType::task_output, 1, first, 0, {});
    std::size_t b = append_frame(bytes, MessageType::task_output, 2, second, 0, {});
    a = append_frame(bytes, MessageType::task_output, 1, first, a, {});
    bytes += message("small", {}, 3);
    b = append_frame(bytes, MessageType::task_output, 2, second, b, {});
    a = append_frame(bytes, MessageType::task_output, 1, first, a, {});
    EXPECT_EQ(a, first.size());
    EXPECT_EQ(b, second.size());
    Framer framer = admitted();
    const auto got = feed(framer, bytes, 1000);
    ASSERT_TRUE(got);
    EXPECT_EQ(*got, (std::vector<Kept>{{MessageType::task_output, 3, "small"},
                                       {MessageType::task_output, 2, second},
                                       {MessageType::task_output, 1, first}}));
}

TEST(FramerTest, CompressionIsUsedWhereItGains) {
    const FrameOptions compressing{version_max, true};
    const std::string plain(200'000, 'x');
    const std::string hard = noise(200'000, 5);
    const std::string packed = message(plain, compressing);
    EXPECT_LT(packed.size(), plain.size() / 50);
    EXPECT_LE(message(hard, compressing).size(), hard.size() + 4 * header_bytes);
    EXPECT_EQ(
        read_header(message(std::string(compress_bytes_min - 1, 'x'), compressing).data()).flags,
        0);
    Framer framer = admitted(true);
    const auto got = feed(framer, packed + message(hard, compressing), 999);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->at(0).body, plain);
    EXPECT_EQ(got->at(1).body, hard);
}

TEST(FramerTest, AnIdleFramerHoldsNothing) {
    Framer framer = admitted(true);
    const std::string bytes = message(std::string(150'000, 'x'), {version_max, true}) +
                              message(noise(150'000, 1)) + message(noise(1000, 2));
    ASSERT_TRUE(feed(framer, bytes, 100));
    EXPECT_EQ(framer.held(), 0U);
}

TEST(FramerTest, WhoSpeaksAnotherProtocolIsToldFromItsFirstBytes) {
    EXPECT_EQ(fault_of({}, "GET / HT"), FrameFault::protocol);
    EXPECT_EQ(fault_of({}, "\x16\x03\x01\x02\0\x01\0\x01"sv), FrameFault::tls);
    Framer framer;
    EXPECT_TRUE(feed(framer, "GET / H", 1));
    EXPECT_EQ(feed(framer, "T", 1).error(), FrameFault::protocol);
}

TEST(FramerTest, OneWrongBitAnywhereIsFound) {
    const std::string good = message("a body of some length");
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
        std::string bad = good;
        bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
        Framer framer = admitted();
        const auto got = feed(framer, bad, bad.size());
        EXPECT_TRUE(!got) << "bit " << bit;
    }
}

TEST(FramerTest, EachContradictionHasItsName) {
    const std::string good = message("body");
    const auto with = [&](auto change) { return changed(good, change); };
    std::string damaged = good;
    damaged.back() = '!';
    EXPECT_EQ(fault_of(admitted(), damaged), FrameFault::body_crc);
    damaged = good;
    damaged[20] = '!';
    EXPECT_EQ(fault_of(admitted(), damaged), FrameFault::header_crc);
    EXPECT_EQ(fault_of(admitted(), with([](auto& h) { ++h.frame_bytes; })), FrameFault::length);
    EXPECT_EQ(fault_of(admitted(), with([](auto& h) { ++h.plain_bytes; })), FrameFault::length);
    EXPECT_EQ(fault_of(admitted(), with([](auto& h) { h.reserved = 1; })), FrameFault::reserved);
    EXPECT_EQ(fault_of(admitted(), with([](auto& h) { h.flags = 4; })), FrameFault::reserved);
    EXPECT_EQ(fault_of(admitted(), with([](auto& h) { h.version = 2; })), FrameFault::version);
    EXPECT_EQ(fault_of(admitted(), with([](auto& h) { h.flags = flag_lz4; })),
              FrameFault::compressed);
    EXPECT_EQ(fault_of(admitted(true), with([](auto& h) { h.flags = flag_lz4; })), FrameFault::lz4);
}

TEST(FramerTest, AFaultIsTheLastWord) {
    Framer framer = admitted();
    ASSERT_FALSE(feed(framer, "GET / HTTP/1.1", 100));
    EXPECT_EQ(feed(framer, message("x"), 100).error(), FrameFault::protocol);
}

TEST(FramerTest, BeforeAdmissionLittleIsTaken) {
    Framer framer;
    EXPECT_TRUE(feed(framer, message(std::string(greeting_bytes_max, 'x')), 100));
    EXPECT_EQ(fault_of({}, message(std::string(greeting_bytes_max + 1, 'x'))),
              FrameFault::too_large);
    EXPECT_EQ(fault_of({}, changed(message("x"), [](auto& h) { h.flags = flag_more; })),
              FrameFault::too_large);
    EXPECT_EQ(fault_of({}, message(std::string(3000, 'x'), {version_max, true})),
              FrameFault::compressed);
    // any version may say Hello: which one to speak is agreed in its body
    EXPECT_TRUE(feed(framer, changed(message("x"), [](auto& h) { h.version = 9; }), 100));
}

TEST(FramerTest, WhoWasDialledMayAnswerWithMore) {
    Framer framer;
    framer.dialled();
    EXPECT_TRUE(feed(framer, message(std::string(welcome_bytes_max, 'x')), 100));
    EXPECT_EQ(
        feed(framer, changed(message("x"), [](auto& h) { h.flags = flag_more; }), 100).error(),
        FrameFault::too_large);
    Framer other;
    other.dialled();
    EXPECT_EQ(feed(other, message(std::string(3000, 'x'), {version_max, true}), 100).error(),
              FrameFault::compressed);
}

TEST(FramerTest, LengthsAreCheckedBeforeAnythingIsHeld) {
    for (const auto field : {&FrameHeader::body_bytes, &FrameHeader::plain_bytes}) {
        const std::string frame = changed(message("x"), [&](FrameHeader& h) {
            h.*field = 0xFFFFFFFF;
            h.flags = flag_lz4;
            h.frame_bytes = static_cast<std::uint32_t>(header_bytes - length_bytes) + h.body_bytes;
        });
        Framer framer = admitted(true);
        EXPECT_EQ(feed(framer, frame, 7).error(), FrameFault::too_large);
        EXPECT_LE(framer.held(), 200U);
    }
}

TEST(FramerTest, AMessageOverItsLimitEndsIt) {
    Framer framer = admitted(true);
    const std::string block(frame_body_bytes_max, 'x');
    std::string frame;  // small on the wire, large when it is plain
    append_frame(frame, MessageType::task_output, 1, block + "more", 0, {version_max, true});
    ASSERT_LT(frame.size(), 1000U);
    std::size_t frames = 0;
    while (feed(framer, frame, frame.size())) {
        ++frames;
        ASSERT_LE(frames * block.size(), message_bytes_max);
        ASSERT_LE(framer.held(), message_bytes_max + block.size());
    }
    EXPECT_EQ(frames, message_bytes_max / block.size());
    EXPECT_EQ(framer.next().error(), FrameFault::too_large);
}

TEST(FramerTest, UnfinishedMessagesAreBoundedInNumberAndTogether) {
    const std::string body(frame_body_bytes_max + 1, 'x');
    Framer many = admitted();
    Framer heavy = admitted(true);
    for (std::uint64_t id = 0; id < unfinished_messages_max; ++id) {
        std::string frame;
        append_frame(frame, MessageType::task_output, id, body, 0, {});
        EXPECT_TRUE(feed(many, frame, frame.size()));
    }
    std::string one_more;
    append_frame(one_more, MessageType::task_output, 99, body, 0, {});
    EXPECT_EQ(feed(many, one_more, one_more.size()).error(), FrameFault::too_many);

    std::size_t bytes = 0;
    for (std::uint64_t turn = 0;; ++turn) {
        std::string frame;
        append_frame(frame, MessageType::task_output, turn % 3, body, 0, {version_max, true});
        const auto got = feed(heavy, frame, frame.size());
        if (!got) {
            EXPECT_EQ(got.error(), FrameFault::too_large);
            break;
        }
        bytes += frame_body_bytes_max;
        ASSERT_LE(bytes, unfinished_bytes_max);
    }
    EXPECT_EQ(bytes, unfinished_bytes_max);
}

TEST(FramerTest, AMessageKeepsItsType) {
    const std::string body(frame_body_bytes_max + 1, 'x');
    std::string bytes;
    append_frame(bytes, MessageType::task_output, 1, body, 0, {});
    append_frame(bytes, MessageType::task_result, 1, body, frame_body_bytes_max, {});
    EXPECT_EQ(fault_of(admitted(), bytes), FrameFault::interleaved);
}

TEST(FramerTest, EveryFaultIsASentence) {
    for (auto fault = FrameFault::tls; fault <= FrameFault::lz4;
         fault = static_cast<FrameFault>(std::to_underlying(fault) + 1)) {
        EXPECT_GT(sentence(fault).size(), 40U) << static_cast<int>(std::to_underlying(fault));
    }
}

}  // namespace
}  // namespace repartir::wire
