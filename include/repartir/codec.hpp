// SPDX-License-Identifier: MIT
#pragma once
/// @file codec.hpp Values to bytes and back: what functions on other machines take and return, and
/// what the protocol's messages are made of. docs/protocol.md has the format.
///
/// A struct takes part by naming its fields:
///
///     struct Point {
///         double x = 0, y = 0;
///         std::string label;
///         static constexpr auto codec_fields = std::tuple(&Point::x, &Point::y, &Point::label);
///     };
///     std::string bytes = codec::encode(point);
///     Result<Point> again = codec::decode<Point>(bytes);
///
/// Fields are only ever appended: who knows fewer skips the rest, who knows more keeps the defaults
/// of those that did not come, from `codec_required` on (`static constexpr std::size_t`; without it
/// all are required). Bools, numbers, enums, durations, strings, pairs, tuples, arrays, optionals,
/// vectors and such structs nest, but no type contains itself. string_view and List decode to views
/// into the bytes.
#include <array>
#include <bit>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "repartir/result.hpp"

namespace repartir::codec {

/// Why bytes are not the value that was expected.
enum class Problem : std::uint8_t {
    none,       ///< they are
    truncated,  ///< they end before it does
    value,      ///< a bool or presence mark that is neither 0 nor 1
    excess,     ///< more bytes follow it
};
[[nodiscard]] std::string_view to_string(Problem problem) noexcept;  ///< "truncated", ...

/// How a type stands in bytes. Specialised below for what the file's head lists; specialise it for
/// a type of your own that is no struct of fields. A specialisation has
///   `bytes_min`  the fewest bytes that a value takes
///   `fixed`      whether every value takes bytes_min
///   `Wire`       a type that is the same for types that stand in bytes alike
///   `size(const T&)`, `put(Writer&, const T&)`, `get(Reader&, T&)` and `skip(Reader&)`.
template <class T>
struct Form;

/// A struct that names its fields.
template <class T>
concept Record = requires { T::codec_fields; };

/// Writes into room that was measured before: nothing is checked. One owner.
class Writer {
  public:
    /// @param at where to write; there is room for all that will be put
    explicit Writer(char* at) noexcept : at_(at) {}

    /// Copies bytes as they are.
    void raw(const char* from, std::size_t bytes) noexcept {
        if (bytes != 0) {  // else `from` may be null
            std::memcpy(at_, from, bytes);
            at_ += bytes;
        }
    }
    /// Puts a number, low byte first.
    template <std::unsigned_integral U>
    void number(U value) noexcept {
        if constexpr (std::endian::native == std::endian::big) {
            value = std::byteswap(value);
        }
        std::memcpy(at_, &value, sizeof value);
        at_ += sizeof value;
    }
    template <class T>
    void put(const T& value) {
        Form<T>::put(*this, value);
    }
    [[nodiscard]] char* at() const noexcept { return at_; }  ///< where the next byte goes

  private:
    char* at_;
};

/// Reads bytes that may be anything. After the first problem nothing is left and every value is
/// zero or empty; ask problem() once, at the end. One owner; the bytes must outlive it.
class Reader {
  public:
    explicit Reader(std::string_view bytes) noexcept
        : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

    [[nodiscard]] std::size_t left() const noexcept {  ///< bytes not read yet
        return static_cast<std::size_t>(end_ - at_);
    }
    [[nodiscard]] Problem problem() const noexcept { return problem_; }  ///< the first one
    [[nodiscard]] bool ok() const noexcept { return problem_ == Problem::none; }
    void fail(Problem problem) noexcept {
        if (problem_ == Problem::none) {
            problem_ = problem;
        }
        at_ = end_;
    }
    /// Has the same problem as another reader, if that has one.
    void fail_as(const Reader& other) noexcept {
        if (!other.ok()) {
            fail(other.problem());
        }
    }
    /// @return the next bytes; none when there are not so many.
    std::string_view take(std::size_t bytes) noexcept {
        if (bytes > left()) {
            fail(Problem::truncated);
            return {};
        }
        return {std::exchange(at_, at_ + bytes), bytes};
    }
    template <std::unsigned_integral U>
    U number() noexcept {
        U value = 0;
        if (sizeof value > left()) {
            fail(Problem::truncated);
            return value;
        }
        std::memcpy(&value, at_, sizeof value);
        at_ += sizeof value;
        if constexpr (std::endian::native == std::endian::big) {
            value = std::byteswap(value);
        }
        return value;
    }
    /// @return 0 or 1.
    bool flag() noexcept {
        const auto value = number<std::uint8_t>();
        if (value > 1) {
            fail(Problem::value);
            return false;
        }
        return value == 1;
    }
    /// @return how many elements follow, of which each takes at least so many bytes.
    std::uint32_t count(std::size_t bytes_min) noexcept {
        const auto value = number<std::uint32_t>();
        if (value > left() / bytes_min) {
            fail(Problem::truncated);
            return 0;
        }
        return value;
    }
    template <class T>
    T get() {
        T value{};
        Form<T>::get(*this, value);
        return value;
    }

