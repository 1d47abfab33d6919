// SPDX-License-Identifier: MIT
#pragma once
/// @file logfmt.hpp Lines of a log that people and programs read: `event=listening port=9000`.
#include <string>
#include <string_view>

namespace repartir::base {

/// One line in the making. Values with blanks, quotes or control characters are quoted, so that a
/// line is a line whatever a peer said. A value.
class Logfmt {
  public:
    /// @param event what happened: a word
    explicit Logfmt(std::string_view event) { add("event", event); }

    Logfmt&& add(std::string_view key, std::string_view value) &&;
    Logfmt& add(std::string_view key, std::string_view value) &;
    /// @return the line, without an end.
    [[nodiscard]] std::string take() && { return std::move(line_); }

  private:
    std::string line_;
};

}  // namespace repartir::base
