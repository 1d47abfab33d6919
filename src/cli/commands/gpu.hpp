// SPDX-License-Identifier: MIT
#pragma once
/// @file gpu.hpp `repartir gpu list`, and the process by which it looks.
#include "cli/args.hpp"
#include "cli/gpu_report.hpp"
#include "repartir/gpu_executor.hpp"

namespace repartir::cli {

/// Looks for GPUs, in a child that runs this program again. @param allow_cpu CPU drivers, too
/// Errors: as gpu::devices_by_child
[[nodiscard]] Gpus find_gpus(bool allow_cpu);
/// @return how the GPU of that name is used, in a process that runs this program again.
[[nodiscard]] GpuOptions gpu_named(std::string_view word, bool allow_cpu);
/// Prints the GPUs. @return the exit code
[[nodiscard]] int gpu_list_command(const Parsed& parsed);
/// That child. Returns only where it was started by somebody else. @return the exit code
[[nodiscard]] int gpu_discovery_command(const Parsed& parsed);
/// The process that hosts a GPU for a pool. Hidden.
[[nodiscard]] int gpu_host_command();

}  // namespace repartir::cli
