// SPDX-License-Identifier: MIT
// Submitting to a Pool from a thread that is no worker.
#include <chrono>
#include <string_view>
#include <thread>
#include <utility>

#include "bench/harness/own_pool.hpp"
#include "bench/submit_latency/problem.hpp"
#include "repartir/pool.hpp"

namespace {

using repartir::Pool;

/// What one submission came to.
struct Sample {
    std::uint64_t submit_ns = 0;  ///< the call of submit
    std::uint64_t result_ns = 0;  ///< from before submit until the result is there
    bool elsewhere = false;       ///< a worker ran it, not the caller
};

/// Submits one function; `take_at_once` calls get() right away, otherwise the caller spins on
/// ready().
Sample run_one(Pool& pool, bool take_at_once) {
    Sample sample;
    const std::uint64_t begin = bench::now_ns();
    auto pending = pool.submit([] { return Pool::on_pool_thread(); });
    sample.submit_ns = bench::now_ns() - begin;
    while (!take_at_once && !pending.ready()) {}
    if (!take_at_once) {
        sample.result_ns = bench::now_ns() - begin;
    }
    const repartir::Result<bool> elsewhere = std::move(pending).get();
    if (take_at_once) {
        sample.result_ns = bench::now_ns() - begin;
    }
    sample.elsewhere = elsewhere.value_or(false);
    return sample;
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    Pool pool = bench::own_pool(options);
    const std::uint64_t count = bench::submit_latency::count_for(options);
    const bool at_once = options.mode == "inline";
    std::vector<std::uint64_t> submits;
    std::vector<std::uint64_t> results;
    submits.reserve(count);
    results.reserve(count);
    for (std::uint64_t i = 0; i < bench::submit_latency::warm_up; ++i) {
        static_cast<void>(run_one(pool, at_once));
    }
    std::uint64_t inline_count = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        if (options.mode == "parked") {
            std::this_thread::sleep_for(
                std::chrono::microseconds(bench::submit_latency::pause_parked_us));
        }
        const Sample sample = run_one(pool, at_once);
        submits.push_back(sample.submit_ns);
        results.push_back(sample.result_ns);
        inline_count += sample.elsewhere ? 0 : 1;
    }
    bench::Report report("submit_latency", "repartir", options);
    report.add("items", static_cast<double>(count));
    report.add("clock_ns", bench::submit_latency::clock_cost_ns());
    report.add("inline_share", static_cast<double>(inline_count) / static_cast<double>(count));
    report.add_percentiles("submit", submits).add_percentiles("result", results);
    return report.finish(at_once || inline_count == 0);
}
