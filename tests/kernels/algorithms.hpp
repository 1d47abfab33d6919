// SPDX-License-Identifier: MIT
#pragma once
/// @file algorithms.hpp Kernels as people write them, for the tests.
#include <array>
#include <cstdint>
#include <tuple>

#include "repartir/kernel.hpp"

namespace repartir::gpu::algorithms {

[[nodiscard]] Kernel twice();

/// c = a * b, row by row, n x n, by tiles of 16 x 16.
inline constexpr std::uint32_t tile = 16;
[[nodiscard]] Kernel matmul();

/// Each workgroup adds up 256 numbers.
inline constexpr std::uint32_t reduced = 256;
[[nodiscard]] Kernel reduction();

/// Each workgroup's 128 numbers become their sums so far; the workgroup's sum goes into `totals`.
inline constexpr std::uint32_t scanned = 128;
[[nodiscard]] Kernel scan();
/// Adds to each number what the workgroups before its own added up to.
[[nodiscard]] Kernel scan_offsets();

/// Counts bytes of words, first in workgroup memory.
[[nodiscard]] Kernel histogram();

/// One workgroup transforms 64 complex numbers, by decimation in time.
inline constexpr std::uint32_t fft_size = 64;
[[nodiscard]] Kernel fft();

struct Star {
    std::array<float, 3> position{};
    float mass = 0;
    std::array<float, 3> velocity{};
    std::uint32_t id = 0;
    static constexpr auto gpu_fields =
        std::tuple(&Star::position, &Star::mass, &Star::velocity, &Star::id);
    bool operator==(const Star&) const = default;
};
/// One step of time of every star among the others.
[[nodiscard]] Kernel nbody();

/// The SHA-256 digests of messages of one block, which come padded, as 16 words each.
[[nodiscard]] Kernel sha256();

/// Sums over subgroups, in many ways.
[[nodiscard]] Kernel subgroups();

}  // namespace repartir::gpu::algorithms
