// SPDX-License-Identifier: MIT
#pragma once
/// @file framer.hpp Bytes of a connection to messages, and messages to bytes. No sockets, no clock.
#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "repartir/codec.hpp"
#include "wire/header.hpp"
#include "wire/limits.hpp"

namespace repartir::wire {

/// Why what a peer sent ends the connection.
enum class FrameFault : std::uint8_t {
    tls,          ///< it began a TLS handshake where plain frames were expected
    protocol,     ///< it speaks another one
    length,       ///< the frame's lengths contradict each other
    reserved,     ///< bits are set that must not be
    header_crc,   ///< the header was damaged on its way
    body_crc,     ///< the body was damaged on its way
    version,      ///< a version that was not agreed
    too_large,    ///< a frame or message over its limit
    too_many,     ///< more messages begun than may be
    interleaved,  ///< a frame goes on with a message of another type
    compressed,   ///< a compressed body where none was agreed
    lz4,          ///< a compressed body that is none
};

/// @return one sentence that says what the peer did and what to do about it.
[[nodiscard]] std::string_view sentence(FrameFault fault) noexcept;

/// One message as it came. The body lies in the framer, until its next call.
struct Message {
    MessageType type{};             ///< as sent: perhaps a number that is none
    std::uint16_t version = 0;      ///< as sent
    std::uint64_t correlation = 0;  ///< as sent
    std::string_view body;          ///< plain and whole
};

/// Cuts what arrives on one connection into messages. Whole frames are decoded where they were
/// read; it holds at most one frame that has begun and, of messages of several frames,
/// unfinished_bytes_max: on an idle connection nothing. After a fault it gives nothing more. One
/// owner at a time.
///
/// Until admit(), that is until the peer is authenticated: one frame a message, no longer than
/// greeting_bytes_max, never compressed; after dialled() no longer than welcome_bytes_max.
class Framer {
  public:
    /// Hands over what was read, after next() has said that it needs more. The bytes must stay
    /// until it says so again.
    void give(std::string_view bytes) noexcept { input_ = bytes; }
    /// @return the next whole message; nothing when more bytes are needed.
    [[nodiscard]] std::expected<std::optional<Message>, FrameFault> next();
    /// The peer is one that we dialled, and answers.
    void dialled() noexcept { first_bytes_max_ = welcome_bytes_max; }
    /// The peer is known: the wide limits hold from here on.
    /// @param version the one that was agreed: others are refused
    /// @param compression whether compressed bodies were agreed
    void admit(std::uint16_t version, bool compression) noexcept;

    /// @return bytes of memory that it holds, but for its own.
    [[nodiscard]] std::size_t held() const noexcept;

  private:
    struct Unfinished {
        std::uint16_t type = 0;
        std::string body;
    };
    template <class T>
    using Checked = std::expected<T, FrameFault>;

    [[nodiscard]] Checked<std::string_view> next_frame();
    [[nodiscard]] Checked<std::size_t> frame_size(std::string_view begun) const noexcept;
    [[nodiscard]] Checked<void> check(const FrameHeader& header) const noexcept;
    [[nodiscard]] Checked<std::string_view> plain_body(const FrameHeader& header,
                                                       std::string_view body);
    [[nodiscard]] Checked<bool> join(const FrameHeader& header, std::string_view& body);
    [[nodiscard]] Checked<std::optional<Message>> advance();

    std::string_view input_;  // read, not looked at
    std::optional<FrameFault> fault_;
    std::size_t first_bytes_max_ = greeting_bytes_max;
    std::uint16_t version_ = 0;  // 0: not agreed yet
    bool admitted_ = false;
    bool compression_ = false;
    bool begun_used_ = false;  // begun_ was whole, and the last message lies in it
    std::map<std::uint64_t, Unfinished> unfinished_;
    std::string begun_;  // a frame of which a part has come
    std::string plain_;  // the last message, where it lies in no frame
    std::size_t unfinished_bytes_ = 0;
};

/// How frames of one connection are written.
struct FrameOptions {
    std::uint16_t version = version_max;
    bool compress = false;  ///< both ends agreed
};

/// Bytes that are to stand in a struct's body in the place of an empty string, and that lie
/// elsewhere until they are framed: large ones are not copied for that.
struct Lent {
    std::string_view bytes;             ///< empty: the body is whole as it is
    std::size_t at = 0;                 ///< where in the body they begin: behind their length
    std::shared_ptr<const void> owner;  ///< of the bytes; others may have it too
};

/// @return the body with what is lent to it.
[[nodiscard]] std::string whole_body(std::string_view body, const Lent& lent);

/// Appends a message of one frame, with what is lent to its body, as it is: together
/// frame_body_bytes_max at most.
void append_frame(std::string& out, MessageType type, std::uint64_t correlation,
                  std::string_view body, const Lent& lent, std::uint16_t version);

/// Appends the next frame of a message.
/// @param offset where in `body` it begins
/// @return where the one after it begins: the body's size after the last
std::size_t append_frame(std::string& out, MessageType type, std::uint64_t correlation,
                         std::string_view body, std::size_t offset, const FrameOptions& options);

/// Writes the header of a frame whose body stands behind it, as it is.
/// @param at header_bytes of room, then the body
void seal_frame(char* at, MessageType type, std::uint64_t correlation, std::size_t body_bytes,
                std::uint16_t version) noexcept;

/// Appends a whole message. @param value what codec::encode() takes, of message_bytes_max at most
template <class T>
void append_message(std::string& out, MessageType type, std::uint64_t correlation, const T& value,
                    const FrameOptions& options) {
    const std::size_t bytes = codec::encoded_size(value);
    if (bytes < (options.compress ? compress_bytes_min : frame_body_bytes_max)) {
        const std::size_t old = out.size();
        const std::size_t all = old + header_bytes + bytes;
        out.resize_and_overwrite(all, [&](char* data, std::size_t) {
            codec::Writer(data + old + header_bytes).put(value);
            seal_frame(data + old, type, correlation, bytes, options.version);
            return all;
        });
        return;
    }
    const std::string body = codec::encode(value);
    for (std::size_t at = 0; at < body.size();) {
        at = append_frame(out, type, correlation, body, at, options);
    }
}

}  // namespace repartir::wire
