// SPDX-License-Identifier: MIT
// Any text compiles as GLSL or is refused with a sentence.
#include "check.hpp"
#include "exec/gpu/kernel/check.hpp"
#include "exec/gpu/kernel/glsl.hpp"
#include "text_mutator.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const repartir::gpu::GlslTables tables;
    const auto words = repartir::gpu::compile_glsl(repartir::fuzz::text_of(data, size));
    if (words) {
        (void)repartir::gpu::inspect(*words, "");
    } else {
        repartir::fuzz::check(!words.error().sentence().empty());
    }
    return 0;
}
