// SPDX-License-Identifier: MIT
// Steps that compute values, on the CPU: what each means, for one invocation, stands in a lambda.
#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "exec/gpu/dsl/machine.hpp"

namespace repartir::gpu::dsl {
namespace {

template <class T>
concept Whole = std::integral<T> && !std::same_as<T, bool>;
template <class T>
concept Number = Whole<T> || std::floating_point<T>;
template <class T>
concept Bits = std::integral<T>;
template <class T>
concept Whole32 = Whole<T> && sizeof(T) == 4;

/// The same number without a sign, so that overflow wraps around.
template <Whole T>
constexpr auto wrapping(T a) {
    return static_cast<std::make_unsigned_t<T>>(a);
}

template <class F, class T>
void take_one(const Prepared& code, Machine& machine) {
    using R = std::invoke_result_t<F, T>;
    R* result = row<R>(code.result);
    const T* a = row<T>(code.a);
    for (std::uint32_t l = 0; l < machine.lanes; ++l) {
        result[l] = F{}(a[l]);
    }
}

template <class F, class T>
void take_two(const Prepared& code, Machine& machine) {
    using R = std::invoke_result_t<F, T, T>;
    R* result = row<R>(code.result);
    const T* a = row<T>(code.a);
    const T* b = row<T>(code.b);
    for (std::uint32_t l = 0; l < machine.lanes; ++l) {
        result[l] = F{}(a[l], b[l]);
    }
}

template <class F>
Take one(ValueType of, F /*what it means*/) {
    return by_type(of, []<class T>() -> Take {
        if constexpr (std::is_invocable_v<F, T>) {
            return take_one<F, T>;
        } else {
            return nullptr;
        }
    });
}

template <class F>
Take two(ValueType of, F /*what it means*/) {
    return by_type(of, []<class T>() -> Take {
        if constexpr (std::is_invocable_v<F, T, T>) {
            return take_two<F, T>;
        } else {
            return nullptr;
        }
    });
}

template <class T>
void take_select(const Prepared& code, Machine& machine) {
    T* result = row<T>(code.result);
    const bool* condition = row<bool>(code.a);
    const T* b = row<T>(code.b);
    const T* c = row<T>(code.c);
    for (std::uint32_t l = 0; l < machine.lanes; ++l) {
        result[l] = condition[l] ? b[l] : c[l];
    }
}

template <class T>
void take_fma(const Prepared& code, Machine& machine) {
    T* result = row<T>(code.result);
    const T* a = row<T>(code.a);
    const T* b = row<T>(code.b);
    const T* c = row<T>(code.c);
    for (std::uint32_t l = 0; l < machine.lanes; ++l) {
        const T product = a[l] * b[l];  // rounded twice: Vulkan allows both
        result[l] = product + c[l];
    }
}

Take of_floats(Op op, ValueType of) {
    switch (op) {
        case Op::floor:
            return one(of, []<std::floating_point T>(T a) -> T { return std::floor(a); });
        case Op::ceil:
            return one(of, []<std::floating_point T>(T a) -> T { return std::ceil(a); });
        case Op::truncate:
            return one(of, []<std::floating_point T>(T a) -> T { return std::trunc(a); });
        case Op::round:
            return one(of, []<std::floating_point T>(T a) -> T { return std::rint(a); });
        case Op::sqrt:
            return one(of, []<std::floating_point T>(T a) -> T { return std::sqrt(a); });
        case Op::inverse_sqrt:
            return one(of, []<std::floating_point T>(T a) -> T { return T{1} / std::sqrt(a); });
        case Op::sin:
            return one(of, [](std::same_as<float> auto a) { return std::sin(a); });
        case Op::cos:
            return one(of, [](std::same_as<float> auto a) { return std::cos(a); });
        case Op::tan:
            return one(of, [](std::same_as<float> auto a) { return std::tan(a); });
        case Op::asin:
            return one(of, [](std::same_as<float> auto a) { return std::asin(a); });
        case Op::acos:
            return one(of, [](std::same_as<float> auto a) { return std::acos(a); });
        case Op::atan:
            return one(of, [](std::same_as<float> auto a) { return std::atan(a); });
        case Op::exp:
            return one(of, [](std::same_as<float> auto a) { return std::exp(a); });
        case Op::exp2:
            return one(of, [](std::same_as<float> auto a) { return std::exp2(a); });
        case Op::log:
            return one(of, [](std::same_as<float> auto a) { return std::log(a); });
        case Op::log2:
            return one(of, [](std::same_as<float> auto a) { return std::log2(a); });
        case Op::is_nan:
            return one(of, []<std::floating_point T>(T a) -> bool { return std::isnan(a); });
        case Op::is_inf:
            return one(of, []<std::floating_point T>(T a) -> bool { return std::isinf(a); });
        case Op::power:
            return two(of, [](std::same_as<float> auto a, float b) { return std::pow(a, b); });
        case Op::atan2:
            return two(of, [](std::same_as<float> auto a, float b) { return std::atan2(a, b); });
        default:
            return nullptr;
    }
}

struct Negate {
    template <Number T>
    T operator()(T a) const {
        if constexpr (Whole<T>) {
            return static_cast<T>(0 - wrapping(a));
        } else {
            return -a;
        }
    }
};
struct Absolute {
    template <Number T>
    T operator()(T a) const {
        if constexpr (std::floating_point<T>) {
            return std::abs(a);
        } else {
            return a < T{0} ? Negate{}(a) : a;
        }
    }
};
struct Invert {
    template <Bits T>
    T operator()(T a) const {
        if constexpr (std::same_as<T, bool>) {
            return !a;
        } else {
            return static_cast<T>(~a);
        }
    }
};
struct ReverseBits {
    template <Whole32 T>
    T operator()(T a) const {
        auto x = static_cast<std::uint32_t>(a);
        x = (x >> 1U & 0x55555555U) | (x & 0x55555555U) << 1U;
        x = (x >> 2U & 0x33333333U) | (x & 0x33333333U) << 2U;
        x = (x >> 4U & 0x0F0F0F0FU) | (x & 0x0F0F0F0FU) << 4U;
        return static_cast<T>(std::byteswap(x));
    }
};

Take of_one(Op op, ValueType of) {
    switch (op) {
        case Op::negate:
            return one(of, Negate{});
        case Op::invert:
            return one(of, Invert{});
        case Op::absolute:
            return one(of, Absolute{});
        case Op::sign:
            return one(of, []<Number T>(T a) -> T {
                return static_cast<T>((a > T{0} ? 1 : 0) - (a < T{0} ? 1 : 0));
            });
        case Op::bit_count:
            return one(
                of, []<Whole32 T>(T a) -> T { return static_cast<T>(std::popcount(wrapping(a))); });
        case Op::reverse_bits:
            return one(of, ReverseBits{});
        case Op::lowest_bit:
            return one(of, []<Whole32 T>(T a) -> T {
                return a == 0 ? static_cast<T>(-1) : static_cast<T>(std::countr_zero(wrapping(a)));
            });
        case Op::highest_bit:
            return one(of, []<Whole32 T>(T a) -> T {
                return static_cast<T>(31 - std::countl_zero(wrapping(a)));
            });
        default:
            return of_floats(op, of);
    }
}

/// Whether a / b has a result: b is not 0, and it does not overflow.
template <Whole T>
bool divides(T a, T b) {
    if constexpr (std::is_signed_v<T>) {
        return b != 0 && !(b == -1 && a == std::numeric_limits<T>::min());
    } else {
        return b != 0;
    }
}

template <Whole T>
unsigned shift_amount(T by) {
    return static_cast<unsigned>(wrapping(by) % (8 * sizeof(T)));
}

struct Add {
    template <Number T>
    T operator()(T a, T b) const {
        if constexpr (Whole<T>) {
            return static_cast<T>(wrapping(a) + wrapping(b));
        } else {
            return a + b;
        }
    }
};
struct Subtract {
    template <Number T>
    T operator()(T a, T b) const {
        if constexpr (Whole<T>) {
            return static_cast<T>(wrapping(a) - wrapping(b));
        } else {
            return a - b;
        }
    }
};
struct Multiply {
    template <Number T>
    T operator()(T a, T b) const {
        if constexpr (Whole<T>) {
            return static_cast<T>(wrapping(a) * wrapping(b));
        } else {
            return a * b;
        }
    }
};
struct Divide {
    template <Number T>
    T operator()(T a, T b) const {
        if constexpr (Whole<T>) {
            return divides(a, b) ? static_cast<T>(a / b) : a;
        } else {
            return a / b;
        }
    }
};

Take of_arithmetic(Op op, ValueType of) {
    switch (op) {
        case Op::add:
            return two(of, Add{});
        case Op::subtract:
            return two(of, Subtract{});
        case Op::multiply:
            return two(of, Multiply{});
        case Op::divide:
            return two(of, Divide{});
        case Op::remainder:
            return two(of, []<Whole T>(T a, T b) -> T {
                return divides(a, b) ? static_cast<T>(a % b) : T{0};
            });
        case Op::min:
            return two(of, []<Number T>(T a, T b) -> T { return b < a ? b : a; });
        case Op::max:
            return two(of, []<Number T>(T a, T b) -> T { return a < b ? b : a; });
        case Op::shift_left:
            return two(of, []<Whole T>(T a, T b) -> T {
                return static_cast<T>(wrapping(a) << shift_amount(b));
            });
        case Op::shift_right:
            return two(of,
                       []<Whole T>(T a, T b) -> T { return static_cast<T>(a >> shift_amount(b)); });
        default:
            return of_one(op, of);
    }
}

template <class T>
concept Any = Number<T> || std::same_as<T, bool>;

Take of_bits(Op op, ValueType of) {
    switch (op) {
        case Op::bit_and:
            return two(of, []<Bits T>(T a, T b) -> T { return static_cast<T>(a & b); });
        case Op::bit_or:
            return two(of, []<Bits T>(T a, T b) -> T { return static_cast<T>(a | b); });
        case Op::bit_xor:
            return two(of, []<Bits T>(T a, T b) -> T { return static_cast<T>(a ^ b); });
        case Op::equal:
            return two(of, []<Any T>(T a, T b) -> bool { return a == b; });
        case Op::not_equal:
            return two(of, []<Any T>(T a, T b) -> bool { return a != b; });
        case Op::less:
            return two(of, []<Number T>(T a, T b) -> bool { return a < b; });
        case Op::less_equal:
            return two(of, []<Number T>(T a, T b) -> bool { return a <= b; });
        default:
            return of_arithmetic(op, of);
    }
}

/// A number in another type; a float that does not fit is cut off, and no number is 0.
template <Number To, Number From>
To converted(From a) {
    if constexpr (std::floating_point<From> && Whole<To>) {
        // the first number that is too large, which a float holds exactly
        const From above = std::ldexp(From{1}, std::numeric_limits<To>::digits);
        if (a >= above) {
            return std::numeric_limits<To>::max();
        }
        const From low = static_cast<From>(std::numeric_limits<To>::min());
        if (a < low) {
            return std::numeric_limits<To>::min();
        }
        return std::isnan(a) ? To{0} : static_cast<To>(a);
    } else {
        return static_cast<To>(a);
    }
}

/// How each number of one type becomes one of another.
template <bool keep_bits, class From, class To>
void take_change(const Prepared& code, Machine& machine) {
    const From* a = row<From>(code.a);
    To* result = row<To>(code.result);
    for (std::uint32_t l = 0; l < machine.lanes; ++l) {
        if constexpr (keep_bits) {
            result[l] = std::bit_cast<To>(a[l]);
        } else {
            result[l] = converted<To>(a[l]);
        }
    }
}

template <bool keep_bits>
Take change(ValueType from, ValueType to) {
    return by_type(from, [to]<class From>() -> Take {
        return by_type(to, []<class To>() -> Take {
            constexpr bool possible =
                Number<From> && Number<To> && (!keep_bits || sizeof(From) == sizeof(To));
            if constexpr (possible) {
                return take_change<keep_bits, From, To>;
            } else {
                return nullptr;
            }
        });
    });
}

}  // namespace

Take take_value(Op op, ValueType of, ValueType to) {
    switch (op) {
        case Op::select:
            return by_type(of, []<class T>() -> Take { return take_select<T>; });
        case Op::fma:
            return of == ValueType::f32 ? take_fma<float> : take_fma<double>;
        case Op::convert:
            return change<false>(of, to);
        case Op::bit_cast:
            return change<true>(of, to);
        default:
            return of_bits(op, of);
    }
}

}  // namespace repartir::gpu::dsl
