// SPDX-License-Identifier: MIT
// Many function calls at once: map gives the results in the order of the inputs, parallel_for fills
// an array in place.
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <numeric>
#include <repartir/repartir.hpp>
#include <string>
#include <utility>
#include <vector>

int main() {
    auto pool = repartir::Pool::builder().build();
    if (!pool) {
        std::fprintf(stderr, "%s\n", pool.error().describe().c_str());
        return 1;
    }
    // map: the Pending owns the inputs until all of them are done.
    const std::vector<std::string> texts = {"one", "three", "seventeen", "four"};
    auto lengths = pool->map(texts, [](const std::string& text) { return text.size(); });
    const auto counted = std::move(lengths).get();
    if (!counted) {
        std::fprintf(stderr, "%s\n", counted.error().describe().c_str());
        return 1;
    }
    for (std::size_t i = 0; i < texts.size(); ++i) {
        std::printf("%s has %zu letters\n", texts[i].c_str(), (*counted)[i]);
    }

    // parallel_for: blocks until every index was done; each index writes to a place of its own.
    constexpr std::size_t steps = 1'000'000;
    std::vector<double> heights(steps);
    const auto filled = pool->parallel_for(0, steps, [&heights](std::size_t i) {
        const double x = (static_cast<double>(i) + 0.5) / steps;
        heights[i] = std::sqrt(1.0 - x * x);
    });
    if (!filled) {
        return 1;
    }
    const double area = std::accumulate(heights.begin(), heights.end(), 0.0) / steps;
    std::printf("pi is about %.6f\n", 4.0 * area);
    return 0;
}
