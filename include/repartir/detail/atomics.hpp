// SPDX-License-Identifier: MIT
#pragma once
/// @file atomics.hpp The atomics policy: lock-free code is written once and takes its atomics as a
/// parameter, so that the model checker (tests/model) runs the very code that ships.
#include <atomic>
#include <cstddef>

namespace repartir::detail {

/// Distance that keeps two words out of each other's cache line. A constant of the layout, not
/// std::hardware_destructive_interference_size, whose value may differ between translation units.
inline constexpr std::size_t cache_line_bytes = 64;

/// What ships: the standard's atomics. Stateless.
struct StdAtomics {
    template <class T>
    using atomic = std::atomic<T>;

    /// A stand-alone fence. Only for orders between atomics; no data is ever published through one,
    /// because thread sanitizers cannot see them.
    static void fence(std::memory_order order) noexcept { std::atomic_thread_fence(order); }
    /// The cheap half of an asymmetric fence: keeps the compiler from moving a store below a load.
    /// It orders only against a heavy fence of another thread (src/sched/parker.hpp).
    static void light_fence() noexcept { std::atomic_signal_fence(std::memory_order_seq_cst); }
};

}  // namespace repartir::detail
