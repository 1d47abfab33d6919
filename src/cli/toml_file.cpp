// SPDX-License-Identifier: MIT
#include "cli/toml_file.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "cli/args.hpp"
#include "cli/json_text.hpp"
#include "cli/text.hpp"

namespace repartir::cli {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool in_bare_key(char c) { return is_digit(c) || is_letter(c) || c == '_' || c == '-'; }
bool in_bare_value(char c) { return in_bare_key(c) || c == '+' || c == '.' || c == ':'; }
bool is_control(char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == '\x7F';
}

void append_utf8(std::uint32_t code, std::string& into) {
    const auto put = [&into](std::uint32_t byte) { into += static_cast<char>(byte); };
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xC0 | code >> 6U);
        put(0x80 | (code & 0x3FU));
    } else if (code < 0x10000) {
        put(0xE0 | code >> 12U);
        put(0x80 | (code >> 6U & 0x3FU));
        put(0x80 | (code & 0x3FU));
    } else {
        put(0xF0 | code >> 18U);
        put(0x80 | (code >> 12U & 0x3FU));
        put(0x80 | (code >> 6U & 0x3FU));
        put(0x80 | (code & 0x3FU));
    }
}

/// @return a whole number without sign and underscores where it has none of TOML's other forms;
/// nothing when it is no such number.
std::optional<std::string> whole_number(std::string_view word) {
    std::string digits = word.starts_with('-') ? "-" : "";
    word.remove_prefix(word.starts_with('-') || word.starts_with('+') ? 1 : 0);
    for (std::size_t i = 0; i < word.size(); ++i) {
        const bool between = i > 0 && i + 1 < word.size() && word[i - 1] != '_';
        if (!is_digit(word[i]) && !(word[i] == '_' && between)) {
            return std::nullopt;
        }
        digits += word[i] == '_' ? "" : std::string(1, word[i]);
    }
    const bool zero_in_front = word.size() > 1 && word.front() == '0';
    return word.empty() || zero_in_front ? std::nullopt : std::optional(digits);
}

/// Reads TOML (version 1.0) without tables and without texts of several lines.
class Reader {
  public:
    Reader(std::string_view file, std::string_view text, std::span<const std::string_view> keys)
        : file_(file), text_(text), keys_(keys) {}

    Result<std::vector<FileSetting>> run() {
        if (text_.starts_with("\xEF\xBB\xBF")) {
            text_.remove_prefix(3);
        }
        std::vector<FileSetting> settings;
        while (true) {
            if (Result<void> skipped = skip_lines(); !skipped) {
                return fail(skipped.error());
            }
            if (text_.empty()) {
                return settings;
            }
            Result<FileSetting> one = setting(settings);
            if (!one) {
                return fail(one.error());
            }
            settings.push_back(std::move(*one));
        }
    }

  private:
    [[nodiscard]] std::unexpected<Error> refuse(std::string_view what) const {
        return fail(usage_error(cat({file_, ":", number(line_), ": ", what})));
    }
    [[nodiscard]] char next() const { return text_.empty() ? '\n' : text_.front(); }
    char take() {
        const char c = next();
        text_.remove_prefix(text_.empty() ? 0 : 1);
        return c;
    }
    template <class Predicate>
    std::string_view take_while(Predicate fits) {
        const auto end = std::ranges::find_if_not(text_, fits);
        const std::string_view taken(text_.begin(), end);
        text_.remove_prefix(taken.size());
        return taken;
    }
    void skip_blanks() {
        take_while([](char c) { return c == ' ' || c == '\t'; });
    }
    /// Skips what may follow a value on its line, which is nothing or a comment.
    Result<void> skip_rest() {
        skip_blanks();
        if (next() == '#') {
            const std::string_view comment = take_while([](char c) { return c != '\n'; });
            const std::size_t end = comment.size() - (comment.ends_with('\r') ? 1 : 0);
            if (!is_utf8(comment) || std::ranges::any_of(comment.substr(0, end), is_control)) {
                return refuse("a comment has characters in it that are no text");
            }
        }
        if (text_.starts_with("\r\n")) {
            take();
        }
        if (next() != '\n') {
            return refuse(cat({"\"", printable(text_.substr(0, text_.find_first_of("\r\n")), 40),
                               "\" stands behind the value"}));
        }
        line_ += text_.empty() ? 0 : 1;
        take();
        return {};
    }
    /// Skips blanks, comments and ends of lines.
    Result<void> skip_lines() {
        while (true) {
            skip_blanks();
            if (text_.empty() || (next() != '#' && next() != '\n' && !text_.starts_with("\r\n"))) {
                return {};
            }
            if (Result<void> done = skip_rest(); !done) {
                return done;
            }
        }
    }

