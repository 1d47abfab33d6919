// SPDX-License-Identifier: MIT
#pragma once
/// @file gpu_buffers.hpp The buffers of `repartir gpu run`: from files, and into files.
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/npy.hpp"
#include "repartir/dispatch.hpp"
#include "repartir/shared_buffer.hpp"

namespace repartir::cli {

/// What a command line says of one buffer.
struct BufferSpec {
    gpu::BufferUse use = gpu::BufferUse::in;
    std::string from{};  ///< in, in_out: a file; "-": standard input
    std::string into{};  ///< out, in_out: a file; empty: standard output
    std::optional<ArrayType>
        type{};               ///< of out: what is in it, where that is told; of a .npy: its own
    std::uint64_t bytes = 0;  ///< of out
};

/// Reads what --in (FILE), --out (SIZE[:FILE], SIZE a number of bytes or such as float32x64x64) or
/// --inout (FILE[:FILE]) says. Errors: invalid_argument.
[[nodiscard]] Result<BufferSpec> parse_buffer(gpu::BufferUse use, std::string_view text);

/// Reads TYPE:VALUE, such as f32:0.5, and appends it as the next member of the push constants.
/// Errors: invalid_argument.
[[nodiscard]] Result<void> append_push(std::string_view text, std::vector<std::byte>& push);

/// Reads the file that the buffer comes from; of a .npy file only the values, and spec.type is set.
/// Errors: not_found, permission_denied, io_error, out_of_resources, and those of read_npy_header.
[[nodiscard]] Result<SharedBuffer> load_buffer(BufferSpec& spec);

/// Writes what came out to spec.into: as .npy where its name ends so; to standard output as text
/// where its type was told, else as bytes. Errors: io_error, permission_denied, not_found.
[[nodiscard]] Result<void> store_buffer(const BufferSpec& spec, std::span<const std::byte> data);

}  // namespace repartir::cli
