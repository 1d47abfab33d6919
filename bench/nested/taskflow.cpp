// SPDX-License-Identifier: MIT
// Nested parallelism with Taskflow: loops by coruning an inner flow, groups by TaskGroup.
#include <taskflow/algorithm/for_each.hpp>
#include <taskflow/taskflow.hpp>

#include "bench/nested/problem.hpp"

namespace {

void loops(tf::Executor& executor) {
    tf::Taskflow flow;
    flow.for_each_index(
        std::uint64_t{0}, bench::nested::outer, std::uint64_t{1}, [&executor](std::uint64_t) {
            tf::Taskflow inner;
            inner.for_each_index(std::uint64_t{0}, bench::nested::inner_steps, std::uint64_t{1},
                                 [](std::uint64_t) { bench::tally(1); });
            executor.corun(inner);
        });
    executor.run(flow).wait();
}

void groups(tf::Executor& executor) {
    executor
        .async([&executor] {
            tf::TaskGroup outer = executor.task_group();
            for (std::uint64_t i = 0; i < bench::nested::outer; ++i) {
                outer.silent_async([&executor] {
                    tf::TaskGroup inner = executor.task_group();
                    for (std::uint64_t j = 0; j < bench::nested::inner_tasks; ++j) {
                        inner.silent_async([] { bench::tally(1); });
                    }
                    inner.corun();
                });
            }
            outer.corun();
        })
        .get();
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    tf::Executor executor(options.workers);
    bench::Report report("nested", "taskflow", options);
    return report.finish(bench::nested::measure(
        options, report, [&] { loops(executor); }, [&] { groups(executor); }));
}
