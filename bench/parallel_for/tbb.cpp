// SPDX-License-Identifier: MIT
// oneTBB's parallel_for over indices, its default (automatic) partitioner.
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include "bench/parallel_for/problem.hpp"

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, options.workers);
    tbb::task_arena arena(static_cast<int>(options.workers));
    bench::Report report("parallel_for", "tbb", options);
    const bool correct =
        bench::parallel_for::measure(options, report, [&](std::size_t n, const auto& body) {
            arena.execute([&] { tbb::parallel_for(std::size_t{0}, n, body); });
        });
    return report.finish(correct);
}
