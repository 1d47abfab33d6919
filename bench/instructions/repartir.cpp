// SPDX-License-Identifier: MIT
// The fork-join tree and the million empty tasks on a Scheduler alone, for counting instructions:
// valgrind knows no pidfd, which a Pool's CPU executor needs. Modes `fork_join` and `empty_tasks`.
#include <chrono>
#include <cstdio>
#include <utility>

#include "bench/fork_join/problem.hpp"
#include "repartir/function.hpp"
#include "repartir/scheduler.hpp"
#include "repartir/task_group.hpp"

namespace {

using repartir::Spawned;
using repartir::TaskGroup;
using repartir::detail::Crew;

std::uint64_t fib(Crew& crew, std::uint64_t n) {
    if (n < 2) {
        return n;
    }
    std::uint64_t forked = 0;
    TaskGroup group(crew);
    Spawned child([&crew, &forked, n] { forked = fib(crew, n - 1); });
    group.run(child);
    const std::uint64_t called = fib(crew, n - 2);
    const bool joined = group.wait().has_value();
    return joined ? forked + called : 0;
}

std::uint64_t spawn_empty(Crew& crew, std::uint64_t n) {
    TaskGroup group(crew);
    for (std::uint64_t i = 0; i < n; ++i) {
        group.run([] { bench::tally(1); });
    }
    return group.wait().has_value() ? n : 0;
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    repartir::SchedulerOptions wanted;
    wanted.workers = options.workers;
    auto scheduler = repartir::Scheduler::create(wanted);
    if (!scheduler) {
        std::fprintf(stderr, "%s\n", scheduler.error().describe().c_str());
        return 1;
    }
    Crew& crew = scheduler->crew();
    const std::uint64_t n = options.count;
    const bool tree = options.mode == "fork_join";
    auto pending = repartir::detail::submit_function(
        crew, [&crew, n, tree] { return tree ? fib(crew, n) : spawn_empty(crew, n); },
        repartir::Priority::normal);
    pending.wait_for(std::chrono::hours(1));  // starts nothing on this thread
    const std::uint64_t result = std::move(pending).get().value_or(0);
    bench::Report report("instructions", "repartir", options);
    report.add("items", static_cast<double>(tree ? bench::fork_join::spawns(n) : n));
    const bool correct =
        tree ? result == bench::fork_join::expected(n) : result == n && bench::take_tally() == n;
    return report.finish(correct);
}
