// SPDX-License-Identifier: MIT
// Nested parallelism with oneTBB.
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include "bench/nested/problem.hpp"

namespace {

void loops() {
    tbb::parallel_for(std::uint64_t{0}, bench::nested::outer, [](std::uint64_t) {
        tbb::parallel_for(std::uint64_t{0}, bench::nested::inner_steps,
                          [](std::uint64_t) { bench::tally(1); });
    });
}

void groups() {
    tbb::task_group outer;
    for (std::uint64_t i = 0; i < bench::nested::outer; ++i) {
        outer.run([] {
            tbb::task_group inner;
            for (std::uint64_t j = 0; j < bench::nested::inner_tasks; ++j) {
                inner.run([] { bench::tally(1); });
            }
            inner.wait();
        });
    }
    outer.wait();
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, options.workers);
    tbb::task_arena arena(static_cast<int>(options.workers));
    bench::Report report("nested", "tbb", options);
    return report.finish(bench::nested::measure(
        options, report, [&] { arena.execute(loops); }, [&] { arena.execute(groups); }));
}
