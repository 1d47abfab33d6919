// SPDX-License-Identifier: MIT
#pragma once
/// @file codec_forms.hpp How each type stands in bytes. Included by repartir/codec.hpp, last.
// NOLINTNEXTLINE(misc-header-include-cycle): so that it can be read by itself
#include "repartir/codec.hpp"  // IWYU pragma: keep

namespace repartir::codec {

namespace detail {

// What types that stand in bytes alike have in common.
template <std::size_t Bytes>
struct NumberWire;
struct FlagWire;
struct BytesWire;
template <class T>
struct SequenceWire;
template <class T>
struct OptionalWire;
template <class... T>
struct RowWire;
template <class... T>
struct RecordWire;

/// Reads and writes values of one fixed size.
template <class T, std::unsigned_integral U>
struct NumberForm {
    static constexpr std::size_t bytes_min = sizeof(U);
    static constexpr bool fixed = true;
    using Wire = NumberWire<sizeof(U)>;
    static constexpr std::size_t size(const T& /*value*/) noexcept { return sizeof(U); }
    static void skip(Reader& in) noexcept { in.take(sizeof(U)); }
};

/// Strings and views of them.
template <class T>
struct BytesForm {
    static constexpr std::size_t bytes_min = 4;
    static constexpr bool fixed = false;
    using Wire = BytesWire;
    static constexpr std::size_t size(std::string_view text) noexcept { return 4 + text.size(); }
    static void put(Writer& out, std::string_view text) noexcept {
        out.number(static_cast<std::uint32_t>(text.size()));
        out.raw(text.data(), text.size());
    }
    static void get(Reader& in, T& text) { text = in.take(in.number<std::uint32_t>()); }
    static void skip(Reader& in) noexcept { in.take(in.number<std::uint32_t>()); }
};

/// What sequences have in common; `T` is the element.
template <class T>
struct SequenceForm {
    static constexpr std::size_t bytes_min = 4;
    static constexpr bool fixed = false;
    using Wire = SequenceWire<typename Form<T>::Wire>;

    static std::size_t size(std::span<const T> values) {
        if constexpr (Form<T>::fixed) {
            return 4 + values.size() * Form<T>::bytes_min;
        } else {
            std::size_t bytes = 4;
            for (const T& value : values) {
                bytes += Form<T>::size(value);
            }
            return bytes;
        }
    }
    static void put(Writer& out, std::span<const T> values) {
        out.number(static_cast<std::uint32_t>(values.size()));
        for (const T& value : values) {
            Form<T>::put(out, value);
        }
    }
    static std::uint32_t skip(Reader& in) {
        const std::uint32_t count = in.count(Form<T>::bytes_min);
        if constexpr (Form<T>::fixed) {
            in.take(count * Form<T>::bytes_min);
        } else {
            for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
                Form<T>::skip(in);
            }
        }
        return count;
    }
};

/// Values one after the other: pairs, tuples.
template <class... T>
struct RowForm {
    static constexpr std::size_t bytes_min = (Form<T>::bytes_min + ... + 0);
    static constexpr bool fixed = (Form<T>::fixed && ...);
    using Wire = RowWire<typename Form<T>::Wire...>;
    static_assert(bytes_min > 0, "an element that takes no bytes could be counted without end");

    static std::size_t size(const auto& row) {
        return std::apply([](const T&... v) { return (Form<T>::size(v) + ... + 0); }, row);
    }
    static void put(Writer& out, const auto& row) {
        std::apply([&](const T&... v) { (Form<T>::put(out, v), ...); }, row);
    }
    static void get(Reader& in, auto& row) {
        std::apply([&](T&... v) { (Form<T>::get(in, v), ...); }, row);
    }
    static void skip(Reader& in) { (Form<T>::skip(in), ...); }
};

template <class T>
struct MemberType;
template <class C, class T>
struct MemberType<T C::*> {
    using type = T;
};

/// A struct whose fields never change: one after the other, without a length.
template <class T, auto... Member>
struct PlainForm {
    using Row = RowForm<typename MemberType<decltype(Member)>::type...>;
    static constexpr std::size_t bytes_min = Row::bytes_min;
    static constexpr bool fixed = Row::fixed;
    using Wire = typename Row::Wire;
    static std::size_t size(const T& value) { return Row::size(std::tie(value.*Member...)); }
    static void put(Writer& out, const T& value) { Row::put(out, std::tie(value.*Member...)); }
    static void get(Reader& in, T& value) {
        auto row = std::tie(value.*Member...);
        Row::get(in, row);
    }
    static void skip(Reader& in) { Row::skip(in); }
};

template <class T>
struct RecordTraits;
template <class... P>
struct RecordTraits<const std::tuple<P...>> {
    static constexpr std::size_t count = sizeof...(P);
    using Wire = RecordWire<typename Form<typename MemberType<P>::type>::Wire...>;
};

template <class T>
consteval std::size_t required_fields() {
    if constexpr (requires { T::codec_required; }) {
        return T::codec_required;
    } else {
        return RecordTraits<decltype(T::codec_fields)>::count;
    }
}

/// Puts the length of what `body` writes, then that.
template <class F>
void put_delimited(Writer& out, F&& body) {
    char* const head = out.at();
    out.number(std::uint32_t{0});
    body();
    Writer(head).number(static_cast<std::uint32_t>(out.at() - head - 4));
}

}  // namespace detail

