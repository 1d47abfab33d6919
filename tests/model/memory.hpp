// SPDX-License-Identifier: MIT
#pragma once
/// @file memory.hpp The memory that modelled threads see: weaker than sequential consistency.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "view.hpp"

namespace repartir::model {

/// Who decides what the memory model leaves open.
class Oracle {
  public:
    virtual ~Oracle() = default;
    /// @return a number below `count`; 0 stands for the newest message.
    virtual std::size_t choose(std::size_t count) = 0;
    /// The program did what no program may do. Does not return to a modelled thread.
    virtual void fail(const std::string& why) = 0;
};

/// RC11-like memory, as an abstract machine over views (J. Kang et al., "A Promising Semantics for
/// Relaxed-Memory Concurrency", POPL 2017, without promises; O. Lahav et al., "Repairing Sequential
/// Consistency in C/C++11", PLDI 2017, for seq_cst).
///
/// Each location is the list of the messages that were stored to it. A load may return any message
/// that is not older than what the thread's view has seen. A release store puts the thread's view
/// into its message, an acquire load joins it. seq_cst stores leave a mark per location below which
/// seq_cst loads may not read; seq_cst fences exchange whole views with one global view.
///
/// Limits, by choice:
/// - Modification order is the order of execution and loads do not see the future: no load
///   buffering, no 2+2W. Such behaviours need a compiler or machine that reorders a store before an
///   earlier relaxed access of another location.
/// - A seq_cst load does not raise the mark: a little weaker than C++20, so false alarms are
///   possible in principle, missed errors are not.
/// - compare_exchange_weak does not fail spuriously.
/// - A thread reads the same outdated message of a location at most `stale_reads_max` times in a
///   row: stores become visible in the end, and polling loops end.
class Memory {
  public:
    static constexpr unsigned stale_reads_max = 2;

    explicit Memory(Oracle& oracle) : oracle_(oracle) {}

    /// Forgets everything: a new execution begins in the main context.
    /// @param execution a number that no other execution of this test thread has
    void reset(std::uint64_t execution);
    [[nodiscard]] std::uint64_t execution() const noexcept { return execution_; }
    /// The threads begin, and know what the main context knows.
    void fork(std::size_t threads);
    /// The main context goes on, and knows what all threads know.
    void join(std::size_t threads);
    /// The following operations are this thread's, or the main context's.
    void switch_to(std::size_t thread) { self_ = thread; }

    [[nodiscard]] std::size_t make_location(std::uint64_t value);
    void destroy_location(std::size_t location);
    [[nodiscard]] std::uint64_t load(std::size_t location, std::memory_order order);
    void store(std::size_t location, std::uint64_t value, std::memory_order order);
    /// First half of an exchange that always succeeds. @return the newest value.
    [[nodiscard]] std::uint64_t exchange_read(std::size_t location, std::memory_order order);
    /// Second half.
    void exchange_write(std::size_t location, std::uint64_t value, std::memory_order order);
    /// compare_exchange_strong.
    [[nodiscard]] bool compare_exchange(std::size_t location, std::uint64_t& expected,
                                        std::uint64_t desired, std::memory_order success,
                                        std::memory_order failure);
    void fence(std::memory_order order);
    /// Light and heavy halves of an asymmetric fence (J. Bastien, O. Giroux, D. Goldblatt, P1202):
    /// what precedes a light fence is visible behind a later heavy one, and the other way round.
    void light_fence();
    void heavy_fence();
    /// The value that the kernel compares for a futex: the newest.
    [[nodiscard]] std::uint64_t kernel_read(std::size_t location);
    /// The newest value, without an effect on anybody.
    [[nodiscard]] std::uint64_t peek(std::size_t location) const;

    /// Plain data: who wrote and read it last.
    struct Plain {
        Stamp written = 0;
        std::size_t writer = main_thread;
        std::array<Stamp, threads_max + 1> read{};
    };
    void plain_read(Plain& plain);
    void plain_write(Plain& plain);

  private:
    struct Message {
        std::uint64_t value = 0;
        View view;
    };
    struct Location {
        std::vector<Message> messages;
        std::size_t creator = main_thread;
        Stamp created = 0;
        bool alive = false;
    };
    struct Thread {
        View current;   // what operations may rely on
        View acquired;  // what an acquire fence would add
        View released;  // what relaxed stores pass on since the last release fence
        std::array<std::uint8_t, locations_max> stale{};  // outdated reads in a row
    };

    Location& touch(std::size_t location);
    [[nodiscard]] std::size_t oldest(std::size_t location, std::memory_order order) const;
    void read(std::size_t location, std::size_t message, std::memory_order order);
    void append(std::size_t location, std::uint64_t value, std::memory_order order,
                const View* sequence);

    Oracle& oracle_;
    std::size_t self_ = main_thread;
    std::uint64_t execution_ = 0;
    std::size_t location_count_ = 0;
    std::array<Location, locations_max> locations_;
    std::array<Thread, threads_max + 1> threads_;
    View seq_cst_;
    View light_;
    View heavy_;
};

}  // namespace repartir::model
