// SPDX-License-Identifier: MIT
// Loops in loops, for scale.
#include "bench/nested/problem.hpp"

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    bench::Report report("nested", "serial", options);
    const auto walk = [](std::uint64_t inner) {
        for (std::uint64_t i = 0; i < bench::nested::outer; ++i) {
            for (std::uint64_t j = 0; j < inner; ++j) {
                bench::tally(1);
            }
        }
    };
    return report.finish(bench::nested::measure(
        options, report, [&] { walk(bench::nested::inner_steps); },
        [&] { walk(bench::nested::inner_tasks); }));
}
