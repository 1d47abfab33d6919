// SPDX-License-Identifier: MIT
// Waking a Pool's workers, and watching the pool sleep.
#include <atomic>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "bench/harness/own_pool.hpp"
#include "bench/wake/problem.hpp"
#include "repartir/pool.hpp"

namespace {

using repartir::Pool;
using repartir::Task;

bool measure_latency(Pool& pool, bench::Report& report) {
    std::vector<std::uint64_t> samples;
    for (std::uint64_t i = 0; i < bench::wake::samples; ++i) {
        std::this_thread::sleep_for(std::chrono::microseconds(bench::wake::pause_us));
        std::atomic<std::uint64_t> started = 0;
        const std::uint64_t begin = bench::now_ns();
        auto pending = pool.submit([&started] { started.store(bench::now_ns()); });
        while (started.load() == 0) {}
        samples.push_back(started.load() - begin);
        static_cast<void>(std::move(pending).get());
    }
    report.add("items", static_cast<double>(samples.size()));
    report.add_percentiles("wake", samples);
    return samples.size() == bench::wake::samples;
}

/// Has every thread of the pool work once, then watches it do nothing.
bool measure_idle(Pool& pool, const bench::Options& options, bench::Report& report) {
    bool correct = pool.parallel_for(0, 100'000, [](std::size_t) { bench::tally(1); }).has_value();
    correct = correct && bench::take_tally() == 100'000;
    for (int i = 0; i < 4; ++i) {
        const auto outcome = pool.submit(Task::binary("/bin/true")).get();
        correct = correct && outcome && outcome->ok();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    const bench::Activity before = bench::other_threads_activity();
    std::this_thread::sleep_for(std::chrono::seconds(options.seconds));
    const bench::Activity after = bench::other_threads_activity();
    report.add("idle_cpu_ns", static_cast<double>(after.cpu_ns - before.cpu_ns));
    report.add("idle_context_switches",
               static_cast<double>(after.context_switches - before.context_switches));
    return correct;
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    Pool pool = bench::own_pool(options);
    bench::Report report("wake", "repartir", options);
    const bool correct = options.mode == "idle" ? measure_idle(pool, options, report)
                                                : measure_latency(pool, report);
    return report.finish(correct);
}
