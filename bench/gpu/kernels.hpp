// SPDX-License-Identifier: MIT
#pragma once
/// @file kernels.hpp Products of matrices, written in C++ (repartir/kernel.hpp). They take a, b, c
/// and the number of rows, a multiple of the square that a workgroup makes.
#include <cstdint>

#include "repartir/kernel.hpp"

namespace bench::gpu {

/// As product.comp: squares of 128, 8 x 8 numbers of it in the registers of each invocation.
inline constexpr std::uint32_t product_square = 128;
[[nodiscard]] repartir::gpu::Kernel product();

/// As docs/kernels.md teaches it: squares of 16, a number for each invocation.
inline constexpr std::uint32_t plain_product_square = 16;
[[nodiscard]] repartir::gpu::Kernel plain_product();

}  // namespace bench::gpu
