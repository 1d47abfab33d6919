// SPDX-License-Identifier: MIT
#pragma once
/// @file value.hpp The values of kernels: gpu::Float and its like, vectors, matrices, structs.
///
/// A traced value stands for what each invocation will compute. It never changes: what changes is a
/// gpu::Var, or memory. Copies are the same value. One that was made in the body of an If or a loop
/// ends with that body.
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include "repartir/gpu/layout.hpp"
#include "repartir/gpu/op.hpp"
#include "repartir/gpu/trace.hpp"

namespace repartir::gpu {

/// Something of a kernel that has a value of the C++ type `Host`: a value, a variable, a place.
template <class A>
concept Traced = requires { typename std::remove_cvref_t<A>::Host; };

/// A number of the program that records. Becomes a constant of the kernel.
template <class A>
concept Literal = std::is_arithmetic_v<std::remove_cvref_t<A>>;

namespace detail {
/// Records a number. One that the type cannot hold is a mistake; a double becomes the next float.
template <ScalarOf T, Literal A>
[[nodiscard]] Node literal_of(A number);
}  // namespace detail

/// A number or a truth value.
template <ScalarOf T>
class Scalar {
  public:
    using Host = T;

    /// From a number: `gpu::Float half = 0.5f`, `i + 1`. One that does not fit is a mistake.
    template <Literal A>
        requires(std::is_same_v<T, bool> == std::is_same_v<A, bool> &&
                 (!std::is_floating_point_v<A> || std::is_floating_point_v<T>))
    Scalar(A number) : node_(detail::literal_of<T>(number)) {}
    explicit Scalar(detail::Node node) noexcept : node_(node) {}
    Scalar(const Scalar&) = default;
    ~Scalar() = default;
    /// A value never changes. What changes is a variable: gpu::Var<float> x = 0.0f;
    Scalar& operator=(const Scalar&) = delete;
    /// What a traced value is, is known when the kernel runs: use gpu::If, gpu::While, gpu::select.
    explicit operator bool() const = delete;

    [[nodiscard]] detail::Node node() const noexcept { return node_; }

  private:
    detail::Node node_;
};

using Bool = Scalar<bool>;
using Int = Scalar<std::int32_t>;
using UInt = Scalar<std::uint32_t>;
using Float = Scalar<float>;
using Int64 = Scalar<std::int64_t>;    ///< needs a device with int64
using UInt64 = Scalar<std::uint64_t>;  ///< needs a device with int64
using Double = Scalar<double>;         ///< needs a device with float64

/// Two, three or four numbers: std::array<T, N> in C++.
template <ScalarOf T, std::size_t N>
class Vector;

template <ScalarOf T>
class Vector<T, 2> {
  public:
    using Host = std::array<T, 2>;
    Vector(const Scalar<T>& x_, const Scalar<T>& y_) : x(x_), y(y_) {}
    Scalar<T> x, y;
};

template <ScalarOf T>
class Vector<T, 3> {
  public:
    using Host = std::array<T, 3>;
    Vector(const Scalar<T>& x_, const Scalar<T>& y_, const Scalar<T>& z_) : x(x_), y(y_), z(z_) {}
    [[nodiscard]] Vector<T, 2> xy() const { return {x, y}; }
    Scalar<T> x, y, z;
};

template <ScalarOf T>
class Vector<T, 4> {
  public:
    using Host = std::array<T, 4>;
    Vector(const Scalar<T>& x_, const Scalar<T>& y_, const Scalar<T>& z_, const Scalar<T>& w_)
        : x(x_), y(y_), z(z_), w(w_) {}
    Vector(const Vector<T, 3>& v, const Scalar<T>& w_) : x(v.x), y(v.y), z(v.z), w(w_) {}
    [[nodiscard]] Vector<T, 2> xy() const { return {x, y}; }
    [[nodiscard]] Vector<T, 3> xyz() const { return {x, y, z}; }
    Scalar<T> x, y, z, w;
};

using Float2 = Vector<float, 2>;
using Float3 = Vector<float, 3>;
using Float4 = Vector<float, 4>;
using Int2 = Vector<std::int32_t, 2>;
using Int3 = Vector<std::int32_t, 3>;
using Int4 = Vector<std::int32_t, 4>;
using UInt2 = Vector<std::uint32_t, 2>;
using UInt3 = Vector<std::uint32_t, 3>;
using UInt4 = Vector<std::uint32_t, 4>;

template <class T>
class Composite;

namespace detail {

template <class T>
struct ValueFor {
    using type = Composite<T>;
};
template <ScalarOf T>
struct ValueFor<T> {
    using type = Scalar<T>;
};
template <ScalarOf T, std::size_t N>
    requires(N >= 2 && N <= 4)
struct ValueFor<std::array<T, N>> {
    using type = Vector<T, N>;
};

}  // namespace detail

/// The traced value of a C++ type: Scalar, Vector, or Composite for matrices, arrays and structs.
template <class T>
using ValueOf = typename detail::ValueFor<T>::type;

namespace detail {

/// @return the traced value that these nodes are.
template <class T>
[[nodiscard]] ValueOf<T> from_nodes(const Node* nodes) {
    if constexpr (ScalarOf<T>) {
        return ValueOf<T>(nodes[0]);
    } else if constexpr (requires { ValueOf<T>::is_composite; }) {
        return ValueOf<T>(nodes);
    } else {
        using S = Scalar<typename IsArray<T>::Element>;
        return [&]<std::size_t... I>(std::index_sequence<I...>) {
            return ValueOf<T>(S(nodes[I])...);
        }(std::make_index_sequence<IsArray<T>::size>{});
    }
}

/// The nodes of a value.
template <class T>
using Nodes = std::array<Node, Layout<T>::count>;

template <ScalarOf T>
[[nodiscard]] Nodes<T> nodes_of(const Scalar<T>& value) {
    return {value.node()};
}
template <ScalarOf T, std::size_t N>
[[nodiscard]] Nodes<std::array<T, N>> nodes_of(const Vector<T, N>& value) {
    if constexpr (N == 2) {
        return {value.x.node(), value.y.node()};
    } else if constexpr (N == 3) {
        return {value.x.node(), value.y.node(), value.z.node()};
    } else {
        return {value.x.node(), value.y.node(), value.z.node(), value.w.node()};
    }
}
template <class T>
[[nodiscard]] Nodes<T> nodes_of(const Composite<T>& value) {
    return value.nodes();
}

void unknown_member();  ///< complains that gpu_fields lacks one
void outside_of_array(std::size_t index, std::size_t count);

}  // namespace detail

/// A matrix (an array of columns), an array or a struct as a value.
template <class T>
class Composite {
  public:
    using Host = T;
    static constexpr bool is_composite = true;
    /// @return how many members or elements there are.
    static consteval std::size_t parts() {
        if constexpr (StructOf<T>) {
            return std::tuple_size_v<std::remove_const_t<decltype(T::gpu_fields)>>;
        } else {
            return detail::IsArray<T>::size;
        }
    }

