// SPDX-License-Identifier: MIT
// Any words are refused with a sentence, or their interface keeps the limits, and other values for
// constants leave a valid module.
#include <algorithm>
#include <cstring>
#include <utility>

#include "check.hpp"
#include "exec/gpu/kernel/check.hpp"
#include "exec/gpu/kernel/constants.hpp"
#include "pieces.hpp"

namespace {

using repartir::fuzz::check;
using repartir::fuzz::Piece;
using namespace repartir::gpu;

constexpr std::size_t header_bytes = 20;

/// The header, then each instruction.
std::vector<Piece> instructions_of(std::span<const std::uint8_t> bytes) {
    std::vector<Piece> pieces;
    std::size_t size = header_bytes;
    for (std::size_t at = 0; at < bytes.size(); at += size) {
        if (at > 0 && at + 4 <= bytes.size()) {
            size = std::max<std::size_t>(bytes[at + 2] + 256U * bytes[at + 3], 1) * 4;
        }
        const auto piece = bytes.subspan(at, std::min(size, bytes.size() - at));
        pieces.emplace_back(piece.begin(), piece.end());
    }
    return pieces;
}

/// Puts a small number, or another word, into a word.
void change_word(std::span<std::uint8_t> bytes, std::minstd_rand& random) {
    const std::size_t words = bytes.size() / 4;
    std::uint32_t value = static_cast<std::uint32_t>(random() % 80);
    if (random() % 2 == 0) {
        std::memcpy(&value, bytes.data() + random() % words * 4, 4);
    }
    std::memcpy(bytes.data() + random() % words * 4, &value, 4);
}

void check_limits(const Interface& told) {
    check(told.bindings.size() <= bindings_max);
    check(std::ranges::is_sorted(
        told.bindings, {}, [](const Binding& one) { return std::pair(one.set, one.binding); }));
    std::uint64_t invocations = 1;
    for (const std::uint32_t size : told.workgroup_size) {
        invocations *= size;
    }
    check(invocations >= 1 && invocations <= workgroup_invocations_max);
    check(told.shared_bytes <= shared_bytes_max);
    check(told.push_constant_bytes <= push_constant_bytes_max);
}

}  // namespace

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned int seed) {
    std::minstd_rand random(seed);
    const auto choice = random() % 8;
    if (size < header_bytes || choice == 0) {
        return LLVMFuzzerMutate(data, size, max_size);
    }
    if (choice < 6) {
        for (auto edits = 1 + random() % 3; edits > 0; --edits) {
            change_word({data, size}, random);
        }
        return size;
    }
    std::vector<Piece> pieces = instructions_of({data, size});
    repartir::fuzz::shuffle_some(pieces, random);
    return repartir::fuzz::join(pieces, {data, max_size});
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::vector<std::uint32_t> words(size / 4);
    if (!words.empty()) {
        std::memcpy(words.data(), data, words.size() * 4);
    }
    const auto told = inspect(words, "");
    if (!told) {
        check(!told.error().sentence().empty());
        return 0;
    }
    check_limits(*told);
    std::vector<NamedConstant> values;
    for (const Constant& one : told->constants) {
        values.push_back({std::to_string(one.id), 1});
    }
    if (specialize(words, told->constants, values)) {
        (void)inspect(words, "");
    }
    return 0;
}
