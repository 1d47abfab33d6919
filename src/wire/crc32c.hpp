// SPDX-License-Identifier: MIT
#pragma once
/// @file crc32c.hpp The checksum of frames: CRC-32C, G. Castagnoli et al., IEEE Trans. Comm. 41(6),
/// 1993; reflected polynomial 0x82F63B78, as RFC 3720 appendix B.4 has it.
#include <cstdint>
#include <string_view>

namespace repartir::wire {

/// @return the checksum of `bytes` behind what had the checksum `before` (0: nothing). Any thread.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0) noexcept;

/// As above, by table: where the processor has no instruction for it, and to check that one.
[[nodiscard]] std::uint32_t crc32c_by_table(std::string_view bytes,
                                            std::uint32_t before = 0) noexcept;

}  // namespace repartir::wire