template <std::unsigned_integral T>
struct Form<T> : detail::NumberForm<T, T> {
    static void put(Writer& out, T value) noexcept { out.number(value); }
    static void get(Reader& in, T& value) noexcept { value = in.number<T>(); }
};

template <std::signed_integral T>
struct Form<T> : detail::NumberForm<T, std::make_unsigned_t<T>> {
    using U = std::make_unsigned_t<T>;
    static void put(Writer& out, T value) noexcept { out.number(static_cast<U>(value)); }
    static void get(Reader& in, T& value) noexcept { value = static_cast<T>(in.number<U>()); }
};

template <>
struct Form<bool> : detail::NumberForm<bool, std::uint8_t> {
    using Wire = detail::FlagWire;
    static void put(Writer& out, bool value) noexcept { out.number(std::uint8_t{value}); }
    static void get(Reader& in, bool& value) noexcept { value = in.flag(); }
};

template <>
struct Form<double> : detail::NumberForm<double, std::uint64_t> {
    static void put(Writer& out, double v) noexcept { out.number(std::bit_cast<std::uint64_t>(v)); }
    static void get(Reader& in, double& v) noexcept {
        v = std::bit_cast<double>(in.number<std::uint64_t>());
    }
};

template <>
struct Form<float> : detail::NumberForm<float, std::uint32_t> {
    static void put(Writer& out, float v) noexcept { out.number(std::bit_cast<std::uint32_t>(v)); }
    static void get(Reader& in, float& v) noexcept {
        v = std::bit_cast<float>(in.number<std::uint32_t>());
    }
};

/// An enum is its underlying number; whether that names an enumerator is for the reader to check.
template <class T>
    requires std::is_enum_v<T>
struct Form<T> : detail::NumberForm<T, std::make_unsigned_t<std::underlying_type_t<T>>> {
    using U = std::make_unsigned_t<std::underlying_type_t<T>>;
    static void put(Writer& out, T value) noexcept { out.number(static_cast<U>(value)); }
    static void get(Reader& in, T& value) noexcept { value = static_cast<T>(in.number<U>()); }
};

/// A duration is the 64-bit count of its own unit.
template <class R, class P>
struct Form<std::chrono::duration<R, P>>
    : detail::NumberForm<std::chrono::duration<R, P>, std::uint64_t> {
    static void put(Writer& out, std::chrono::duration<R, P> value) noexcept {
        out.number(static_cast<std::uint64_t>(value.count()));
    }
    static void get(Reader& in, std::chrono::duration<R, P>& value) noexcept {
        value = std::chrono::duration<R, P>(
            static_cast<R>(static_cast<std::int64_t>(in.number<std::uint64_t>())));
    }
};

template <>
struct Form<std::string> : detail::BytesForm<std::string> {};
template <>
struct Form<std::string_view> : detail::BytesForm<std::string_view> {};

template <class T>
struct Form<std::vector<T>> : detail::SequenceForm<T> {
    static void get(Reader& in, std::vector<T>& values) {
        const std::uint32_t count = in.count(Form<T>::bytes_min);
        values.clear();
        for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
            values.push_back(in.get<T>());
        }
    }
};

template <>
struct Form<std::vector<bool>>;  // has no elements to refer to: use std::vector<std::uint8_t>

/// Encodes only.
template <class T>
struct Form<std::span<const T>> : detail::SequenceForm<T> {};

template <class T>
struct Form<List<T>> : detail::SequenceForm<T> {
    static std::size_t size(const List<T>& list) noexcept { return 4 + list.bytes().size(); }
    static void put(Writer& out, const List<T>& list) noexcept {
        out.number(list.size());
        out.raw(list.bytes().data(), list.bytes().size());
    }
    static void get(Reader& in, List<T>& list) {
        Reader ahead = in;  // by value: it stays in registers
        const std::uint32_t count = detail::SequenceForm<T>::skip(ahead);
        in.fail_as(ahead);
        const std::string_view all = in.take(in.left() - ahead.left());
        list = in.ok() ? List<T>(all.substr(4), count) : List<T>();
    }
};

template <class T>
struct Form<std::optional<T>> {
    static constexpr std::size_t bytes_min = 1;
    static constexpr bool fixed = false;
    using Wire = detail::OptionalWire<typename Form<T>::Wire>;
    static std::size_t size(const std::optional<T>& value) {
        return 1 + (value ? Form<T>::size(*value) : 0);
    }
    static void put(Writer& out, const std::optional<T>& value) {
        out.number(static_cast<std::uint8_t>(value.has_value()));
        if (value) {
            Form<T>::put(out, *value);
        }
    }
    static void get(Reader& in, std::optional<T>& value) {
        value.reset();
        if (in.flag()) {
            Form<T>::get(in, value.emplace());
        }
    }
    static void skip(Reader& in) {
        if (in.flag()) {
            Form<T>::skip(in);
        }
    }
};

