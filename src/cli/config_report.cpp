// SPDX-License-Identifier: MIT
#include "cli/config_report.hpp"

#include <algorithm>
#include <vector>

#include "cli/json_text.hpp"
#include "cli/text.hpp"

namespace repartir::cli {
namespace {

/// @return a value as TOML has it: numbers and switches bare, all else in quotes.
std::string toml_value(const OptionSpec& option, std::string_view value) {
    if (option.value.empty()) {
        return value == "1" ? "true" : "false";
    }
    const bool digits =
        !value.empty() && std::ranges::all_of(value, [](char c) { return c >= '0' && c <= '9'; });
    if (option.value == "N" && digits && value.front() != '0') {
        return std::string(value);
    }
    constexpr std::string_view hex = "0123456789ABCDEF";
    std::string quoted = "\"";
    for (const char c : value) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            quoted += cat({"\\", std::string_view(&c, 1)});
        } else if (byte < 0x20 || byte == 0x7F) {
            quoted += cat({"\\u00", hex.substr(byte >> 4U, 1), hex.substr(byte & 15U, 1)});
        } else {
            quoted += c;
        }
    }
    return quoted += '"';
}

std::string toml_line(const OptionSpec& option, const Parsed& parsed) {
    std::string values;
    for (const std::string_view value :
         option.repeats ? parsed.all(option.id) : std::vector{*parsed.last(option.id)}) {
        values += cat({values.empty() ? "" : ", ", toml_value(option, value)});
    }
    return option.repeats ? cat({option.name, " = [", values, "]"})
                          : cat({option.name, " = ", values});
}

std::string_view name_of(Source source) {
    switch (source) {
        case Source::file:
            return "file";
        case Source::environment:
            return "environment";
        case Source::flag:
            return "flag";
    }
    return "unknown";
}

std::string where(const OptionSpec& option, const Origin& origin) {
    return origin.source == Source::flag ? cat({"--", option.name}) : origin.where;
}

void json_setting(const OptionSpec& option, const Parsed& parsed, JsonWriter& json) {
    const Origin* const from = parsed.origin(option.id);
    json.begin_object();
    json.key("key");
    json.text(option.name);
    json.key("value");
    if (from == nullptr) {
        json.null();
    } else if (option.value.empty()) {
        json.boolean(parsed.on(option.id));
    } else if (option.repeats) {
        json.begin_array();
        for (const std::string_view value : parsed.all(option.id)) {
            json.text(value);
        }
        json.end_array();
    } else {
        json.text(*parsed.last(option.id));
    }
    json.key("source");
    json.text(from == nullptr ? "default" : name_of(from->source));
    json.key("where");
    from == nullptr ? json.null() : json.text(where(option, *from));
    json.key("default");
    json.text(option.fallback);
    json.end_object();
}

}  // namespace

std::string config_text(const CommandSpec& command, const Parsed& parsed, std::string_view file,
                        bool origin) {
    std::string text = file.empty() ? std::string("# no configuration file\n")
                                    : cat({"# configuration file: ", printable(file, 4096), "\n"});
    for (const OptionSpec& option : command.options) {
        if (!option.in_file) {
            continue;
        }
        const Origin* const from = parsed.origin(option.id);
        if (from == nullptr) {
            text +=
                cat({"# ", option.name, ": ", option.fallback, origin ? "  (default)" : "", "\n"});
        } else {
            const std::string source =
                cat({"  # ", name_of(from->source), " ", printable(where(option, *from), 4096)});
            text += cat({toml_line(option, parsed), origin ? source : "", "\n"});
        }
    }
    return text;
}

std::string config_json(const CommandSpec& command, const Parsed& parsed, std::string_view file) {
    std::string text;
    JsonWriter json(text);
    json.begin_object();
    json.key("file");
    file.empty() ? json.null() : json.text(file);
    json.key("settings");
    json.begin_array();
    for (const OptionSpec& option : command.options) {
        if (option.in_file) {
            json_setting(option, parsed, json);
        }
    }
    json.end_array();
    json.end_object();
    return text += '\n';
}

}  // namespace repartir::cli
