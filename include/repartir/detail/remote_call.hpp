// SPDX-License-Identifier: MIT
#pragma once
/// @file remote_call.hpp Functions that are called by name, their arguments and results as bytes.
/// Not for direct use.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "repartir/codec.hpp"
#include "repartir/detail/call.hpp"
#include "repartir/result.hpp"
#include "repartir/shared_buffer.hpp"

namespace repartir::detail {

/// Has the memory of a large string made of large pages, as far as the system has some. Before it
/// is written to: a fault for each 4 KiB of it would cost more than to write them.
void prefer_large_pages(std::string& text) noexcept;

/// A piece of a value.
struct Piece {
    std::string_view bytes;
    std::shared_ptr<const void> owner;  ///< shared with the value; none: it goes with that
};

/// What a function gave, encoded. A large text stays where the function left it.
class RemoteValue {
  public:
    static constexpr std::size_t copied_bytes_max = 64UL * 1024;  ///< to share them costs as much

    RemoteValue() = default;
    explicit RemoteValue(std::string encoded) {
        if (encoded.size() <= copied_bytes_max) {
            head_ = std::move(encoded);
            return;
        }
        const auto all = std::make_shared<const std::string>(std::move(encoded));
        text_ = *all;
        owner_ = all;
    }
    /// @param text below 4 GiB, good as long as its owner lives
    RemoteValue(std::string_view text, std::shared_ptr<const void> owner)
        : head_(codec::encode(static_cast<std::uint32_t>(text.size()))),
          text_(text),
          owner_(std::move(owner)) {}

    [[nodiscard]] std::size_t size() const noexcept { return head_.size() + text_.size(); }
    /// @return a piece, shorter where there is no more; good as long as its owner, or else this and
    /// `room`, which has a copy where the piece does not lie in one place.
    [[nodiscard]] Piece read(std::size_t offset, std::size_t bytes, std::string& room) const {
        if (offset >= head_.size()) {
            const std::size_t skip = offset - head_.size();
            return skip < text_.size() ? Piece{text_.substr(skip, bytes), owner_} : Piece();
        }
        const std::string_view head = std::string_view(head_).substr(offset, bytes);
        if (head.size() == bytes || text_.empty()) {
            return {head, nullptr};
        }
        room = std::string(head).append(text_.substr(0, bytes - head.size()));
        return {room, nullptr};
    }

  private:
    std::string head_;
    std::string_view text_;              // that follows
    std::shared_ptr<const void> owner_;  // of the text; others may have it too
};

/// Takes encoded arguments, gives an encoded result. Any thread, several at once.
using RemoteFunction = std::function<Result<RemoteValue>(std::string_view, const std::stop_token&)>;

/// The Error of a result that is too large for any message.
[[nodiscard]] Error too_large_result_error();

/// @return a function's result, encoded. A text that it handed over is not copied when it is large,
/// nor a buffer. Errors: too_large
template <class T>
[[nodiscard]] Result<RemoteValue> encode_result(T&& result) {
    using Given = std::remove_cvref_t<T>;
    constexpr bool is_buffer = std::is_same_v<Given, SharedBuffer>;
    constexpr std::size_t bytes_max = std::numeric_limits<std::uint32_t>::max();
    if constexpr (is_buffer || std::is_same_v<Given, std::string>) {
        if (result.size() > bytes_max) {
            return fail(too_large_result_error());
        }
        if (is_buffer || result.size() > RemoteValue::copied_bytes_max) {
            auto owner = std::make_shared<const Given>(std::forward<T>(result));
            const std::string_view text = [&]() -> std::string_view {
                if constexpr (is_buffer) {
                    return owner->text();
                } else {
                    return *owner;
                }
            }();
            return RemoteValue(text, std::move(owner));
        }
    }
    if constexpr (!is_buffer) {
        const std::size_t bytes = codec::encoded_size(result);
        if (bytes > bytes_max) {
            return fail(too_large_result_error());
        }
        std::string encoded;
        encoded.reserve(bytes);
        prefer_large_pages(encoded);
        codec::append(encoded, result);
        return RemoteValue(std::move(encoded));
    }
}

/// What a callable takes and gives, where it has one signature.
template <class F>
struct Signature : Signature<decltype(&F::operator())> {};
template <class R, class... A>
struct Signature<R (*)(A...)> {
    using Arguments = std::tuple<std::decay_t<A>...>;
};
template <class R, class... A>
struct Signature<R (*)(A...) noexcept> : Signature<R (*)(A...)> {};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...)> : Signature<R (*)(A...)> {};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...) const> : Signature<R (*)(A...)> {};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...) noexcept> : Signature<R (*)(A...)> {};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...) const noexcept> : Signature<R (*)(A...)> {};

