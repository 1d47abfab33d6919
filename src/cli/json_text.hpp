// SPDX-License-Identifier: MIT
#pragma once
/// @file json_text.hpp Writes JSON text on one line; reading is done elsewhere.
#include <cstdint>
#include <string>
#include <string_view>

namespace repartir::cli {

/// @return whether the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms).
[[nodiscard]] bool is_utf8(std::string_view bytes) noexcept;
/// Appends the bytes in base64 (RFC 4648, padded).
void append_base64(std::string_view bytes, std::string& into);

/// Appends one JSON value to a string, commas included. The caller keeps begin and end in balance.
class JsonWriter {
  public:
    explicit JsonWriter(std::string& into) : into_(into) {}

    void begin_object() { open('{'); }
    void end_object() { close('}'); }
    void begin_array() { open('['); }
    void end_array() { close(']'); }
    /// Names the next value of an object.
    void key(std::string_view name);
    /// A string; bytes that are no UTF-8 become {"encoding":"base64","data":"..."}.
    void text(std::string_view value);
    void integer(std::int64_t value);
    void natural(std::uint64_t value);
    void boolean(bool value);
    void null();

  private:
    void open(char bracket);
    void close(char bracket);
    void separate();
    void quoted(std::string_view value);

    std::string& into_;
    bool comma_ = false;  // a value stands before, so that the next one needs a comma
};

}  // namespace repartir::cli
