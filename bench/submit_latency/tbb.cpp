// SPDX-License-Identifier: MIT
// The same with oneTBB's task_group: the caller and one worker in an arena; modes awake and parked.
#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "bench/submit_latency/problem.hpp"

namespace {

/// Runs one empty task, timing run(), and waits on a flag so that the worker executes it.
std::uint64_t run_one(tbb::task_group& group) {
    std::atomic<bool> done = false;
    const std::uint64_t begin = bench::now_ns();
    group.run([&done] { done.store(true); });
    const std::uint64_t elapsed = bench::now_ns() - begin;
    while (!done.load()) {}
    return elapsed;
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    const unsigned threads = options.workers + 1;
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    tbb::task_arena arena(static_cast<int>(threads));
    const std::uint64_t count = bench::submit_latency::count_for(options);
    std::vector<std::uint64_t> samples;
    samples.reserve(count);
    arena.execute([&] {
        tbb::task_group group;
        for (std::uint64_t i = 0; i < bench::submit_latency::warm_up; ++i) {
            static_cast<void>(run_one(group));
        }
        for (std::uint64_t i = 0; i < count; ++i) {
            if (options.mode == "parked") {
                std::this_thread::sleep_for(
                    std::chrono::microseconds(bench::submit_latency::pause_parked_us));
            }
            samples.push_back(run_one(group));
        }
        group.wait();
    });
    bench::Report report("submit_latency", "tbb", options);
    report.add("items", static_cast<double>(count));
    report.add("clock_ns", bench::submit_latency::clock_cost_ns());
    report.add_percentiles("submit", samples);
    return report.finish(samples.size() == count);
}
