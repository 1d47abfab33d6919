// SPDX-License-Identifier: MIT
#pragma once
/// @file math.hpp Functions on traced values; on vectors they go component by component. How exact
/// they are is Vulkan's to say (docs/kernels.md has the table). Those that take angles, exponents
/// or logarithms exist for float only.
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "repartir/gpu/layout.hpp"
#include "repartir/gpu/op.hpp"
#include "repartir/gpu/operators.hpp"
#include "repartir/gpu/trace.hpp"
#include "repartir/gpu/value.hpp"

namespace repartir::gpu {

namespace detail {

/// A traced value with components that a function takes.
template <class A>
concept NumberLike = Traced<A> && NumberOf<Component<HostOf<A>>>;
template <class A>
concept FloatLike = Traced<A> && FloatOf<Component<HostOf<A>>>;
template <class A>
concept Float32Like = Traced<A> && std::same_as<float, Component<HostOf<A>>>;
template <class A>
concept Bits32Like =
    Traced<A> && IntegerOf<Component<HostOf<A>>> && sizeof(Component<HostOf<A>>) == 4;
template <class A, class B>
concept Float32s = Floats<A, B> && std::same_as<float, Component<Common<A, B>>>;
template <class A>
concept FloatVector = FloatLike<A> && IsArray<HostOf<A>>::value;

template <Traced A>
[[nodiscard]] auto map(Op op, const A& a) {
    using H = HostOf<A>;
    return each<H, H>(op, a);
}

}  // namespace detail

// Of one number.

[[nodiscard]] auto abs(const detail::NumberLike auto& a) { return detail::map(Op::absolute, a); }
/// @return -1, 0 or 1.
[[nodiscard]] auto sign(const detail::NumberLike auto& a) { return detail::map(Op::sign, a); }
[[nodiscard]] auto floor(const detail::FloatLike auto& a) { return detail::map(Op::floor, a); }
[[nodiscard]] auto ceil(const detail::FloatLike auto& a) { return detail::map(Op::ceil, a); }
[[nodiscard]] auto trunc(const detail::FloatLike auto& a) { return detail::map(Op::truncate, a); }
/// @return the nearest whole number; between two, the even one.
[[nodiscard]] auto round(const detail::FloatLike auto& a) { return detail::map(Op::round, a); }
[[nodiscard]] auto fract(const detail::FloatLike auto& a) { return a - floor(a); }
[[nodiscard]] auto sqrt(const detail::FloatLike auto& a) { return detail::map(Op::sqrt, a); }
[[nodiscard]] auto inverse_sqrt(const detail::FloatLike auto& a) {
    return detail::map(Op::inverse_sqrt, a);
}
[[nodiscard]] auto sin(const detail::Float32Like auto& a) { return detail::map(Op::sin, a); }
[[nodiscard]] auto cos(const detail::Float32Like auto& a) { return detail::map(Op::cos, a); }
[[nodiscard]] auto tan(const detail::Float32Like auto& a) { return detail::map(Op::tan, a); }
[[nodiscard]] auto asin(const detail::Float32Like auto& a) { return detail::map(Op::asin, a); }
[[nodiscard]] auto acos(const detail::Float32Like auto& a) { return detail::map(Op::acos, a); }
[[nodiscard]] auto atan(const detail::Float32Like auto& a) { return detail::map(Op::atan, a); }
[[nodiscard]] auto exp(const detail::Float32Like auto& a) { return detail::map(Op::exp, a); }
[[nodiscard]] auto exp2(const detail::Float32Like auto& a) { return detail::map(Op::exp2, a); }
[[nodiscard]] auto log(const detail::Float32Like auto& a) { return detail::map(Op::log, a); }
[[nodiscard]] auto log2(const detail::Float32Like auto& a) { return detail::map(Op::log2, a); }

/// Whether it is no number, or infinite. A device may compute as if neither existed.
template <detail::FloatLike A>
[[nodiscard]] auto is_nan(const A& a) {
    using H = detail::HostOf<A>;
    return detail::each<detail::Rebind<H, bool>, H>(Op::is_nan, a);
}
template <detail::FloatLike A>
[[nodiscard]] auto is_inf(const A& a) {
    using H = detail::HostOf<A>;
    return detail::each<detail::Rebind<H, bool>, H>(Op::is_inf, a);
}

// Of bits.

[[nodiscard]] auto bit_count(const detail::Bits32Like auto& a) {
    return detail::map(Op::bit_count, a);
}
[[nodiscard]] auto reverse_bits(const detail::Bits32Like auto& a) {
    return detail::map(Op::reverse_bits, a);
}
/// @return the position of the lowest bit that is set; of 0, -1 or its bits.
[[nodiscard]] auto lowest_bit(const detail::Bits32Like auto& a) {
    return detail::map(Op::lowest_bit, a);
}
/// @return the position of the highest bit that is set; of 0, -1 or its bits.
[[nodiscard]] auto highest_bit(const detail::Bits32Like auto& a) {
    return detail::map(Op::highest_bit, a);
}

// Of two and three numbers.

template <class A, class B>
    requires detail::Numbers<A, B>
[[nodiscard]] auto min(const A& a, const B& b) {
    return detail::combine(Op::min, a, b);
}
template <class A, class B>
    requires detail::Numbers<A, B>
[[nodiscard]] auto max(const A& a, const B& b) {
    return detail::combine(Op::max, a, b);
}
/// @return the number, at least `low` and at most `high`.
template <detail::NumberLike A, class B, class C>
[[nodiscard]] auto clamp(const A& a, const B& low, const C& high) {
    return min(max(a, low), high);
}
template <class A, class B>
    requires detail::Float32s<A, B>
[[nodiscard]] auto pow(const A& a, const B& b) {
    return detail::combine(Op::power, a, b);
}
/// @return the angle of the point (x, y).
template <class A, class B>
    requires detail::Float32s<A, B>
[[nodiscard]] auto atan2(const A& y, const B& x) {
    return detail::combine(Op::atan2, y, x);
}
/// @return from a to b, by the share t.
template <class A, class B, class T>
    requires detail::Floats<A, B>
[[nodiscard]] auto mix(const A& a, const B& b, const T& t) {
    return a + (b - a) * t;
}

namespace detail {
/// The C++ type of three operands, of which the first may be anything.
template <class A, class B, class C>
using CommonOf3 = Common<ValueOf<Common<A, B>>, C>;
}  // namespace detail

/// @return a * b + c; rounded once or twice, as the device likes.
template <class A, class B, class C>
    requires detail::Floats<A, B>
[[nodiscard]] auto fma(const A& a, const B& b, const C& c) {
    using H = detail::CommonOf3<A, B, C>;
    const auto x = detail::spread<H>(a);
    const auto y = detail::spread<H>(b);
    const auto z = detail::spread<H>(c);
    detail::Nodes<H> nodes;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        nodes[i] = detail::apply(Op::fma, x[i], y[i], z[i]);
    }
    return detail::from_nodes<H>(nodes.data());
}

