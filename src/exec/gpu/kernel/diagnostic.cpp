// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/diagnostic.hpp"

#include <algorithm>

#include "exec/gpu/kernel/refusal.hpp"

namespace repartir::gpu {
namespace {

constexpr std::size_t shown_max = 10;
constexpr std::size_t columns_max = 100;  // of a source line; more is cut off around the caret
constexpr std::size_t message_bytes_max = 500;

std::string_view line_of(std::string_view source, std::size_t number) {
    for (std::size_t line = 1; line < number; ++line) {
        const std::size_t end = source.find('\n');
        if (end == std::string_view::npos) {
            return {};
        }
        source.remove_prefix(end + 1);
    }
    return source.substr(0, source.find('\n'));
}

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

/// One line of it: control bytes become spaces.
std::string flat(std::string_view text) {
    std::string line(text);
    std::ranges::replace_if(line, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }, ' ');
    return line;
}

std::string excerpt(std::string_view line, std::size_t column) {
    const std::size_t indent = std::min(line.find_first_not_of(" \t"), line.size());
    std::size_t at = column == 0 ? indent : std::min(column - 1, line.size());
    std::size_t from = std::min(indent, at);
    from = at - from > columns_max ? at - columns_max / 2 : from;
    while (from > 0 && from < line.size() && continues(line[from])) {
        --from;
    }
    std::string_view part = line.substr(from, columns_max + 1);
    while (part.size() > columns_max || (!part.empty() && from + part.size() < line.size() &&
                                         continues(line[from + part.size()]))) {
        part.remove_suffix(1);
    }
    at = std::min(at - from, part.size());
    const auto blanks = std::ranges::count_if(part.substr(0, at), [](char c) {
        return !continues(c);  // a character is one column
    });
    return "\n    " + flat(part) + "\n    " + std::string(static_cast<std::size_t>(blanks), ' ') +
           "^";
}

std::string shown(const Diagnostic& one, std::string_view source) {
    std::string text;
    if (one.line > 0) {
        text = std::to_string(one.line) + ":" +
               (one.column > 0 ? std::to_string(one.column) + ":" : "") + " ";
    }
    text += flat(std::string_view(one.message).substr(0, message_bytes_max));
    const std::string_view line = one.line > 0 ? line_of(source, one.line) : std::string_view();
    return line.empty() ? text : text + excerpt(line, one.column);
}

bool in_word(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

}  // namespace

std::size_t column_of(std::string_view source, std::size_t line, std::string_view word) {
    const std::string_view text = word.empty() ? word : line_of(source, line);
    for (std::size_t at = text.find(word); at < text.size(); at = text.find(word, at + 1)) {
        const std::size_t end = at + word.size();
        const bool begins = at == 0 || !in_word(text[at - 1]) || !in_word(text[at]);
        const bool ends = end == text.size() || !in_word(text[end]) || !in_word(text[end - 1]);
        if (begins && ends) {
            return at + 1;
        }
    }
    return 0;
}

Error does_not_compile(std::string_view language, std::string_view source,
                       std::span<const Diagnostic> diagnostics) {
    std::string text = "the " + std::string(language) + " does not compile: ";
    for (std::size_t at = 0; at < std::min(diagnostics.size(), shown_max); ++at) {
        text += (at == 0 ? "" : "\n") + shown(diagnostics[at], source);
    }
    if (diagnostics.size() > shown_max) {
        text += "\nand " + std::to_string(diagnostics.size() - shown_max) + " more";
    }
    return refusal(Code::malformed, std::move(text));
}

}  // namespace repartir::gpu
