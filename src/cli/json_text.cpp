// SPDX-License-Identifier: MIT
#include "cli/json_text.hpp"

namespace repartir::cli {
namespace {

/// @return the length of the UTF-8 sequence that starts `text`; 0 when it is malformed.
std::size_t sequence_length(std::string_view text) noexcept {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned lead = at(0);
    if (lead < 0x80) {
        return 1;
    }
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || text.size() < length) {
        return 0;
    }
    const unsigned second = at(1);
    const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
    const bool outside = (lead == 0xED && second > 0x9F) || (lead == 0xF4 && second > 0x8F);
    if (overlong || outside) {
        return 0;
    }
    for (std::size_t i = 1; i < length; ++i) {
        if ((at(i) & 0xC0U) != 0x80U) {
            return 0;
        }
    }
    return length;
}

}  // namespace

bool is_utf8(std::string_view bytes) noexcept {
    while (!bytes.empty()) {
        const std::size_t length = sequence_length(bytes);
        if (length == 0) {
            return false;
        }
        bytes.remove_prefix(length);
    }
    return true;
}

void append_base64(std::string_view bytes, std::string& into) {
    constexpr std::string_view digits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    into.reserve(into.size() + (bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        for (std::size_t j = 0; j < 3; ++j) {
            const auto byte = i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U;
            group = (group << 8U) | byte;
        }
        into += digits[group >> 18U];
        into += digits[(group >> 12U) & 63U];
        into += i + 1 < bytes.size() ? digits[(group >> 6U) & 63U] : '=';
        into += i + 2 < bytes.size() ? digits[group & 63U] : '=';
    }
}

void JsonWriter::separate() {
    if (comma_) {
        into_ += ',';
    }
    comma_ = true;
}

void JsonWriter::open(char bracket) {
    separate();
    into_ += bracket;
    comma_ = false;
}

void JsonWriter::close(char bracket) {
    into_ += bracket;
    comma_ = true;
}

void JsonWriter::quoted(std::string_view value) {
    constexpr std::string_view digits = "0123456789abcdef";
    into_ += '"';
    for (const char c : value) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            into_ += '\\';
            into_ += c;
        } else if (c == '\n') {
            into_ += "\\n";
        } else if (byte < 0x20 || byte == 0x7F) {
            into_ += "\\u00";
            into_ += digits[byte >> 4U];
            into_ += digits[byte & 15U];
        } else {
            into_ += c;
        }
    }
    into_ += '"';
}

void JsonWriter::key(std::string_view name) {
    separate();
    quoted(name);
    into_ += ':';
    comma_ = false;
}

void JsonWriter::text(std::string_view value) {
    if (is_utf8(value)) {
        separate();
        quoted(value);
        return;
    }
    begin_object();
    key("encoding");
    text("base64");
    key("data");
    into_ += '"';
    append_base64(value, into_);
    into_ += '"';
    comma_ = true;
    end_object();
}

void JsonWriter::integer(std::int64_t value) {
    separate();
    into_ += std::to_string(value);
}

void JsonWriter::natural(std::uint64_t value) {
    separate();
    into_ += std::to_string(value);
}

void JsonWriter::boolean(bool value) {
    separate();
    into_ += value ? "true" : "false";
}

void JsonWriter::null() {
    separate();
    into_ += "null";
}

}  // namespace repartir::cli
