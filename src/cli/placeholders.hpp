// SPDX-License-Identifier: MIT
#pragma once
/// @file placeholders.hpp {} and its relatives: text with holes that inputs fill.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "repartir/result.hpp"

namespace repartir::cli {

/// What a placeholder makes of an input.
enum class Part : std::uint8_t {
    whole,      ///< {}    dir/name.ext
    no_ext,     ///< {.}   dir/name
    base,       ///< {/}   name.ext
    directory,  ///< {//}  dir; "." where there is none
    stem,       ///< {/.}  name
    sequence,   ///< {#}   the task's number, from 1
};

/// One word of a command that may hold placeholders, read once and filled in often. A value.
class Template {
  public:
    /// Reads a word. What is no placeholder stands for itself, so every text is a template; {{}
    /// stands for a literal {}, and so for the others.
    explicit Template(std::string_view word);
    /// @return a template without placeholders, whatever `word` looks like.
    [[nodiscard]] static Template literal(std::string_view word);

    /// @return whether any placeholder occurs.
    [[nodiscard]] bool has_holes() const noexcept { return holes_ > 0; }
    /// @return whether nothing stands before the first placeholder.
    [[nodiscard]] bool begins_with_hole() const noexcept {
        return pieces_.front().hole && pieces_.front().text.empty();
    }
    /// @return the highest list number used, as in {3}; 0 when none is.
    [[nodiscard]] std::uint32_t list_max() const noexcept { return list_max_; }
    /// @return whether the word is one placeholder for all inputs, such as {}, and nothing else.
    [[nodiscard]] bool is_all_inputs() const noexcept;
    /// Appends the word, filled in. Inputs that share a hole are joined by a space.
    /// @param inputs one per list, at least list_max() of them
    void fill(std::span<const std::string> inputs, std::uint64_t sequence, std::string& into) const;
    /// For is_all_inputs(): appends what the placeholder makes of one input.
    void fill_one(const std::string& input, std::string& into) const;

  private:
    Template() = default;
    struct Piece {
        std::string text;  // before the hole, or all of it when hole is false
        bool hole = false;
        Part part = Part::whole;
        std::uint32_t list = 0;  // from 1; 0: all lists
    };
    std::vector<Piece> pieces_;
    std::uint32_t holes_ = 0;
    std::uint32_t list_max_ = 0;
};

/// Appends the part of an input that a placeholder asks for.
void append_part(Part part, std::string_view input, std::string& into);

}  // namespace repartir::cli
