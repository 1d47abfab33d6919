// SPDX-License-Identifier: MIT
#pragma once
/// @file ranges.hpp Which parts of a block of memory are free.
#include <cstdint>
#include <map>
#include <optional>

namespace repartir::gpu {

/// The free parts of a block, by best fit; neighbours that are free become one. A value; holds no
/// memory of the block. Source of the policy: P. R. Wilson et al., "Dynamic Storage Allocation: A
/// Survey and Critical Review", IWMM 1995, section 3.4 (best fit, with address-ordered ties).
class Ranges {
  public:
    /// All of `bytes` bytes is free.
    explicit Ranges(std::uint64_t bytes) : bytes_(bytes), free_bytes_(bytes), free_{{0, bytes}} {}

    /// Takes a part. @param alignment of its offset: a power of two
    /// @return its offset; nothing when no free part is large enough
    [[nodiscard]] std::optional<std::uint64_t> take(std::uint64_t bytes, std::uint64_t alignment);
    /// Gives back a part that was taken, whole.
    void give(std::uint64_t offset, std::uint64_t bytes);
    /// @return whether nothing is taken.
    [[nodiscard]] bool unused() const noexcept { return free_bytes_ == bytes_; }
    [[nodiscard]] std::uint64_t free_bytes() const noexcept { return free_bytes_; }

  private:
    std::uint64_t bytes_;
    std::uint64_t free_bytes_;
    std::map<std::uint64_t, std::uint64_t> free_;  ///< offset -> bytes
};

}  // namespace repartir::gpu
