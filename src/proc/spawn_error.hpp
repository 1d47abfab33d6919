// SPDX-License-Identifier: MIT
#pragma once
/// @file spawn_error.hpp Says why a program could not be started.
#include "proc/exec_child.hpp"
#include "proc/spawn.hpp"
#include "repartir/error.hpp"

namespace repartir::proc {

/// @return the Error for a failed step of a spawn. Looks at the file system again to tell apart
/// what the kernel reports with one number, so that the sentence may describe a file that changed
/// since.
/// @param path the candidate that gave the error, for Step::exec
[[nodiscard]] Error spawn_error(const SpawnPlan& plan, Step step, int os_error, const char* path,
                                std::size_t detail);

}  // namespace repartir::proc
