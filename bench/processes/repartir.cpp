// SPDX-License-Identifier: MIT
// The same programs through Repartir's public C++ API with its defaults: both streams captured.
// With
// --at they run on one `repartir worker`.
#include <optional>
#include <utility>
#include <vector>

#include "bench/harness/child.hpp"
#include "bench/harness/own_pool.hpp"
#include "bench/processes/problem.hpp"
#include "repartir/pool.hpp"

namespace {

using bench::processes::Command;
using repartir::Outcome;
using repartir::Pending;
using repartir::Pool;
using repartir::Task;

bool well(Pending<Outcome> pending, const Command& command) {
    const repartir::Result<Outcome> outcome = std::move(pending).get();
    return outcome && outcome->ok() && outcome->out.size() == command.bytes;
}

/// Submits all, then takes each result. @return how many ended well.
std::uint64_t run_many(Pool& pool, const Command& command, std::uint64_t count) {
    const Task task = Task::binary(command.program);
    std::vector<Pending<Outcome>> pending;
    pending.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) {
        pending.push_back(pool.submit(task));
    }
    std::uint64_t good = 0;
    for (Pending<Outcome>& one : pending) {
        good += well(std::move(one), command) ? 1 : 0;
    }
    return good;
}

/// One program after the other, each timed from submit to its result.
std::uint64_t run_timed(Pool& pool, const Command& command, std::uint64_t count,
                        std::vector<std::uint64_t>& samples) {
    const Task task = Task::binary(command.program);
    std::uint64_t good = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::uint64_t begin = bench::now_ns();
        good += well(pool.submit(task), command) ? 1 : 0;
        samples.push_back(bench::now_ns() - begin);
    }
    return good;
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    const bench::Ballast ballast(options.ballast_mib);
    const Command command = bench::processes::command_for(options.mode);
    std::optional<bench::Child> worker;
    auto builder = Pool::builder().cpu_workers(1).program_slots(options.workers);
    if (!options.at.empty()) {
        worker.emplace([&](int told) { bench::become_worker(options, told); });
        repartir::RemoteOptions remote;
        remote.workers = {worker->address()};
        remote.security = bench::security(options, "client");
        builder.local_programs(false).remote(std::move(remote));
    }
    Pool pool = bench::own_pool(std::move(builder));
    bench::Report report("processes", "repartir", options);
    const bool correct = bench::processes::measure(
        options, report, [&](std::uint64_t count) { return run_many(pool, command, count); },
        [&](std::uint64_t count, std::vector<std::uint64_t>& samples) {
            return run_timed(pool, command, count, samples);
        });
    return report.finish(correct);
}
