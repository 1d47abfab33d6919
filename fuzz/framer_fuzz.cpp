// SPDX-License-Identifier: MIT
// What a connection's bytes hold does not depend on the pieces in which they come, nor on whether
// they can be trusted; a framer never holds more than its limits; what it gives can be sent on.
#include <vector>

#include "check.hpp"
#include "wire/crc32c.hpp"
#include "wire/framer.hpp"

namespace {

namespace wire = repartir::wire;
using repartir::fuzz::check;

struct Heard {
    std::vector<std::string> messages;
    std::optional<wire::FrameFault> fault;
    bool operator==(const Heard&) const = default;
};

Heard listen(std::string_view bytes, std::size_t piece, bool admitted) {
    wire::Framer framer;
    if (admitted) {
        framer.admit(wire::version_max, true);
    }
    Heard heard;
    for (std::size_t at = 0; at < bytes.size() && !heard.fault; at += piece) {
        framer.give(bytes.substr(at, piece));
        for (;;) {
            const auto message = framer.next();
            check(framer.held() <= wire::unfinished_bytes_max + wire::message_bytes_max +
                                       4 * wire::frame_body_bytes_max);
            if (!message) {
                heard.fault = message.error();
                break;
            }
            if (!*message) {
                break;
            }
            check((*message)->body.size() <=
                  (admitted ? wire::message_bytes_max : wire::greeting_bytes_max));
            heard.messages.emplace_back((*message)->body);
        }
    }
    return heard;
}

/// Makes checksums right and lengths plausible, so that the fuzzer gets past them. @return frames
std::string repaired(std::string bytes) {
    for (std::size_t at = 0; at + wire::header_bytes <= bytes.size();) {
        wire::FrameHeader header = wire::read_header(bytes.data() + at);
        const std::size_t left = bytes.size() - at - wire::header_bytes;
        header.magic = wire::magic;
        header.version = wire::version_max;
        header.correlation %= 4;
        header.body_bytes = static_cast<std::uint32_t>(header.body_bytes % (left + 1));
        header.frame_bytes =
            static_cast<std::uint32_t>(wire::header_bytes - wire::length_bytes) + header.body_bytes;
        header.body_crc = wire::crc32c(
            std::string_view(bytes).substr(at + wire::header_bytes, header.body_bytes));
        wire::write_header(bytes.data() + at, header);
        at += wire::header_bytes + header.body_bytes;
    }
    return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const bool admitted = (data[0] & 1U) != 0;
    const std::size_t piece = 1U + data[0] / 4U;
    std::string bytes(repartir::fuzz::text_of(data + 1, size - 1));
    if ((data[0] & 2U) != 0) {
        bytes = repaired(std::move(bytes));
    }
    const Heard whole = listen(bytes, bytes.size() + 1, admitted);
    check(listen(bytes, piece, admitted) == whole);
    std::string sent;
    for (const std::string& body : whole.messages) {
        std::size_t at = 0;
        do {
            at = wire::append_frame(sent, wire::MessageType::task_output, 1, body, at,
                                    {wire::version_max, admitted});
        } while (at < body.size());
    }
    const Heard again = listen(sent, sent.size() + 1, true);
    check(!again.fault && again.messages == whole.messages);
    return 0;
}
