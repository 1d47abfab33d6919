// SPDX-License-Identifier: MIT
// Unbalanced tree search with oneTBB: a task per node, a task_group per inner node.
#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include "bench/uts/problem.hpp"

namespace {

void visit(const bench::uts::Node& node) {
    bench::tally(1);
    const std::uint32_t children = bench::uts::child_count(node);
    if (children == 0) {
        return;
    }
    tbb::task_group group;
    for (std::uint32_t i = 0; i < children; ++i) {
        group.run([next = bench::uts::child(node, i)] { visit(next); });
    }
    group.wait();
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, options.workers);
    tbb::task_arena arena(static_cast<int>(options.workers));
    bench::Report report("uts", "tbb", options);
    return report.finish(
        bench::uts::measure(report, [&] { arena.execute([] { visit(bench::uts::root()); }); }));
}
