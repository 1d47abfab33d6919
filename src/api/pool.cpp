// SPDX-License-Identifier: MIT
#include "repartir/pool.hpp"

#include <utility>

#include "api/cpu_backend.hpp"
#include "repartir/cpu_executor.hpp"

namespace repartir {
Result<Pool> PoolBuilder::build() {
    for (std::uint32_t i = 0; i < gpu_workers_; ++i) {
        gpus_.emplace_back().device = std::to_string(i);
    }
    if (options_.topology.cpus.empty()) {
        options_.topology = CpuExecutor::this_machine();
    }
    CpuExecutorOptions cpu;
    cpu.topology = options_.topology;
    cpu.slots = program_slots_ != 0 ? program_slots_ : options_.workers;
    if (capture_bytes_ != 0) {
        cpu.capture_bytes = remote_.capture_bytes = capture_bytes_;
    }
    // The scheduler first: it registers for membarrier, which makes the kernel wait for
    // milliseconds once a process has threads.
    Result<Scheduler> scheduler = Scheduler::create(options_);
    if (!scheduler) {
        return fail(std::move(scheduler).error());
    }
    RemoteExecutor* remote = nullptr;
    if (!remote_.workers.empty()) {
        Result<std::unique_ptr<RemoteExecutor>> workers =
            RemoteExecutor::connect(std::move(remote_));
        if (!workers) {
            return fail(std::move(workers).error());
        }
        remote = workers->get();
        executors_.emplace(executors_.begin(), Backend::remote, std::move(*workers));
    }
    for (GpuOptions& options : gpus_) {
        const bool required = options.required;
        Result<std::unique_ptr<GpuExecutor>> gpu = GpuExecutor::create(std::move(options));
        if (!gpu && !required && gpu.error().code() == Code::unsupported) {
            continue;
        }
        if (!gpu) {
            return fail(std::move(gpu).error());
        }
        executors_.emplace_back(Backend::gpu, std::move(*gpu));
    }
    if (local_programs_) {
        Result<std::unique_ptr<CpuExecutor>> executor = CpuExecutor::create(std::move(cpu));
        if (!executor) {
            return fail(std::move(executor).error());
        }
        executors_.emplace(executors_.begin(), Backend::cpu,
                           std::make_unique<detail::CpuBackend>(std::move(*executor)));
    }
    for (auto& [backend, one] : executors_) {
        if (Result<void> added = scheduler->register_backend(backend, std::move(one)); !added) {
            return fail(std::move(added).error());
        }
    }
    return Pool(std::move(*scheduler), remote);
}

Error detail::no_workers_error(std::string_view function) {
    return Error(Domain::function, Code::cannot_schedule, Fault::user,
                 "the function '" + std::string(function) +
                     "' is to run on a worker, but this pool has none: build it with "
                     "remote_workers(\"host:9000\")");
}

Error detail::sealed_buffer_error(std::string_view function) {
    return Error(Domain::function, Code::invalid_argument, Fault::user,
                 "the buffer for what the function '" + std::string(function) +
                     "' gives is sealed, and nobody can write to it: pass one that is not");
}

Error detail::no_room_error(std::uint64_t bytes) {
    return Error(Domain::function, Code::out_of_resources, Fault::system,
                 "there is no memory for what the function gave" +
                     (bytes == 0 ? std::string() : ", " + std::to_string(bytes) + " bytes") +
                     ": free some, or have it write a file");
}

}  // namespace repartir
