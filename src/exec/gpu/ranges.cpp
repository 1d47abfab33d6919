// SPDX-License-Identifier: MIT
#include "exec/gpu/ranges.hpp"

#include <cassert>
#include <iterator>

namespace repartir::gpu {

std::optional<std::uint64_t> Ranges::take(std::uint64_t bytes, std::uint64_t alignment) {
    auto best = free_.end();
    for (auto part = free_.begin(); part != free_.end(); ++part) {
        const std::uint64_t lead = -part->first & (alignment - 1);  // up to an aligned offset
        if (part->second >= bytes && part->second - bytes >= lead &&
            (best == free_.end() || part->second < best->second)) {
            best = part;
        }
    }
    if (best == free_.end()) {
        return std::nullopt;
    }
    const auto [begin, size] = *best;
    const std::uint64_t offset = begin + (-begin & (alignment - 1));
    free_.erase(best);
    if (offset != begin) {
        free_.emplace(begin, offset - begin);
    }
    if (offset + bytes != begin + size) {
        free_.emplace(offset + bytes, begin + size - offset - bytes);
    }
    free_bytes_ -= bytes;
    return offset;
}

void Ranges::give(std::uint64_t offset, std::uint64_t bytes) {
    free_bytes_ += bytes;
    auto after = free_.lower_bound(offset);
    assert(after == free_.end() || offset + bytes <= after->first);
    if (after != free_.end() && offset + bytes == after->first) {
        bytes += after->second;
        after = free_.erase(after);
    }
    if (after != free_.begin()) {
        const auto before = std::prev(after);
        assert(before->first + before->second <= offset);
        if (before->first + before->second == offset) {
            before->second += bytes;
            return;
        }
    }
    free_.emplace_hint(after, offset, bytes);
}

}  // namespace repartir::gpu
