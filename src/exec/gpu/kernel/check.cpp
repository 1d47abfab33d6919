// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/check.hpp"

#include <string>
#include <utility>

#include "exec/gpu/kernel/allowed.hpp"
#include "exec/gpu/kernel/module.hpp"
#include "exec/gpu/kernel/reflect.hpp"
#include "exec/gpu/kernel/tools.hpp"

namespace repartir::gpu {
namespace {

Result<void> check_header(std::span<const std::uint32_t> words) {
    constexpr std::size_t header_words = 5;
    constexpr std::uint32_t version_max = 0x00010600;
    if (words.size() > module_words_max) {
        return fail(refusal(Code::too_large, "the shader has " + std::to_string(words.size()) +
                                                 " words of SPIR-V; " +
                                                 std::to_string(module_words_max) +
                                                 " are the most"));
    }
    if (words.size() < header_words || words[0] != spv::MagicNumber) {
        return fail(
            refusal(Code::malformed,
                    "the shader is no SPIR-V, which begins with the word 0x07230203 in this "
                    "machine's byte order and four more"));
    }
    if (words[1] > version_max) {
        return fail(refusal(Code::unsupported,
                            "the shader's version of SPIR-V is newer than 1.6; compile it for "
                            "Vulkan 1.2 or 1.3"));
    }
    if (words[3] > module_ids_max) {
        return fail(refusal(Code::too_large, "the shader announces " + std::to_string(words[3]) +
                                                 " ids; " + std::to_string(module_ids_max) +
                                                 " are the most"));
    }
    return {};
}

/// Validates by Vulkan's rules. @param scalar with layouts that need Feature::scalar_layout.
Result<void> validate(std::span<const std::uint32_t> words, bool scalar) {
    const ToolsContext context(spvContextCreate(environment_of(words[1])));
    const ToolsOptions options(spvValidatorOptionsCreate());
    spvValidatorOptionsSetAllowLocalSizeId(options.get(), true);
    spvValidatorOptionsSetUniversalLimit(
        options.get(), spv_validator_limit_max_control_flow_nesting_depth, block_nesting_max);
    spvValidatorOptionsSetScalarBlockLayout(options.get(), scalar);
    spv_const_binary_t binary{words.data(), words.size()};
    spv_diagnostic told = nullptr;
    const spv_result_t valid = spvValidateWithOptions(context.get(), options.get(), &binary, &told);
    const ToolsDiagnostic diagnostic(told);
    return valid == SPV_SUCCESS ? Result<void>() : fail(invalid(told));
}

}  // namespace

Result<Interface> inspect(std::span<const std::uint32_t> words, std::string_view entry) {
    if (Result<void> header = check_header(words); !header) {
        return fail(std::move(header).error());
    }
    Result<Features> features = check_allowed(words);
    if (!features) {
        return fail(std::move(features).error());
    }
    if (environment_of(words[1]) == SPV_ENV_VULKAN_1_3) {
        features->add(Feature::vulkan_1_3);
    }
    if (!validate(words, false)) {
        if (Result<void> scalar = validate(words, true); !scalar) {
            return fail(std::move(scalar).error());
        }
        features->add(Feature::scalar_layout);
    }
    Result<Module> module = read_module(words);
    if (!module) {
        return fail(std::move(module).error());
    }
    module->features.add(*features);
    return reflect(*module, entry);
}

}  // namespace repartir::gpu
