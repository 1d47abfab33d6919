// SPDX-License-Identifier: MIT
#pragma once
/// @file shader_report.hpp What `repartir gpu validate` tells of a shader.
#include <string>
#include <string_view>

#include "exec/gpu/kernel/compile.hpp"

namespace repartir::cli {

/// @return for people: what its entry point asks for.
[[nodiscard]] std::string shader_text(std::string_view file, const gpu::Interface& interface);
/// @return one JSON object and a newline: the interface, or the error.
[[nodiscard]] std::string shader_json(std::string_view file, const Result<gpu::Compiled>& compiled);

}  // namespace repartir::cli
