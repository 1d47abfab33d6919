// SPDX-License-Identifier: MIT
#pragma once
/// @file layout.hpp Which C++ types a kernel knows, and what they are made of.
///
/// Numbers (float, double, std::int32_t, std::uint32_t, std::int64_t, std::uint64_t), std::array of
/// what a kernel knows, and structs that name their members, all of them and in their order:
///
///     struct Body {
///         std::array<float, 3> position;
///         float mass;
///         static constexpr auto gpu_fields = std::tuple(&Body::position, &Body::mass);
///     };
///
/// They lie in buffers as they lie in C++, so that they are copied as they are. That holds because
/// nothing lies between members: what has padding does not compile.
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include "repartir/gpu/op.hpp"

namespace repartir::gpu {

/// A number, or bool, of a type that kernels have.
template <class T>
concept ScalarOf = std::is_same_v<T, bool> || std::is_same_v<T, std::int32_t> ||
                   std::is_same_v<T, std::uint32_t> || std::is_same_v<T, float> ||
                   std::is_same_v<T, std::int64_t> || std::is_same_v<T, std::uint64_t> ||
                   std::is_same_v<T, double>;

template <class T>
concept FloatOf = std::is_same_v<T, float> || std::is_same_v<T, double>;
template <class T>
concept IntegerOf = ScalarOf<T> && std::is_integral_v<T> && !std::is_same_v<T, bool>;
template <class T>
concept NumberOf = FloatOf<T> || IntegerOf<T>;

/// A struct that names its members for kernels.
template <class T>
concept StructOf = requires { T::gpu_fields; };

namespace detail {

template <ScalarOf T>
consteval ValueType scalar_type() {
    using enum ValueType;
    if constexpr (std::is_same_v<T, bool>) {
        return boolean;
    } else if constexpr (std::is_same_v<T, float>) {
        return f32;
    } else if constexpr (std::is_same_v<T, double>) {
        return f64;
    } else if constexpr (sizeof(T) == 4) {
        return std::is_signed_v<T> ? i32 : u32;
    } else {
        return std::is_signed_v<T> ? i64 : u64;
    }
}

template <class T>
struct IsArray : std::false_type {};
template <class T, std::size_t N>
struct IsArray<std::array<T, N>> : std::true_type {
    using Element = T;
    static constexpr std::size_t size = N;
};

template <class Member>
struct MemberOf;
template <class T, class M>
struct MemberOf<M T::*> {
    using type = M;
};

inline constexpr std::size_t struct_bytes_max = std::size_t{128} * 128;

/// @return where a member begins in its struct. From the bits of a struct whose bytes are numbered:
/// the language has no constant expression for it.
template <class T, class M>
consteval std::size_t offset_of(M T::* member) {
    std::array<unsigned char, sizeof(T)> low{};
    std::array<unsigned char, sizeof(T)> high{};
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        low[i] = static_cast<unsigned char>(i % 128);  // below 128: never a NaN's bits
        high[i] = static_cast<unsigned char>(i / 128);
    }
    using Bytes = std::array<unsigned char, sizeof(M)>;
    const T numbered = std::bit_cast<T>(low);
    const T rows = std::bit_cast<T>(high);
    return std::bit_cast<Bytes>(numbered.*member)[0] +
           std::size_t{128} * std::bit_cast<Bytes>(rows.*member)[0];
}

/// Whether each member lies right behind the one before, and nothing behind the last.
template <class T, std::size_t... I>
consteval bool is_packed(std::index_sequence<I...> /*members*/) {
    using Fields = std::remove_const_t<decltype(T::gpu_fields)>;
    std::size_t end = 0;
    bool packed = true;
    ((packed = packed && offset_of(std::get<I>(T::gpu_fields)) == end,
      end += sizeof(typename MemberOf<std::tuple_element_t<I, Fields>>::type)),
     ...);
    return packed && end == sizeof(T);
}
template <class T>
consteval bool is_packed() {
    using Fields = std::remove_const_t<decltype(T::gpu_fields)>;
    return is_packed<T>(std::make_index_sequence<std::tuple_size_v<Fields>>{});
}

/// The numbers that a type is made of, in the order of memory.
template <class T>
struct Layout {
    static_assert(sizeof(T) == 0,
                  "a kernel knows numbers of 32 and 64 bits, std::array of what it knows, and "
                  "structs with gpu_fields; this type is none of them");
};

template <ScalarOf T>
struct Layout<T> {
    static constexpr std::size_t count = 1;
    static constexpr std::array<ValueType, 1> leaves{scalar_type<T>()};
};

template <class T, std::size_t N>
struct Layout<std::array<T, N>> {
    static_assert(N > 0, "a kernel knows no empty arrays");
    static constexpr std::size_t count = N * Layout<T>::count;
    static constexpr std::array<ValueType, count> leaves = [] {
        std::array<ValueType, count> all{};
        for (std::size_t i = 0; i < count; ++i) {
            all[i] = Layout<T>::leaves[i % Layout<T>::count];
        }
        return all;
    }();
};

template <class T, class... M>
consteval std::size_t count_members(std::tuple<M T::*...> /*fields*/) {
    return (Layout<M>::count + ...);
}

template <StructOf T>
struct Layout<T> {
    static_assert(std::is_trivially_copyable_v<T> && std::is_standard_layout_v<T>,
                  "a struct in a kernel is copied byte by byte: it must be trivially copyable and "
                  "of standard layout");
    static_assert(sizeof(T) <= struct_bytes_max, "a struct in a kernel is at most 16 KiB large");
    static_assert(is_packed<T>(),
                  "gpu_fields must name every member, in their order, and the struct must have no "
                  "padding: add a member where there is some");
    static constexpr std::size_t count = count_members(T::gpu_fields);
    static constexpr std::array<ValueType, count> leaves = [] {
        std::array<ValueType, count> all{};
        std::size_t at = 0;
        const auto append = [&]<class M>(M T::* /*member*/) {
            for (const ValueType leaf : Layout<M>::leaves) {
                all[at++] = leaf;
            }
        };
        std::apply([&](auto... m) { (append(m), ...); }, T::gpu_fields);
        return all;
    }();
};

template <class T>
inline constexpr bool has_bool = [] {
    // NOLINTNEXTLINE(readability-use-anyofallof): <algorithm> costs more than this header
    for (const ValueType leaf : Layout<T>::leaves) {
        if (leaf == ValueType::boolean) {
            return true;
        }
    }
    return false;
}();

/// What a member of a struct begins at.
struct MemberPlace {
    std::size_t leaf = 0;   ///< counted in numbers
    std::size_t bytes = 0;  ///< counted in bytes
    bool found = false;
};

template <class T, class M>
MemberPlace find_member(M T::* wanted) {
    MemberPlace place;
    const auto pass = [&]<class N>(N T::* member) {
        if constexpr (std::is_same_v<M, N>) {
            place.found = place.found || member == wanted;
        }
        if (!place.found) {
            place.leaf += Layout<N>::count;
            place.bytes += sizeof(N);
        }
    };
    std::apply([&](auto... m) { (pass(m), ...); }, T::gpu_fields);
    return place;
}

}  // namespace detail
}  // namespace repartir::gpu
