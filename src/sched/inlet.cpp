// SPDX-License-Identifier: MIT
#include "sched/inlet.hpp"

#include <exception>
#include <thread>

namespace repartir::sched {

Inlet* Inlets::find_or_add(std::uintptr_t thread) noexcept {
    const std::size_t first = place_of(thread);
    std::size_t at = first;
    for (std::size_t i = 0; i < probes; ++i, at = (first + i) % places) {
        // ORDER: acquire pairs with the release below
        Inlet* const known = table_[at].load(std::memory_order_acquire);
        if (known == nullptr) {
            break;
        }
        if (known->thread == thread) {
            return known;
        }
        if (i == probes - 1) {
            return nullptr;  // no place is ever given up
        }
    }
    if (count() == inlets_max) {
        return nullptr;
    }
    const std::lock_guard lock(mutex_);
    std::size_t probe = 0;
    // ORDER: relaxed under the mutex
    while (probe < probes &&
           table_[(first + probe) % places].load(std::memory_order_relaxed) != nullptr) {
        ++probe;
    }
    const std::size_t count = owned_.size();
    if (probe == probes || count == inlets_max) {
        return nullptr;
    }
    try {
        owned_.push_back(std::make_unique<Inlet>(thread, room_));
    } catch (const std::exception&) { return nullptr; }
    Inlet* const made = owned_.back().get();
    // ORDER: release pairs with mine(), count() and the look above
    all_[count].store(made, std::memory_order_relaxed);
    count_.store(count + 1, std::memory_order_release);
    table_[(first + probe) % places].store(made, std::memory_order_release);
    return made;
}

void Inlets::await_holds() const noexcept {
    for (std::size_t i = 0; i < count(); ++i) {
        // ORDER: acquire pairs with the end of the Hold
        while (at(i).held.load(std::memory_order_acquire) != 0) {
            std::this_thread::yield();  // it is about to push, no more
        }
    }
}

}  // namespace repartir::sched
