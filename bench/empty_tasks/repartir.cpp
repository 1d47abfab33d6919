// SPDX-License-Identifier: MIT
// A million empty tasks with Repartir: `outside` uses a TaskGroup on a thread that is no worker,
// `outside_detached` submit(...).detach(), `outside_handle` keeps a Pending each and takes all,
// `inside` a TaskGroup in a running function.
#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "bench/empty_tasks/problem.hpp"
#include "bench/harness/on_worker.hpp"
#include "bench/harness/own_pool.hpp"
#include "repartir/pool.hpp"
#include "repartir/task_group.hpp"

namespace {

using repartir::Pending;
using repartir::Pool;
using repartir::TaskGroup;

void with_group(Pool& pool, std::uint64_t n) {
    TaskGroup group(pool);
    for (std::uint64_t i = 0; i < n; ++i) {
        group.run([] { bench::tally(1); });
    }
    static_cast<void>(group.wait());
}

void detached(Pool& pool, std::uint64_t n) {
    std::atomic<std::uint64_t> ended = 0;
    for (std::uint64_t i = 0; i < n; ++i) {
        pool.submit([&ended] {
                bench::tally(1);
                ended.fetch_add(1);
            })
            .detach();
    }
    while (ended.load() < n) {
        std::this_thread::yield();
    }
}

void with_handles(Pool& pool, std::uint64_t n) {
    std::vector<Pending<void>> handles;
    handles.reserve(n);
    for (std::uint64_t i = 0; i < n; ++i) {
        handles.push_back(pool.submit([] { bench::tally(1); }));
    }
    for (Pending<void>& handle : handles) {
        static_cast<void>(std::move(handle).get());
    }
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    Pool pool = bench::own_pool(options);
    bench::Report report("empty_tasks", "repartir", options);
    const bool correct = bench::empty_tasks::measure(options, report, [&](std::uint64_t n) {
        if (options.mode == "inside") {
            static_cast<void>(bench::on_worker(pool, [&pool, n] { with_group(pool, n); }));
        } else if (options.mode == "outside_handle") {
            with_handles(pool, n);
        } else if (options.mode == "outside_detached") {
            detached(pool, n);
        } else {
            with_group(pool, n);
        }
    });
    report.add("steals", static_cast<double>(pool.stats().steals));
    return report.finish(correct);
}
