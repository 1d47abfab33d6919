// SPDX-License-Identifier: MIT
// A million empty tasks with Taskflow: silent_async from outside, async with a future each,
// TaskGroup.
#include <future>
#include <taskflow/taskflow.hpp>
#include <vector>

#include "bench/empty_tasks/problem.hpp"

namespace {

void outside(tf::Executor& executor, std::uint64_t n) {
    for (std::uint64_t i = 0; i < n; ++i) {
        executor.silent_async([] { bench::tally(1); });
    }
    executor.wait_for_all();
}

void outside_handle(tf::Executor& executor, std::uint64_t n) {
    std::vector<std::future<void>> futures;
    futures.reserve(n);
    for (std::uint64_t i = 0; i < n; ++i) {
        futures.push_back(executor.async([] { bench::tally(1); }));
    }
    for (std::future<void>& future : futures) {
        future.get();
    }
    executor.wait_for_all();
}

void inside(tf::Executor& executor, std::uint64_t n) {
    executor
        .async([&executor, n] {
            tf::TaskGroup group = executor.task_group();
            for (std::uint64_t i = 0; i < n; ++i) {
                group.silent_async([] { bench::tally(1); });
            }
            group.corun();
        })
        .get();
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    tf::Executor executor(options.workers);
    bench::Report report("empty_tasks", "taskflow", options);
    const bool correct = bench::empty_tasks::measure(options, report, [&](std::uint64_t n) {
        if (options.mode == "inside") {
            inside(executor, n);
        } else if (options.mode == "outside_handle") {
            outside_handle(executor, n);
        } else {
            outside(executor, n);
        }
    });
    return report.finish(correct);
}
