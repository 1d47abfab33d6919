// SPDX-License-Identifier: MIT
#pragma once
/// @file atomics.hpp The checker's atomics: what the code under test gets instead of std::atomic.
#include <atomic>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "checker.hpp"

namespace repartir::model {

template <class T>
[[nodiscard]] std::uint64_t to_bits(T value) noexcept {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(std::uint64_t));
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    return bits;
}

template <class T>
[[nodiscard]] T from_bits(std::uint64_t bits) noexcept {
    T value{};
    // SAFETY: it is trivially copyable, see above, though it may have a constructor.
    std::memcpy(static_cast<void*>(&value), &bits, sizeof value);
    return value;
}

/// The part of std::atomic that Repartir uses, over the checker's memory.
/// @tparam Rule maps the orders that the code asks for to those that it gets (see Faithful).
template <class T, class Rule>
class Atomic {
  public:
    Atomic() : Atomic(T{}) {}
    Atomic(T value)  // NOLINT: as std::atomic
        : location_(memory().make_location(to_bits(value))), execution_(memory().execution()) {}
    Atomic(const Atomic&) = delete;
    Atomic& operator=(const Atomic&) = delete;
    ~Atomic() {
        if (Checker::runs(execution_)) {
            memory().destroy_location(location_);
        }
    }

    T load(std::memory_order order = std::memory_order_seq_cst) const {
        order = Rule::load(order);
        before(Kind::load, order);
        return from_bits<T>(memory().load(location_, order));
    }
    void store(T value, std::memory_order order = std::memory_order_seq_cst) {
        order = Rule::store(order);
        before(Kind::store, order);
        memory().store(location_, to_bits(value), order);
    }
    T exchange(T value, std::memory_order order = std::memory_order_seq_cst) {
        return change(order, [&](T) { return value; });
    }
    T fetch_add(T by, std::memory_order order = std::memory_order_seq_cst) {
        return change(order, [&](T old) { return static_cast<T>(old + by); });
    }
    T fetch_sub(T by, std::memory_order order = std::memory_order_seq_cst) {
        return change(order, [&](T old) { return static_cast<T>(old - by); });
    }
    T fetch_or(T bits, std::memory_order order = std::memory_order_seq_cst) {
        return change(order, [&](T old) { return static_cast<T>(old | bits); });
    }
    T fetch_and(T bits, std::memory_order order = std::memory_order_seq_cst) {
        return change(order, [&](T old) { return static_cast<T>(old & bits); });
    }
    bool compare_exchange_strong(T& expected, T desired, std::memory_order success,
                                 std::memory_order failure) {
        success = Rule::exchange(success);
        failure = Rule::load(failure);
        const bool strong =
            success == std::memory_order_seq_cst || failure == std::memory_order_seq_cst;
        before(Kind::rmw, strong ? std::memory_order_seq_cst : success);
        std::uint64_t bits = to_bits(expected);
        const bool exchanged =
            memory().compare_exchange(location_, bits, to_bits(desired), success, failure);
        expected = from_bits<T>(bits);
        return exchanged;
    }
    bool compare_exchange_weak(T& expected, T desired, std::memory_order success,
                               std::memory_order failure) {
        return compare_exchange_strong(expected, desired, success, failure);
    }
    /// Not in std::atomic: takes one off unless the value is 0, in one step. For queues of models
    /// that are about something else.
    bool take_one() {
        return change(std::memory_order_seq_cst,
                      [&](T old) { return static_cast<T>(old == 0 ? old : old - 1); }) != 0;
    }
    [[nodiscard]] std::size_t location() const noexcept { return location_; }

  private:
    static Memory& memory() { return Checker::current().memory(); }
    void before(Kind kind, std::memory_order order) const {
        Checker::current().visible({kind, location_, order == std::memory_order_seq_cst});
    }
    template <class Change>
    T change(std::memory_order order, Change&& change) {
        order = Rule::exchange(order);
        before(Kind::rmw, order);
        const T old = from_bits<T>(memory().exchange_read(location_, order));
        memory().exchange_write(location_, to_bits<T>(change(old)), order);
        return old;
    }

    std::size_t location_;
    std::uint64_t execution_;
};

/// Data that is no atomic: the checker reports unordered uses.
template <class T>
class Plain {
  public:
    [[nodiscard]] T get() {
        Checker::current().memory().plain_read(plain_);
        return value_;
    }
    void set(T value) {
        Checker::current().memory().plain_write(plain_);
        value_ = value;
    }

  private:
    Memory::Plain plain_;
    T value_{};
};

/// The orders as they are written, and fences that work. Rules that weaken something derive from it
/// and hide a member: the code must then be caught (weakened_test.cpp).
struct Faithful {
    static std::memory_order load(std::memory_order order) { return order; }
    static std::memory_order store(std::memory_order order) { return order; }
    static std::memory_order exchange(std::memory_order order) { return order; }
    static constexpr bool has_light_fence = true;
    static constexpr bool has_heavy_fence = true;
    static constexpr bool has_fence = true;
    static constexpr bool has_wake = true;
    static constexpr bool asymmetric = true;
};

/// The atomics policy (detail::StdAtomics, sched::FutexAtomics) of the checker.
template <class Rule = Faithful>
struct Atomics {
    template <class T>
    using atomic = Atomic<T, Rule>;

    static void fence(std::memory_order order) {
        if constexpr (Rule::has_fence) {
            Checker& checker = Checker::current();
            checker.visible({Kind::fence, locations_max, order == std::memory_order_seq_cst});
            checker.memory().fence(order);
        }
    }
    static void light_fence() {
        if constexpr (Rule::has_light_fence) {
            Checker& checker = Checker::current();
            checker.visible({Kind::light, locations_max, false});
            checker.memory().light_fence();
        }
    }
    static bool enable_heavy_fence() { return Rule::asymmetric; }
    static void heavy_fence() {
        if constexpr (Rule::has_heavy_fence) {
            Checker& checker = Checker::current();
            checker.visible({Kind::heavy, locations_max, true});
            checker.memory().heavy_fence();
        }
    }
    static void wait_while(const atomic<std::uint32_t>& word, std::uint32_t value) {
        Checker::current().wait_while(word.location(), value);
    }
    static void wake_one(atomic<std::uint32_t>& word) {
        if constexpr (Rule::has_wake) {
            Checker::current().wake(word.location(), false);
        }
    }
    static void wake_all(atomic<std::uint32_t>& word) {
        if constexpr (Rule::has_wake) {
            Checker::current().wake(word.location(), true);
        }
    }
};

}  // namespace repartir::model
