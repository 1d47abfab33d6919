// SPDX-License-Identifier: MIT
#include "api/cpu_backend.hpp"

namespace repartir::detail {

Result<void> CpuBackend::accepts(const Task& task) const {
    return task.kind() == Kind::shader ? kernels_.accepts(task) : programs_->accepts(task);
}

void CpuBackend::start(const AttemptId& id, const Task& task, AttemptSink& sink) {
    if (task.kind() == Kind::shader) {
        kernels_.start(id, task, sink);
    } else {
        programs_->start(id, task, sink);
    }
}

void CpuBackend::cancel(const AttemptId& id, CancelReason reason, bool force) {
    programs_->cancel(id, reason, force);
    kernels_.cancel(id, reason, force);
}

void CpuBackend::shutdown() {
    programs_->shutdown();
    kernels_.shutdown();
}

bool CpuBackend::on_own_thread() const noexcept {
    return programs_->on_own_thread() || kernels_.on_own_thread();
}

}  // namespace repartir::detail
