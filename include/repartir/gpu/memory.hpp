// SPDX-License-Identifier: MIT
#pragma once
/// @file memory.hpp What of a kernel changes: variables, local arrays, workgroup memory, buffers.
///
/// Every access is checked when the kernel runs: a load out of bounds gives 0, a store there is
/// dropped, an atomic operation is dropped and gives 0. Variables, arrays and workgroup memory
/// begin as zeros.
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "repartir/gpu/layout.hpp"
#include "repartir/gpu/op.hpp"
#include "repartir/gpu/operators.hpp"
#include "repartir/gpu/trace.hpp"
#include "repartir/gpu/value.hpp"

namespace repartir::gpu {

/// The number of an element: a UInt, an Int (a negative one is out of bounds) or a number of the
/// program.
class Index {
  public:
    template <Literal A>
        requires std::is_integral_v<A>
    Index(A number) : node_(detail::literal_of<std::uint32_t>(number)) {}
    template <Traced A>
        requires(std::is_same_v<detail::HostOf<A>, std::uint32_t> ||
                 std::is_same_v<detail::HostOf<A>, std::int32_t>)
    Index(const A& a) : node_(detail::as_index(gpu::value(a).node())) {}
    [[nodiscard]] detail::Node node() const noexcept { return node_; }

  private:
    detail::Node node_;
};

// What stands for a place is written through, as a reference is: it is no part of its own value.
// NOLINTBEGIN(misc-unconventional-assign-operator, cppcoreguidelines-c-copy-assignment-signature)
// NOLINTBEGIN(cert-oop54-cpp)

namespace detail {

/// Changes a variable or a place: `x += 1`. By what its value and the operand make.
template <class P, class B>
concept Changeable = Traced<P> && requires(const P& place) { place.is_place(); };

/// Somewhere in a read-only buffer: a value that is loaded where it is used.
template <class T>
class InPlace {
  public:
    using Host = T;
    explicit InPlace(const Place& place) : place_(place) {}
    operator ValueOf<T>() const {
        Nodes<T> nodes;
        load(place_, Layout<T>::leaves, nodes);
        return from_nodes<T>(nodes.data());
    }
    [[nodiscard]] auto operator[](const Index& index) const
        requires(IsArray<T>::value)
    {
        using E = typename IsArray<T>::Element;
        return InPlace<E>(inside(place_, index.node(), IsArray<T>::size, sizeof(E)));
    }
    template <class M, std::same_as<T> C>
        requires StructOf<T>
    [[nodiscard]] InPlace<M> operator[](M C::* member) const {
        return InPlace<M>(member_of(place_, member));
    }

  private:
    template <class M, class C>
    static Place member_of(Place place, M C::* member) {
        const MemberPlace at = find_member(member);
        if (!at.found) {
            unknown_member();
        }
        place.bytes += static_cast<std::uint32_t>(at.bytes);
        return place;
    }
    Place place_;
};

/// Somewhere in a write-only buffer.
template <class T>
class OutPlace {
  public:
    explicit OutPlace(const Place& place) : place_(place) {}
    OutPlace(const OutPlace&) = default;
    ~OutPlace() = default;
    void operator=(const ValueOf<T>& value) const {
        store(place_, Layout<T>::leaves, nodes_of(value));
    }
    void operator=(const OutPlace&) const = delete;  ///< an output cannot be read: gpu::InOut can
    [[nodiscard]] auto operator[](const Index& index) const
        requires(IsArray<T>::value)
    {
        using E = typename IsArray<T>::Element;
        return OutPlace<E>(inside(place_, index.node(), IsArray<T>::size, sizeof(E)));
    }
    template <class M, std::same_as<T> C>
        requires StructOf<T>
    [[nodiscard]] OutPlace<M> operator[](M C::* member) const {
        return OutPlace<M>(member_place(member));
    }

