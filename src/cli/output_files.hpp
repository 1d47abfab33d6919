// SPDX-License-Identifier: MIT
#pragma once
/// @file output_files.hpp What a worker's program wrote, for --output-dir.
#include "cli/delivery.hpp"
#include "repartir/result.hpp"

namespace repartir::cli {

/// In a run on workers: writes what was captured of a task that is done to its files, and leaves
/// its outcome without it, as if the program had written them itself. Errors: io_error, naming the
/// file
[[nodiscard]] Result<void> keep_output(const RunConfig& config, Done& done);

}  // namespace repartir::cli
