// SPDX-License-Identifier: MIT
#pragma once
/// @file compile.hpp From a Shader in any language to checked SPIR-V.
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "exec/gpu/kernel/constants.hpp"
#include "exec/gpu/kernel/interface.hpp"
#include "repartir/result.hpp"
#include "repartir/shader.hpp"

namespace repartir::gpu {

/// A module that passed inspect(), with the values of its constants in it.
struct Compiled {
    std::vector<std::uint32_t> words;
    Interface interface;
};

/// Compiles and checks one entry point; empty: the only one. Pure: the same input gives the same
/// words. Any thread. Takes milliseconds, GLSL 0.1 s unless somebody holds GlslTables.
/// Errors (Domain::gpu, Fault::user unless memory is short): malformed (does not compile, is no
/// SPIR-V), unsupported, too_large, not_found (entry point, constant), invalid_argument (no shader;
/// a constant's value), out_of_resources. The sentence begins with the name of a shader's file.
[[nodiscard]] Result<Compiled> compile(const Shader& shader, std::string_view entry,
                                       std::span<const NamedConstant> constants = {});

}  // namespace repartir::gpu