  protected:
    template <class M, class C>
    [[nodiscard]] Place member_place(M C::* member) const {
        const MemberPlace at = find_member(member);
        if (!at.found) {
            unknown_member();
        }
        Place place = place_;
        place.bytes += static_cast<std::uint32_t>(at.bytes);
        return place;
    }
    Place place_;
};

}  // namespace detail

/// Somewhere in memory: reads as its value, and takes a new one. Of an array, `place[i]` is an
/// element of it; of a struct, `place[&Body::mass]` a member.
template <class T>
class Ref {
  public:
    using Host = T;
    explicit Ref(const detail::Place& place) : place_(place) {}
    Ref(const Ref&) = default;
    ~Ref() = default;
    operator ValueOf<T>() const {
        detail::Nodes<T> nodes;
        detail::load(place_, detail::Layout<T>::leaves, nodes);
        return detail::from_nodes<T>(nodes.data());
    }
    void operator=(const ValueOf<T>& value) const {
        detail::store(place_, detail::Layout<T>::leaves, detail::nodes_of(value));
    }
    void operator=(const Ref& other) const { *this = gpu::value(other); }
    [[nodiscard]] auto operator[](const Index& index) const
        requires(detail::IsArray<T>::value)
    {
        using E = typename detail::IsArray<T>::Element;
        return Ref<E>(detail::inside(place_, index.node(), detail::IsArray<T>::size, sizeof(E)));
    }
    template <class M, std::same_as<T> C>
        requires StructOf<T>
    [[nodiscard]] Ref<M> operator[](M C::* member) const {
        const detail::MemberPlace at = detail::find_member(member);
        if (!at.found) {
            detail::unknown_member();
        }
        detail::Place place = place_;
        place.bytes += static_cast<std::uint32_t>(at.bytes);
        return Ref<M>(place);
    }
    [[nodiscard]] const detail::Place& place() const noexcept { return place_; }
    void is_place() const noexcept {}

  private:
    detail::Place place_;
};

/// A buffer that is only read. A parameter of the kernel.
template <class T>
class In {
  public:
    static constexpr BufferAccess access = BufferAccess::in;
    using Element = T;
    explicit In(detail::Node object) : object_(object) {}
    /// @return the element's value; of a struct or array, what loads the members that are used.
    [[nodiscard]] auto operator[](const Index& index) const {
        const detail::InPlace<T> place({object_, index.node(), {}, 0});
        if constexpr (requires { ValueOf<T>::is_composite; }) {
            return place;
        } else {
            return ValueOf<T>(place);
        }
    }
    [[nodiscard]] UInt length() const { return UInt(detail::length(object_)); }  ///< elements

  private:
    detail::Node object_;
};

/// A buffer that is only written. A parameter of the kernel.
template <class T>
class Out {
  public:
    static constexpr BufferAccess access = BufferAccess::out;
    using Element = T;
    explicit Out(detail::Node object) : object_(object) {}
    [[nodiscard]] detail::OutPlace<T> operator[](const Index& index) const {
        return detail::OutPlace<T>({object_, index.node(), {}, 0});
    }
    [[nodiscard]] UInt length() const { return UInt(detail::length(object_)); }  ///< elements

  private:
    detail::Node object_;
};

/// A buffer that is read and written. A parameter of the kernel.
template <class T>
class InOut {
  public:
    static constexpr BufferAccess access = BufferAccess::in_out;
    using Element = T;
    explicit InOut(detail::Node object) : object_(object) {}
    [[nodiscard]] Ref<T> operator[](const Index& index) const {
        return Ref<T>({object_, index.node(), {}, 0});
    }
    [[nodiscard]] UInt length() const { return UInt(detail::length(object_)); }  ///< elements

  private:
    detail::Node object_;
};

/// Memory that a workgroup shares: N elements, which begin as zeros. gpu::barrier() orders
/// accesses.
template <class T, std::size_t N>
class Shared {
  public:
    Shared()
        : object_(detail::new_object(detail::Space::workgroup, BufferAccess::in_out,
                                     detail::Layout<T>::leaves, N)) {}
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;
    [[nodiscard]] Ref<T> operator[](const Index& index) const {
        return Ref<T>({object_, index.node(), {}, 0});
    }
    [[nodiscard]] static constexpr std::size_t length() { return N; }

