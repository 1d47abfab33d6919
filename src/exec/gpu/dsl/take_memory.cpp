// SPDX-License-Identifier: MIT
// Loads, stores, atomic operations and subgroups, on the CPU.
#include <algorithm>
#include <atomic>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "exec/gpu/dsl/machine.hpp"

namespace repartir::gpu::dsl {
namespace {

/// Where a lane's access goes, in units; false where it is out of bounds.
bool place(const Prepared& code, const View& view, std::uint32_t lane, std::size_t& at) {
    const std::uint32_t index = row<std::uint32_t>(code.index)[lane];
    const std::uint32_t inside = code.inside == nullptr ? 0 : row<std::uint32_t>(code.inside)[lane];
    at = std::size_t{index} * view.stride + code.unit + inside;
    return index < view.length && inside <= view.stride - code.unit - code.count;
}

// The bits of a number, as a type that may be used for memory of any type.
struct Words {
    using Four [[gnu::may_alias]] = std::uint32_t;
    using Eight [[gnu::may_alias]] = std::uint64_t;
};
template <class T>
using WordOf = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

// A kernel may race with itself on a buffer. ORDER: relaxed, as on a GPU; threads share no
// workgroup, and a thread has taken a step for all of its workgroup before it takes the next.
template <class T>
T read(const std::byte* from) {
    // SAFETY: aligned, which was checked; of a type that may be anything
    if constexpr (sizeof(T) == 4) {
        const auto* word = reinterpret_cast<const Words::Four*>(from);
        return std::bit_cast<T>(__atomic_load_n(word, __ATOMIC_RELAXED));
    } else {
        const auto* word = reinterpret_cast<const Words::Eight*>(from);
        return std::bit_cast<T>(__atomic_load_n(word, __ATOMIC_RELAXED));
    }
}
template <class T>
void write(std::byte* to, T value) {
    // SAFETY: as above
    if constexpr (sizeof(T) == 4) {
        auto* word = reinterpret_cast<Words::Four*>(to);
        __atomic_store_n(word, std::bit_cast<WordOf<T>>(value), __ATOMIC_RELAXED);
    } else {
        auto* word = reinterpret_cast<Words::Eight*>(to);
        __atomic_store_n(word, std::bit_cast<WordOf<T>>(value), __ATOMIC_RELAXED);
    }
}

template <class T>
void take_load(const Prepared& code, Machine& machine) {
    const View& view = machine.objects[code.object];
    for (std::uint32_t l = 0; l < machine.lanes; ++l) {
        std::size_t at = 0;
        const bool fits = machine.mask[l] != 0 && place(code, view, l, at);
        const std::byte* from = view.readable + l * view.per_lane;
        for (std::uint32_t i = 0; i < code.count; ++i) {
            row<T>(code.result + i * code.row)[l] =
                fits ? read<T>(from + (at + i) * sizeof(T)) : T{0};
        }
    }
}

template <class T>
void take_store(const Prepared& code, Machine& machine) {
    const View& view = machine.objects[code.object];
    for (std::uint32_t l = 0; l < machine.lanes; ++l) {
        std::size_t at = 0;
        if (machine.mask[l] == 0 || !place(code, view, l, at)) {
            continue;
        }
        std::byte* to = view.data + l * view.per_lane;
        for (std::uint32_t i = 0; i < code.count; ++i) {
            write<T>(to + (at + i) * sizeof(T), row<T>(code.values[i])[l]);
        }
    }
}

void take_clear(const Prepared& code, Machine& machine) {
    const View& view = machine.objects[code.object];
    for (std::uint32_t l = 0; l < machine.lanes; ++l) {
        if (machine.mask[l] != 0) {
            std::memset(view.data + l * view.per_lane, 0, view.per_lane);
        }
    }
}

template <class T>
void take_get(const Prepared& code, Machine& machine) {
    std::copy_n(row<T>(code.a), machine.lanes, row<T>(code.result));
}

template <class T>
void take_set(const Prepared& code, Machine& machine) {
    T* to = row<T>(code.result);
    const T* a = row<T>(code.a);
    for (std::uint32_t l = 0; l < machine.lanes; ++l) {
        to[l] = machine.mask[l] != 0 ? a[l] : to[l];
    }
}

template <class T, Op op>
T changed(T old, T a) {
    switch (op) {
        case Op::atomic_add: {
            using U = std::make_unsigned_t<T>;
            return static_cast<T>(static_cast<U>(old) + static_cast<U>(a));
        }
        case Op::atomic_min:
            return std::min(old, a);
        case Op::atomic_max:
            return std::max(old, a);
        case Op::atomic_and:
            return old & a;
        case Op::atomic_or:
            return old | a;
        case Op::atomic_xor:
            return old ^ a;
        default:
            return a;
    }
}

template <class T, Op op>
void take_atomic(const Prepared& code, Machine& machine) {
    const View& view = machine.objects[code.object];
    T* result = row<T>(code.result);
    for (std::uint32_t l = 0; l < machine.lanes; ++l) {
        std::size_t at = 0;
        if (machine.mask[l] == 0 || !place(code, view, l, at)) {
            result[l] = T{0};
            continue;
        }
        // SAFETY: aligned (it was checked), and atomic accesses of any type may be raced with
        std::atomic_ref<T> there(*reinterpret_cast<T*>(view.data + at * sizeof(T)));
        const T a = row<T>(code.a)[l];
        T old = a;  // of a compare-exchange: what is expected
        if constexpr (op == Op::atomic_compare_exchange) {
            there.compare_exchange_strong(old, row<T>(code.b)[l]);
        } else {
            old = there.load();
            while (!there.compare_exchange_weak(old, changed<T, op>(old, a))) {}
        }
        result[l] = old;
    }
}

template <Op op>
Take atomic(ValueType type) {
    return by_type(type, []<class T>() -> Take {
        if constexpr (std::integral<T> && !std::same_as<T, bool>) {
            return take_atomic<T, op>;
        } else {
            return nullptr;
        }
    });
}

Take take_atomic_step(Op op, ValueType type) {
    switch (op) {
        case Op::atomic_add:
            return atomic<Op::atomic_add>(type);
        case Op::atomic_min:
            return atomic<Op::atomic_min>(type);
        case Op::atomic_max:
            return atomic<Op::atomic_max>(type);
        case Op::atomic_and:
            return atomic<Op::atomic_and>(type);
        case Op::atomic_or:
            return atomic<Op::atomic_or>(type);
        case Op::atomic_xor:
            return atomic<Op::atomic_xor>(type);
        case Op::atomic_exchange:
            return atomic<Op::atomic_exchange>(type);
        default:
            return atomic<Op::atomic_compare_exchange>(type);
    }
}

template <class T>
T sum_of(T a, T b) {
    if constexpr (std::floating_point<T>) {
        return a + b;
    } else {
        return changed<T, Op::atomic_add>(a, b);
    }
}

/// Calls `f` with the first lane and the end of each subgroup.
template <class F>
void each_subgroup(const Machine& machine, F f) {
    for (std::uint32_t from = 0; from < machine.lanes; from += machine.subgroup_size) {
        f(from, std::min(machine.lanes, from + machine.subgroup_size));
    }
}

/// Sums up to each lane, or with it, or the whole, by the step.
template <class T, Op op>
void take_scan(const Prepared& code, Machine& machine) {
    const T* a = row<T>(code.a);
    T* result = row<T>(code.result);
    each_subgroup(machine, [&](std::uint32_t from, std::uint32_t to) {
        T total{};
        bool first = true;
        for (std::uint32_t l = from; l < to; ++l) {
            if (machine.mask[l] == 0) {
                continue;
            }
            const T before = total;
            if (first) {
                total = a[l];
            } else if constexpr (op == Op::subgroup_min) {
                total = std::min(total, a[l]);
            } else if constexpr (op == Op::subgroup_max) {
                total = std::max(total, a[l]);
            } else {
                total = sum_of(total, a[l]);
            }
            result[l] = op == Op::subgroup_inclusive_add ? total : before;
            first = false;
        }
        if constexpr (op != Op::subgroup_inclusive_add && op != Op::subgroup_exclusive_add) {
            std::fill(result + from, result + to, total);
        }
    });
}

template <class T>
void take_first(const Prepared& code, Machine& machine) {
    const T* a = row<T>(code.a);
    T* result = row<T>(code.result);
    each_subgroup(machine, [&](std::uint32_t from, std::uint32_t to) {
        const std::uint8_t* active =
            std::find(machine.mask + from, machine.mask + to, std::uint8_t{1});
        const T value = active == machine.mask + to ? T{} : a[active - machine.mask];
        std::fill(result + from, result + to, value);
    });
}

template <class T>
void take_shuffle(const Prepared& code, Machine& machine) {
    const T* a = row<T>(code.a);
    const std::uint32_t* who = row<std::uint32_t>(code.b);
    T* result = row<T>(code.result);
    each_subgroup(machine, [&](std::uint32_t from, std::uint32_t to) {
        for (std::uint32_t l = from; l < to; ++l) {
            const bool there = who[l] < to - from && machine.mask[from + who[l]] != 0;
            result[l] = there ? a[from + who[l]] : T{};
        }
    });
}

void take_vote(const Prepared& code, Machine& machine) {
    const bool* a = row<bool>(code.a);
    each_subgroup(machine, [&](std::uint32_t from, std::uint32_t to) {
        bool some = false;
        bool every = true;
        std::uint32_t words[4] = {};
        for (std::uint32_t l = from; l < to; ++l) {
            const bool yes = machine.mask[l] != 0 && a[l];
            some = some || yes;
            every = every && (yes || machine.mask[l] == 0);
            words[(l - from) / 32] |= (yes ? 1U : 0U) << ((l - from) % 32);
        }
        for (std::uint32_t l = from; l < to; ++l) {
            if (code.op == Op::subgroup_ballot) {
                for (std::uint32_t w = 0; w < 4; ++w) {
                    row<std::uint32_t>(code.result + w * code.row)[l] = words[w];
                }
            } else {
                row<bool>(code.result)[l] = code.op == Op::subgroup_any ? some : every;
            }
        }
    });
}

template <Op op>
Take scan(ValueType of) {
    return by_type(of, []<class T>() -> Take {
        if constexpr (std::same_as<T, bool>) {
            return nullptr;
        } else {
            return take_scan<T, op>;
        }
    });
}

}  // namespace

Take take_memory(Op op, ValueType type) {
    switch (op) {
        case Op::load:
        case Op::store:
            return by_type(type, [op]<class T>() -> Take {
                if constexpr (std::same_as<T, bool>) {
                    return nullptr;
                } else {
                    return op == Op::load ? take_load<T> : take_store<T>;
                }
            });
        case Op::clear:
            return take_clear;
        case Op::get:
            return by_type(type, []<class T>() -> Take { return take_get<T>; });
        case Op::set:
            return by_type(type, []<class T>() -> Take { return take_set<T>; });
        default:
            return take_atomic_step(op, type);
    }
}

Take take_subgroup(Op op, ValueType of) {
    switch (op) {
        case Op::subgroup_add:
            return scan<Op::subgroup_add>(of);
        case Op::subgroup_min:
            return scan<Op::subgroup_min>(of);
        case Op::subgroup_max:
            return scan<Op::subgroup_max>(of);
        case Op::subgroup_inclusive_add:
            return scan<Op::subgroup_inclusive_add>(of);
        case Op::subgroup_exclusive_add:
            return scan<Op::subgroup_exclusive_add>(of);
        case Op::subgroup_first:
            return by_type(of, []<class T>() -> Take { return take_first<T>; });
        case Op::subgroup_shuffle:
            return by_type(of, []<class T>() -> Take { return take_shuffle<T>; });
        default:
            return take_vote;
    }
}

}  // namespace repartir::gpu::dsl
