// SPDX-License-Identifier: MIT
#pragma once
/// @file host.hpp Where the jobs of one device run: in this process, or in one of their own.
#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "exec/gpu/kernel/kernels.hpp"
#include "repartir/dispatch.hpp"
#include "repartir/executor.hpp"
#include "repartir/gpu.hpp"
#include "repartir/policy.hpp"

namespace repartir::gpu {

/// One dispatch, as a host is given it: checked, with all that it needs to outlive its task.
struct Work {
    std::uint64_t id = 0;  ///< of the sink's choice; not 0
    Priority priority = Priority::normal;
    KernelPtr kernel;
    std::array<std::uint32_t, 3> workgroups{};
    std::vector<BufferArgument> buffers;
    std::vector<std::byte> push;
};

/// How a dispatch ended.
struct Ended {
    enum class How : std::uint8_t {
        done,       ///< its buffers are what came out
        failed,     ///< it cannot be run: `error` says why
        lost,       ///< the device, or its driver, failed while it ran
        hung,       ///< it ran for longer than dispatches may
        not_begun,  ///< the device, or its driver, failed before it began
    };
    How how = How::done;
    std::optional<Error> error{};  ///< unless it is done
    std::vector<Bytes> buffers{};  ///< of out and in_out, in their order
};

/// Told of the end of dispatches, exactly once each, on any thread, with no lock of the host's
/// held.
class HostSink {
  public:
    HostSink() = default;
    HostSink(const HostSink&) = delete;
    HostSink& operator=(const HostSink&) = delete;
    virtual ~HostSink() = default;
    virtual void ended(std::uint64_t id, Ended&& how) noexcept = 0;
};

/// Runs dispatches on one device. Any thread.
class Host {
  public:
    Host() = default;
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;
    virtual ~Host() = default;

    [[nodiscard]] virtual const DeviceInfo& info() const noexcept = 0;
    [[nodiscard]] virtual const Features& features() const noexcept = 0;
    /// Takes one. Its end may be told from inside.
    virtual void start(Work work) = 0;
    /// Takes back one that has not gone to the device. @return whether it was one; then its end is
    /// not told
    virtual bool withdraw(std::uint64_t id) = 0;
    /// Has the calling thread see to the device until something is there.
    virtual void help(const Awaited& until) = 0;
    /// Ends all, by force, and tells of each. No more is taken.
    virtual void close() = 0;
};

}  // namespace repartir::gpu
