// SPDX-License-Identifier: MIT
// Unbalanced tree search with Taskflow: a task per node, a TaskGroup per inner node.
#include <taskflow/taskflow.hpp>

#include "bench/uts/problem.hpp"

namespace {

void visit(tf::Executor& executor, const bench::uts::Node& node) {
    bench::tally(1);
    const std::uint32_t children = bench::uts::child_count(node);
    if (children == 0) {
        return;
    }
    tf::TaskGroup group = executor.task_group();
    for (std::uint32_t i = 0; i < children; ++i) {
        group.silent_async(
            [&executor, next = bench::uts::child(node, i)] { visit(executor, next); });
    }
    group.corun();
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    tf::Executor executor(options.workers);
    bench::Report report("uts", "taskflow", options);
    return report.finish(bench::uts::measure(
        report, [&] { executor.async([&] { visit(executor, bench::uts::root()); }).get(); }));
}
