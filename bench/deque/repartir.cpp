// SPDX-License-Identifier: MIT
// The worker's deque by itself, set up as a worker's is: push + pop by its owner (and the same by
// an owner that is alert for ever, as on a machine without a heavy fence), and what a thief on
// another core pays per value when it takes a run of 16 or 64 that were just pushed there in one
// raid, the way the scheduler steals.
#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>

#include "bench/harness/harness.hpp"
#include "repartir/detail/crew.hpp"
#include "sched/futex.hpp"

namespace {

using Deque = repartir::detail::WorkDeque<std::uint64_t>;

constexpr std::uint64_t pairs = 20'000'000;
constexpr std::uint64_t runs = 20'000;
constexpr std::uint32_t as_a_worker = repartir::detail::Worker::alert_pops;

/// @return ns of CPU time per push + pop of one value, over a deque that holds `depth` others.
double push_pop(std::uint64_t depth, std::uint32_t alert_pops, bool& correct) {
    Deque deque(256, alert_pops);
    for (std::uint64_t i = 0; i < depth; ++i) {
        correct = deque.push(i) && correct;
    }
    std::uint64_t sum = 0;
    const std::uint64_t begin = bench::thread_cpu_ns();
    for (std::uint64_t i = 0; i < pairs; ++i) {
        static_cast<void>(deque.push(i));
        sum += deque.pop().value_or(0);
    }
    const auto elapsed = static_cast<double>(bench::thread_cpu_ns() - begin);
    correct = correct && sum == pairs * (pairs - 1) / 2 && deque.size() == depth;
    return elapsed / static_cast<double>(pairs);
}

/// What both sides of the stealing measurement share. The owner publishes how far it has pushed,
/// the thief how far it has stolen; both spin.
struct Exchange {
    explicit Exchange(std::uint64_t length) : run_length(length) {}
    const std::uint64_t run_length;
    Deque deque{256, as_a_worker};
    alignas(128) std::atomic<std::uint64_t> pushed = 0;
    alignas(128) std::atomic<std::uint64_t> stolen = 0;
};

void push_runs(Exchange& exchange) {
    const std::uint64_t run_length = exchange.run_length;
    bench::pin_to(0);
    for (std::uint64_t run = 0; run < runs; ++run) {
        for (std::uint64_t i = 0; i < run_length; ++i) {
            static_cast<void>(exchange.deque.push(run * run_length + i));
        }
        exchange.pushed.store((run + 1) * run_length);
        while (exchange.stolen.load() < (run + 1) * run_length) {}
    }
}

/// @return per run, the ns that its steals took together; checks that values come in order.
std::vector<std::uint64_t> steal_runs(Exchange& exchange, bool& correct) {
    const std::uint64_t run_length = exchange.run_length;
    bench::pin_to(1);
    std::vector<std::uint64_t> samples;
    samples.reserve(runs);
    for (std::uint64_t run = 0; run < runs; ++run) {
        while (exchange.pushed.load() < (run + 1) * run_length) {}
        const std::uint64_t first = run * run_length;
        const std::uint64_t begin = bench::now_ns();
        exchange.deque.begin_raid([] { repartir::sched::FutexAtomics::heavy_fence(); });
        for (std::uint64_t i = 0; i < run_length; ++i) {
            correct = exchange.deque.steal() == first + i && correct;
        }
        exchange.deque.end_raid();
        samples.push_back(bench::now_ns() - begin);
        exchange.stolen.store((run + 1) * run_length);
    }
    return samples;
}

std::vector<std::uint64_t> steals(std::uint64_t run_length, bool& correct) {
    Exchange exchange(run_length);
    std::vector<std::uint64_t> samples;
    {
        // Both in threads of their own: each binds itself to a CPU.
        const std::jthread owner([&] { push_runs(exchange); });
        const std::jthread thief([&] { samples = steal_runs(exchange, correct); });
    }
    return samples;
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    bench::Report report("deque", "repartir", options);
    bool correct = true;
    if (!repartir::sched::FutexAtomics::enable_heavy_fence()) {
        std::fprintf(stderr, "deque: this kernel has no membarrier, which a worker's deque uses\n");
        return 1;
    }
    const double shallow = push_pop(0, as_a_worker, correct);
    const double deep = push_pop(100, as_a_worker, correct);
    const double alert = push_pop(0, 0, correct);
    std::vector<std::uint64_t> runs_of_16 = steals(16, correct);
    std::vector<std::uint64_t> runs_of_64 = steals(64, correct);  // the scheduler's largest batch
    report.add("items", static_cast<double>(pairs));
    report.add("push_pop_ns", shallow < deep ? deep : shallow);  // the worse of the two
    report.add("push_pop_alert_ns", alert);
    report.add("push_pop_empty_ns", shallow).add("push_pop_deep_ns", deep);
    report.add_percentiles("steal_run_of_16", runs_of_16);
    report.add_percentiles("steal_run_of_64", runs_of_64);
    report.add("steal_16_ns", static_cast<double>(bench::quantile(runs_of_16, 0.5)) / 16);
    report.add("steal_64_ns", static_cast<double>(bench::quantile(runs_of_64, 0.5)) / 64);
    return report.finish(correct);
}
