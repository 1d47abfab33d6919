// SPDX-License-Identifier: MIT
// Unbalanced tree search with Repartir: a task per node, a TaskGroup per inner node.

#include "bench/harness/on_worker.hpp"
#include "bench/harness/own_pool.hpp"
#include "bench/uts/problem.hpp"
#include "repartir/pool.hpp"
#include "repartir/task_group.hpp"

namespace {

using repartir::Pool;
using repartir::TaskGroup;

void visit(Pool& pool, const bench::uts::Node& node) {
    bench::tally(1);
    const std::uint32_t children = bench::uts::child_count(node);
    if (children == 0) {
        return;
    }
    TaskGroup group(pool);
    for (std::uint32_t i = 0; i < children; ++i) {
        group.run([&pool, next = bench::uts::child(node, i)] { visit(pool, next); });
    }
    static_cast<void>(group.wait());
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    Pool pool = bench::own_pool(options);
    bench::Report report("uts", "repartir", options);
    const bool correct = bench::uts::measure(report, [&pool] {
        static_cast<void>(bench::on_worker(pool, [&pool] { visit(pool, bench::uts::root()); }));
    });
    report.add("steals", static_cast<double>(pool.stats().steals));
    return report.finish(correct);
}
