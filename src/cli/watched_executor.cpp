// SPDX-License-Identifier: MIT
#include "cli/watched_executor.hpp"

#include <sys/eventfd.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace repartir::cli {

Bell::Bell() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Bell::ring() noexcept {
    rings_.fetch_add(1);
    if (asleep_.exchange(false)) {
        ::eventfd_write(fd_.get(), 1);
    }
}

bool Bell::about_to_sleep(std::uint64_t seen) noexcept {
    asleep_.store(true);
    if (rings_.load() == seen) {
        return true;
    }
    awake();
    return false;
}

void Bell::awake() noexcept {
    if (!asleep_.exchange(false)) {
        eventfd_t count = 0;
        ::eventfd_read(fd_.get(), &count);
    }
}

void WatchedExecutor::start(const AttemptId& id, const Task& task, AttemptSink& sink) {
    if (closed_.load() && id.number == 1) {
        AttemptResult never;
        never.attempt.ending = Ending{End::cancelled, 0};
        sink.finished(id, std::move(never));
        return;
    }
    {
        const std::lock_guard lock(mutex_);
        running_.insert_or_assign(id.task, Running{id, &sink});
    }
    inner_->start(id, task, *this);
}

void WatchedExecutor::cancel(const AttemptId& id, CancelReason reason, bool force) {
    inner_->cancel(id, reason, force);
}

void WatchedExecutor::observe(AttemptSink& sink) {
    observer_ = &sink;
    inner_->observe(*this);
}

AttemptSink* WatchedExecutor::leave(const AttemptId& id) noexcept {
    const std::lock_guard lock(mutex_);
    const auto found = running_.find(id.task);
    if (found == running_.end() || found->second.id != id) {
        return nullptr;
    }
    AttemptSink* const sink = found->second.sink;
    running_.erase(found);
    return sink;
}

void WatchedExecutor::finished(const AttemptId& id, AttemptResult&& result) noexcept {
    if (AttemptSink* const sink = leave(id); sink != nullptr) {
        sink->finished(id, std::move(result));
    }
}

void WatchedExecutor::returned(const AttemptId& id) noexcept {
    if (AttemptSink* const sink = leave(id); sink != nullptr) {
        sink->returned(id);
    }
}

void WatchedExecutor::capacity_changed(Executor& /*executor*/, Capabilities now) noexcept {
    observer_->capacity_changed(*this, std::move(now));
}

Busy WatchedExecutor::busy() const {
    const Capabilities can = inner_->capabilities();
    const std::uint32_t at_once = can.running_slots != 0 ? can.running_slots : can.slots;
    const std::lock_guard lock(mutex_);
    return {can.backend, std::min<std::uint64_t>(running_.size(), at_once)};
}

}  // namespace repartir::cli
