// SPDX-License-Identifier: MIT
#pragma once
/// @file refusal.hpp How this room says no.
#include <cstdint>
#include <string>
#include <string_view>

#include "repartir/result.hpp"

namespace repartir::gpu {

/// @return an Error of the shader's author: Domain::gpu, Fault::user.
[[nodiscard]] Error refusal(Code code, std::string sentence);

/// @return a shader's own text for a sentence: quoted with backticks, bytes that do not print as
/// `?`, at most 64 of them.
[[nodiscard]] std::string shown(std::string_view text);

/// @return such as "binding 3 of set 0 (`data`)".
[[nodiscard]] std::string binding_in_words(std::uint32_t set, std::uint32_t binding,
                                           std::string_view name);

}  // namespace repartir::gpu
