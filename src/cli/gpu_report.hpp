// SPDX-License-Identifier: MIT
#pragma once
/// @file gpu_report.hpp What `repartir gpu list` and `repartir info` tell of GPUs.
#include <string>
#include <vector>

#include "cli/json_text.hpp"
#include "repartir/gpu.hpp"

namespace repartir::cli {

/// The GPUs, or why there is none.
using Gpus = Result<std::vector<gpu::DeviceInfo>>;

/// @return for people, a table; or one line that says why there is none.
[[nodiscard]] std::string gpus_text(const Gpus& gpus);
/// @return for people, a line each, as a part of `repartir info`.
[[nodiscard]] std::string gpu_lines(const Gpus& gpus);
/// @return one JSON object and a newline.
[[nodiscard]] std::string gpus_json(const Gpus& gpus);
/// Puts the keys "gpus" and "why_no_gpus" into an object that was begun.
void put_gpus(JsonWriter& json, const Gpus& gpus);

}  // namespace repartir::cli
