// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/tools.hpp"

#include <algorithm>

namespace repartir::gpu {

Error invalid(const spv_diagnostic_t* diagnostic) {
    constexpr std::size_t bytes_max = 300;
    std::string why = diagnostic != nullptr && diagnostic->error != nullptr ? diagnostic->error
                                                                            : "no reason given";
    why.resize(std::min({why.size(), why.find('\n'), bytes_max}));
    std::ranges::replace_if(why, [](char c) { return c < ' ' || c > '~'; }, '?');
    const std::size_t word = diagnostic != nullptr ? diagnostic->position.index : 0;
    return refusal(Code::malformed,
                   "the shader is not valid SPIR-V for Vulkan" +
                       (word > 0 ? " (word " + std::to_string(word) + ")" : std::string()) + ": " +
                       why);
}

std::string literal(std::span<const std::uint32_t> words) {
    std::string text;
    for (const std::uint32_t word : words) {
        for (std::uint32_t shift = 0; shift < 32; shift += 8) {
            const char c = static_cast<char>(word >> shift & 0xffU);
            if (c == '\0') {
                return text;
            }
            text += c;
        }
    }
    return text;
}

}  // namespace repartir::gpu
