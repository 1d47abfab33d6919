// SPDX-License-Identifier: MIT
#pragma once
/// @file gpu_executor.hpp Runs shader tasks on a GPU.
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "repartir/executor.hpp"
#include "repartir/gpu.hpp"
#include "repartir/result.hpp"

namespace repartir {

/// Which GPU, and how it is used. Every field has a working default.
struct GpuOptions {
    GpuOptions() = default;
    std::string device = "any";  ///< a word for gpu::select: a position, a UUID, a name, "cpu"
    bool allow_cpu = false;      ///< drivers that compute on the CPU, too
    bool required = true;        ///< false: where there is no such GPU, a Pool goes without
    /// The driver works in this process: the quickest way, for kernels that are trusted. A driver
    /// that crashes takes the process with it; a kernel that never ends keeps the device, and the
    /// memory that it was given, until the process ends. Else it works in a process of its own,
    /// which is replaced when that happens: the task that did it ends as device_failed or
    /// timed_out, and the others run again.
    bool in_process = false;
    /// The `repartir` program, which then is that process. Empty: what REPARTIR_GPU_HOST names,
    /// else `repartir` in PATH.
    std::string host_program;
    /// How long the device may work at one submission before it is given up.
    std::chrono::milliseconds dispatch_time_max{60'000};
    /// Where what the driver has compiled is kept for the next process. Nothing: `repartir` in
    /// $XDG_CACHE_HOME, else in ~/.cache. Empty: it is not kept.
    std::optional<std::string> cache_folder;
    std::uint32_t tasks_max = 1024;  ///< that are handed to the device's queue at once
};

/// Runs shader tasks on one GPU, by Vulkan. Small ones that come together go to the device together
/// (docs/gpu.md). A task whose time is up, or that is cancelled, while the device works at it in
/// this process, ends at once; the device goes on with it.
///
/// Thread safety: as Executor.
class GpuExecutor final : public Executor {
  public:
    /// Opens the device. Takes up to half a second.
    /// Errors (Domain::gpu): as of gpu::devices() and gpu::select(); driver_failed,
    /// out_of_resources.
    [[nodiscard]] static Result<std::unique_ptr<GpuExecutor>> create(GpuOptions options = {});
    ~GpuExecutor() override;

    [[nodiscard]] const gpu::DeviceInfo& device() const noexcept;

    [[nodiscard]] Capabilities capabilities() const override;
    /// Compiles the task's shader, the first time, and holds it against the task and the device.
    [[nodiscard]] Result<void> accepts(const Task& task) const override;
    void start(const AttemptId& id, const Task& task, AttemptSink& sink) override;
    void cancel(const AttemptId& id, CancelReason reason, bool force) override;
    void help(const Awaited& until) override;
    void shutdown() override;

  private:
    class Impl;
    explicit GpuExecutor(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace repartir
