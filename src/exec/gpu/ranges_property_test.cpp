// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "exec/gpu/ranges.hpp"

namespace repartir::gpu {
namespace {

RC_GTEST_PROP(Ranges, NeverGivesTheSameTwiceAndHealsWhole, ()) {
    struct Part {
        std::uint64_t offset, bytes;
    };
    constexpr std::uint64_t all = 1000;
    Ranges ranges(all);
    std::vector<Part> taken;
    std::uint64_t used = 0;
    const int steps = *rc::gen::inRange(1, 60);
    for (int i = 0; i < steps; ++i) {
        if (!taken.empty() && *rc::gen::inRange(0, 3) == 0) {
            const auto at = *rc::gen::inRange<std::size_t>(0, taken.size());
            ranges.give(taken[at].offset, taken[at].bytes);
            used -= taken[at].bytes;
            taken.erase(taken.begin() + static_cast<std::ptrdiff_t>(at));
            continue;
        }
        const auto bytes = *rc::gen::inRange<std::uint64_t>(1, 200);
        const std::uint64_t alignment = 1U << *rc::gen::inRange(0U, 7U);
        if (const std::optional<std::uint64_t> offset = ranges.take(bytes, alignment)) {
            RC_ASSERT(*offset % alignment == 0 && *offset + bytes <= all);
            for (const Part& part : taken) {
                RC_ASSERT(*offset + bytes <= part.offset || part.offset + part.bytes <= *offset);
            }
            taken.push_back({*offset, bytes});
            used += bytes;
        }
        RC_ASSERT(ranges.free_bytes() == all - used);
    }
    for (const Part& part : taken) {
        ranges.give(part.offset, part.bytes);
    }
    RC_ASSERT(ranges.unused());
    RC_ASSERT(ranges.take(all, 1) == 0U);
}

}  // namespace
}  // namespace repartir::gpu
