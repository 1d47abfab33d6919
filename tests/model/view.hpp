// SPDX-License-Identifier: MIT
#pragma once
/// @file view.hpp The words in which the model checker thinks: views of memory and operations.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace repartir::model {

inline constexpr std::size_t threads_max = 5;     ///< modelled threads of one program
inline constexpr std::size_t locations_max = 64;  ///< atomics of one execution
/// The index of the test's own context, which builds the program's state and looks at it in the
/// end.
inline constexpr std::size_t main_thread = threads_max;

/// Counts the messages of a location, or the operations of a thread.
using Stamp = std::uint16_t;
/// A set of threads, a bit each.
using ThreadSet = std::uint32_t;

[[nodiscard]] constexpr ThreadSet only(std::size_t thread) noexcept {
    return ThreadSet{1} << thread;
}
[[nodiscard]] constexpr bool contains(ThreadSet set, std::size_t thread) noexcept {
    return (set >> thread & 1U) != 0;
}

/// What a thread knows: for each location the oldest message that it may still read, and a vector
/// clock of happens-before.
struct View {
    std::array<Stamp, locations_max> seen{};
    std::array<Stamp, threads_max + 1> clock{};

    void join_seen(const View& other) noexcept {
        for (std::size_t at = 0; at < seen.size(); ++at) {
            seen[at] = std::max(seen[at], other.seen[at]);
        }
    }
    void join(const View& other) noexcept {
        join_seen(other);
        for (std::size_t at = 0; at < clock.size(); ++at) {
            clock[at] = std::max(clock[at], other.clock[at]);
        }
    }
};

/// What a visible operation does.
enum class Kind : std::uint8_t {
    start,
    load,
    store,
    rmw,         ///< read-modify-write, also one that fails
    fence,       ///< stand-alone, any order
    light,       ///< light half of an asymmetric fence
    heavy,       ///< heavy half
    wait_check,  ///< futex wait: the kernel compares and queues, in one step
    wait_sleep,  ///< futex wait: the rest; runs once somebody has woken the thread
    wake,        ///< futex wake
    yield,       ///< runs once another thread has taken a step
    done,
};

/// One visible operation: everything that the order of two threads can matter for.
struct Op {
    Kind kind = Kind::start;
    std::size_t location = locations_max;  ///< locations_max: none
    bool seq_cst = false;
};

/// Whether the order of two adjacent operations of different threads can matter.
[[nodiscard]] bool dependent(const Op& one, const Op& other) noexcept;
/// For traces: "load.sc L3".
[[nodiscard]] std::string describe(const Op& op);

}  // namespace repartir::model
