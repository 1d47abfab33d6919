// SPDX-License-Identifier: MIT
#include "repartir/pool.hpp"

#include <utility>

#include "repartir/cpu_executor.hpp"

namespace repartir {
namespace {

std::unexpected<Error> unsupported(const char* sentence) {
    return fail(Error(Domain::scheduler, Code::unsupported, Fault::user, sentence));
}

}  // namespace

Result<Pool> PoolBuilder::build() {
    if (gpu_workers_ != 0) {
        return unsupported(
            "gpu_workers was asked for, but this release has no GPU executor: use 0");
    }
    if (!remote_workers_.empty()) {
        return unsupported(
            "remote_workers were named, but this release has no remote executor: name none");
    }
    if (options_.topology.cpus.empty()) {
        options_.topology = CpuExecutor::this_machine();
    }
    CpuExecutorOptions cpu;
    cpu.topology = options_.topology;
    cpu.slots = program_slots_ != 0 ? program_slots_ : options_.workers;
    if (capture_bytes_ != 0) {
        cpu.capture_bytes = capture_bytes_;
    }
    // The scheduler first: it registers for membarrier, which makes the kernel wait for
    // milliseconds once a process has threads.
    Result<Scheduler> scheduler = Scheduler::create(options_);
    if (!scheduler) {
        return fail(std::move(scheduler).error());
    }
    Result<std::unique_ptr<CpuExecutor>> executor = CpuExecutor::create(std::move(cpu));
    if (!executor) {
        return fail(std::move(executor).error());
    }
    executors_.emplace(executors_.begin(), Backend::cpu, std::move(*executor));
    for (auto& [backend, one] : executors_) {
        if (Result<void> added = scheduler->register_backend(backend, std::move(one)); !added) {
            return fail(std::move(added).error());
        }
    }
    return Pool(std::move(*scheduler));
}

}  // namespace repartir
