// SPDX-License-Identifier: MIT
#pragma once
/// @file worker_config.hpp What `repartir worker` was asked for, checked and typed.
#include <chrono>

#include "cli/args.hpp"
#include "repartir/result.hpp"
#include "repartir/worker.hpp"

namespace repartir::cli {

/// How the program runs a worker. A value.
struct WorkerConfig {
    WorkerOptions options;  ///< without its GPUs, its log and other functions
    std::chrono::milliseconds drain_timeout{30'000};
    std::vector<std::string> gpus{"all"};  ///< words for gpu::select; "all"; "none"
    bool gpu_allow_cpu = false;
    bool supervise = false;
    bool print_address = false;
};

/// Checks and types the settings of a worker, wherever they come from. Files and
/// what addresses stand for are looked at when it starts. Errors: invalid_argument, naming the
/// option and what set it
[[nodiscard]] Result<WorkerConfig> read_worker_config(const Parsed& parsed);

}  // namespace repartir::cli
