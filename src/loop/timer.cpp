// SPDX-License-Identifier: MIT
#include "loop/timer.hpp"

#include <cassert>
#include <utility>

namespace repartir::loop {

Timer::~Timer() { assert(!armed()); }

bool TimerQueue::before(const Timer& a, const Timer& b) noexcept {
    return a.deadline_ != b.deadline_ ? a.deadline_ < b.deadline_ : a.order_ < b.order_;
}

Timer* TimerQueue::meld(Timer* a, Timer* b) noexcept {
    if (a == nullptr) {
        return b;
    }
    if (b == nullptr) {
        return a;
    }
    if (before(*b, *a)) {
        std::swap(a, b);
    }
    b->previous_ = a;
    b->next_ = a->child_;
    if (a->child_ != nullptr) {
        a->child_->previous_ = b;
    }
    a->child_ = b;
    return a;
}

// The two passes of the paper's section 2: meld pairs left to right, then the results right to
// left.
Timer* TimerQueue::combine(Timer* first) noexcept {
    Timer* pairs = nullptr;  // linked by next_, the last made first
    while (first != nullptr) {
        Timer* const a = first;
        Timer* const b = a->next_;
        first = b != nullptr ? b->next_ : nullptr;
        a->next_ = a->previous_ = nullptr;
        if (b != nullptr) {
            b->next_ = b->previous_ = nullptr;
        }
        Timer* const pair = meld(a, b);
        pair->next_ = pairs;
        pairs = pair;
    }
    Timer* root = nullptr;
    while (pairs != nullptr) {
        Timer* const pair = std::exchange(pairs, pairs->next_);
        pair->next_ = nullptr;
        root = meld(root, pair);
    }
    return root;
}

void TimerQueue::remove_from_heap(Timer& timer) noexcept {
    if (root_ == &timer) {
        root_ = combine(timer.child_);
    } else {
        if (timer.previous_->child_ == &timer) {
            timer.previous_->child_ = timer.next_;
        } else {
            timer.previous_->next_ = timer.next_;
        }
        if (timer.next_ != nullptr) {
            timer.next_->previous_ = timer.previous_;
        }
        root_ = meld(root_, combine(timer.child_));
    }
    timer.child_ = timer.next_ = timer.previous_ = nullptr;
    timer.place_ = Timer::Place::nowhere;
}

void TimerQueue::remove_from_due(Timer& timer) noexcept {
    (timer.previous_ != nullptr ? timer.previous_->next_ : due_) = timer.next_;
    if (timer.next_ != nullptr) {
        timer.next_->previous_ = timer.previous_;
    }
    timer.next_ = timer.previous_ = nullptr;
    timer.place_ = Timer::Place::nowhere;
}

void TimerQueue::set(Timer& timer, base::BootTime deadline) noexcept {
    cancel(timer);
    timer.deadline_ = deadline;
    timer.order_ = order_++;
    timer.place_ = Timer::Place::heap;
    root_ = meld(root_, &timer);
}

void TimerQueue::cancel(Timer& timer) noexcept {
    switch (timer.place_) {
        case Timer::Place::nowhere:
            break;
        case Timer::Place::heap:
            remove_from_heap(timer);
            break;
        case Timer::Place::due:
            remove_from_due(timer);
            break;
    }
}

base::BootTime TimerQueue::next() const noexcept {
    if (due_ != nullptr) {
        return due_->deadline_;
    }
    return root_ != nullptr ? root_->deadline_ : base::never;
}

std::size_t TimerQueue::fire(base::BootTime now) noexcept {
    Timer* last = nullptr;
    while (root_ != nullptr && root_->deadline_ <= now) {
        Timer& timer = *root_;
        remove_from_heap(timer);
        timer.place_ = Timer::Place::due;
        timer.previous_ = last;
        (last != nullptr ? last->next_ : due_) = &timer;
        last = &timer;
    }
    std::size_t fired = 0;
    while (due_ != nullptr) {
        Timer& timer = *due_;
        remove_from_due(timer);
        timer.on_timer(now);
        ++fired;
    }
    return fired;
}

}  // namespace repartir::loop
