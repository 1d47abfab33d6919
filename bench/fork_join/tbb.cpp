// SPDX-License-Identifier: MIT
// Fork-join with oneTBB's task_group.
#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include "bench/fork_join/problem.hpp"

namespace {

std::uint64_t fib(std::uint64_t n) {
    if (n < 2) {
        return n;
    }
    std::uint64_t forked = 0;
    tbb::task_group group;
    group.run([&forked, n] { forked = fib(n - 1); });
    const std::uint64_t called = fib(n - 2);
    group.wait();
    return forked + called;
}

void walk(std::uint64_t n) {
    if (n < 2) {
        bench::tally(1);
        return;
    }
    tbb::task_group group;
    group.run([n] { walk(n - 1); });
    walk(n - 2);
    group.wait();
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, options.workers);
    tbb::task_arena arena(static_cast<int>(options.workers));
    bench::Report report("fork_join", "tbb", options);
    const bool correct = bench::fork_join::measure(
        options, report, [&](std::uint64_t n) { return arena.execute([n] { return fib(n); }); },
        [&](std::uint64_t n) { arena.execute([n] { walk(n); }); });
    return report.finish(correct);
}
