// SPDX-License-Identifier: MIT
#pragma once
/// @file fold.hpp The values of scalar constants.
#include <cstdint>
#include <optional>
#include <span>

#include "exec/gpu/kernel/module.hpp"

namespace repartir::gpu {

/// @return the scalar constant that an instruction declares, with the values of those before it;
/// nothing: it declares none, or one by an operation that is not followed (those of floats, and
/// those that no array's length needs).
[[nodiscard]] std::optional<ConstantValue> fold(const Module& module, spv::Op op,
                                                std::span<const std::uint32_t> words);

}  // namespace repartir::gpu