    explicit Composite(const detail::Node* nodes) {
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            nodes_[i] = nodes[i];
        }
    }
    /// From the values of the members, or of the elements, in their order.
    template <class... A>
        requires(sizeof...(A) == parts() && (... && (Traced<A> || Literal<A>)))
    explicit(sizeof...(A) == 1) Composite(const A&... members) {
        std::size_t at = 0;
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            (put(at, ValueOf<Part<I>>(members)), ...);
        }(std::index_sequence_for<A...>{});
    }
    Composite(const Composite&) = default;
    ~Composite() = default;
    /// A value never changes. What changes is a variable: gpu::Var<Body> b = ...;
    Composite& operator=(const Composite&) = delete;

    /// @return a member: `body[&Body::mass]`.
    template <class M, std::same_as<T> C>
        requires StructOf<T>
    [[nodiscard]] ValueOf<M> operator[](M C::* member) const {
        const detail::MemberPlace place = detail::find_member(member);
        if (!place.found) {
            detail::unknown_member();
            return detail::from_nodes<M>(detail::Nodes<M>{}.data());
        }
        return detail::from_nodes<M>(&nodes_[place.leaf]);
    }
    /// @return an element; of a matrix, a column. The index is the recording program's.
    [[nodiscard]] auto operator[](std::size_t index) const
        requires(detail::IsArray<T>::value)
    {
        using E = typename detail::IsArray<T>::Element;
        if (index >= detail::IsArray<T>::size) {
            detail::outside_of_array(index, detail::IsArray<T>::size);
            index = 0;
        }
        return detail::from_nodes<E>(&nodes_[index * detail::Layout<E>::count]);
    }
    [[nodiscard]] const detail::Nodes<T>& nodes() const noexcept { return nodes_; }

  private:
    template <std::size_t I>
    static auto part() {
        if constexpr (StructOf<T>) {
            using Fields = std::remove_const_t<decltype(T::gpu_fields)>;
            return std::type_identity<
                typename detail::MemberOf<std::tuple_element_t<I, Fields>>::type>{};
        } else {
            return std::type_identity<typename detail::IsArray<T>::Element>{};
        }
    }
    template <std::size_t I>
    using Part = typename decltype(part<I>())::type;

    template <class V>
    void put(std::size_t& at, const V& value) {
        for (const detail::Node node : detail::nodes_of(value)) {
            nodes_[at++] = node;
        }
    }

    detail::Nodes<T> nodes_{};
};

/// C columns of R floats: std::array<std::array<T, R>, C> in C++.
template <FloatOf T, std::size_t C, std::size_t R = C>
using Matrix = Composite<std::array<std::array<T, R>, C>>;
using Float2x2 = Matrix<float, 2>;
using Float3x3 = Matrix<float, 3>;
using Float4x4 = Matrix<float, 4>;

/// @return the value of anything traced: of a variable or a place, what is in it now.
template <Traced A>
[[nodiscard]] ValueOf<typename A::Host> value(const A& a) {
    return a;
}

namespace detail {

void literal_does_not_fit(ValueType type);

template <ScalarOf T, Literal A>
Node literal_of(A number) {
    std::uint64_t bits = 0;
    if constexpr (std::is_same_v<T, bool>) {
        bits = number ? 1 : 0;
    } else if constexpr (std::is_same_v<T, float>) {
        bits = std::bit_cast<std::uint32_t>(static_cast<float>(number));
    } else if constexpr (std::is_same_v<T, double>) {
        bits = std::bit_cast<std::uint64_t>(static_cast<double>(number));
    } else {
        if (!std::in_range<T>(number)) {
            literal_does_not_fit(scalar_type<T>());
        }
        bits = static_cast<std::uint64_t>(static_cast<std::make_unsigned_t<T>>(number));
    }
    return literal(scalar_type<T>(), bits);
}

}  // namespace detail
}  // namespace repartir::gpu
