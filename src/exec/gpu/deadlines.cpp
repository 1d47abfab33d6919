// SPDX-License-Identifier: MIT
#include "exec/gpu/deadlines.hpp"

namespace repartir::gpu {

Deadlines::Place Deadlines::add(base::BootTime when, const AttemptId& id) {
    const std::lock_guard lock(mutex_);
    const Place place = all_.emplace(when, id);
    if (!thread_.joinable()) {
        thread_ = std::thread([this] { keep_time(); });
    } else if (place == all_.begin()) {
        wake_.notify_one();
    }
    return place;
}

void Deadlines::remove(Place place) {
    const std::lock_guard lock(mutex_);
    all_.erase(place);
}

void Deadlines::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopped_ = true;
        wake_.notify_one();
    }
    if (thread_.joinable()) {
        thread_.join();
    }
}

void Deadlines::keep_time() {
    std::unique_lock lock(mutex_);
    while (!stopped_) {
        if (all_.empty()) {
            wake_.wait(lock);
            continue;
        }
        const auto [when, id] = *all_.begin();
        const base::BootTime left = when - base::now();
        if (left.count() > 0) {
            wake_.wait_for(lock, left);
            continue;
        }
        lock.unlock();
        due_(id);
        lock.lock();
    }
}

}  // namespace repartir::gpu
