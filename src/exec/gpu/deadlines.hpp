// SPDX-License-Identifier: MIT
#pragma once
/// @file deadlines.hpp When attempts have to end.
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "base/clock.hpp"
#include "repartir/id.hpp"

namespace repartir::gpu {

/// Calls back, on a thread of its own, when an attempt's time is up; that thread begins with the
/// first deadline. Any thread.
class Deadlines {
  public:
    using Place = std::multimap<base::BootTime, AttemptId>::iterator;
    /// @param due is to see to it that the deadline is removed, if it is still there; no lock is
    /// held meanwhile
    explicit Deadlines(std::function<void(const AttemptId&)> due) : due_(std::move(due)) {}
    Deadlines(const Deadlines&) = delete;
    Deadlines& operator=(const Deadlines&) = delete;
    ~Deadlines() { stop(); }

    [[nodiscard]] Place add(base::BootTime when, const AttemptId& id);
    void remove(Place place);  ///< exactly once
    void stop();               ///< no more calls once this is back

  private:
    void keep_time();

    const std::function<void(const AttemptId&)> due_;
    std::mutex mutex_;  ///< guards what follows
    std::multimap<base::BootTime, AttemptId> all_;
    std::condition_variable wake_;
    bool stopped_ = false;
    std::thread thread_;
};

}  // namespace repartir::gpu
