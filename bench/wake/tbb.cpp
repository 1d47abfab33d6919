// SPDX-License-Identifier: MIT
// Waking oneTBB's workers with a task of a task_group; the caller only spins on the task's flag.
#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "bench/wake/problem.hpp"

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    const unsigned threads = options.workers + 1;
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    tbb::task_arena arena(static_cast<int>(threads));
    std::vector<std::uint64_t> samples;
    arena.execute([&samples] {
        tbb::task_group group;
        for (std::uint64_t i = 0; i < bench::wake::samples; ++i) {
            std::this_thread::sleep_for(std::chrono::microseconds(bench::wake::pause_us));
            std::atomic<std::uint64_t> started = 0;
            const std::uint64_t begin = bench::now_ns();
            group.run([&started] { started.store(bench::now_ns()); });
            while (started.load() == 0) {}
            samples.push_back(started.load() - begin);
        }
        group.wait();
    });
    bench::Report report("wake", "tbb", options);
    report.add("items", static_cast<double>(samples.size()));
    report.add_percentiles("wake", samples);
    return report.finish(samples.size() == bench::wake::samples);
}
