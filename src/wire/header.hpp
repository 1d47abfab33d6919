// SPDX-License-Identifier: MIT
#pragma once
/// @file header.hpp What stands before every body on a connection. docs/protocol.md draws it.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace repartir::wire {

/// "RPTR" as the wire has it: low byte first.
inline constexpr std::uint32_t magic = 0x52545052;
/// The versions of the protocol that this build speaks.
inline constexpr std::uint16_t version_min = 1;
inline constexpr std::uint16_t version_max = 1;

/// What a body is. Values are stable.
enum class MessageType : std::uint16_t {
    hello = 1,           ///< the first message of who connected
    welcome = 2,         ///< the answer: the connection stands
    task_submit = 3,     ///< attempts to run
    task_accepted = 4,   ///< attempts that are queued or run
    task_result = 5,     ///< how one attempt ended
    task_output = 6,     ///< a piece of what it wrote
    task_cancel = 7,     ///< attempts that are to end
    task_reclaim = 8,    ///< attempts to give back unless they have begun
    task_reclaimed = 9,  ///< attempts that will not begin here
    heartbeat = 10,      ///< still here, and how busy
    credit = 11,         ///< so much more may be sent; results that have arrived
    drain = 12,          ///< the sender takes no more tasks
    goodbye = 13,        ///< the sender will say nothing more, and why
    error = 14,          ///< what was wrong with a message
};

/// @return "hello", "welcome", ...; "unknown" for a number that is none.
[[nodiscard]] std::string_view to_string(MessageType type) noexcept;

inline constexpr std::uint16_t flag_more = 1;  ///< the body goes on in a later frame
inline constexpr std::uint16_t flag_lz4 = 2;   ///< the body is an LZ4 block

/// A frame is this, then `body_bytes` bytes. All numbers low byte first.
struct FrameHeader {
    std::uint32_t frame_bytes = 0;  ///< of all that follows this number
    std::uint32_t magic = wire::magic;
    std::uint16_t version = version_max;  ///< what was agreed; in Hello the highest one spoken
    std::uint16_t type = 0;               ///< a MessageType
    std::uint16_t flags = 0;              ///< of flag_more and flag_lz4
    std::uint16_t reserved = 0;           ///< 0
    std::uint32_t body_bytes = 0;         ///< on the wire
    std::uint32_t plain_bytes = 0;        ///< once decompressed; the same when it is not compressed
    std::uint64_t correlation = 0;        ///< the message: an answer repeats it, so do its frames
    std::uint32_t body_crc = 0;           ///< CRC-32C of the body on the wire
    std::uint32_t header_crc = 0;         ///< CRC-32C of the header before this number

    bool operator==(const FrameHeader&) const = default;
};

inline constexpr std::size_t header_bytes = 40;
inline constexpr std::size_t length_bytes = 4;  ///< of frame_bytes itself
inline constexpr std::size_t header_checked_bytes = header_bytes - 4;
static_assert(sizeof(FrameHeader) == header_bytes);
static_assert(std::is_trivially_copyable_v<FrameHeader>);
static_assert(offsetof(FrameHeader, magic) == 4 && offsetof(FrameHeader, version) == 8);
static_assert(offsetof(FrameHeader, type) == 10 && offsetof(FrameHeader, flags) == 12);
static_assert(offsetof(FrameHeader, body_bytes) == 16 && offsetof(FrameHeader, plain_bytes) == 20);
static_assert(offsetof(FrameHeader, correlation) == 24 && offsetof(FrameHeader, body_crc) == 32);
static_assert(offsetof(FrameHeader, header_crc) == header_checked_bytes);

/// Writes a header whose lengths, type, flags and body_crc are set, with its checksum.
/// @param at header_bytes of room
void write_header(char* at, const FrameHeader& header) noexcept;
/// Reads one as it stands, unchecked. @param at header_bytes bytes
[[nodiscard]] FrameHeader read_header(const char* at) noexcept;

}  // namespace repartir::wire
