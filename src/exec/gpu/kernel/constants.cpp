// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/constants.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <spirv/unified1/spirv.hpp11>
#include <unordered_map>

#include "exec/gpu/kernel/refusal.hpp"

namespace repartir::gpu {
namespace {

/// @return the integer's bits, as wide as a word at least; nothing when T cannot hold the value.
template <class T>
std::optional<std::uint64_t> integer_bits(double value) {
    // 2 to the power of the digits, which is exact where max() is not.
    const double end = std::ldexp(1.0, std::numeric_limits<T>::digits);
    const bool fits = value >= static_cast<double>(std::numeric_limits<T>::min()) && value < end &&
                      std::trunc(value) == value;
    if (!fits) {
        return std::nullopt;
    }
    if constexpr (std::numeric_limits<T>::is_signed) {
        return static_cast<std::uint64_t>(static_cast<std::int64_t>(value));
    } else {
        return static_cast<std::uint64_t>(value);
    }
}

std::optional<std::uint64_t> bits_of(ScalarType type, double value) {
    switch (type) {
        case ScalarType::boolean:
            return value != 0 ? 1U : 0U;
        case ScalarType::int8:
            return integer_bits<std::int8_t>(value);
        case ScalarType::uint8:
            return integer_bits<std::uint8_t>(value);
        case ScalarType::int16:
            return integer_bits<std::int16_t>(value);
        case ScalarType::uint16:
            return integer_bits<std::uint16_t>(value);
        case ScalarType::int32:
            return integer_bits<std::int32_t>(value);
        case ScalarType::uint32:
            return integer_bits<std::uint32_t>(value);
        case ScalarType::int64:
            return integer_bits<std::int64_t>(value);
        case ScalarType::uint64:
            return integer_bits<std::uint64_t>(value);
        case ScalarType::float32:
            if (!(std::abs(value) <= std::numeric_limits<float>::max())) {
                return std::nullopt;
            }
            return std::bit_cast<std::uint32_t>(static_cast<float>(value));
        case ScalarType::float64:
            return std::bit_cast<std::uint64_t>(value);
        case ScalarType::float16:
            break;  // converting is not worth its code: give a float32 and convert it in the shader
    }
    return std::nullopt;
}

const Constant* find(std::span<const Constant> known, const std::string& name) {
    auto found = std::ranges::find(known, name, &Constant::name);
    if (found == known.end()) {
        found = std::ranges::find_if(
            known, [&](const Constant& one) { return std::to_string(one.id) == name; });
    }
    return found == known.end() ? nullptr : &*found;
}

std::string listed(std::span<const Constant> known) {
    std::string names;
    for (const Constant& one : known.first(std::min<std::size_t>(known.size(), 8))) {
        names += (names.empty() ? "" : ", ") + std::to_string(one.id) +
                 (one.name.empty() ? "" : " (" + shown(one.name) + ")");
    }
    return names.empty() ? "it has none" : "it has " + names + (known.size() > 8 ? ", ..." : "");
}

/// Writes a constant's value over the one of its instruction, whose words these are.
void write(std::span<std::uint32_t> instruction, std::uint64_t bits) {
    const auto op = static_cast<spv::Op>(instruction[0] & 0xffffU);
    if (op == spv::Op::OpSpecConstantTrue || op == spv::Op::OpSpecConstantFalse) {
        const auto value = bits != 0 ? spv::Op::OpSpecConstantTrue : spv::Op::OpSpecConstantFalse;
        instruction[0] = (instruction[0] & 0xffff0000U) | static_cast<std::uint32_t>(value);
    } else if (op == spv::Op::OpSpecConstant) {
        instruction[3] = static_cast<std::uint32_t>(bits);
        if (instruction.size() > 4) {
            instruction[4] = static_cast<std::uint32_t>(bits >> 32U);
        }
    }
}

}  // namespace

Result<void> specialize(std::vector<std::uint32_t>& words, std::span<const Constant> known,
                        std::span<const NamedConstant> values) {
    std::unordered_map<std::uint32_t, std::uint64_t> by_spec_id;
    for (const NamedConstant& one : values) {
        const Constant* const constant = find(known, one.name);
        if (constant == nullptr) {
            return fail(refusal(Code::not_found, "the shader has no constant " + shown(one.name) +
                                                     "; " + listed(known)));
        }
        const std::optional<std::uint64_t> bits = bits_of(constant->type, one.value);
        if (!bits) {
            return fail(
                refusal(Code::invalid_argument, "the constant " + shown(one.name) + " cannot be " +
                                                    std::to_string(one.value) + ": it is of type " +
                                                    std::string(to_string(constant->type))));
        }
        by_spec_id[constant->id] = *bits;
    }
    std::unordered_map<std::uint32_t, std::uint64_t> by_id;
    for (std::size_t at = 5; at < words.size() && !by_spec_id.empty();) {
        const std::span instruction = std::span(words).subspan(at, words[at] >> 16U);
        const auto op = static_cast<spv::Op>(words[at] & 0xffffU);
        if (op == spv::Op::OpDecorate && instruction.size() == 4 &&
            instruction[2] == static_cast<std::uint32_t>(spv::Decoration::SpecId)) {
            const auto value = by_spec_id.find(instruction[3]);
            if (value != by_spec_id.end()) {
                by_id[instruction[1]] = value->second;
            }
        } else if (instruction.size() >= 3) {
            const auto value = by_id.find(instruction[2]);
            if (value != by_id.end()) {
                write(instruction, value->second);
            }
        }
        at += instruction.size();
    }
    return {};
}

}  // namespace repartir::gpu
