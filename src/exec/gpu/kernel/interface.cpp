// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/interface.hpp"

namespace repartir::gpu {
namespace {

constexpr std::array<std::string_view, feature_count> feature_names{
    "float16",
    "float64",
    "int8",
    "int16",
    "int64",
    "buffer_atomics_int64",
    "shared_atomics_int64",
    "memory_model",
    "memory_model_device_scope",
    "storage_8bit",
    "storage_16bit",
    "uniform_8bit",
    "uniform_16bit",
    "push_constant_8bit",
    "push_constant_16bit",
    "subgroup_basic",
    "subgroup_vote",
    "subgroup_arithmetic",
    "subgroup_ballot",
    "subgroup_shuffle",
    "subgroup_shuffle_relative",
    "subgroup_clustered",
    "subgroup_quad",
    "scalar_layout",
    "local_size_id",
    "vulkan_1_3",
};
static_assert(!feature_names.back().empty());

constexpr std::array<std::string_view, 12> scalar_names{
    "bool",  "int8",   "uint8",   "int16", "uint16", "float16",
    "int32", "uint32", "float32", "int64", "uint64", "float64",
};

}  // namespace

std::string_view to_string(Feature feature) noexcept {
    return feature_names.at(static_cast<std::size_t>(feature));
}

std::string_view to_string(BindingKind kind) noexcept {
    return kind == BindingKind::storage ? "storage" : "uniform";
}

std::string_view to_string(ScalarType type) noexcept {
    return scalar_names.at(static_cast<std::size_t>(type));
}

}  // namespace repartir::gpu
