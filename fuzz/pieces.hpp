// SPDX-License-Identifier: MIT
#pragma once
/// @file pieces.hpp Mutates input that consists of pieces, such as tokens, which a mutator of bytes
/// would only break.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <vector>

namespace repartir::fuzz {

using Piece = std::vector<std::uint8_t>;

/// Takes out, doubles, moves or overwrites some of the pieces.
inline void shuffle_some(std::vector<Piece>& pieces, std::minstd_rand& random) {
    for (std::size_t edits = 1 + random() % 4; edits > 0 && !pieces.empty(); --edits) {
        const std::size_t from = random() % pieces.size();
        const std::size_t to = random() % pieces.size();
        const auto at = [&](std::size_t index) {
            return pieces.begin() + static_cast<std::ptrdiff_t>(index);
        };
        switch (random() % 4) {
            case 0:
                pieces.erase(at(from));
                break;
            case 1:
                pieces.insert(at(to), Piece(pieces[from]));
                break;
            case 2:
                std::swap(pieces[from], pieces[to]);
                break;
            default:
                pieces[to] = Piece(pieces[from]);
                break;
        }
    }
}

/// Writes the pieces back to back. @return how many bytes; what has no room is left out.
inline std::size_t join(const std::vector<Piece>& pieces, std::span<std::uint8_t> into) {
    std::size_t size = 0;
    for (const Piece& piece : pieces) {
        if (piece.size() <= into.size() - size && !piece.empty()) {
            std::memcpy(into.data() + size, piece.data(), piece.size());
            size += piece.size();
        }
    }
    return size;
}

/// @return words (letters, digits, underscores), and every other byte by itself.
inline std::vector<Piece> tokens_of(std::span<const std::uint8_t> text) {
    std::vector<Piece> tokens;
    bool in_word = false;
    for (const std::uint8_t c : text) {
        const bool letter =
            (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
        if (!letter || !in_word) {
            tokens.emplace_back();
        }
        tokens.back().push_back(c);
        in_word = letter;
    }
    return tokens;
}

}  // namespace repartir::fuzz
