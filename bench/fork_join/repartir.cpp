// SPDX-License-Identifier: MIT
// Fork-join with Repartir: every spawn is a task in its parent's frame that another worker may
// steal.

#include "bench/fork_join/problem.hpp"
#include "bench/harness/on_worker.hpp"
#include "bench/harness/own_pool.hpp"
#include "repartir/pool.hpp"
#include "repartir/task_group.hpp"

namespace {

using repartir::Pool;
using repartir::Spawned;
using repartir::TaskGroup;

std::uint64_t fib(Pool& pool, std::uint64_t n) {
    if (n < 2) {
        return n;
    }
    std::uint64_t forked = 0;
    TaskGroup group(pool);
    Spawned child([&pool, &forked, n] { forked = fib(pool, n - 1); });
    group.run(child);
    const std::uint64_t called = fib(pool, n - 2);
    const bool joined = group.wait().has_value();
    return joined ? forked + called : 0;
}

void walk(Pool& pool, std::uint64_t n) {
    if (n < 2) {
        bench::tally(1);
        return;
    }
    TaskGroup group(pool);
    Spawned child([&pool, n] { walk(pool, n - 1); });
    group.run(child);
    walk(pool, n - 2);
    static_cast<void>(group.wait());
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    Pool pool = bench::own_pool(options);
    bench::Report report("fork_join", "repartir", options);
    const bool correct = bench::fork_join::measure(
        options, report,
        [&](std::uint64_t n) {
            return bench::on_worker(pool, [&pool, n] { return fib(pool, n); }).value_or(0);
        },
        [&](std::uint64_t n) {
            static_cast<void>(bench::on_worker(pool, [&pool, n] { walk(pool, n); }));
        });
    report.add("steals", static_cast<double>(pool.stats().steals));
    return report.finish(correct);
}