  private:
    detail::Node object_;
};

/// An array of each invocation's own: N elements, which are zeros each time it is come to. Small
/// ones are registers of the device, large ones are slow.
template <class T, std::size_t N>
class Array {
  public:
    Array()
        : object_(detail::new_object(detail::Space::local, BufferAccess::in_out,
                                     detail::Layout<T>::leaves, N)) {}
    Array(const Array&) = delete;
    Array& operator=(const Array&) = delete;
    [[nodiscard]] Ref<T> operator[](const Index& index) const {
        return Ref<T>({object_, index.node(), {}, 0});
    }
    [[nodiscard]] static constexpr std::size_t length() { return N; }

  private:
    detail::Node object_;
};

/// A variable or a part of one: reads as its value, and takes a new one.
template <class T>
class VarRef {
  public:
    using Host = T;
    explicit VarRef(detail::Node first) : first_(first) {}
    VarRef(const VarRef&) = default;
    ~VarRef() = default;
    operator ValueOf<T>() const {
        detail::Nodes<T> nodes;
        detail::get(first_, nodes);
        return detail::from_nodes<T>(nodes.data());
    }
    void operator=(const ValueOf<T>& value) const { detail::set(first_, detail::nodes_of(value)); }
    void operator=(const VarRef& other) const { *this = gpu::value(other); }
    /// @return a part of a vector or array. The index is the recording program's.
    [[nodiscard]] auto operator[](std::size_t index) const
        requires(detail::IsArray<T>::value)
    {
        using E = typename detail::IsArray<T>::Element;
        if (index >= detail::IsArray<T>::size) {
            detail::outside_of_array(index, detail::IsArray<T>::size);
        }
        return VarRef<E>(further(index * detail::Layout<E>::count));
    }
    template <class M, std::same_as<T> C>
        requires StructOf<T>
    [[nodiscard]] VarRef<M> operator[](M C::* member) const {
        const detail::MemberPlace at = detail::find_member(member);
        if (!at.found) {
            detail::unknown_member();
        }
        return VarRef<M>(further(at.leaf));
    }
    void is_place() const noexcept {}

