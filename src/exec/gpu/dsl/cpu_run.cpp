// SPDX-License-Identifier: MIT
// What is asked of run_on_cpu(), checked against the kernel.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "exec/gpu/dsl/machine.hpp"
#include "repartir/kernel.hpp"

namespace repartir::gpu {
namespace {

Result<void> unfit(const Kernel& kernel, const std::string& why) {
    return fail(Error(Domain::gpu, Code::invalid_task, Fault::user,
                      "the kernel \"" + kernel.name() + "\" cannot run: " + why));
}

Result<void> check_buffers(const Kernel& kernel, const CpuRun& run) {
    const auto& buffers = kernel.interface().buffers;
    if (run.buffers.size() != buffers.size()) {
        return unfit(kernel, "it takes " + std::to_string(buffers.size()) +
                                 " buffers and is given " + std::to_string(run.buffers.size()));
    }
    for (std::size_t i = 0; i < buffers.size(); ++i) {
        const HostBuffer& given = run.buffers[i];
        const std::string name = "buffer " + std::to_string(i);
        if (buffers[i].access != BufferAccess::in && !given.writable()) {
            return unfit(kernel, name + " is written by it, and const");
        }
        const std::size_t alignment = bytes_of(kernel.body().module.objects[i].type);
        // SAFETY: the address as a number, only to look at its low bits
        if (reinterpret_cast<std::uintptr_t>(given.data()) % alignment != 0) {
            return unfit(kernel, name + " does not begin at a multiple of " +
                                     std::to_string(alignment) + " bytes");
        }
    }
    return {};
}

Result<void> check_numbers(const Kernel& kernel, const CpuRun& run) {
    const KernelInterface& interface = kernel.interface();
    if (run.push_constants.size() != interface.push_constant_bytes) {
        return unfit(kernel, "its parameters by value take " +
                                 std::to_string(interface.push_constant_bytes) +
                                 " bytes and are given " +
                                 std::to_string(run.push_constants.size()) +
                                 "; gpu::push_constants makes them");
    }
    for (const ConstantSetting& value : run.constants) {
        const auto constant =
            std::ranges::find(interface.constants, value.name, &KernelConstant::name);
        if (constant == interface.constants.end()) {
            return unfit(kernel, "it has no constant \"" + value.name + "\"");
        }
        if (constant->type != value.type) {
            return unfit(kernel, "its constant \"" + value.name + "\" is of type " +
                                     std::string(to_string(constant->type)) + ", not " +
                                     std::string(to_string(value.type)));
        }
    }
    if (!std::has_single_bit(run.subgroup_size) || run.subgroup_size > 128) {
        return unfit(kernel, "a subgroup has 1, 2, 4, ... or 128 invocations, not " +
                                 std::to_string(run.subgroup_size));
    }
    return {};
}

/// @return how many workgroups there are; at most 2^64 - 1.
std::uint64_t workgroups_of(const CpuRun& run) {
    std::uint64_t all = std::uint64_t{run.workgroups[0]} * run.workgroups[1];
    return __builtin_mul_overflow(all, run.workgroups[2], &all) ? ~std::uint64_t{0} : all;
}

}  // namespace

Result<void> run_on_cpu(const Kernel& kernel, const CpuRun& run) {
    if (kernel.error() != nullptr) {
        return fail(*kernel.error());
    }
    if (Result<void> fits = check_buffers(kernel, run); !fits) {
        return fits;
    }
    if (Result<void> fits = check_numbers(kernel, run); !fits) {
        return fits;
    }
    if (dsl::bytes_needed(kernel.body()) > dsl::cpu_bytes_max) {
        return fail(
            Error(Domain::gpu, Code::too_large, Fault::user,
                  "the kernel \"" + kernel.name() +
                      "\" is too large for the CPU: its "
                      "values take more than 1 GiB for each workgroup; make those smaller"));
    }
    const std::uint64_t all = workgroups_of(run);
    const std::uint64_t first = std::min(run.first, all);
    const std::uint64_t count = std::min(run.count, all - first);
    if (count == 0) {
        return {};
    }
    dsl::Interpreter interpreter(kernel.body(), run);
    for (std::uint64_t i = 0; i < count; ++i) {
        if (Result<void> done = interpreter.workgroup(first + i); !done) {
            return done;
        }
    }
    return {};
}

}  // namespace repartir::gpu