namespace detail {
template <class A, class B>
consteval auto selected() {
    if constexpr (Traced<A> && Traced<B> && std::is_same_v<HostOf<A>, HostOf<B>>) {
        return std::type_identity<HostOf<A>>{};
    } else if constexpr (Literal<A> && Literal<B> && std::is_same_v<A, B>) {
        return std::type_identity<A>{};
    } else {
        return std::type_identity<Common<A, B>>{};
    }
}
}  // namespace detail

/// @return `a` where the condition holds, else `b`. Both are computed.
template <class A, class B, class H = typename decltype(detail::selected<A, B>())::type>
    requires(!std::is_void_v<H>)
[[nodiscard]] ValueOf<H> select(const Bool& condition, const A& a, const B& b) {
    const auto x = detail::spread<H>(a);
    const auto y = detail::spread<H>(b);
    detail::Nodes<H> nodes;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        nodes[i] = detail::apply(Op::select, condition.node(), x[i], y[i]);
    }
    return detail::from_nodes<H>(nodes.data());
}

// Of vectors.

template <detail::FloatVector A, detail::FloatVector B>
    requires std::is_same_v<detail::HostOf<A>, detail::HostOf<B>>
[[nodiscard]] auto dot(const A& a, const B& b) {
    using T = detail::Component<detail::HostOf<A>>;
    const auto x = detail::nodes_of(value(a));
    const auto y = detail::nodes_of(value(b));
    detail::Node sum = detail::apply(Op::multiply, x[0], y[0]);
    for (std::size_t i = 1; i < x.size(); ++i) {
        sum = detail::apply(Op::add, sum, detail::apply(Op::multiply, x[i], y[i]));
    }
    return Scalar<T>(sum);
}
template <detail::FloatVector A>
[[nodiscard]] auto length(const A& a) {
    return sqrt(dot(a, a));
}
template <detail::FloatVector A>
[[nodiscard]] auto normalize(const A& a) {
    return value(a) / length(a);
}
template <FloatOf T>
[[nodiscard]] Vector<T, 3> cross(const Vector<T, 3>& a, const Vector<T, 3>& b) {
    return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
[[nodiscard]] inline Bool any(const Vector<bool, 2>& a) { return a.x || a.y; }
[[nodiscard]] inline Bool any(const Vector<bool, 3>& a) { return a.x || a.y || a.z; }
[[nodiscard]] inline Bool any(const Vector<bool, 4>& a) { return a.x || a.y || a.z || a.w; }
[[nodiscard]] inline Bool all(const Vector<bool, 2>& a) { return a.x && a.y; }
[[nodiscard]] inline Bool all(const Vector<bool, 3>& a) { return a.x && a.y && a.z; }
[[nodiscard]] inline Bool all(const Vector<bool, 4>& a) { return a.x && a.y && a.z && a.w; }

// Of matrices.

/// @return the matrix times the vector.
template <FloatOf T, std::size_t C, std::size_t R>
[[nodiscard]] ValueOf<std::array<T, R>> operator*(
    const Composite<std::array<std::array<T, R>, C>>& m, const Vector<T, C>& v) {
    const auto x = detail::nodes_of(v);
    ValueOf<std::array<T, R>> first = m[0] * Scalar<T>(x[0]);
    detail::Nodes<std::array<T, R>> sum = detail::nodes_of(first);
    for (std::size_t c = 1; c < C; ++c) {
        const auto column = detail::nodes_of(m[c] * Scalar<T>(x[c]));
        for (std::size_t r = 0; r < R; ++r) {
            sum[r] = detail::apply(Op::add, sum[r], column[r]);
        }
    }
    return detail::from_nodes<std::array<T, R>>(sum.data());
}
/// @return the product of two matrices.
template <FloatOf T, std::size_t K, std::size_t R, std::size_t C>
[[nodiscard]] Matrix<T, C, R> operator*(const Composite<std::array<std::array<T, R>, K>>& a,
                                        const Composite<std::array<std::array<T, K>, C>>& b) {
    detail::Nodes<std::array<std::array<T, R>, C>> nodes;
    for (std::size_t c = 0; c < C; ++c) {
        const auto column = detail::nodes_of(a * b[c]);
        for (std::size_t r = 0; r < R; ++r) {
            nodes[c * R + r] = column[r];
        }
    }
    return Matrix<T, C, R>(nodes.data());
}
/// @return rows as columns.
template <FloatOf T, std::size_t C, std::size_t R>
[[nodiscard]] Matrix<T, R, C> transpose(const Composite<std::array<std::array<T, R>, C>>& m) {
    detail::Nodes<std::array<std::array<T, C>, R>> nodes;
    for (std::size_t c = 0; c < C; ++c) {
        for (std::size_t r = 0; r < R; ++r) {
            nodes[r * C + c] = m.nodes()[c * R + r];
        }
    }
    return Matrix<T, R, C>(nodes.data());
}

}  // namespace repartir::gpu
