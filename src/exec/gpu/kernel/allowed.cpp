// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/allowed.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <spirv/unified1/spirv.hpp11>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "exec/gpu/kernel/check.hpp"
#include "exec/gpu/kernel/tools.hpp"

namespace repartir::gpu {
namespace {

struct Allowed {
    spv::Capability capability{};
    std::optional<Feature> needs;
};

using enum spv::Capability;
// Int64Atomics: where the atomics are tells which feature they need (module.cpp).
constexpr std::array allowed_capabilities{
    Allowed{Matrix, {}},
    Allowed{Shader, {}},
    Allowed{Int64Atomics, {}},
    Allowed{Float16, Feature::float16},
    Allowed{Float64, Feature::float64},
    Allowed{Int8, Feature::int8},
    Allowed{Int16, Feature::int16},
    Allowed{Int64, Feature::int64},
    Allowed{VulkanMemoryModel, Feature::memory_model},
    Allowed{VulkanMemoryModelDeviceScope, Feature::memory_model_device_scope},
    Allowed{StorageBuffer8BitAccess, Feature::storage_8bit},
    Allowed{StorageBuffer16BitAccess, Feature::storage_16bit},
    Allowed{UniformAndStorageBuffer8BitAccess, Feature::uniform_8bit},
    Allowed{UniformAndStorageBuffer16BitAccess, Feature::uniform_16bit},
    Allowed{StoragePushConstant8, Feature::push_constant_8bit},
    Allowed{StoragePushConstant16, Feature::push_constant_16bit},
    Allowed{GroupNonUniform, Feature::subgroup_basic},
    Allowed{GroupNonUniformVote, Feature::subgroup_vote},
    Allowed{GroupNonUniformArithmetic, Feature::subgroup_arithmetic},
    Allowed{GroupNonUniformBallot, Feature::subgroup_ballot},
    Allowed{GroupNonUniformShuffle, Feature::subgroup_shuffle},
    Allowed{GroupNonUniformShuffleRelative, Feature::subgroup_shuffle_relative},
    Allowed{GroupNonUniformClustered, Feature::subgroup_clustered},
    Allowed{GroupNonUniformQuad, Feature::subgroup_quad},
};

// Vulkan 1.2 has all of them in its core.
constexpr std::array<std::string_view, 5> allowed_extensions{
    "SPV_KHR_16bit_storage",
    "SPV_KHR_8bit_storage",
    "SPV_KHR_storage_buffer_storage_class",
    "SPV_KHR_vulkan_memory_model",
    "SPV_KHR_no_integer_wrap_decoration",
};

constexpr std::string_view math_set = "GLSL.std.450";

/// @return why a capability is none of those, and what to do.
std::string_view why_not(spv::Capability capability) {
    switch (capability) {
        case PhysicalStorageBufferAddresses:
        case VariablePointers:
        case VariablePointersStorageBuffer:
        case Addresses:
            return "pointers of its own could reach memory outside the shader's buffers; bind each "
                   "buffer and index into it";
        case Kernel:
            return "it is OpenCL's; Repartir runs Vulkan's compute shaders";
        case Sampled1D:
        case Image1D:
        case SampledBuffer:
        case ImageBuffer:
        case ImageQuery:
        case StorageImageExtendedFormats:
        case StorageImageReadWithoutFormat:
        case StorageImageWriteWithoutFormat:
            return "images are not supported; use storage buffers";
        default:
            return "it is not among those that Repartir allows; docs/gpu.md lists them";
    }
}

/// @return its name; spirv-tools knows it, but tells only in a disassembly.
std::string name_of(spv::Capability capability) {
    const std::array<std::uint32_t, 7> module{
        spv::MagicNumber,
        0x00010500,
        0,
        1,
        0,
        (2U << 16U) | static_cast<std::uint32_t>(spv::Op::OpCapability),
        static_cast<std::uint32_t>(capability)};
    const ToolsContext context(spvContextCreate(SPV_ENV_UNIVERSAL_1_6));
    spv_text told = nullptr;
    spvBinaryToText(context.get(), module.data(), module.size(),
                    SPV_BINARY_TO_TEXT_OPTION_NO_HEADER, &told, nullptr);
    const ToolsText text(told);
    std::string name(text ? std::string_view(text->str, text->length) : std::string_view());
    name.erase(0, std::string_view("OpCapability ").size());
    name.resize(std::min(name.size(), name.find('\n')));
    return name.empty() ? std::to_string(static_cast<std::uint32_t>(capability)) : name;
}

/// Counts what makes validating slow.
class Complexity {
  public:
    Result<void> add(spv::Op op, std::span<const std::uint32_t> words) {
        switch (op) {
            case spv::Op::OpTypeVector:
            case spv::Op::OpTypeMatrix:
            case spv::Op::OpTypeArray:
            case spv::Op::OpTypeRuntimeArray:
                return type(words[1], words.subspan(2, 1));
            case spv::Op::OpTypeStruct:
            case spv::Op::OpTypeFunction:
                return type(words[1], words.subspan(2));
            case spv::Op::OpTypePointer:
                return type(words[1], words.subspan(3));
            case spv::Op::OpEntryPoint:
                return one_more(entry_points_, entry_points_max, "entry points");
            case spv::Op::OpFunction:
                return one_more(functions_, functions_max, "functions");
            case spv::Op::OpLabel:
                return one_more(blocks_, blocks_max, "blocks");
            default:
                return {};
        }
    }

