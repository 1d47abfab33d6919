// SPDX-License-Identifier: MIT
#pragma once
/// @file fit.hpp Whether a task, a shader and a device fit together.
#include "exec/gpu/kernel/interface.hpp"
#include "repartir/dispatch.hpp"
#include "repartir/gpu.hpp"

namespace repartir::gpu {

/// Holds what a task gives against what its shader takes. Pure.
/// Errors (Domain::gpu): invalid_task; the sentence names the binding, and says what to change.
[[nodiscard]] Result<void> check_arguments(const Interface& shader, const Dispatch& task);

/// Holds what a shader and its task need against what a device has. Pure.
/// Errors (Domain::gpu): unsupported, too_large; the sentence has both numbers.
[[nodiscard]] Result<void> check_device(const Interface& shader, const Dispatch& task,
                                        const DeviceInfo& device, const Features& features);

}  // namespace repartir::gpu
