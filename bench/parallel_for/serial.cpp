// SPDX-License-Identifier: MIT
// The plain loop.
#include "bench/parallel_for/problem.hpp"

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    bench::Report report("parallel_for", "serial", options);
    const bool correct =
        bench::parallel_for::measure(options, report, [](std::size_t n, const auto& body) {
            for (std::size_t i = 0; i < n; ++i) {
                body(i);
            }
        });
    return report.finish(correct);
}
