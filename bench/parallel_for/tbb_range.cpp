// SPDX-License-Identifier: MIT
// oneTBB's parallel_for over a blocked_range with the inner loop written out: its fastest form.
#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include "bench/parallel_for/problem.hpp"

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, options.workers);
    tbb::task_arena arena(static_cast<int>(options.workers));
    bench::Report report("parallel_for", "tbb_range", options);
    const auto loop = [&](std::size_t n, const auto& body) {
        arena.execute([&] {
            tbb::parallel_for(tbb::blocked_range<std::size_t>(0, n),
                              [&body](const tbb::blocked_range<std::size_t>& range) {
                                  for (std::size_t i = range.begin(); i != range.end(); ++i) {
                                      body(i);
                                  }
                              });
        });
    };
    return report.finish(bench::parallel_for::measure(options, report, loop));
}
