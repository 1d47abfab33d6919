// SPDX-License-Identifier: MIT
#include "sched/futex.hpp"

#include <algorithm>
#include <climits>
#include <ctime>

#if defined(__linux__)
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#include <thread>
#endif

namespace repartir::sched {

#if defined(__linux__)

namespace {

using Word = FutexAtomics::atomic<std::uint32_t>;
static_assert(sizeof(Word) == sizeof(std::uint32_t) && Word::is_always_lock_free);

long futex(const Word& word, int operation, std::uint32_t value, const timespec* timeout) noexcept {
    // SAFETY: a lock-free std::atomic<uint32_t> is laid out as its value (asserted above); the
    // kernel only reads the word, and compares it with `value` atomically.
    return ::syscall(SYS_futex, reinterpret_cast<const std::uint32_t*>(&word),
                     operation | FUTEX_PRIVATE_FLAG, value, timeout, nullptr,
                     FUTEX_BITSET_MATCH_ANY);
}

}  // namespace

void FutexAtomics::wait_while(const atomic<std::uint32_t>& word, std::uint32_t value) noexcept {
    // EAGAIN (the word differs) and EINTR both mean: look again.
    static_cast<void>(futex(word, FUTEX_WAIT, value, nullptr));
}

bool FutexAtomics::wait_while(const atomic<std::uint32_t>& word, std::uint32_t value,
                              std::chrono::steady_clock::time_point deadline) noexcept {
    if (std::chrono::steady_clock::now() >= deadline) {
        return false;
    }
    // steady_clock is CLOCK_MONOTONIC, the clock of FUTEX_WAIT_BITSET's absolute timeout.
    const std::chrono::nanoseconds since_boot = std::max(
        std::chrono::nanoseconds(deadline.time_since_epoch()), std::chrono::nanoseconds(0));
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
    timespec absolute{};
    absolute.tv_sec = seconds.count();
    absolute.tv_nsec = (since_boot - seconds).count();
    static_cast<void>(futex(word, FUTEX_WAIT_BITSET, value, &absolute));
    return std::chrono::steady_clock::now() < deadline;
}

void FutexAtomics::wake_one(atomic<std::uint32_t>& word) noexcept {
    static_cast<void>(futex(word, FUTEX_WAKE, 1, nullptr));
}

void FutexAtomics::wake_all(atomic<std::uint32_t>& word) noexcept {
    static_cast<void>(futex(word, FUTEX_WAKE, INT_MAX, nullptr));
}

bool FutexAtomics::enable_heavy_fence() noexcept {
    return ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

void FutexAtomics::heavy_fence() noexcept {
    static_cast<void>(::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
}

#else

void FutexAtomics::wait_while(const atomic<std::uint32_t>& word, std::uint32_t value) noexcept {
    word.wait(value);
}

bool FutexAtomics::wait_while(const atomic<std::uint32_t>& word, std::uint32_t value,
                              std::chrono::steady_clock::time_point deadline) noexcept {
    // The standard has no timed wait: a nap at a time.
    while (word.load() == value) {
        if (std::chrono::steady_clock::now() >= deadline) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    return true;
}

void FutexAtomics::wake_one(atomic<std::uint32_t>& word) noexcept { word.notify_one(); }
void FutexAtomics::wake_all(atomic<std::uint32_t>& word) noexcept { word.notify_all(); }
bool FutexAtomics::enable_heavy_fence() noexcept { return false; }
void FutexAtomics::heavy_fence() noexcept { fence(std::memory_order_seq_cst); }

#endif

}  // namespace repartir::sched
