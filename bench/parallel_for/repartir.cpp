// SPDX-License-Identifier: MIT
// Pool::parallel_for over indices, its defaults, called by a worker so that the caller is no
// helper.
#include "bench/harness/on_worker.hpp"
#include "bench/harness/own_pool.hpp"
#include "bench/parallel_for/problem.hpp"
#include "repartir/pool.hpp"

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    repartir::Pool pool = bench::own_pool(options);
    bench::Report report("parallel_for", "repartir", options);
    bool done = true;
    const bool correct =
        bench::parallel_for::measure(options, report, [&](std::size_t n, const auto& body) {
            const auto looped =
                bench::on_worker(pool, [&pool, &body, n] { return pool.parallel_for(0, n, body); });
            done = looped.has_value() && done;
        });
    report.add("steals", static_cast<double>(pool.stats().steals));
    return report.finish(correct && done);
}
