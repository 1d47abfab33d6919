// SPDX-License-Identifier: MIT
#pragma once
/// @file operators.hpp C++'s operators on traced values: between two of one type, a vector and a
/// number of its type, or a traced value and a number of the program. Types never mix by
/// themselves: gpu::to<float>(i) converts.
///
/// Whole numbers wrap around. x / 0 is x, x % 0 is 0, and the smallest number / -1 is itself, its
/// remainder 0. Shifts go by the amount modulo the type's bits. && and || compute both sides.
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "repartir/gpu/layout.hpp"
#include "repartir/gpu/op.hpp"
#include "repartir/gpu/trace.hpp"
#include "repartir/gpu/value.hpp"

namespace repartir::gpu {
namespace detail {

template <class T>
struct ComponentOf {
    using type = void;
};
template <ScalarOf T>
struct ComponentOf<T> {
    using type = T;
};
template <ScalarOf T, std::size_t N>
    requires(N >= 2 && N <= 4)
struct ComponentOf<std::array<T, N>> {
    using type = T;
};
template <class T>
using Component = typename ComponentOf<T>::type;

/// The same shape with other components: of float and float[3], bool and bool[3].
template <class T, class To>
struct Rebound {
    using type = To;
};
template <class T, std::size_t N, class To>
struct Rebound<std::array<T, N>, To> {
    using type = std::array<To, N>;
};
template <class T, class To>
using Rebind = typename Rebound<T, To>::type;

template <class A>
struct HostFor {
    using type = void;
};
template <Traced A>
struct HostFor<A> {
    using type = typename std::remove_cvref_t<A>::Host;
};
template <class A>
using HostOf = typename HostFor<A>::type;

/// Whether a number of the program goes with traced numbers of type T (void: with none).
template <class A, class T>
inline constexpr bool literal_fits = false;
template <Literal A, ScalarOf T>
inline constexpr bool literal_fits<A, T> = std::convertible_to<A, Scalar<T>>;

/// What two operands have in common; void where they do not go together.
template <class A, class B>
consteval auto common() {
    using HA = HostOf<A>;
    using HB = HostOf<B>;
    using CA = Component<HA>;
    using CB = Component<HB>;
    if constexpr (literal_fits<B, CA>) {
        return std::type_identity<HA>{};
    } else if constexpr (literal_fits<A, CB>) {
        return std::type_identity<HB>{};
    } else if constexpr (std::is_void_v<CA> || !std::is_same_v<CA, CB>) {
        return std::type_identity<void>{};
    } else if constexpr (std::is_same_v<HA, HB> || ScalarOf<HB>) {
        return std::type_identity<HA>{};
    } else if constexpr (ScalarOf<HA>) {
        return std::type_identity<HB>{};
    } else {
        return std::type_identity<void>{};
    }
}
template <class A, class B>
using Common = typename decltype(common<A, B>())::type;

/// Asked first by every operator, so that those of other types cost no more than this.
template <class A, class B>
concept SomeTraced = Traced<A> || Traced<B>;
template <class A, class B>
concept Numbers = SomeTraced<A, B> && NumberOf<Component<Common<A, B>>>;
template <class A, class B>
concept Floats = SomeTraced<A, B> && FloatOf<Component<Common<A, B>>>;
template <class A, class B>
concept Integers = SomeTraced<A, B> && IntegerOf<Component<Common<A, B>>>;
template <class A, class B>
concept Bools = SomeTraced<A, B> && std::is_same_v<bool, Common<A, B>>;
template <class A, class B>
concept Bits = Integers<A, B> || Bools<A, B>;
/// What can be compared for being equal.
template <class A, class B>
concept Alike = Numbers<A, B> || Bools<A, B>;
template <class A, class B>
concept Shift =
    Integers<A, B> || (IntegerOf<Component<HostOf<A>>> && std::is_same_v<HostOf<B>, std::uint32_t>);

/// @return the nodes of an operand as an H: a number for each of its components.
template <class H, class A>
[[nodiscard]] Nodes<H> spread(const A& a) {
    Nodes<H> nodes;
    if constexpr (Literal<A>) {
        nodes.fill(Scalar<Component<H>>(a).node());
    } else if constexpr (std::is_same_v<HostOf<A>, H>) {
        nodes = nodes_of(value(a));
    } else {
        nodes.fill(value(a).node());
    }
    return nodes;
}

/// A step for each component. @tparam R the result's C++ type @tparam H the operands'
template <class R, class H, class A>
[[nodiscard]] ValueOf<R> each(Op op, const A& a) {
    const Nodes<H> x = spread<H>(a);
    Nodes<R> result;
    for (std::size_t i = 0; i < x.size(); ++i) {
        result[i] = apply(op, x[i]);
    }
    return from_nodes<R>(result.data());
}
template <class R, class H, class A, class B>
[[nodiscard]] ValueOf<R> each(Op op, const A& a, const B& b) {
    const Nodes<H> x = spread<H>(a);
    const Nodes<H> y = spread<H>(b);
    Nodes<R> result;
    for (std::size_t i = 0; i < x.size(); ++i) {
        result[i] = apply(op, x[i], y[i]);
    }
    return from_nodes<R>(result.data());
}
template <class A, class B, class H = Common<A, B>>
[[nodiscard]] ValueOf<H> combine(Op op, const A& a, const B& b) {
    return each<H, H>(op, a, b);
}
template <class A, class B, class H = Common<A, B>, class R = Rebind<H, bool>>
[[nodiscard]] ValueOf<R> compare(Op op, const A& a, const B& b) {
    return each<R, H>(op, a, b);
}

/// @return the node converted; itself where it has the type already.
template <ScalarOf To, ScalarOf From>
[[nodiscard]] Node converted(Node a) {
    if constexpr (std::is_same_v<To, From>) {
        return a;
    } else if constexpr (std::is_same_v<To, bool>) {
        return apply(Op::not_equal, a, Scalar<From>(From{0}).node());
    } else if constexpr (std::is_same_v<From, bool>) {
        return apply(Op::select, a, Scalar<To>(To{1}).node(), Scalar<To>(To{0}).node());
    } else {
        return change(Op::convert, scalar_type<To>(), a);
    }
}

template <class A, class B>
[[nodiscard]] auto shift(Op op, const A& a, const B& b) {
    if constexpr (Integers<A, B>) {
        return combine(op, a, b);
    } else {
        using T = Component<HostOf<A>>;
        return combine(op, a, Scalar<T>(converted<T, std::uint32_t>(value(b).node())));
    }
}

}  // namespace detail

template <class A, class B>
    requires detail::Numbers<A, B>
[[nodiscard]] auto operator+(const A& a, const B& b) {
    return detail::combine(Op::add, a, b);
}
template <class A, class B>
    requires detail::Numbers<A, B>
[[nodiscard]] auto operator-(const A& a, const B& b) {
    return detail::combine(Op::subtract, a, b);
}
template <class A, class B>
    requires detail::Numbers<A, B>
[[nodiscard]] auto operator*(const A& a, const B& b) {
    return detail::combine(Op::multiply, a, b);
}
template <class A, class B>
    requires detail::Numbers<A, B>
[[nodiscard]] auto operator/(const A& a, const B& b) {
    return detail::combine(Op::divide, a, b);
}
template <class A, class B>
    requires detail::Integers<A, B>
[[nodiscard]] auto operator%(const A& a, const B& b) {
    return detail::combine(Op::remainder, a, b);
}
template <class A, class B>
    requires detail::Bits<A, B>
[[nodiscard]] auto operator&(const A& a, const B& b) {
    return detail::combine(Op::bit_and, a, b);
}
template <class A, class B>
    requires detail::Bits<A, B>
[[nodiscard]] auto operator|(const A& a, const B& b) {
    return detail::combine(Op::bit_or, a, b);
}
template <class A, class B>
    requires detail::Bits<A, B>
[[nodiscard]] auto operator^(const A& a, const B& b) {
    return detail::combine(Op::bit_xor, a, b);
}
template <class A, class B>
    requires detail::Shift<A, B>
[[nodiscard]] auto operator<<(const A& a, const B& b) {
    return detail::shift(Op::shift_left, a, b);
}
template <class A, class B>
    requires detail::Shift<A, B>
[[nodiscard]] auto operator>>(const A& a, const B& b) {
    return detail::shift(Op::shift_right, a, b);
}
template <class A, class B>
    requires detail::Bools<A, B>
[[nodiscard]] Bool operator&&(const A& a, const B& b) {
    return detail::combine(Op::bit_and, a, b);
}
template <class A, class B>
    requires detail::Bools<A, B>
[[nodiscard]] Bool operator||(const A& a, const B& b) {
    return detail::combine(Op::bit_or, a, b);
}

template <class A, class B>
    requires detail::Alike<A, B>
[[nodiscard]] auto operator==(const A& a, const B& b) {
    return detail::compare(Op::equal, a, b);
}
template <class A, class B>
    requires detail::Alike<A, B>
[[nodiscard]] auto operator!=(const A& a, const B& b) {
    return detail::compare(Op::not_equal, a, b);
}
template <class A, class B>
    requires detail::Numbers<A, B>
[[nodiscard]] auto operator<(const A& a, const B& b) {
    return detail::compare(Op::less, a, b);
}
template <class A, class B>
    requires detail::Numbers<A, B>
[[nodiscard]] auto operator<=(const A& a, const B& b) {
    return detail::compare(Op::less_equal, a, b);
}
template <class A, class B>
    requires detail::Numbers<A, B>
[[nodiscard]] auto operator>(const A& a, const B& b) {
    return detail::compare(Op::less, b, a);
}
template <class A, class B>
    requires detail::Numbers<A, B>
[[nodiscard]] auto operator>=(const A& a, const B& b) {
    return detail::compare(Op::less_equal, b, a);
}

template <Traced A>
    requires detail::Numbers<A, A>
[[nodiscard]] auto operator-(const A& a) {
    using H = detail::HostOf<A>;
    return detail::each<H, H>(Op::negate, a);
}
template <Traced A>
    requires detail::Integers<A, A>
[[nodiscard]] auto operator~(const A& a) {
    using H = detail::HostOf<A>;
    return detail::each<H, H>(Op::invert, a);
}
template <Traced A>
    requires std::is_same_v<bool, detail::HostOf<A>>
[[nodiscard]] Bool operator!(const A& a) {
    return detail::each<bool, bool>(Op::invert, a);
}

/// @return the same number in another type. To a whole number it is cut off towards zero; what is
/// too large becomes the largest, too small the smallest, and what is no number 0. A bool is 1 or
/// 0.
template <ScalarOf To, Traced A>
[[nodiscard]] auto to(const A& a) {
    using H = detail::HostOf<A>;
    using R = detail::Rebind<H, To>;
    static_assert(!std::is_void_v<detail::Component<H>>, "gpu::to converts numbers and vectors");
    detail::Nodes<R> nodes = detail::nodes_of(value(a));
    for (detail::Node& node : nodes) {
        node = detail::converted<To, detail::Component<H>>(node);
    }
    return detail::from_nodes<R>(nodes.data());
}

/// @return the same bits as another type of the same size.
template <ScalarOf To, Traced A>
[[nodiscard]] auto bit_cast(const A& a) {
    using H = detail::HostOf<A>;
    using From = detail::Component<H>;
    static_assert(NumberOf<To> && NumberOf<From> && sizeof(To) == sizeof(From),
                  "gpu::bit_cast goes between numbers of one size");
    using R = detail::Rebind<H, To>;
    detail::Nodes<R> nodes = detail::nodes_of(value(a));
    if constexpr (!std::is_same_v<To, From>) {
        for (detail::Node& node : nodes) {
            node = detail::change(Op::bit_cast, detail::scalar_type<To>(), node);
        }
    }
    return detail::from_nodes<R>(nodes.data());
}

}  // namespace repartir::gpu
