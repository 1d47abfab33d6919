// SPDX-License-Identifier: MIT
// Fork-join with Taskflow's TaskGroup (Taskflow 4).
#include <taskflow/taskflow.hpp>

#include "bench/fork_join/problem.hpp"

namespace {

std::uint64_t fib(tf::Executor& executor, std::uint64_t n) {
    if (n < 2) {
        return n;
    }
    std::uint64_t forked = 0;
    tf::TaskGroup group = executor.task_group();
    group.silent_async([&executor, &forked, n] { forked = fib(executor, n - 1); });
    const std::uint64_t called = fib(executor, n - 2);
    group.corun();
    return forked + called;
}

void walk(tf::Executor& executor, std::uint64_t n) {
    if (n < 2) {
        bench::tally(1);
        return;
    }
    tf::TaskGroup group = executor.task_group();
    group.silent_async([&executor, n] { walk(executor, n - 1); });
    walk(executor, n - 2);
    group.corun();
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    tf::Executor executor(options.workers);
    bench::Report report("fork_join", "taskflow", options);
    const bool correct = bench::fork_join::measure(
        options, report,
        [&](std::uint64_t n) { return executor.async([&, n] { return fib(executor, n); }).get(); },
        [&](std::uint64_t n) { executor.async([&, n] { walk(executor, n); }).get(); });
    return report.finish(correct);
}
