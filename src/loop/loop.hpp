// SPDX-License-Identifier: MIT
#pragma once
/// @file loop.hpp One event loop: pipes, pidfds, sockets, timers.
#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.hpp"
#include "base/fd.hpp"
#include "loop/timer.hpp"
#include "loop/wake_gate.hpp"
#include "repartir/detail/atomics.hpp"
#include "repartir/result.hpp"

namespace repartir::loop {

/// What is called when a descriptor is ready. Owned by whoever derives from it; a Loop only points
/// to it. One handler watches one descriptor at a time. Must be removed before it is destroyed
/// (asserted).
class Handler {
  public:
    Handler() = default;
    Handler(const Handler&) = delete;
    Handler& operator=(const Handler&) = delete;
    /// Called on the loop's thread. May add, modify and remove any handler, destroy any removed
    /// one, itself included. @param events EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR, ... as epoll gave
    /// them
    virtual void on_event(std::uint32_t events) noexcept = 0;
    [[nodiscard]] bool watching() const noexcept { return watched_ >= 0; }  ///< is it in a loop
    [[nodiscard]] int watched() const noexcept { return watched_; }  ///< its descriptor, or -1

  protected:
    virtual ~Handler();

  private:
    friend class Loop;
    int watched_ = -1;
};

/// An epoll loop (docs/decisions/0002-event-loop.md). Allocates nothing per event.
///
/// Threads: one owner at a time calls everything except wake(), post() and stop(), which any thread
/// may call. After remove() returns, the handler is not called again, even for an event that the
/// kernel had already reported.
class Loop {
  public:
    /// Errors: out_of_resources (no descriptors or memory).
    [[nodiscard]] static Result<std::unique_ptr<Loop>> create();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;
    ~Loop();

    /// Watches `fd` for `events` (EPOLLIN, EPOLLOUT, EPOLLET, ...). The loop does not own `fd`;
    /// call remove() before closing it, for a copy in a child would keep reporting. Errors:
    /// out_of_resources; unsupported for files that are always ready, such as regular ones.
    [[nodiscard]] Result<void> add(int fd, std::uint32_t events, Handler& handler);
    /// Changes what a watching handler waits for. Errors: out_of_resources.
    [[nodiscard]] Result<void> modify(Handler& handler, std::uint32_t events);
    /// Stops watching; nothing when the handler is not watching.
    void remove(Handler& handler) noexcept;

    /// Arms `timer`, again when it is armed. @param deadline boot time, nanoseconds
    void set(Timer& timer, base::BootTime deadline) noexcept { timers_.set(timer, deadline); }
    /// Disarms `timer`; nothing when it is not armed.
    void cancel(Timer& timer) noexcept { timers_.cancel(timer); }

    /// Waits for events at most `timeout` (base::never: for ever; zero: looks only), then calls
    /// what is ready: handlers, due timers, posted functions. Not reentrant. @param spin how long
    /// of it to look again and again before it sleeps, see Spin @return how many calls were made.
    std::size_t run_once(base::BootTime timeout, base::BootTime spin = base::BootTime(0)) noexcept;
    /// run_once until stop() is called.
    void run() noexcept;

    /// Makes run() return, soon. Any thread.
    void stop() noexcept;
    /// Makes a run_once that waits, or the next one that would, return. A system call only when the
    /// loop sleeps. Any thread.
    void wake() noexcept;
    /// Calls `function` on the loop's thread from the next run_once; in the order of posting. What
    /// is posted and never run is destroyed with the loop. Any thread.
    void post(std::move_only_function<void() noexcept> function);

    /// @return boot time as of the last return from waiting, or update_now(): cheap, right inside
    /// callbacks.
    [[nodiscard]] base::BootTime now() const noexcept { return now_; }
    /// Looks at the clock, for who calls what uses now() from outside a callback.
    void update_now() noexcept { now_ = base::now(); }

  private:
    static constexpr std::size_t batch_max = 64;  // events taken from the kernel at once

    Loop(base::Fd epoll, base::Fd waker) noexcept;
    int wait(base::BootTime until) noexcept;
    bool arm(base::BootTime until) noexcept;
    int look(base::BootTime duration) noexcept;
    std::size_t dispatch(std::size_t count) noexcept;
    std::size_t run_posted() noexcept;

    base::Fd epoll_;
    base::Fd waker_;  // eventfd, edge-triggered and therefore never read
    // timerfd, as above; made when it is needed. It stays armed over many waits, as long as nothing
    // is due before: a timeout of epoll's own would be set up and taken down for each of them.
    base::Fd alarm_;
    base::BootTime armed_ = base::never;  // when it goes off
    TimerQueue timers_;
    base::BootTime now_;
    std::array<epoll_event, batch_max> batch_{};
    std::size_t batch_position_ = 0;  // what comes before has been dispatched
    std::size_t batch_size_ = 0;
    std::vector<std::move_only_function<void() noexcept>> running_;  // swapped with posted_

    alignas(detail::cache_line_bytes) WakeGate<> gate_;  // from here on other threads write
    std::atomic<bool> stopped_{false};
    std::mutex mutex_;  // guards posted_
    std::vector<std::move_only_function<void() noexcept>> posted_;
};

}  // namespace repartir::loop
