// SPDX-License-Identifier: MIT
#pragma once
/// @file assemble_fixture.hpp SPIR-V for tests, out of its assembly.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "exec/gpu/kernel/tools.hpp"

namespace repartir::gpu::test {

/// @return the words of a module in spirv-tools' assembly; a test that has a mistake there fails.
inline std::vector<std::uint32_t> assemble(std::string_view text,
                                           spv_target_env environment = SPV_ENV_VULKAN_1_2) {
    const ToolsContext context(spvContextCreate(environment));
    spv_binary binary = nullptr;
    spv_diagnostic told = nullptr;
    spvTextToBinary(context.get(), text.data(), text.size(), &binary, &told);
    const ToolsDiagnostic diagnostic(told);
    if (binary == nullptr) {
        ADD_FAILURE() << "line " << told->position.line + 1 << ": " << told->error;
        return {};
    }
    std::vector<std::uint32_t> words(binary->code, binary->code + binary->wordCount);
    spvBinaryDestroy(binary);
    return words;
}

/// @return `text` with its first `from` replaced by `to`.
inline std::string with(std::string_view text, std::string_view from, std::string_view to) {
    std::string changed(text);
    const std::size_t at = changed.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return at == std::string::npos ? changed : changed.replace(at, from.size(), to);
}

}  // namespace repartir::gpu::test