/// The arguments that travel: all but a stop_token in front.
template <class Tuple>
struct Travelling {
    using type = Tuple;
    static constexpr bool takes_token = false;
};
template <class... A>
struct Travelling<std::tuple<std::stop_token, A...>> {
    using type = std::tuple<A...>;
    static constexpr bool takes_token = true;
};

/// A string literal travels as the text that it is.
template <class T>
[[nodiscard]] decltype(auto) as_sent(const T& value) {
    if constexpr (std::is_convertible_v<const T&, std::string_view> && !codec::Record<T>) {
        return std::string_view(value);
    } else {
        return (value);
    }
}
template <class T>
using SentForm = codec::Form<std::remove_cvref_t<decltype(as_sent(std::declval<const T&>()))>>;

/// @return the arguments, one after the other.
template <class... A>
[[nodiscard]] std::string encode_arguments(const A&... arguments) {
    std::string bytes;
    bytes.resize((std::size_t{0} + ... + SentForm<A>::size(as_sent(arguments))));
    codec::Writer writer(bytes.data());  // NOLINT(misc-const-correctness): there may be arguments
    (SentForm<A>::put(writer, as_sent(arguments)), ...);
    return bytes;
}

/// @return the error of a call whose bytes are no arguments of this function.
[[nodiscard]] Error bad_arguments(std::string_view function, codec::Problem problem);

/// @return the arguments that these bytes are. @param function its name. Errors: malformed
template <class Tuple>
[[nodiscard]] Result<Tuple> decode_arguments(std::string_view function, std::string_view bytes) {
    Tuple arguments;
    codec::Reader reader(bytes);
    std::apply([&](auto&... one) { ((one = reader.get<std::decay_t<decltype(one)>>()), ...); },
               arguments);
    if (reader.ok() && reader.left() != 0) {
        reader.fail(codec::Problem::excess);
    }
    if (!reader.ok()) {
        return fail(bad_arguments(function, reader.problem()));
    }
    return arguments;
}

/// Calls a function with the arguments that these bytes are. May throw what their types throw, and
/// where memory is short.
template <class F>
[[nodiscard]] Result<RemoteValue> call_with(std::string_view name, F& function,
                                            std::string_view bytes, const std::stop_token& token) {
    using Travels = Travelling<typename Signature<F>::Arguments>;
    auto arguments = decode_arguments<typename Travels::type>(name, bytes);
    if (!arguments) {
        return fail(std::move(arguments).error());
    }
    auto result = std::apply(
        [&](auto&... one) {
            if constexpr (Travels::takes_token) {
                return call_caught(function, token, std::move(one)...);
            } else {
                return call_caught(function, std::move(one)...);
            }
        },
        *arguments);
    if (!result) {
        return fail(std::move(result).error());
    }
    if constexpr (std::is_void_v<typename decltype(result)::value_type>) {
        return RemoteValue();
    } else {
        return encode_result(*std::move(result));
    }
}

/// @return the callable as one that takes and gives bytes. @param name which callers know it by
template <class F>
[[nodiscard]] RemoteFunction remote_function(std::string name, F function) {
    return
        [name = std::move(name), function = std::move(function)](
            std::string_view bytes, const std::stop_token& token) mutable -> Result<RemoteValue> {
            try {
                return call_with(name, function, bytes, token);
            } catch (...) { return fail(thrown_error()); }
        };
}

}  // namespace repartir::detail
