// SPDX-License-Identifier: MIT
#pragma once
/// @file tools.hpp spirv-tools' C interface, with owners for what it gives.
#include <spirv-tools/libspirv.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "exec/gpu/kernel/refusal.hpp"
#include "repartir/result.hpp"

namespace repartir::gpu {

/// Calls the destroying function of spirv-tools that goes with a type.
template <auto destroy>
struct Destroy {
    void operator()(auto* object) const noexcept { destroy(object); }
};
using ToolsContext = std::unique_ptr<spv_context_t, Destroy<spvContextDestroy>>;
using ToolsDiagnostic = std::unique_ptr<spv_diagnostic_t, Destroy<spvDiagnosticDestroy>>;
using ToolsOptions = std::unique_ptr<spv_validator_options_t, Destroy<spvValidatorOptionsDestroy>>;
using ToolsText = std::unique_ptr<spv_text_t, Destroy<spvTextDestroy>>;

/// @return Vulkan's rules for that version of SPIR-V (its word in the header).
[[nodiscard]] inline spv_target_env environment_of(std::uint32_t version) {
    return version > 0x00010500 ? SPV_ENV_VULKAN_1_3 : SPV_ENV_VULKAN_1_2;
}

/// @return the Error malformed for what spirv-tools has against a module.
[[nodiscard]] Error invalid(const spv_diagnostic_t* diagnostic);

/// Gives each instruction to `visit(const spv_parsed_instruction_t&) -> Result<void>`, in order,
/// until one fails. Errors: visit's; malformed: that is no sequence of instructions.
template <class Visit>
[[nodiscard]] Result<void> for_each_instruction(std::span<const std::uint32_t> words,
                                                Visit& visit) {
    struct State {
        Visit& visit;
        Result<void> result;
    } state{visit, {}};
    const ToolsContext context(spvContextCreate(environment_of(words[1])));
    spv_diagnostic told = nullptr;
    const spv_result_t parsed = spvBinaryParse(
        context.get(), &state, words.data(), words.size(), nullptr,
        [](void* user, const spv_parsed_instruction_t* instruction) {
            auto& mine = *static_cast<State*>(user);
            mine.result = mine.visit(*instruction);
            return mine.result ? SPV_SUCCESS : SPV_REQUESTED_TERMINATION;
        },
        &told);
    const ToolsDiagnostic diagnostic(told);
    if (state.result && parsed != SPV_SUCCESS) {
        return fail(invalid(told));
    }
    return state.result;
}

/// @return the text of a literal string that begins in `words`.
[[nodiscard]] std::string literal(std::span<const std::uint32_t> words);

}  // namespace repartir::gpu
