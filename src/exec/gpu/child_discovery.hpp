// SPDX-License-Identifier: MIT
#pragma once
/// @file child_discovery.hpp Looks for GPUs in a process of its own: drivers crash and hang.
#include <chrono>
#include <string>
#include <vector>

#include "repartir/gpu.hpp"

namespace repartir::gpu {

/// The descriptor on which the child finds the file for its report.
inline constexpr int report_descriptor = 3;

/// What the child has to run, and for how long it may.
struct DiscoveryChild {
    std::string program;                 ///< a path; what it runs is to call report_devices()
    std::vector<std::string> arguments;  ///< its name first
    std::chrono::milliseconds limit{10'000};
};

/// As devices(), by a child. It is killed, with what it has started, when its time is up, and with
/// the thread that waits for it. It has our environment and standard error. Any thread.
///
/// Errors as of devices(), and driver_failed when the child crashed, ended early or took too long;
/// those of proc::Spawner::spawn when it could not be started.
[[nodiscard]] Result<std::vector<DeviceInfo>> devices_by_child(const DiscoveryChild& child);

/// The child's half: calls devices() and writes what comes of it to report_descriptor. To be
/// followed by _exit, so that nothing counts which drivers do at the end.
/// @return the exit code: 0: written; 1: it could not be
[[nodiscard]] int report_devices(const DiscoveryOptions& options) noexcept;

}  // namespace repartir::gpu
