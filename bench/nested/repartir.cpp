// SPDX-License-Identifier: MIT
// Nested parallelism with Repartir.
#include <cstddef>

#include "bench/harness/on_worker.hpp"
#include "bench/harness/own_pool.hpp"
#include "bench/nested/problem.hpp"
#include "repartir/pool.hpp"
#include "repartir/task_group.hpp"

namespace {

using repartir::Pool;
using repartir::TaskGroup;

void loops(Pool& pool) {
    static_cast<void>(pool.parallel_for(0, bench::nested::outer, [&pool](std::size_t) {
        static_cast<void>(
            pool.parallel_for(0, bench::nested::inner_steps, [](std::size_t) { bench::tally(1); }));
    }));
}

void groups(Pool& pool) {
    TaskGroup outer(pool);
    for (std::uint64_t i = 0; i < bench::nested::outer; ++i) {
        outer.run([&pool] {
            TaskGroup inner(pool);
            for (std::uint64_t j = 0; j < bench::nested::inner_tasks; ++j) {
                inner.run([] { bench::tally(1); });
            }
            static_cast<void>(inner.wait());
        });
    }
    static_cast<void>(outer.wait());
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    Pool pool = bench::own_pool(options);
    bench::Report report("nested", "repartir", options);
    const bool correct = bench::nested::measure(
        options, report,
        [&pool] { static_cast<void>(bench::on_worker(pool, [&pool] { loops(pool); })); },
        [&pool] { static_cast<void>(bench::on_worker(pool, [&pool] { groups(pool); })); });
    report.add("steals", static_cast<double>(pool.stats().steals));
    return report.finish(correct);
}
