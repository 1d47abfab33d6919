// SPDX-License-Identifier: MIT
#include "wire/framer.hpp"

#include <lz4.h>

#include <algorithm>
#include <utility>

#include "wire/crc32c.hpp"

namespace repartir::wire {
namespace {

constexpr std::uint16_t known_flags = flag_more | flag_lz4;
/// Enough of a header to know whether the peer speaks the protocol at all.
constexpr std::size_t prefix_bytes = 8;

constexpr auto fault(FrameFault what) { return std::unexpected<FrameFault>(what); }

/// @return whether these are the first bytes of a TLS record: a handshake or an alert, version 3.x.
bool looks_like_tls(std::string_view prefix) noexcept {
    return (prefix[0] == '\x16' || prefix[0] == '\x15') && prefix[1] == '\x03';
}

/// Gives its memory back, which assigning an empty string does not.
void release(std::string& text) { std::string().swap(text); }

/// @return bytes that it holds beyond its own.
std::size_t on_heap(const std::string& text) {
    return text.capacity() > std::string().capacity() ? text.capacity() : 0;
}

/// Compresses one frame's body. @return how long it became; 0 when that is no gain.
std::size_t compress(std::string_view plain, char* into) noexcept {
    const int size = static_cast<int>(plain.size());
    const int got = LZ4_compress_default(plain.data(), into, size, size - 1);
    return got > 0 ? static_cast<std::size_t>(got) : 0;
}

}  // namespace

std::string_view sentence(FrameFault fault) noexcept {
    switch (fault) {
        case FrameFault::tls:
            return "the peer speaks TLS, but this end speaks plaintext: give both or neither the "
                   "TLS options";
        case FrameFault::protocol:
            return "the peer does not speak Repartir's protocol: check the address and the port";
        case FrameFault::length:
            return "the peer sent a frame whose lengths contradict each other, and the connection "
                   "was closed: check what stands between the two machines";
        case FrameFault::reserved:
            return "the peer set reserved bits, as a later version may: use the same version on "
                   "both sides";
        case FrameFault::header_crc:
        case FrameFault::body_crc:
            return "a frame was damaged on its way (its checksum is wrong), and the connection was "
                   "closed: check the network between the two machines";
        case FrameFault::version:
            return "the peer sent a frame of a version that was not agreed, and the connection was "
                   "closed: use the same version on both sides";
        case FrameFault::too_large:
            return "the peer sent more than a message may have (16 MiB; 4 KiB before it is known), "
                   "and the connection was closed: pass large data in files";
        case FrameFault::too_many:
            return "the peer began more messages than it may without ending them, and the "
                   "connection was closed: use the same version on both sides";
        case FrameFault::interleaved:
            return "the peer went on with a message as one of another type, and the connection was "
                   "closed: use the same version on both sides";
        case FrameFault::compressed:
            return "the peer sent a compressed message, which was not agreed, and the connection "
                   "was closed: use the same version on both sides";
        case FrameFault::lz4:
            return "the peer sent a compressed message that cannot be read, and the connection was "
                   "closed: use the same version on both sides";
    }
    return "the connection was closed";
}

void Framer::admit(std::uint16_t version, bool compression) noexcept {
    version_ = version;
    compression_ = compression;
    admitted_ = true;
}

std::size_t Framer::held() const noexcept {
    return on_heap(begun_) + on_heap(plain_) + unfinished_bytes_;
}

std::expected<void, FrameFault> Framer::check(const FrameHeader& header) const noexcept {
    const std::size_t most = admitted_ ? frame_body_bytes_max : first_bytes_max_;
    const bool lz4 = (header.flags & flag_lz4) != 0;
    const bool more = (header.flags & flag_more) != 0;
    if (header.reserved != 0 || (header.flags & ~known_flags) != 0) {
        return fault(FrameFault::reserved);
    }
    if (version_ != 0 && header.version != version_) {
        return fault(FrameFault::version);
    }
    if (lz4 && !compression_) {
        return fault(FrameFault::compressed);
    }
    if (header.body_bytes > most || header.plain_bytes > most || (more && !admitted_)) {
        return fault(FrameFault::too_large);
    }
    if (header.frame_bytes != header_bytes - length_bytes + header.body_bytes ||
        (!lz4 && header.plain_bytes != header.body_bytes)) {
        return fault(FrameFault::length);
    }
    return {};
}

/// @return how long the frame is of which this is the beginning, or at least how much of it must
/// come before that is known.
std::expected<std::size_t, FrameFault> Framer::frame_size(std::string_view begun) const noexcept {
    if (begun.size() < prefix_bytes) {
        return prefix_bytes;
    }
    codec::Reader prefix(begun.substr(length_bytes));
    if (prefix.number<std::uint32_t>() != magic) {
        return fault(looks_like_tls(begun) ? FrameFault::tls : FrameFault::protocol);
    }
    if (begun.size() < header_bytes) {
        return header_bytes;
    }
    const FrameHeader header = read_header(begun.data());
    if (header.header_crc != crc32c(begun.substr(0, header_checked_bytes))) {
        return fault(FrameFault::header_crc);
    }
    const Checked<void> checked = check(header);
    if (!checked) {
        return fault(checked.error());
    }
    return header_bytes + header.body_bytes;
}

/// @return the next whole frame, in the input or in begun_; nothing when it is not all there yet.
std::expected<std::string_view, FrameFault> Framer::next_frame() {
    if (std::exchange(begun_used_, false)) {
        release(begun_);
    }
    for (;;) {
        const bool apart = !begun_.empty();
        const Checked<std::size_t> size = frame_size(apart ? std::string_view(begun_) : input_);
        if (!size) {
            return fault(size.error());
        }
        const std::size_t have = apart ? begun_.size() : input_.size();
        if (!apart && *size <= have) {
            const std::string_view frame = input_.substr(0, *size);
            input_.remove_prefix(*size);
            return frame;
        }
        if (apart && *size == have) {
            begun_used_ = true;
            return begun_;
        }
        if (input_.empty()) {
            return std::string_view();
        }
        begun_.reserve(*size);
        const std::size_t more = std::min(*size - begun_.size(), input_.size());
        begun_.append(input_.substr(0, more));
        input_.remove_prefix(more);
    }
}

/// @return the body as it was before it was compressed.
std::expected<std::string_view, FrameFault> Framer::plain_body(const FrameHeader& header,
                                                               std::string_view body) {
    if (header.body_crc != crc32c(body)) {
        return fault(FrameFault::body_crc);
    }
    if ((header.flags & flag_lz4) == 0) {
        return body;
    }
    const std::size_t want = header.plain_bytes;
    int got = -1;
    plain_.resize_and_overwrite(want, [&](char* into, std::size_t) {
        got = LZ4_decompress_safe(body.data(), into, static_cast<int>(body.size()),
                                  static_cast<int>(want));
        return want;
    });
    if (got < 0 || static_cast<std::size_t>(got) != want) {
        return fault(FrameFault::lz4);
    }
    return plain_;
}

/// Adds a frame to its message. @return whether that is whole now, and then its body in `body`.
std::expected<bool, FrameFault> Framer::join(const FrameHeader& header, std::string_view& body) {
    const bool more = (header.flags & flag_more) != 0;
    auto found = unfinished_.find(header.correlation);
    if (found == unfinished_.end()) {
        if (!more) {
            return true;
        }
        if (unfinished_.size() == unfinished_messages_max) {
            return fault(FrameFault::too_many);
        }
        found = unfinished_.emplace(header.correlation, Unfinished{header.type, {}}).first;
    }
    Unfinished& message = found->second;
    if (message.type != header.type) {
        return fault(FrameFault::interleaved);
    }
    if (message.body.size() + body.size() > message_bytes_max ||
        unfinished_bytes_ + body.size() > unfinished_bytes_max) {
        return fault(FrameFault::too_large);
    }
    message.body.append(body);
    unfinished_bytes_ += body.size();
    if (more) {
        return false;
    }
    unfinished_bytes_ -= message.body.size();
    plain_ = std::move(message.body);
    unfinished_.erase(found);
    body = plain_;
    return true;
}

std::expected<std::optional<Message>, FrameFault> Framer::advance() {
    for (;;) {
        const Checked<std::string_view> frame = next_frame();
        if (!frame) {
            return fault(frame.error());
        }
        if (frame->empty()) {
            return std::nullopt;
        }
        const FrameHeader header = read_header(frame->data());
        Checked<std::string_view> body = plain_body(header, frame->substr(header_bytes));
        if (!body) {
            return fault(body.error());
        }
        const Checked<bool> whole = join(header, *body);
        if (!whole) {
            return fault(whole.error());
        }
        if (*whole) {
            return Message{static_cast<MessageType>(header.type), header.version,
                           header.correlation, *body};
        }
    }
}

std::expected<std::optional<Message>, FrameFault> Framer::next() {
    if (!fault_) {
        if (!plain_.empty()) {
            release(plain_);
        }
        auto message = advance();
        if (message) {
            return message;
        }
        fault_ = message.error();
    }
    return fault(*fault_);
}

void seal_frame(char* at, MessageType type, std::uint64_t correlation, std::size_t body_bytes,
                std::uint16_t version) noexcept {
    FrameHeader header;
    header.body_bytes = header.plain_bytes = static_cast<std::uint32_t>(body_bytes);
    header.frame_bytes = static_cast<std::uint32_t>(header_bytes - length_bytes + body_bytes);
    header.version = version;
    header.type = std::to_underlying(type);
    header.correlation = correlation;
    header.body_crc = crc32c({at + header_bytes, body_bytes});
    write_header(at, header);
}

namespace {

/// Copies a body with what is lent to it: the lengths of the struct and of the string grow by that.
void copy_whole(char* into, std::string_view body, const Lent& lent) noexcept {
    constexpr std::size_t length_bytes_of_any = sizeof(std::uint32_t);
    const auto bytes = static_cast<std::uint32_t>(lent.bytes.size());
    codec::Writer out(into);
    out.raw(body.data(), lent.at);
    out.raw(lent.bytes.data(), lent.bytes.size());
    out.raw(body.data() + lent.at, body.size() - lent.at);
    const auto rest = static_cast<std::uint32_t>(body.size() - length_bytes_of_any);
    codec::Writer(into).number(rest + bytes);
    codec::Writer(into + lent.at - length_bytes_of_any).number(bytes);
}

}  // namespace

std::string whole_body(std::string_view body, const Lent& lent) {
    std::string whole;
    const std::size_t bytes = body.size() + lent.bytes.size();
    whole.resize_and_overwrite(bytes, [&](char* data, std::size_t) {
        copy_whole(data, body, lent);
        return bytes;
    });
    return whole;
}

void append_frame(std::string& out, MessageType type, std::uint64_t correlation,
                  std::string_view body, const Lent& lent, std::uint16_t version) {
    const std::size_t old = out.size();
    const std::size_t bytes = body.size() + lent.bytes.size();
    const std::size_t all = old + header_bytes + bytes;
    out.resize_and_overwrite(all, [&](char* data, std::size_t) {
        copy_whole(data + old + header_bytes, body, lent);
        seal_frame(data + old, type, correlation, bytes, version);
        return all;
    });
}

std::size_t append_frame(std::string& out, MessageType type, std::uint64_t correlation,
                         std::string_view body, std::size_t offset, const FrameOptions& options) {
    const std::string_view plain = body.substr(offset, frame_body_bytes_max);
    const std::size_t next = offset + plain.size();
    FrameHeader header;
    header.version = options.version;
    header.type = std::to_underlying(type);
    header.flags = next < body.size() ? flag_more : std::uint16_t{0};
    header.correlation = correlation;
    header.plain_bytes = static_cast<std::uint32_t>(plain.size());
    const std::size_t old = out.size();
    out.resize_and_overwrite(old + header_bytes + plain.size(), [&](char* data, std::size_t) {
        char* const at = data + old;
        char* const into = at + header_bytes;
        std::size_t bytes = 0;
        if (options.compress && plain.size() >= compress_bytes_min) {
            bytes = compress(plain, into);
        }
        if (bytes != 0) {
            header.flags |= flag_lz4;
        } else {
            bytes = plain.size();
            std::copy(plain.begin(), plain.end(), into);
        }
        header.body_bytes = static_cast<std::uint32_t>(bytes);
        header.frame_bytes = static_cast<std::uint32_t>(header_bytes - length_bytes + bytes);
        header.body_crc = crc32c({into, bytes});
        write_header(at, header);
        return old + header_bytes + bytes;
    });
    return next;
}

}  // namespace repartir::wire
