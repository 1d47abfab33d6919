// SPDX-License-Identifier: MIT
#pragma once
/// @file text_mutator.hpp Mutates programs in some language by their tokens, every other time.
#include "pieces.hpp"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned int seed) {
    std::minstd_rand random(seed);
    if (size < 2 || random() % 2 == 0) {
        return LLVMFuzzerMutate(data, size, max_size);
    }
    std::vector<repartir::fuzz::Piece> tokens = repartir::fuzz::tokens_of({data, size});
    repartir::fuzz::shuffle_some(tokens, random);
    return repartir::fuzz::join(tokens, {data, max_size});
}