  private:
    const char* at_;
    const char* end_;
    Problem problem_ = Problem::none;
};

/// @return how many bytes encode() makes of it.
template <class T>
[[nodiscard]] std::size_t encoded_size(const T& value) {
    return Form<T>::size(value);
}

/// Appends the value's bytes. A value of 4 GiB or more has none: ask encoded_size() first where one
/// can be.
template <class T>
void append(std::string& out, const T& value) {
    const std::size_t old = out.size();
    const std::size_t all = old + encoded_size(value);
    // libstdc++ 12 hands the function the capacity, not what was asked for: it is not used
    out.resize_and_overwrite(all, [&](char* data, std::size_t) {
        Writer(data + old).put(value);
        return all;
    });
}

/// @return the value's bytes.
template <class T>
[[nodiscard]] std::string encode(const T& value) {
    std::string out;
    append(out, value);
    return out;
}

/// Reads one value that takes all the bytes. @return what was wrong, if anything.
template <class T>
[[nodiscard]] Problem decode(std::string_view bytes, T& value) {
    Reader reader(bytes);
    Form<T>::get(reader, value);
    if (reader.ok() && reader.left() != 0) {
        return Problem::excess;
    }
    return reader.problem();
}

/// @return the error that says that bytes are no `what`.
[[nodiscard]] Error malformed(std::string_view what, Problem problem);

/// As above. Errors: malformed
template <class T>
[[nodiscard]] Result<T> decode(std::string_view bytes) {
    T value{};
    const Problem problem = decode(bytes, value);
    if (problem != Problem::none) {
        return fail(malformed("value", problem));
    }
    return value;
}

/// What a sequence looks like when it is left where it is: elements are decoded one by one, from
/// bytes that must outlive it. Reading it whole checked that they are there.
template <class T>
class List {
  public:
    List() = default;
    List(std::string_view bytes, std::uint32_t count) noexcept : bytes_(bytes), count_(count) {}

    [[nodiscard]] std::uint32_t size() const noexcept { return count_; }  ///< elements
    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
    /// @return the elements' bytes.
    [[nodiscard]] std::string_view bytes() const noexcept { return bytes_; }
    /// Calls `use` with each element in turn. @return what was wrong with one, which ends it.
    template <class F>
    Problem each(F&& use) const {
        Reader reader(bytes_);
        for (std::uint32_t i = 0; i < count_; ++i) {
            T element = reader.get<T>();
            if (!reader.ok()) {
                return reader.problem();
            }
            use(std::move(element));
        }
        return Problem::none;
    }

  private:
    std::string_view bytes_;
    std::uint32_t count_ = 0;
};

/// Values that are written as a struct of those fields would be.
template <class... T>
struct Fields {
    std::tuple<T...> values;
};

/// @return a struct of copies of these, for encode(): pass views of what is large.
template <class... T>
[[nodiscard]] Fields<T...> fields(T... values) {
    return {std::tuple<T...>(std::move(values)...)};
}

/// @return a list of these values for a struct to be encoded. @param bytes what it lies in
template <class T>
[[nodiscard]] List<T> list_of(std::span<const T> values, std::string& bytes) {
    bytes = encode(values);
    return List<T>(std::string_view(bytes).substr(4), static_cast<std::uint32_t>(values.size()));
}

}  // namespace repartir::codec

#include "repartir/detail/codec_forms.hpp"
