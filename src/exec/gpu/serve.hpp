// SPDX-License-Identifier: MIT
#pragma once
/// @file serve.hpp The process that hosts a GPU: the other end of ChildHost.
namespace repartir::gpu {

/// The descriptor on which it finds its socket.
inline constexpr int host_descriptor = 3;

/// Opens the device that it is told to, and runs what comes over the socket until that ends. What
/// hangs or is lost is told, and then this process has done its part: its pool starts another one.
/// To be followed by _exit, so that nothing counts which drivers do at the end.
/// @return the exit code
[[nodiscard]] int serve_gpu() noexcept;

}  // namespace repartir::gpu
