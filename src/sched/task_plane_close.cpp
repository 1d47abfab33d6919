// SPDX-License-Identifier: MIT
// How the task plane ends.
#include <algorithm>
#include <utility>

#include "sched/task_plane_impl.hpp"

namespace repartir::detail {
namespace {

constexpr std::chrono::seconds executor_patience{10};  // beyond the kill grace, at a cancel
constexpr std::chrono::milliseconds grace_max = std::chrono::hours(1);  // at a cancel

}  // namespace

void TaskPlane::close(Shutdown how) {
    Lock lock(mutex_);
    closed_ = true;
    room_.notify_all();
    Deferred deferred;
    if (how == Shutdown::cancel && !cancelling_) {
        cancelling_ = true;
        drained_.notify_all();
        while (TaskRecord* record = lanes_.pop_any()) {
            settle(*record, cancelled_outcome(*record), deferred);
        }
        while (TaskRecord* record = backing_off_.front()) {
            request_cancel(*record, deferred);
        }
        for (const auto& [id, record] : running_) {
            request_cancel(*record, deferred);
        }
    }
    run(lock, deferred);
}

void TaskPlane::wait_closed() {
    Lock lock(mutex_);
    drained_.wait(lock, [this] { return live_ == 0 || cancelling_; });
    const std::chrono::milliseconds grace = std::min(longest_grace_, grace_max);
    drained_.wait_for(lock, grace + executor_patience, [this] { return live_ == 0; });
    if (std::exchange(stopping_, true)) {
        drained_.wait(lock, [this] { return stopped_; });
        return;
    }
    lock.unlock();
    for (const std::unique_ptr<Executor>& executor : executors_) {
        try {
            executor->shutdown();
        } catch (...) {  // contract of Executor: what it has not told, abandon_running() does
        }
    }
    abandon_running();
    lock.lock();
    stopped_ = true;
    drained_.notify_all();
}

void TaskPlane::abandon_running() noexcept {
    Lock lock(mutex_);
    Deferred deferred;
    for (const auto& [id, record] : running_) {
        Attempt attempt;
        attempt.number = record->state.number();
        attempt.backend = sites_[record->site].backend;
        leave_site(*record);
        attempt.error = refusal(Code::internal, Fault::node,
                                "the executor was stopped and never told how the task ended");
        record->attempts.push_back(std::move(attempt));
        Outcome outcome = cancelled_outcome(*record);
        outcome.ending = Ending{End::not_started, 0};
        settle(*record, std::move(outcome), deferred);
    }
    running_.clear();
    run(lock, deferred);
}

}  // namespace repartir::detail
