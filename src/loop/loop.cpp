// SPDX-License-Identifier: MIT
#include "loop/loop.hpp"

#include <sys/eventfd.h>

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

int Loop::wait(base::BootTime timeout) noexcept {
    const auto capacity = static_cast<int>(batch_max);
    if (precise_) {
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
        timespec limit{};
        limit.tv_sec = seconds.count();
        limit.tv_nsec = (timeout - seconds).count();
        const int count = ::epoll_pwait2(epoll_.get(), batch_.data(), capacity,
                                         timeout == base::never ? nullptr : &limit, nullptr);
        // EPERM is what older containers' seccomp filters say of calls that they do not know.
        if (count >= 0 || (errno != ENOSYS && errno != EPERM)) {
            return count;
        }
        precise_ = false;
    }
    // Rounded up: waking a little late is right, waking early would spin.
    const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(
        std::min(timeout, base::BootTime(std::chrono::hours(24))));
    const int limit_ms = timeout == base::never ? -1 : static_cast<int>(rounded.count());
    return ::epoll_wait(epoll_.get(), batch_.data(), capacity, limit_ms);
}

/// Looks for events, without sleeping. @return how many there are; 0: none came, or it was woken
int Loop::look(base::BootTime duration) noexcept {
    const base::BootTime end = base::now() + duration;
    int count = 0;
    do {
        count = wait(base::BootTime(0));
    } while (count == 0 && !gate_.knocked() && base::now() < end);
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
    const base::BootTime due = timers_.next();
    if (due != base::never) {
        now_ = base::now();
        timeout = std::min(timeout, std::max(due - now_, base::BootTime(0)));
    }
    int count = 0;
    if (spin > base::BootTime(0)) {
        count = look(std::min(spin, timeout));
        timeout = timeout == base::never ? timeout : std::max(timeout - spin, base::BootTime(0));
    }
    if (count == 0) {
        if (timeout > base::BootTime(0) && !gate_.lie_down()) {
            timeout = base::BootTime(0);
        }
        count = wait(timeout);
        gate_.get_up();
    }
    now_ = base::now();
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
