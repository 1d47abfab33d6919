// SPDX-License-Identifier: MIT
#pragma once
/// @file plane_door.hpp How a Pending reaches the task plane behind it, which may be gone by then.
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace repartir::detail {

class TaskPlane;

/// The way into a task plane that outlives it: whoever comes in time is waited for, whoever comes
/// later finds the door closed, and every task ended.
///
/// Thread safety: every function from any thread.
class PlaneDoor {
  public:
    explicit PlaneDoor(TaskPlane& plane) noexcept : plane_(&plane) {}
    PlaneDoor(const PlaneDoor&) = delete;
    PlaneDoor& operator=(const PlaneDoor&) = delete;

    /// Calls `visit(plane)` unless the plane is gone; may be nested.
    template <class Visit>
    void enter(Visit&& visit) noexcept {
        {
            const std::lock_guard lock(mutex_);
            if (closed_) {
                return;
            }
            ++visitors_;
        }
        visit(*plane_);
        const std::lock_guard lock(mutex_);
        if (--visitors_ == 0) {
            left_.notify_all();
        }
    }
    /// Lets nobody in any more, and waits until all have left. Not from within a visit.
    void close() noexcept {
        std::unique_lock lock(mutex_);
        closed_ = true;
        left_.wait(lock, [this] { return visitors_ == 0; });
    }

  private:
    TaskPlane* const plane_;
    std::mutex mutex_;
    std::condition_variable left_;
    std::uint32_t visitors_ = 0;
    bool closed_ = false;
};

}  // namespace repartir::detail
