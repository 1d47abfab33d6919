// SPDX-License-Identifier: MIT
#include "worker/daemon/shader_value.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace repartir::worker {

ShaderValue::ShaderValue(std::vector<gpu::Bytes> buffers) : buffers_(std::move(buffers)) {
    for (const gpu::Bytes& buffer : buffers_) {
        size_ += buffer.size();
    }
}

detail::Piece ShaderValue::read(std::uint64_t offset, std::uint64_t bytes,
                                std::string& room) const {
    offset = std::min(offset, size_);
    bytes = std::min(bytes, size_ - offset);
    room.clear();
    for (const gpu::Bytes& buffer : buffers_) {
        if (offset >= buffer.size()) {
            offset -= buffer.size();
            continue;
        }
        // SAFETY: bytes may be looked at as characters.
        const std::string_view all(reinterpret_cast<const char*>(buffer.view().data()),
                                   buffer.size());
        const std::string_view piece = all.substr(offset, bytes);
        if (room.empty() && piece.size() == bytes) {
            return {piece, std::make_shared<const gpu::Bytes>(buffer)};  // shared with who sends it
        }
        room += piece;
        bytes -= piece.size();
        offset = 0;
        if (bytes == 0) {
            break;
        }
    }
    return {room, nullptr};
}

}  // namespace repartir::worker
