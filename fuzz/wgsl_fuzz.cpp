// SPDX-License-Identifier: MIT
// Any text compiles as WGSL or is refused with a sentence, without a panic; what is compiled is
// valid.
#include "check.hpp"
#include "exec/gpu/kernel/check.hpp"
#include "exec/gpu/kernel/wgsl.hpp"
#include "text_mutator.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto words = repartir::gpu::compile_wgsl(repartir::fuzz::text_of(data, size), "", {});
    if (words) {
        const auto told = repartir::gpu::inspect(*words, "");
        repartir::fuzz::check(told || told.error().code() != repartir::Code::malformed);
    } else {
        repartir::fuzz::check(!words.error().sentence().empty());
    }
    return 0;
}
