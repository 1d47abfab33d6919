// SPDX-License-Identifier: MIT
// Fork and join: a merge sort that forks its left half and sorts its right half itself. A Spawned
// lives in its parent's frame, so that a fork costs nanoseconds and no allocation.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <repartir/repartir.hpp>
#include <span>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t small = 2048;  // below this a fork would cost more than it gains

repartir::Result<void> merge_sort(repartir::Pool& pool, std::span<std::uint64_t> values) {
    if (values.size() <= small) {
        std::sort(values.begin(), values.end());
        return {};
    }
    const std::size_t middle = values.size() / 2;
    repartir::TaskGroup group(pool);
    repartir::Spawned left(
        [&pool, values, middle] { return merge_sort(pool, values.first(middle)); });
    group.run(left);  // another worker may steal it
    const repartir::Result<void> right = merge_sort(pool, values.subspan(middle));
    const repartir::Result<void> joined = group.wait();  // its own error, or one of the left half
    if (!right || !joined) {
        return right ? joined : right;
    }
    std::vector<std::uint64_t> merged(values.size());
    std::merge(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(middle),
               values.begin() + static_cast<std::ptrdiff_t>(middle), values.end(), merged.begin());
    std::copy(merged.begin(), merged.end(), values.begin());
    return {};
}

}  // namespace

int main() {
    auto pool = repartir::Pool::builder().build();
    if (!pool) {
        std::fprintf(stderr, "%s\n", pool.error().describe().c_str());
        return 1;
    }
    std::vector<std::uint64_t> values(500'000);
    std::uint64_t state = 42;
    for (std::uint64_t& value : values) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        value = state >> 33U;
    }
    auto done = pool->submit([&pool, &values] { return merge_sort(*pool, values); });
    if (!std::move(done).get()) {
        return 1;
    }
    std::printf("%zu values, sorted: %s\n", values.size(),
                std::is_sorted(values.begin(), values.end()) ? "yes" : "no");
    return 0;
}
