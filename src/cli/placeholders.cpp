// SPDX-License-Identifier: MIT
#include "cli/placeholders.hpp"

#include <optional>

namespace repartir::cli {
namespace {

struct Hole {
    Part part;
    std::uint32_t list;
    std::size_t length;  // of the spelling, braces included
};

/// Reads a placeholder at the start of `text`.
std::optional<Hole> read_hole(std::string_view text) {
    if (text.size() < 2 || text[0] != '{') {
        return std::nullopt;
    }
    constexpr std::size_t digits_max = 4;
    Hole hole{Part::whole, 0, 1};
    while (hole.length < text.size() && hole.length <= digits_max && text[hole.length] >= '0' &&
           text[hole.length] <= '9') {
        hole.list = hole.list * 10 + static_cast<std::uint32_t>(text[hole.length] - '0');
        ++hole.length;
    }
    if (hole.length > 1 && (hole.list == 0 || text[1] == '0')) {
        return std::nullopt;
    }
    struct Spelling {
        std::string_view text;
        Part part;
    };
    constexpr Spelling spellings[] = {{"}", Part::whole},       {".}", Part::no_ext},
                                      {"//}", Part::directory}, {"/.}", Part::stem},
                                      {"/}", Part::base},       {"#}", Part::sequence}};
    for (const Spelling& spelling : spellings) {
        const bool allowed = spelling.part != Part::sequence || hole.list == 0;
        if (allowed && text.substr(hole.length).starts_with(spelling.text)) {
            hole.part = spelling.part;
            hole.length += spelling.text.size();
            return hole;
        }
    }
    return std::nullopt;
}

/// @return the last component; the whole where there is no slash.
std::string_view base_of(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

/// @return how much of `path` stands before its extension: dots that start a name start none.
std::size_t stem_end(std::string_view path) {
    const std::string_view base = base_of(path);
    const std::size_t dot = base.rfind('.');
    if (dot == std::string_view::npos || base.find_first_not_of('.') >= dot) {
        return path.size();
    }
    return path.size() - base.size() + dot;
}

}  // namespace

void append_part(Part part, std::string_view input, std::string& into) {
    switch (part) {
        case Part::whole:
            into += input;
            return;
        case Part::no_ext:
            into += input.substr(0, stem_end(input));
            return;
        case Part::base:
            into += base_of(input);
            return;
        case Part::stem:
            into += base_of(input.substr(0, stem_end(input)));
            return;
        case Part::directory: {
            const std::size_t slash = input.rfind('/');
            into += slash == std::string_view::npos ? "."
                    : slash == 0                    ? "/"
                                                    : input.substr(0, slash);
            return;
        }
        case Part::sequence:
            return;
    }
}

Template::Template(std::string_view word) {
    Piece piece;
    for (std::size_t i = 0; i < word.size();) {
        const std::string_view here = word.substr(i);
        if (here.starts_with("{{") && read_hole(here.substr(1))) {
            const std::size_t length = read_hole(here.substr(1))->length;
            piece.text += here.substr(1, length);
            i += length + 1;
            continue;
        }
        const std::optional<Hole> hole = read_hole(here);
        if (!hole) {
            piece.text += word[i++];
            continue;
        }
        piece.hole = true;
        piece.part = hole->part;
        piece.list = hole->list;
        list_max_ = hole->list > list_max_ ? hole->list : list_max_;
        ++holes_;
        pieces_.push_back(std::move(piece));
        piece = Piece{};
        i += hole->length;
    }
    if (!piece.text.empty() || pieces_.empty()) {
        pieces_.push_back(std::move(piece));
    }
}

Template Template::literal(std::string_view word) {
    Template result;
    result.pieces_.push_back(Piece{std::string(word), false, Part::whole, 0});
    return result;
}

bool Template::is_all_inputs() const noexcept {
    return pieces_.size() == 1 && pieces_[0].hole && pieces_[0].text.empty() &&
           pieces_[0].list == 0 && pieces_[0].part != Part::sequence;
}

void Template::fill_one(const std::string& input, std::string& into) const {
    append_part(pieces_[0].part, input, into);
}

void Template::fill(std::span<const std::string> inputs, std::uint64_t sequence,
                    std::string& into) const {
    for (const Piece& piece : pieces_) {
        into += piece.text;
        if (!piece.hole) {
            continue;
        }
        if (piece.part == Part::sequence) {
            into += std::to_string(sequence);
        } else if (piece.list > 0) {
            append_part(piece.part, inputs[piece.list - 1], into);
        } else {
            for (std::size_t i = 0; i < inputs.size(); ++i) {
                into.append(i == 0 ? 0 : 1, ' ');
                append_part(piece.part, inputs[i], into);
            }
        }
    }
}

}  // namespace repartir::cli
