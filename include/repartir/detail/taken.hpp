// SPDX-License-Identifier: MIT
#pragma once
/// @file taken.hpp What a function on a worker gave, as it comes in pieces. Not for direct use.
///
/// Each kind has take(), as CallSink has it, and whole(), which is called once, after the last
/// piece: what the caller wanted of it. One thread at a time; take() throws where memory is short.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "repartir/codec.hpp"
#include "repartir/result.hpp"
#include "repartir/shared_buffer.hpp"

namespace repartir::detail {

/// The bytes as they are.
class TakenBytes {
  public:
    [[nodiscard]] Result<void> take(std::uint64_t offset, std::uint64_t total,
                                    std::string_view bytes);
    [[nodiscard]] const std::string& bytes() const noexcept { return bytes_; }
    [[nodiscard]] std::string move() noexcept { return std::move(bytes_); }

  private:
    void make_room(std::uint64_t total);

    std::string bytes_;
};

/// The number of characters, which stands in front of an encoded text.
class TextLength {
  public:
    /// Takes what belongs to it off the front of a piece. @param offset becomes that of the text
    void take(std::uint64_t& offset, std::string_view& bytes);
    /// @return it, or `unknown` as long as it has not come whole.
    [[nodiscard]] std::uint64_t value() const;
    /// Errors: malformed, another number of characters came
    [[nodiscard]] Result<void> check(std::uint64_t came) const;

    static constexpr std::uint64_t unknown = ~std::uint64_t{0};

  private:
    std::string bytes_;
};

/// A value, decoded when it is whole.
template <class R>
class Taken {
  public:
    [[nodiscard]] Result<void> take(std::uint64_t offset, std::uint64_t total,
                                    std::string_view bytes) {
        return encoded_.take(offset, total, bytes);
    }
    /// Errors: malformed
    [[nodiscard]] Result<R> whole() {
        if constexpr (std::is_void_v<R>) {
            return {};
        } else {
            return codec::decode<R>(encoded_.bytes());
        }
    }

  private:
    TakenBytes encoded_;
};

/// A text: its characters come to where they stay.
template <>
class Taken<std::string> {
  public:
    [[nodiscard]] Result<void> take(std::uint64_t offset, std::uint64_t total,
                                    std::string_view bytes);
    /// Errors: malformed
    [[nodiscard]] Result<std::string> whole();

  private:
    TextLength length_;
    TakenBytes text_;
};

/// A text that goes into a buffer of the caller's.
class TakenInto {
  public:
    explicit TakenInto(SharedBuffer into) : into_(std::move(into)) {}
    /// Errors: too_large
    [[nodiscard]] Result<void> take(std::uint64_t offset, std::uint64_t total,
                                    std::string_view bytes);
    /// @return how many bytes. Errors: malformed
    [[nodiscard]] Result<std::size_t> whole();

  private:
    SharedBuffer into_;
    TextLength length_;
    std::uint64_t came_ = 0;
};

}  // namespace repartir::detail
