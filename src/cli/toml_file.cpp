// SPDX-License-Identifier: MIT
#include "cli/toml_file.hpp"

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <algorithm>
#include <optional>

#include "cli/args.hpp"
#include "cli/text.hpp"

namespace repartir::cli {
namespace {

/// @return a single value as a flag would give it; nothing for other types.
std::optional<std::string> text_of(const toml::node& node) {
    if (const auto* const text = node.as_string()) {
        return text->get();
    }
    if (const auto* const integer = node.as_integer()) {
        return std::to_string(integer->get());
    }
    if (const auto* const boolean = node.as_boolean()) {
        return boolean->get() ? "true" : "false";
    }
    return std::nullopt;
}

/// @return the values of a key; nothing where one is of a type that no setting has.
std::optional<std::vector<std::string>> values_of(const toml::node& node) {
    std::vector<std::string> values;
    const toml::array* const list = node.as_array();
    for (std::size_t i = 0; i < (list == nullptr ? 1 : list->size()); ++i) {
        std::optional<std::string> value = text_of(list == nullptr ? node : *list->get(i));
        if (!value) {
            return std::nullopt;
        }
        values.push_back(std::move(*value));
    }
    return values;
}

std::string at(std::string_view file, std::uint32_t line) {
    return cat({file, ":", number(line), ": "});
}

/// @return for each line that is not blank, its number and its first character.
std::vector<std::pair<std::uint32_t, char>> first_characters(std::string_view text) {
    std::vector<std::pair<std::uint32_t, char>> lines;
    for (std::uint32_t number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size() - 1);
        const std::string_view line = text.substr(0, end + 1);
        const std::size_t first = line.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
        if (first != std::string_view::npos) {
            lines.emplace_back(number, line[first]);
        }
        text.remove_prefix(end + 1);
    }
    return lines;
}

Error unknown(std::string_view file, std::uint32_t line, std::string_view key,
              std::span<const std::string_view> keys) {
    const std::string_view near = nearest(key, keys);
    const std::string advice =
        near.empty() ? std::string("; repartir config show prints those that there are")
                     : cat({"; did you mean ", near, "?"});
    return usage_error(cat({at(file, line), "there is no key \"", printable(key), "\"", advice}));
}

}  // namespace

Result<std::vector<FileSetting>> read_toml(std::string_view file, std::string_view text,
                                           std::span<const std::string_view> keys) {
    // The parser of toml++ 3.3 asserts on some headers of tables. We have none.
    for (const auto& [line, first] : first_characters(text)) {
        if (first == '[') {
            return fail(usage_error(cat({at(file, line), "keys stand in no [table] here"})));
        }
    }
    const toml::parse_result parsed = toml::parse(text, file);
    if (!parsed) {
        const toml::parse_error& error = parsed.error();
        return fail(usage_error(
            cat({at(file, error.source().begin.line), "this is no TOML: ", error.description()})));
    }
    std::vector<std::pair<std::uint32_t, std::string_view>> lines;
    for (const auto& [key, node] : parsed.table()) {
        lines.emplace_back(key.source().begin.line, key.str());
    }
    std::ranges::sort(lines);
    std::vector<FileSetting> settings;
    for (const auto& [line, key] : lines) {
        if (std::ranges::find(keys, key) == keys.end()) {
            return fail(unknown(file, line, key, keys));
        }
        std::optional<std::vector<std::string>> values = values_of(*parsed.table().get(key));
        if (!values) {
            return fail(usage_error(cat({at(file, line), "the value of ", key,
                                         " must be a text in quotes, a whole number, true or false,"
                                         " or a list of these"})));
        }
        settings.push_back({std::string(key), std::move(*values), line});
    }
    return settings;
}

}  // namespace repartir::cli
