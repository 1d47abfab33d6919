// SPDX-License-Identifier: MIT
#pragma once
/// @file cpu_backend.hpp This machine's CPUs, for all that they can run.
#include <memory>

#include "exec/gpu/kernel_executor.hpp"
#include "repartir/executor.hpp"

namespace repartir::detail {

/// Programs go to one executor, kernels written in C++ to another, and both take the same slots.
///
/// Thread safety: as Executor.
class CpuBackend final : public Executor {
  public:
    explicit CpuBackend(std::unique_ptr<Executor> programs)
        : programs_(std::move(programs)), kernels_(programs_->capabilities().slots) {}

    [[nodiscard]] Capabilities capabilities() const override { return programs_->capabilities(); }
    [[nodiscard]] Result<void> accepts(const Task& task) const override;
    void observe(AttemptSink& sink) override { programs_->observe(sink); }
    void start(const AttemptId& id, const Task& task, AttemptSink& sink) override;
    void cancel(const AttemptId& id, CancelReason reason, bool force) override;
    void shutdown() override;
    [[nodiscard]] bool on_own_thread() const noexcept override;

  private:
    std::unique_ptr<Executor> programs_;
    gpu::KernelExecutor kernels_;
};

}  // namespace repartir::detail