  private:
    [[nodiscard]] detail::Node further(std::size_t leaves) const {
        return {first_.id + static_cast<std::uint32_t>(leaves), first_.kernel};
    }
    detail::Node first_;
};

/// A variable of each invocation's own: `gpu::Var<float> sum = 0.0f;`, then `sum += x;`.
template <class T>
class Var : public VarRef<T> {
  public:
    Var(const ValueOf<T>& initial) : VarRef<T>(detail::new_variable(detail::Layout<T>::leaves)) {
        VarRef<T>::operator=(initial);
    }
    template <Literal A>
        requires std::convertible_to<A, ValueOf<T>>
    Var(A initial) : Var(ValueOf<T>(initial)) {}
    template <Traced A>
        requires(std::is_same_v<detail::HostOf<A>, T> && !std::is_same_v<A, ValueOf<T>> &&
                 !std::is_same_v<A, Var>)
    Var(const A& initial) : Var(gpu::value(initial)) {}
    /// No copies, so that a body cannot change one by mistake: capture by reference. A second
    /// variable with the value of the first: `gpu::Var<float> b = gpu::value(a);`
    Var(const Var&) = delete;
    ~Var() = default;
    void operator=(const Var& other) const { VarRef<T>::operator=(gpu::value(other)); }
    template <class A>
        requires std::convertible_to<A, ValueOf<T>>
    void operator=(const A& a) const {
        VarRef<T>::operator=(ValueOf<T>(a));
    }
};
// NOLINTEND(cert-oop54-cpp)
// NOLINTEND(misc-unconventional-assign-operator, cppcoreguidelines-c-copy-assignment-signature)
template <Traced A>
Var(const A&) -> Var<detail::HostOf<A>>;
template <Literal A>
Var(A) -> Var<A>;

template <class P, class B>
    requires detail::Changeable<P, B>
void operator+=(const P& place, const B& b) {
    place = value(place) + b;
}
template <class P, class B>
    requires detail::Changeable<P, B>
void operator-=(const P& place, const B& b) {
    place = value(place) - b;
}
template <class P, class B>
    requires detail::Changeable<P, B>
void operator*=(const P& place, const B& b) {
    place = value(place) * b;
}
template <class P, class B>
    requires detail::Changeable<P, B>
void operator/=(const P& place, const B& b) {
    place = value(place) / b;
}
template <class P, class B>
    requires detail::Changeable<P, B>
void operator%=(const P& place, const B& b) {
    place = value(place) % b;
}
template <class P, class B>
    requires detail::Changeable<P, B>
void operator&=(const P& place, const B& b) {
    place = value(place) & b;
}
template <class P, class B>
    requires detail::Changeable<P, B>
void operator|=(const P& place, const B& b) {
    place = value(place) | b;
}
template <class P, class B>
    requires detail::Changeable<P, B>
void operator^=(const P& place, const B& b) {
    place = value(place) ^ b;
}
template <class P, class B>
    requires detail::Changeable<P, B>
void operator<<=(const P& place, const B& b) {
    place = value(place) << b;
}
template <class P, class B>
    requires detail::Changeable<P, B>
void operator>>=(const P& place, const B& b) {
    place = value(place) >> b;
}

namespace detail {
template <IntegerOf T>
[[nodiscard]] Scalar<T> atomic_step(Op op, const Ref<T>& at, const Scalar<T>& a) {
    return Scalar<T>(atomic(op, at.place(), scalar_type<T>(), a.node()));
}
}  // namespace detail

// Atomic operations on whole numbers in buffers and workgroup memory. Each gives what was there
// before. They order nothing else: gpu::barrier() and gpu::memory_barrier() do. Those of 64 bits
// need a device with them.

template <IntegerOf T>
Scalar<T> atomic_add(const Ref<T>& at, const std::type_identity_t<Scalar<T>>& a) {
    return detail::atomic_step(Op::atomic_add, at, a);
}
template <IntegerOf T>
Scalar<T> atomic_min(const Ref<T>& at, const std::type_identity_t<Scalar<T>>& a) {
    return detail::atomic_step(Op::atomic_min, at, a);
}
template <IntegerOf T>
Scalar<T> atomic_max(const Ref<T>& at, const std::type_identity_t<Scalar<T>>& a) {
    return detail::atomic_step(Op::atomic_max, at, a);
}
template <IntegerOf T>
Scalar<T> atomic_and(const Ref<T>& at, const std::type_identity_t<Scalar<T>>& a) {
    return detail::atomic_step(Op::atomic_and, at, a);
}
template <IntegerOf T>
Scalar<T> atomic_or(const Ref<T>& at, const std::type_identity_t<Scalar<T>>& a) {
    return detail::atomic_step(Op::atomic_or, at, a);
}
template <IntegerOf T>
Scalar<T> atomic_xor(const Ref<T>& at, const std::type_identity_t<Scalar<T>>& a) {
    return detail::atomic_step(Op::atomic_xor, at, a);
}
template <IntegerOf T>
Scalar<T> atomic_exchange(const Ref<T>& at, const std::type_identity_t<Scalar<T>>& a) {
    return detail::atomic_step(Op::atomic_exchange, at, a);
}
/// Stores `desired` where `expected` is found.
template <IntegerOf T>
Scalar<T> atomic_compare_exchange(const Ref<T>& at, const std::type_identity_t<Scalar<T>>& expected,
                                  const std::type_identity_t<Scalar<T>>& desired) {
    return Scalar<T>(detail::atomic(Op::atomic_compare_exchange, at.place(),
                                    detail::scalar_type<T>(), expected.node(), desired.node()));
}

}  // namespace repartir::gpu
