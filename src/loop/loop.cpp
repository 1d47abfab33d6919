// SPDX-License-Identifier: MIT
#include "loop/loop.hpp"

#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <string>
#include <utility>

#include "base/os_error.hpp"

namespace repartir::loop {

Handler::~Handler() { assert(!watching()); }

Result<std::unique_ptr<Loop>> Loop::create() {
    base::Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll) {
        return fail(base::os_error(Domain::io, "cannot make an event loop (epoll)", errno));
    }
    base::Fd waker(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!waker) {
        return fail(base::os_error(Domain::io, "cannot make an event loop (eventfd)", errno));
    }
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.ptr = nullptr;
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, waker.get(), &event) != 0) {
        return fail(base::os_error(Domain::io, "cannot watch the event loop's own eventfd", errno));
    }
    return std::unique_ptr<Loop>(new Loop(std::move(epoll), std::move(waker)));
}

Loop::Loop(base::Fd epoll, base::Fd waker) noexcept
    : epoll_(std::move(epoll)), waker_(std::move(waker)), now_(base::now()) {}

Loop::~Loop() = default;

Result<void> Loop::add(int fd, std::uint32_t events, Handler& handler) {
    assert(!handler.watching());
    epoll_event event{};
    event.events = events;
    event.data.ptr = &handler;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
        const int reason = errno;
        const std::string what = "cannot watch descriptor " + std::to_string(fd);
        if (reason == EPERM) {
            return fail(Error(Domain::io, Code::unsupported, Fault::user,
                              what + ": it is a file that is always ready; read it directly"));
        }
        return fail(base::os_error(Domain::io, what, reason));
    }
    handler.watched_ = fd;
    return {};
}

Result<void> Loop::modify(Handler& handler, std::uint32_t events) {
    assert(handler.watching());
    epoll_event event{};
    event.events = events;
    event.data.ptr = &handler;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, handler.watched_, &event) != 0) {
        return fail(base::os_error(
            Domain::io, "cannot watch descriptor " + std::to_string(handler.watched_), errno));
    }
    return {};
}

void Loop::remove(Handler& handler) noexcept {
    if (!handler.watching()) {
        return;
    }
    epoll_event ignored{};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, handler.watched_, &ignored);
    handler.watched_ = -1;
    // What the kernel reported before the removal and nobody has seen yet is forgotten here.
    for (std::size_t i = batch_position_; i < batch_size_; ++i) {
        if (batch_[i].data.ptr == &handler) {
            batch_[i].data.ptr = nullptr;
        }
    }
}

/// Sees to it that a wait ends then, or before. @return false when there is no descriptor for it
bool Loop::arm(base::BootTime until) noexcept {
    if (armed_ <= until) {
        return true;
    }
    if (!alarm_) {
        base::Fd alarm(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
        epoll_event event{};
        event.events = EPOLLIN | EPOLLET;
        if (!alarm || ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, alarm.get(), &event) != 0) {
            return false;
        }
        alarm_ = std::move(alarm);
    }
    const base::BootTime at = std::max(until, base::BootTime(1));  // 0 would disarm it
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(at);
    itimerspec when{};
    when.it_value.tv_sec = seconds.count();
    when.it_value.tv_nsec = (at - seconds).count();
    if (::timerfd_settime(alarm_.get(), TFD_TIMER_ABSTIME, &when, nullptr) != 0) {
        return false;
    }
    armed_ = until;
    return true;
}

/// Sleeps until there are events, or until then. @return how many there are
int Loop::wait(base::BootTime until) noexcept {
    int limit = -1;
    if (until != base::never && !arm(until)) {
        // Rounded up: waking a little late is right, waking early would spin.
        const base::BootTime left = std::max(until - base::now(), base::BootTime(0));
        limit = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(
                                     std::min(left, base::BootTime(std::chrono::hours(24))))
                                     .count());
    }
    return ::epoll_wait(epoll_.get(), batch_.data(), static_cast<int>(batch_max), limit);
}

/// Looks for events, without sleeping, once at least. @return how many there are; 0: none came, or
/// it was woken
int Loop::look(base::BootTime duration) noexcept {
    const auto glance = [this] {
        return ::epoll_wait(epoll_.get(), batch_.data(), static_cast<int>(batch_max), 0);
    };
    int count = glance();
    if (count == 0 && duration > base::BootTime(0)) {
        const base::BootTime end = base::now() + duration;
        while (count == 0 && !gate_.knocked() && base::now() < end) {
            count = glance();
        }
    }
    return count;
}

std::size_t Loop::dispatch(std::size_t count) noexcept {
    std::size_t calls = 0;
    batch_size_ = count;
    for (batch_position_ = 0; batch_position_ < batch_size_;) {
        const epoll_event event = batch_[batch_position_++];
        if (event.data.ptr != nullptr) {
            // SAFETY: add() stored a Handler here, and remove() clears it before the handler goes.
            static_cast<Handler*>(event.data.ptr)->on_event(event.events);
            ++calls;
        }
    }
    batch_size_ = batch_position_ = 0;
    return calls;
}

std::size_t Loop::run_posted() noexcept {
    {
        const std::lock_guard lock(mutex_);
        running_.swap(posted_);
    }
    for (auto& function : running_) {
        function();
    }
    const std::size_t calls = running_.size();
    running_.clear();
    return calls;
}

std::size_t Loop::run_once(base::BootTime timeout, base::BootTime spin) noexcept {
    base::BootTime until = timers_.next();
    if (timeout != base::never && timeout > base::BootTime(0)) {
        until = std::min(until, base::later(base::now(), timeout));
    }
    const bool sleeps = timeout > base::BootTime(0);
    int count = !sleeps || spin > base::BootTime(0) ? look(std::min(spin, timeout)) : 0;
    if (count == 0 && sleeps) {
        count = gate_.lie_down() ? wait(until) : look(base::BootTime(0));
        if (count < 0) {  // we were stopped: what came meanwhile is older than what is due
            count = look(base::BootTime(0));
        }
        gate_.get_up();
    }
    now_ = base::now();
    if (armed_ <= now_) {
        armed_ = base::never;  // it has gone off
    }
    std::size_t calls = count > 0 ? dispatch(static_cast<std::size_t>(count)) : 0;
    if (timers_.next() <= now_) {
        calls += timers_.fire(now_);
    }
    if (gate_.take()) {
        calls += run_posted();
    }
    return calls;
}

void Loop::run() noexcept {
    while (!stopped_.exchange(false)) {
        run_once(base::never);
    }
}

void Loop::stop() noexcept {
    stopped_.store(true);
    wake();
}

void Loop::wake() noexcept {
    if (gate_.knock()) {
        ::eventfd_write(waker_.get(), 1);
    }
}

void Loop::post(std::move_only_function<void() noexcept> function) {
    {
        const std::lock_guard lock(mutex_);
        posted_.push_back(std::move(function));
    }
    wake();
}

}  // namespace repartir::loop
