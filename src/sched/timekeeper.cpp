// SPDX-License-Identifier: MIT
#include "sched/timekeeper.hpp"

#include <cassert>
#include <chrono>
#include <exception>
#include <string>

namespace repartir::sched {

Timekeeper::~Timekeeper() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    earlier_.notify_one();
    if (thread_.joinable()) {
        thread_.join();
    }
}

Result<void> Timekeeper::schedule(Timed& timed, base::BootTime deadline) {
    const std::lock_guard lock(mutex_);
    assert(timed.place_ == Timed::nowhere);
    try {
        heap_.push_back(&timed);
        if (!thread_.joinable()) {
            thread_ = std::thread([this] { serve(); });
        }
    } catch (const std::exception& failure) {
        if (!heap_.empty() && heap_.back() == &timed) {
            heap_.pop_back();
        }
        return fail(Error(Domain::scheduler, Code::out_of_resources, Fault::system,
                          std::string("the timekeeper cannot take another deadline (") +
                              failure.what() + "); free memory or threads and try again"));
    }
    timed.deadline_ = deadline;
    sift_up(heap_.size() - 1, &timed);
    if (timed.place_ == 0) {
        earlier_.notify_one();
    }
    return {};
}

bool Timekeeper::cancel(Timed& timed) noexcept {
    const std::lock_guard lock(mutex_);
    if (timed.place_ == Timed::nowhere) {
        return false;
    }
    remove(timed.place_);
    return true;
}

bool Timekeeper::on_own_thread() const noexcept {
    const std::lock_guard lock(mutex_);
    return thread_.get_id() == std::this_thread::get_id();
}

std::size_t Timekeeper::size() const {
    const std::lock_guard lock(mutex_);
    return heap_.size();
}

void Timekeeper::serve() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        if (heap_.empty()) {
            earlier_.wait(lock);
            continue;
        }
        Timed* const first = heap_.front();
        if (first->deadline_ > base::now()) {
            earlier_.wait_until(lock, std::chrono::steady_clock::time_point(first->deadline_));
            continue;
        }
        remove(0);
        lock.unlock();
        first->due();
        lock.lock();
    }
}

void Timekeeper::place(std::size_t at, Timed* timed) noexcept {
    heap_[at] = timed;
    timed->place_ = at;
}

void Timekeeper::sift_up(std::size_t at, Timed* timed) noexcept {
    while (at > 0) {
        const std::size_t parent = (at - 1) / 2;
        if (heap_[parent]->deadline_ <= timed->deadline_) {
            break;
        }
        place(at, heap_[parent]);
        at = parent;
    }
    place(at, timed);
}

void Timekeeper::sift_down(std::size_t at, Timed* timed) noexcept {
    for (;;) {
        std::size_t child = 2 * at + 1;
        if (child >= heap_.size()) {
            break;
        }
        if (child + 1 < heap_.size() && heap_[child + 1]->deadline_ < heap_[child]->deadline_) {
            ++child;
        }
        if (timed->deadline_ <= heap_[child]->deadline_) {
            break;
        }
        place(at, heap_[child]);
        at = child;
    }
    place(at, timed);
}

void Timekeeper::remove(std::size_t at) noexcept {
    heap_[at]->place_ = Timed::nowhere;
    Timed* const last = heap_.back();
    heap_.pop_back();
    if (at == heap_.size()) {
        return;
    }
    if (at > 0 && last->deadline_ < heap_[(at - 1) / 2]->deadline_) {
        sift_up(at, last);
    } else {
        sift_down(at, last);
    }
}

}  // namespace repartir::sched
