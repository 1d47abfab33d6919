// SPDX-License-Identifier: MIT
#pragma once
/// @file shader_value.hpp What a shader gave, as its client is sent it.
#include <cstdint>
#include <string>
#include <vector>

#include "repartir/detail/remote_call.hpp"
#include "repartir/dispatch.hpp"

namespace repartir::worker {

/// The outputs of a shader task, one after the other. A value; copies share the bytes.
class ShaderValue {
  public:
    ShaderValue() = default;
    explicit ShaderValue(std::vector<gpu::Bytes> buffers);

    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    /// @return a piece, shorter where there is no more; good as long as its owner, or else `room`,
    /// which has a copy of what lies in several buffers.
    [[nodiscard]] detail::Piece read(std::uint64_t offset, std::uint64_t bytes,
                                     std::string& room) const;

  private:
    std::vector<gpu::Bytes> buffers_;
    std::uint64_t size_ = 0;
};

}  // namespace repartir::worker
