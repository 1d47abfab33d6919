// SPDX-License-Identifier: MIT
// What 100,000 queued programs cost beyond their own strings, their Pendings included: heap in use
// by mallinfo2, and resident memory for comparison. One program that sleeps holds the only slot.
#include <malloc.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "bench/harness/harness.hpp"
#include "bench/harness/own_pool.hpp"
#include "repartir/pool.hpp"

namespace {

using repartir::Outcome;
using repartir::Pending;
using repartir::Pool;
using repartir::Task;

constexpr std::uint64_t default_count = 100'000;

std::uint64_t heap_bytes() {
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

std::uint64_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t total = 0;
    std::uint64_t resident = 0;
    statm >> total >> resident;
    return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

Task simulation(std::uint64_t i) {
    return Task::binary("./simulate", "--input",
                        "data/measurement-" + std::to_string(1'000'000 + i), "--seed",
                        std::to_string(i));
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    const std::uint64_t count = options.count == 0 ? default_count : options.count;
    Pool pool = bench::own_pool(Pool::builder().cpu_workers(1).program_slots(1));
    Pending<Outcome> blocker = pool.submit(Task::binary("/bin/sleep", "1000"));
    std::vector<Pending<Outcome>> pending;
    pending.reserve(count);
    std::uint64_t strings = 0;
    const std::uint64_t heap_before = heap_bytes();
    const std::uint64_t resident_before = resident_bytes();
    for (std::uint64_t i = 0; i < count; ++i) {
        Task task = simulation(i);
        strings += task.program().packed().size();
        pending.push_back(pool.submit(std::move(task)));
    }
    const std::uint64_t heap = heap_bytes() - heap_before + count * sizeof(Pending<Outcome>);
    const std::uint64_t resident = resident_bytes() - resident_before;
    const auto queued = pool.stats().tasks_queued;
    const auto each = [count](std::uint64_t bytes) {
        return static_cast<double>(bytes) / static_cast<double>(count);
    };
    bench::Report report("queued_memory", "repartir", options);
    report.add("items", static_cast<double>(count));
    report.add("bytes_per_task", each(heap) - each(strings));
    report.add("heap_bytes_per_task", each(heap));
    report.add("resident_bytes_per_task", each(resident));
    report.add("string_bytes_per_task", each(strings));
    pending.clear();
    std::move(blocker).cancel();
    const bool stopped = pool.shutdown(repartir::Shutdown::cancel).has_value();
    return report.finish(stopped && queued == count);
}
