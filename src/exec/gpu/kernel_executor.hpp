// SPDX-License-Identifier: MIT
#pragma once
/// @file kernel_executor.hpp Runs kernels that are written in C++ on CPUs.
#include <cstdint>
#include <memory>

#include "repartir/executor.hpp"

namespace repartir::gpu {

/// Runs shader tasks that have a kernel (Task::shader(const gpu::Kernel&)) on threads of this
/// process, which begin with the first task. A task's workgroups are handed out in slices, more
/// than one of them only where that takes a few milliseconds, so that a task of a higher priority
/// waits no longer; the slices become smaller towards the end (guided self-scheduling,
/// Polychronopoulos and Kuck 1987).
///
/// Thread safety: as Executor.
class KernelExecutor final : public Executor {
  public:
    explicit KernelExecutor(std::uint32_t threads);
    ~KernelExecutor() override;

    [[nodiscard]] Capabilities capabilities() const override;
    /// Compiles the kernel's constants into it, and holds it against what it is given.
    [[nodiscard]] Result<void> accepts(const Task& task) const override;
    void start(const AttemptId& id, const Task& task, AttemptSink& sink) override;
    void cancel(const AttemptId& id, CancelReason reason, bool force) override;
    void shutdown() override;
    [[nodiscard]] bool on_own_thread() const noexcept override;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace repartir::gpu