  private:
    struct Weight {
        std::size_t depth = 0;
        std::size_t parts = 1;
    };

    Result<void> type(std::uint32_t id, std::span<const std::uint32_t> components) {
        Weight sum;
        for (const std::uint32_t component : components) {
            const auto found = weights_.find(component);
            const Weight part = found == weights_.end() ? Weight() : found->second;
            sum.depth = std::max(sum.depth, part.depth + 1);
            sum.parts = std::min(sum.parts + part.parts, type_parts_max + 1);
        }
        weights_[id] = sum;
        parts_ += sum.parts;
        if (sum.depth > type_depth_max || parts_ > type_parts_max) {
            return fail(refusal(Code::too_large,
                                "the shader's types have too many parts, or lie too deep in each "
                                "other: " +
                                    std::to_string(type_parts_max) + " in all and " +
                                    std::to_string(type_depth_max) + " deep are the most"));
        }
        return {};
    }

    static Result<void> one_more(std::size_t& count, std::size_t max, std::string_view what) {
        if (++count <= max) {
            return {};
        }
        return fail(refusal(Code::too_large, "the shader has more than " + std::to_string(max) +
                                                 " " + std::string(what)));
    }

    std::unordered_map<std::uint32_t, Weight> weights_;
    std::size_t parts_ = 0;
    std::size_t entry_points_ = 0;
    std::size_t functions_ = 0;
    std::size_t blocks_ = 0;
};

struct Judge {
    Features features;
    Complexity complexity;

    Result<void> operator()(const spv_parsed_instruction_t& instruction) {
        const std::span words(instruction.words, instruction.num_words);
        const auto op = static_cast<spv::Op>(instruction.opcode);
        if (Result<void> fine = complexity.add(op, words); !fine) {
            return fine;
        }
        switch (op) {
            case spv::Op::OpCapability:
                return capability(static_cast<spv::Capability>(words[1]));
            case spv::Op::OpExtension:
                return extension(literal(words.subspan(1)));
            case spv::Op::OpExtInstImport:
                return instruction_set(literal(words.subspan(2)));
            case spv::Op::OpMemoryModel:
                return memory_model(static_cast<spv::AddressingModel>(words[1]));
            case spv::Op::OpEntryPoint:
                return entry_point(static_cast<spv::ExecutionModel>(words[1]),
                                   literal(words.subspan(3)));
            default:
                return {};
        }
    }

    Result<void> capability(spv::Capability asked) {
        const auto* const found =
            std::ranges::find(allowed_capabilities, asked, &Allowed::capability);
        if (found == allowed_capabilities.end()) {
            return fail(refusal(Code::unsupported, "the shader needs the capability " +
                                                       name_of(asked) + ": " +
                                                       std::string(why_not(asked))));
        }
        if (found->needs) {
            features.add(*found->needs);
        }
        return {};
    }

    static Result<void> extension(std::string_view name) {
        if (std::ranges::find(allowed_extensions, name) == allowed_extensions.end()) {
            return fail(refusal(Code::unsupported,
                                "the shader needs the extension " + shown(name) +
                                    ", which is not among those that Repartir allows; docs/gpu.md "
                                    "lists them"));
        }
        return {};
    }

    static Result<void> instruction_set(std::string_view name) {
        if (name != math_set) {
            return fail(refusal(Code::unsupported,
                                "the shader imports the instruction set " + shown(name) +
                                    ", and only " + std::string(math_set) + " is allowed" +
                                    (name.starts_with("NonSemantic.")
                                         ? "; compile it without debug information and printf"
                                         : "")));
        }
        return {};
    }

    static Result<void> memory_model(spv::AddressingModel model) {
        if (model != spv::AddressingModel::Logical) {
            return fail(
                refusal(Code::unsupported, "the shader's addressing model is not Logical: " +
                                               std::string(why_not(Addresses))));
        }
        return {};
    }

    static Result<void> entry_point(spv::ExecutionModel model, std::string_view name) {
        if (model != spv::ExecutionModel::GLCompute) {
            return fail(refusal(Code::unsupported,
                                "the shader's entry point " + shown(name) +
                                    " is for another stage than compute; compile it as a compute "
                                    "shader, alone"));
        }
        return {};
    }
};

}  // namespace

Result<Features> check_allowed(std::span<const std::uint32_t> words) {
    Judge judge;
    if (Result<void> judged = for_each_instruction(words, judge); !judged) {
        return fail(std::move(judged).error());
    }
    return judge.features;
}

}  // namespace repartir::gpu
