// SPDX-License-Identifier: MIT
// A recorded kernel out of any bytes is refused with a sentence; or its bytes say it again, it
// becomes valid SPIR-V, and runs on the CPU within its buffers, to an end.
#include <cstdint>
#include <spirv-tools/libspirv.hpp>
#include <string>
#include <vector>

#include "check.hpp"
#include "exec/gpu/dsl/emit.hpp"
#include "exec/gpu/dsl/ir.hpp"
#include "exec/gpu/dsl/machine.hpp"
#include "repartir/kernel.hpp"

namespace {

using repartir::fuzz::check;
namespace gpu = repartir::gpu;
namespace dsl = repartir::gpu::dsl;

/// Larger kernels take long and show nothing more.
constexpr std::size_t values_max = 20000;
constexpr std::size_t bytes_max = std::size_t{1} << 26U;

void check_spirv(const gpu::Kernel& kernel) {
    check(!kernel.spirv().empty());
    const spvtools::SpirvTools tools(SPV_ENV_VULKAN_1_2);
    check(tools.Validate(kernel.spirv().data(), kernel.spirv().size()));
}

void run(const gpu::Kernel& kernel) {
    const gpu::KernelInterface& interface = kernel.interface();
    // each on the heap, of just its size: what goes beyond it is found out
    std::vector<std::vector<std::uint64_t>> memory(interface.buffers.size());
    gpu::CpuRun run{.workgroups = {2, 1, 1}, .rounds_max = 100};
    for (std::size_t i = 0; i < memory.size(); ++i) {
        memory[i].assign(i * 3 % 8, 0x0102030405060708U * i);
        run.buffers.emplace_back(memory[i]);
    }
    run.push_constants.resize(interface.push_constant_bytes);
    if (const auto ran = run_on_cpu(kernel, run); !ran) {
        using repartir::Code;
        check(ran.error().code() == Code::timed_out || ran.error().code() == Code::invalid_task);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto module = dsl::decode(repartir::fuzz::text_of(data, size));
    if (!module) {
        check(!module.error().sentence().contains('\n'));
        return 0;
    }
    check(dsl::decode(dsl::encode(*module)) == *module);
    const auto outline = dsl::outline(*module);
    if (!outline) {
        check(!outline.error().sentence().contains('\n'));
        return 0;
    }
    if (outline->types.size() > values_max) {
        return 0;
    }
    const gpu::Kernel kernel = dsl::compiled("fuzzed", *module);
    check(kernel.error() == nullptr);
    check(static_cast<bool>(dsl::outline(dsl::tidied(*module))));
    check_spirv(kernel);
    if (dsl::bytes_needed(kernel.body()) < bytes_max) {
        run(kernel);
    }
    return 0;
}
