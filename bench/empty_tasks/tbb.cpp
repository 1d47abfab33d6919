// SPDX-License-Identifier: MIT
// A million empty tasks with oneTBB's task_group, which has no handle per task: one figure for
// both.
//
// The submitting thread of Repartir is no worker, so a fair oneTBB has one thread more than
// --workers: the caller (which helps in wait) and that many workers. Mode `..._tight` drops the
// extra thread.
#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include "bench/empty_tasks/problem.hpp"

namespace {

void run_all(std::uint64_t n) {
    tbb::task_group group;
    for (std::uint64_t i = 0; i < n; ++i) {
        group.run([] { bench::tally(1); });
    }
    group.wait();
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    const bool tight = options.mode.ends_with("_tight") || options.mode == "inside";
    const unsigned threads = options.workers + (tight ? 0U : 1U);
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    tbb::task_arena arena(static_cast<int>(threads));
    bench::Report report("empty_tasks", "tbb", options);
    const bool correct = bench::empty_tasks::measure(
        options, report, [&](std::uint64_t n) { arena.execute([n] { run_all(n); }); });
    return report.finish(correct);
}
