// SPDX-License-Identifier: MIT
#include "wire/header.hpp"

#include "repartir/codec.hpp"
#include "wire/crc32c.hpp"

namespace repartir::wire {

std::string_view to_string(MessageType type) noexcept {
    switch (type) {
        case MessageType::hello:
            return "hello";
        case MessageType::welcome:
            return "welcome";
        case MessageType::task_submit:
            return "task_submit";
        case MessageType::task_accepted:
            return "task_accepted";
        case MessageType::task_result:
            return "task_result";
        case MessageType::task_output:
            return "task_output";
        case MessageType::task_cancel:
            return "task_cancel";
        case MessageType::task_reclaim:
            return "task_reclaim";
        case MessageType::task_reclaimed:
            return "task_reclaimed";
        case MessageType::heartbeat:
            return "heartbeat";
        case MessageType::credit:
            return "credit";
        case MessageType::drain:
            return "drain";
        case MessageType::goodbye:
            return "goodbye";
        case MessageType::error:
            return "error";
    }
    return "unknown";
}

void write_header(char* at, const FrameHeader& header) noexcept {
    codec::Writer out(at);
    out.number(header.frame_bytes);
    out.number(header.magic);
    out.number(header.version);
    out.number(header.type);
    out.number(header.flags);
    out.number(header.reserved);
    out.number(header.body_bytes);
    out.number(header.plain_bytes);
    out.number(header.correlation);
    out.number(header.body_crc);
    out.number(crc32c({at, header_checked_bytes}));
}

FrameHeader read_header(const char* at) noexcept {
    codec::Reader in({at, header_bytes});
    FrameHeader header;
    header.frame_bytes = in.number<std::uint32_t>();
    header.magic = in.number<std::uint32_t>();
    header.version = in.number<std::uint16_t>();
    header.type = in.number<std::uint16_t>();
    header.flags = in.number<std::uint16_t>();
    header.reserved = in.number<std::uint16_t>();
    header.body_bytes = in.number<std::uint32_t>();
    header.plain_bytes = in.number<std::uint32_t>();
    header.correlation = in.number<std::uint64_t>();
    header.body_crc = in.number<std::uint32_t>();
    header.header_crc = in.number<std::uint32_t>();
    return header;
}

}  // namespace repartir::wire
