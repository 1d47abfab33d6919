// SPDX-License-Identifier: MIT
#include "cli/text.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>

namespace repartir::cli {
namespace {

/// Splits "12.5ms" into 12.5 and "ms". @return false when no number stands in front.
bool split_number(std::string_view text, double& value, std::string_view& unit) {
    const char* end = text.data() + text.size();
    const auto [rest, bad] = std::from_chars(text.data(), end, value, std::chars_format::fixed);
    if (bad != std::errc{} || rest == text.data() || text.front() == '-' || !std::isfinite(value)) {
        return false;
    }
    unit = text.substr(static_cast<std::size_t>(rest - text.data()));
    return true;
}

std::string fixed(double value, const char* unit) {
    std::array<char, 48> buffer{};
    const int length = std::snprintf(buffer.data(), buffer.size(), "%.1f %s", value, unit);
    return std::string(buffer.data(), static_cast<std::size_t>(length));
}

}  // namespace

std::string cat(std::initializer_list<std::string_view> parts) {
    std::size_t size = 0;
    for (const std::string_view part : parts) {
        size += part.size();
    }
    std::string text;
    text.reserve(size);
    for (const std::string_view part : parts) {
        text += part;
    }
    return text;
}

std::string padded(std::string_view text, std::size_t width) {
    return cat({text, std::string(text.size() < width ? width - text.size() : 0, ' ')});
}

std::string number(std::uint64_t value) { return std::to_string(value); }

std::string shell_quote(std::string_view word) {
    constexpr std::string_view plain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%^";
    if (!word.empty() && word.find_first_not_of(plain) == std::string_view::npos) {
        return std::string(word);
    }
    std::string quoted = "'";
    for (const char c : word) {
        if (c == '\'') {
            quoted += "'\\''";
        } else {
            quoted += c;
        }
    }
    return quoted += '\'';
}

std::string printable(std::string_view text, std::size_t max) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string shown;
    for (const char c : text) {
        if (shown.size() >= max) {
            return shown += "...";
        }
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7F) {
            shown += cat({"\\x", digits.substr(byte >> 4U, 1), digits.substr(byte & 15U, 1)});
        } else {
            shown += c;
        }
    }
    return shown;
}

std::string human_duration(std::chrono::nanoseconds value) {
    const double seconds = std::chrono::duration<double>(value).count();
    if (seconds < 1e-3) {
        return fixed(seconds * 1e6, "us");
    }
    if (seconds < 1.0) {
        return fixed(seconds * 1e3, "ms");
    }
    if (seconds < 60.0) {
        return fixed(seconds, "s");
    }
    const auto whole = static_cast<std::uint64_t>(seconds);
    if (whole < 3600) {
        return cat({number(whole / 60), " min ", number(whole % 60), " s"});
    }
    return cat({number(whole / 3600), " h ", number(whole / 60 % 60), " min"});
}

std::string human_size(std::uint64_t bytes) {
    if (bytes < 1024) {
        return cat({number(bytes), " B"});
    }
    constexpr std::array<const char*, 5> units{"KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = static_cast<double>(bytes) / 1024.0;
    std::size_t unit = 0;
    while (value >= 1024.0 && unit + 1 < units.size()) {
        value /= 1024.0;
        ++unit;
    }
    return fixed(value, units.at(unit));
}

Error usage_error(std::string sentence) {
    return Error(Domain::config, Code::invalid_argument, Fault::user, std::move(sentence));
}

Result<std::uint64_t> parse_count(std::string_view what, std::string_view text, std::uint64_t min,
                                  std::uint64_t max) {
    std::uint64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [rest, bad] = std::from_chars(text.data(), end, value);
    if (bad != std::errc{} || rest != end || value < min || value > max) {
        return fail(usage_error(cat({what, ": \"", printable(text), "\" is no whole number from ",
                                     number(min), " to ", number(max)})));
    }
    return value;
}

Result<std::chrono::milliseconds> parse_duration(std::string_view what, std::string_view text) {
    double value = 0;
    std::string_view unit;
    const bool is_number = split_number(text, value, unit);
    double scale = 0;
    if (unit == "ms") {
        scale = 1;
    } else if (unit == "s" || unit.empty()) {
        scale = 1000;
    } else if (unit == "m" || unit == "min") {
        scale = 60'000;
    } else if (unit == "h") {
        scale = 3'600'000;
    } else if (unit == "d") {
        scale = 86'400'000;
    }
    constexpr double most_ms = 1e13;
    if (!is_number || scale == 0 || value * scale > most_ms) {
        return fail(usage_error(cat({what, ": \"", printable(text),
                                     "\" is no duration; write it like 500ms, 5s, 2m or 1h"})));
    }
    return std::chrono::milliseconds(std::llround(value * scale));
}

Result<std::uint64_t> parse_size(std::string_view what, std::string_view text) {
    double value = 0;
    std::string_view unit;
    bool good = split_number(text, value, unit);
    double scale = 1;
    if (good && !unit.empty()) {
        constexpr std::string_view letters = "KMGT";
        const char upper = static_cast<char>(unit.front() & ~0x20);
        const std::size_t power = letters.find(upper);
        const std::string_view tail = unit.substr(1);
        const bool bytes_only = unit == "B";
        good = bytes_only || (power != std::string_view::npos &&
                              (tail.empty() || tail == "iB" || tail == "B" || tail == "i"));
        scale = good && !bytes_only ? std::pow(1024.0, static_cast<double>(power + 1)) : 1;
    }
    constexpr double most = 9e18;
    if (!good || value * scale > most) {
        return fail(usage_error(cat({what, ": \"", printable(text),
                                     "\" is no size; write it in bytes or like 64K, 512M or 2G"})));
    }
    return static_cast<std::uint64_t>(value * scale);
}

Result<bool> parse_bool(std::string_view what, std::string_view text) {
    for (const std::string_view yes : {"1", "true", "yes", "on"}) {
        if (text == yes) {
            return true;
        }
    }
    for (const std::string_view no : {"0", "false", "no", "off"}) {
        if (text == no) {
            return false;
        }
    }
    return fail(usage_error(
        cat({what, ": \"", printable(text), "\" is neither yes nor no; write 1 or 0"})));
}

}  // namespace repartir::cli
