// SPDX-License-Identifier: MIT
#include "cli/shader_report.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstddef>
#include <vector>

#include "cli/json_text.hpp"
#include "cli/text.hpp"

namespace repartir::cli {
namespace {

using gpu::Binding;
using gpu::Constant;
using gpu::ScalarType;

template <class T>
std::string in_digits(T value) {
    std::array<char, 32> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    return {digits.data(), end};
}

std::string value_of(const Constant& constant) {
    const auto word = static_cast<std::uint32_t>(constant.bits);
    switch (constant.type) {
        case ScalarType::boolean:
            return constant.bits != 0 ? "true" : "false";
        case ScalarType::int8:
            return in_digits(static_cast<int>(static_cast<std::int8_t>(word)));
        case ScalarType::int16:
            return in_digits(static_cast<std::int16_t>(word));
        case ScalarType::int32:
            return in_digits(static_cast<std::int32_t>(word));
        case ScalarType::int64:
            return in_digits(static_cast<std::int64_t>(constant.bits));
        case ScalarType::float32:
            return in_digits(std::bit_cast<float>(word));
        case ScalarType::float64:
            return in_digits(std::bit_cast<double>(constant.bits));
        case ScalarType::float16: {
            std::array<char, 8> digits{};
            const auto* const end =
                std::to_chars(digits.data(), digits.data() + digits.size(), word & 0xffffU, 16).ptr;
            return cat({"0x", {digits.data(), end}});
        }
        default:
            return in_digits(constant.bits);
    }
}

std::string_view access_of(const Binding& binding) {
    return binding.readable   ? binding.writable ? "read and write" : "read"
           : binding.writable ? "write"
                              : "length only";
}

std::string bytes_of(const Binding& binding) {
    const std::string fixed = number(binding.bytes_min);
    return binding.element_bytes == 0 ? fixed
                                      : cat({binding.bytes_min == 0 ? "" : cat({fixed, " + "}),
                                             number(binding.element_bytes), " each"});
}

std::vector<std::string_view> names_of(const gpu::Features& features) {
    std::vector<std::string_view> names;
    for (std::size_t at = 0; at < gpu::feature_count; ++at) {
        if (const auto feature = static_cast<gpu::Feature>(at); features.has(feature)) {
            names.push_back(gpu::to_string(feature));
        }
    }
    return names;
}

/// Rows under each other, columns as wide as they need, two blanks between them.
std::string table(const std::vector<std::vector<std::string>>& rows) {
    std::string text;
    for (const std::vector<std::string>& row : rows) {
        for (std::size_t at = 0; at < row.size(); ++at) {
            std::size_t width = 0;
            for (const std::vector<std::string>& other : rows) {
                width = std::max(width, other[at].size() + 2);
            }
            text += at + 1 < row.size() ? padded(row[at], width) : row[at];
        }
        text.erase(text.find_last_not_of(' ') + 1);
        text += '\n';
    }
    return text;
}

void put_number(JsonWriter& json, std::string_view key, std::uint64_t value) {
    json.key(key);
    json.natural(value);
}

void put_text(JsonWriter& json, std::string_view key, std::string_view value) {
    json.key(key);
    json.text(value);
}

void put_bindings(JsonWriter& json, const std::vector<Binding>& bindings) {
    json.key("bindings");
    json.begin_array();
    for (const Binding& one : bindings) {
        json.begin_object();
        put_number(json, "set", one.set);
        put_number(json, "binding", one.binding);
        put_text(json, "kind", gpu::to_string(one.kind));
        json.key("readable");
        json.boolean(one.readable);
        json.key("writable");
        json.boolean(one.writable);
        put_number(json, "bytes_min", one.bytes_min);
        put_number(json, "element_bytes", one.element_bytes);
        put_text(json, "name", one.name);
        json.end_object();
    }
    json.end_array();
}

void put_interface(JsonWriter& json, const gpu::Interface& interface) {
    json.begin_object();
    put_text(json, "entry", interface.entry);
    json.key("workgroup_size");
    json.begin_array();
    for (const std::uint32_t one : interface.workgroup_size) {
        json.natural(one);
    }
    json.end_array();
    put_bindings(json, interface.bindings);
    put_number(json, "push_constant_bytes", interface.push_constant_bytes);
    put_number(json, "shared_bytes", interface.shared_bytes);
    json.key("constants");
    json.begin_array();
    for (const Constant& one : interface.constants) {
        json.begin_object();
        put_number(json, "id", one.id);
        put_text(json, "type", gpu::to_string(one.type));
        put_text(json, "value", value_of(one));
        put_text(json, "name", one.name);
        json.end_object();
    }
    json.end_array();
    json.key("needs");
    json.begin_array();
    for (const std::string_view name : names_of(interface.needs)) {
        json.text(name);
    }
    json.end_array();
    json.end_object();
}

void put_error(JsonWriter& json, const Error& error) {
    json.begin_object();
    put_text(json, "domain", to_string(error.domain()));
    put_text(json, "code", to_string(error.code()));
    put_text(json, "fault", to_string(error.fault()));
    put_text(json, "sentence", error.describe());
    json.end_object();
}

}  // namespace

std::string shader_text(std::string_view file, const gpu::Interface& interface) {
    const auto& [x, y, z] = interface.workgroup_size;
    std::string needs;
    for (const std::string_view name : names_of(interface.needs)) {
        needs += cat({needs.empty() ? "" : ", ", name});
    }
    std::string text = table({{cat({printable(file), ":"}), "valid"},
                              {"entry point", printable(interface.entry)},
                              {"workgroup", cat({number(x), " x ", number(y), " x ", number(z)})},
                              {"shared memory", human_size(interface.shared_bytes)},
                              {"push constants", human_size(interface.push_constant_bytes)},
                              {"needs", needs.empty() ? "nothing that a device may lack" : needs}});
    if (!interface.bindings.empty()) {
        std::vector<std::vector<std::string>> rows{
            {"set", "binding", "kind", "access", "bytes", "name"}};
        for (const Binding& one : interface.bindings) {
            rows.push_back({number(one.set), number(one.binding),
                            std::string(gpu::to_string(one.kind)), std::string(access_of(one)),
                            bytes_of(one), printable(one.name)});
        }
        text += cat({"\n", table(rows)});
    }
    if (!interface.constants.empty()) {
        std::vector<std::vector<std::string>> rows{{"constant", "type", "value", "name"}};
        for (const Constant& one : interface.constants) {
            rows.push_back({number(one.id), std::string(gpu::to_string(one.type)), value_of(one),
                            printable(one.name)});
        }
        text += cat({"\n", table(rows)});
    }
    return text;
}

std::string shader_json(std::string_view file, const Result<gpu::Compiled>& compiled) {
    std::string text;
    JsonWriter json(text);
    json.begin_object();
    json.key("v");
    json.integer(1);
    put_text(json, "type", "shader");
    put_text(json, "file", file);
    json.key("interface");
    if (compiled) {
        put_interface(json, compiled->interface);
    } else {
        json.null();
    }
    json.key("error");
    if (compiled) {
        json.null();
    } else {
        put_error(json, compiled.error());
    }
    json.end_object();
    return text += '\n';
}

}  // namespace repartir::cli