template <class A, class B>
struct Form<std::pair<A, B>> : detail::RowForm<A, B> {};
template <class... T>
struct Form<std::tuple<T...>> : detail::RowForm<T...> {};

template <class T, std::size_t N>
    requires(N > 0)
struct Form<std::array<T, N>> {
    static constexpr std::size_t bytes_min = N * Form<T>::bytes_min;
    static constexpr bool fixed = Form<T>::fixed;
    using Wire = detail::RowWire<typename Form<T>::Wire, std::integral_constant<std::size_t, N>>;
    static std::size_t size(const std::array<T, N>& values) {
        return detail::SequenceForm<T>::size(values) - 4;
    }
    static void put(Writer& out, const std::array<T, N>& values) {
        for (const T& value : values) {
            Form<T>::put(out, value);
        }
    }
    static void get(Reader& in, std::array<T, N>& values) {
        if constexpr (N <= 4) {  // without a loop whoever knows what is left checks nothing
            std::apply([&](auto&... value) { (Form<T>::get(in, value), ...); }, values);
        } else {
            for (T& value : values) {
                Form<T>::get(in, value);
            }
        }
    }
    static void skip(Reader& in) {
        for (std::size_t i = 0; i < N; ++i) {
            Form<T>::skip(in);
        }
    }
};

/// A struct is the length of its fields in bytes, then they.
template <Record T>
struct Form<T> {
    using Traits = detail::RecordTraits<decltype(T::codec_fields)>;
    using Wire = typename Traits::Wire;
    static constexpr std::size_t bytes_min = 4;
    static constexpr bool fixed = false;

    static std::size_t size(const T& value) {
        return std::apply(
            [&](auto... field) {
                return (Form<std::remove_cvref_t<decltype(value.*field)>>::size(value.*field) +
                        ... + std::size_t{4});
            },
            T::codec_fields);
    }
    static void put(Writer& out, const T& value) {
        detail::put_delimited(out, [&] {
            std::apply([&](auto... field) { (out.put(value.*field), ...); }, T::codec_fields);
        });
    }
    static void get(Reader& in, T& value) {
        Reader inner(in.take(in.number<std::uint32_t>()));
        if (in.ok()) {
            const std::string_view head = inner.take(head_bytes(fields()));
            if (inner.ok()) {
                // Of a length that is known when it is compiled: nothing is checked again.
                Reader numbers({head.data(), head_bytes(fields())});
                get_fields<true>(numbers, value, fields());
                inner.fail_as(numbers);
            }
            get_fields<false>(inner, value, fields());
            in.fail_as(inner);
        }
    }
    static void skip(Reader& in) noexcept { in.take(in.number<std::uint32_t>()); }

  private:
    template <std::size_t I>
    using Field = std::remove_cvref_t<decltype(std::declval<T&>().*std::get<I>(T::codec_fields))>;

    static constexpr auto fields() { return std::make_index_sequence<Traits::count>(); }
    /// @return whether the field is one of the head: those of fixed size that come first.
    template <std::size_t I>
    static consteval bool in_head() {
        if constexpr (I >= detail::required_fields<T>() || !Form<Field<I>>::fixed) {
            return false;
        } else if constexpr (I == 0) {
            return true;
        } else {
            return in_head<I - 1>();
        }
    }
    template <std::size_t... I>
    static consteval std::size_t head_bytes(std::index_sequence<I...> /*fields*/) {
        return ((in_head<I>() ? Form<Field<I>>::bytes_min : 0) + ... + 0);
    }
    template <bool Head, std::size_t... I>
    static void get_fields(Reader& in, T& value, std::index_sequence<I...> /*fields*/) {
        (get_field<Head, I>(in, value.*std::get<I>(T::codec_fields)), ...);
    }
    template <bool Head, std::size_t I, class F>
    static void get_field(Reader& in, F& field) {
        if constexpr (Head == in_head<I>()) {
            if (I < detail::required_fields<T>() || in.left() != 0) {
                Form<F>::get(in, field);
            }
        }
    }
};

/// Encodes only.
template <class... T>
struct Form<Fields<T...>> {
    static constexpr std::size_t bytes_min = 4;
    static constexpr bool fixed = false;
    using Wire = detail::RecordWire<typename Form<T>::Wire...>;
    static std::size_t size(const Fields<T...>& fields) {
        return std::apply([](const T&... v) { return (Form<T>::size(v) + ... + std::size_t{4}); },
                          fields.values);
    }
    static void put(Writer& out, const Fields<T...>& fields) {
        detail::put_delimited(out, [&] {
            std::apply([&](const T&... v) { (Form<T>::put(out, v), ...); }, fields.values);
        });
    }
};

/// Whether two types stand in bytes alike, so that one can be written and the other read.
template <class A, class B>
inline constexpr bool same_wire = std::is_same_v<typename Form<A>::Wire, typename Form<B>::Wire>;

}  // namespace repartir::codec
