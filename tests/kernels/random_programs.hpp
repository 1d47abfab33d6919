// SPDX-License-Identifier: MIT
#pragma once
/// @file random_programs.hpp Kernels that nobody would write, of a seed.
#include <cstdint>

#include "exec/gpu/dsl/ir.hpp"

namespace repartir::gpu {

/// @return a module over three buffers (in: uint, out: uint, in and out: int) and one parameter,
/// which ends and whose invocations do not race. Whole numbers and bools only: those are equal bit
/// by bit everywhere.
[[nodiscard]] dsl::Module random_program(std::uint64_t seed);

}  // namespace repartir::gpu
