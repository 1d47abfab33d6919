// SPDX-License-Identifier: MIT
#include "base/logfmt.hpp"

#include <algorithm>
#include <utility>

namespace repartir::base {
namespace {

bool is_plain(char c) noexcept {
    return static_cast<unsigned char>(c) > ' ' && c != '"' && c != '=' && c != '\\' && c != '\x7f';
}

void append_quoted(std::string& line, std::string_view value) {
    constexpr std::string_view digits = "0123456789abcdef";
    line += '"';
    for (const char c : value) {
        const auto code = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            line += '\\';
            line += c;
        } else if (c == '\n') {
            line += "\\n";
        } else if (code < ' ' || c == '\x7f') {
            line += "\\x";
            line += digits[code >> 4U];
            line += digits[code & 15U];
        } else {
            line += c;
        }
    }
    line += '"';
}

}  // namespace

Logfmt& Logfmt::add(std::string_view key, std::string_view value) & {
    if (!line_.empty()) {
        line_ += ' ';
    }
    line_ += key;
    line_ += '=';
    if (!value.empty() && std::ranges::all_of(value, is_plain)) {
        line_ += value;
    } else {
        append_quoted(line_, value);
    }
    return *this;
}

Logfmt&& Logfmt::add(std::string_view key, std::string_view value) && {
    return std::move(add(key, value));
}

}  // namespace repartir::base