    Result<FileSetting> setting(const std::vector<FileSetting>& before) {
        FileSetting result;
        result.line = line_;
        Result<std::string> name = key();
        if (!name) {
            return fail(name.error());
        }
        if (std::ranges::find(keys_, *name) == keys_.end()) {
            return fail(unknown(*name));
        }
        if (std::ranges::find(before, *name, &FileSetting::key) != before.end()) {
            return refuse(cat({*name, " is set for a second time"}));
        }
        skip_blanks();
        if (take() != '=') {
            return refuse(cat({"behind ", *name, " an equals sign is missing"}));
        }
        skip_blanks();
        Result<std::vector<std::string>> values = next() == '[' ? list(*name) : single(*name);
        if (!values) {
            return fail(values.error());
        }
        if (Result<void> end = skip_rest(); !end) {
            return fail(end.error());
        }
        result.key = std::move(*name);
        result.values = std::move(*values);
        return result;
    }
    Result<std::string> key() {
        if (next() == '[') {
            return refuse("keys stand in no [table] here");
        }
        if (next() == '"' || next() == '\'') {
            return text();
        }
        const std::string_view name = take_while(in_bare_key);
        if (name.empty()) {
            return refuse(cat({"\"", printable(text_.substr(0, text_.find_first_of("\r\n")), 40),
                               "\" is no key and its value"}));
        }
        return std::string(name);
    }
    [[nodiscard]] Error unknown(std::string_view key) const {
        const std::string_view near = nearest(key, keys_);
        const std::string advice =
            near.empty() ? std::string("; repartir config show prints those that there are")
                         : cat({"; did you mean ", near, "?"});
        return refuse(cat({"there is no key \"", printable(key), "\"", advice})).error();
    }

    Result<std::vector<std::string>> single(std::string_view name) {
        Result<std::string> value = scalar(name);
        if (!value) {
            return fail(value.error());
        }
        return std::vector{std::move(*value)};
    }
    Result<std::vector<std::string>> list(std::string_view name) {
        take();
        std::vector<std::string> values;
        while (true) {
            if (Result<void> skipped = skip_lines(); !skipped) {
                return fail(skipped.error());
            }
            if (next() == ']') {
                break;
            }
            Result<std::string> value = scalar(name);
            if (!value) {
                return fail(value.error());
            }
            values.push_back(std::move(*value));
            if (Result<void> skipped = skip_lines(); !skipped) {
                return fail(skipped.error());
            }
            if (next() != ']' && take() != ',') {
                return refuse(cat({"in the list of ", name, " a comma or ] is missing"}));
            }
        }
        take();
        return values;
    }
    Result<std::string> scalar(std::string_view name) {
        if (next() == '"' || next() == '\'') {
            return text();
        }
        const std::string_view word = take_while(in_bare_value);
        if (word == "true" || word == "false") {
            return std::string(word);
        }
        std::optional<std::string> value = whole_number(word);
        if (!value) {
            return refuse(cat({"the value of ", name,
                               " must be a text in quotes, a decimal whole number, true or false,"
                               " or a list of these"}));
        }
        return std::move(*value);
    }
    Result<std::string> text() {
        const char quote = take();
        if (text_.size() >= 2 && text_[0] == quote && text_[1] == quote) {
            return refuse("a text of several lines (three quotes) is no value here");
        }
        std::string value;
        while (next() != quote) {
            const char c = take();
            if (is_control(c)) {
                return refuse(
                    "a text in quotes is not closed on its line, or has control"
                    " characters in it");
            }
            if (c != '\\' || quote == '\'') {
                value += c;
            } else if (!escape(value)) {
                return refuse(
                    "behind a backslash only b t n f r \" \\ uXXXX and UXXXXXXXX have a"
                    " meaning; a text in single quotes is taken as it is");
            }
        }
        take();
        return is_utf8(value) ? Result<std::string>(std::move(value))
                              : refuse("a text in quotes is no UTF-8");
    }
    /// Reads what follows a backslash. @return false when it has no meaning.
    bool escape(std::string& into) {
        constexpr std::string_view letters = "btnfr\"\\";
        constexpr std::string_view meanings = "\b\t\n\f\r\"\\";
        const char c = take();
        if (c != 'u' && c != 'U') {
            const std::size_t found = letters.find(c);
            into += found == std::string_view::npos ? c : meanings[found];
            return found != std::string_view::npos;
        }
        std::uint32_t code = 0;
        for (int left = c == 'u' ? 4 : 8; left > 0; --left) {
            constexpr std::string_view hex = "0123456789abcdef";
            const char digit = take();
            const std::size_t value = hex.find(digit < 'A' ? digit : static_cast<char>(digit | 32));
            if (value == std::string_view::npos || code > 0x10FFFF) {
                return false;
            }
            code = code << 4U | static_cast<std::uint32_t>(value);
        }
        append_utf8(code, into);
        const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
        return code != 0 && code <= 0x10FFFF && !surrogate;  // no setting has a NUL in it
    }

    const std::string_view file_;
    std::string_view text_;  // what is still to be read
    const std::span<const std::string_view> keys_;
    std::uint32_t line_ = 1;
};

}  // namespace

Result<std::vector<FileSetting>> read_toml(std::string_view file, std::string_view text,
                                           std::span<const std::string_view> keys) {
    return Reader(file, text, keys).run();
}

}  // namespace repartir::cli
