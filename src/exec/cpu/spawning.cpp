// SPDX-License-Identifier: MIT
#include "exec/cpu/spawning.hpp"

#include <pthread.h>

#include <algorithm>
#include <system_error>

namespace repartir::exec {

SpawnWatch::~SpawnWatch() {
    {
        const std::scoped_lock lock(mutex_);
        ending_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void SpawnWatch::add(Spawning& spawning) {
    const std::scoped_lock lock(mutex_);
    watched_.push_back(&spawning);
}

void SpawnWatch::remove(Spawning& spawning) noexcept {
    const std::scoped_lock lock(mutex_);
    std::erase(watched_, &spawning);
}

// The deadline was stored before; the thread stores "never" before it looks for deadlines. Of the
// two at least one sees the other.
void SpawnWatch::expect(base::BootTime deadline) {
    if (deadline.count() >= planned_.load()) {
        return;
    }
    const std::scoped_lock lock(mutex_);
    sooner_ = true;
    if (thread_.joinable()) {
        changed_.notify_all();
        return;
    }
    try {
        thread_ = std::thread([this] { run(); });
    } catch (const std::system_error&) {
        // dropped: no thread is to be had. The next start tries again. A stuck one holds its lane
        // that long.
    }
}

void SpawnWatch::run() noexcept {
    proc::block_signals_in_this_thread();
    (void)::pthread_setname_np(::pthread_self(), "repartir-watch");
    std::unique_lock lock(mutex_);
    while (!ending_) {
        sooner_ = false;
        planned_.store(base::never.count());
        const base::BootTime now = base::now();
        base::BootTime next = base::never;
        for (Spawning* spawning : watched_) {
            if (spawning->deadline() <= now) {
                spawning->call_off_late(now);
            } else {
                next = std::min(next, spawning->deadline());
            }
        }
        planned_.store(next.count());
        const auto wake = [this] { return sooner_ || ending_; };
        if (next == base::never) {
            changed_.wait(lock, wake);
        } else {
            changed_.wait_for(lock, next - now, wake);
        }
    }
}

Spawning::Spawning(proc::Spawner& spawner, SpawnWatch& watch) : spawner_(spawner), watch_(watch) {
    watch_.add(*this);
}

Spawning::~Spawning() { watch_.remove(*this); }

bool Spawning::begin(const AttemptId& id, base::BootTime deadline) {
    {
        const std::scoped_lock lock(mutex_);
        if (closed_) {
            return false;
        }
        id_ = id;
        reason_.reset();
        spawner_.allow_spawn();
        deadline_.store(deadline.count());
    }
    if (deadline != base::never) {
        watch_.expect(deadline);
    }
    return true;
}

void Spawning::end() noexcept {
    const std::scoped_lock lock(mutex_);
    id_.reset();
    // ORDER: relaxed: only keeps the watch from looking here in vain.
    deadline_.store(base::never.count(), std::memory_order_relaxed);
}

std::optional<CancelReason> Spawning::reason() const noexcept {
    const std::scoped_lock lock(mutex_);
    return reason_;
}

void Spawning::call_off(const AttemptId& id, CancelReason reason) noexcept {
    const std::scoped_lock lock(mutex_);
    if (id_ == id) {
        call_off_locked(reason);
    }
}

void Spawning::close() noexcept {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    if (id_) {
        call_off_locked(CancelReason::cancelled);
    }
}

void Spawning::call_off_late(base::BootTime now) noexcept {
    const std::scoped_lock lock(mutex_);
    if (id_ && deadline() <= now) {
        call_off_locked(CancelReason::timed_out);
    }
}

void Spawning::call_off_locked(CancelReason reason) noexcept {
    if (!reason_) {
        reason_ = reason;
    }
    deadline_.store(base::never.count());
    spawner_.abort_spawn();
}

}  // namespace repartir::exec
