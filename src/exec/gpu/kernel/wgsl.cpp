// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/wgsl.hpp"

#ifdef REPARTIR_WGSL
#include "exec/gpu/kernel/diagnostic.hpp"
#include "exec/gpu/kernel/source_limits.hpp"
#else
#include "exec/gpu/kernel/refusal.hpp"
#endif

namespace repartir::gpu {

#ifdef REPARTIR_WGSL
namespace {

// As src/exec/gpu/wgsl/src/lib.rs has them.
struct Text {
    const char* bytes;
    std::size_t count;
};
struct NamedValue {
    Text name;
    double value;
};
struct Sink {
    void* user;
    void (*words)(void* user, const std::uint32_t* words, std::size_t count);
    void (*complaint)(void* user, std::uint32_t line, std::uint32_t column, Text message);
};
extern "C" std::int32_t repartir_wgsl_compile(Text source, Text entry, const NamedValue* constants,
                                              std::size_t count, const Sink* sink);

struct Told {
    std::vector<std::uint32_t> words;
    std::vector<Diagnostic> complaints;
};

// Without memory these end the process, as Rust's own allocations do.
void take_words(void* user, const std::uint32_t* words, std::size_t count) noexcept {
    static_cast<Told*>(user)->words.assign(words, words + count);
}
void take_complaint(void* user, std::uint32_t line, std::uint32_t column, Text message) noexcept {
    static_cast<Told*>(user)->complaints.push_back(
        {line, column, std::string(message.bytes, message.count)});
}

}  // namespace

bool has_wgsl() noexcept { return true; }

Result<std::vector<std::uint32_t>> compile_wgsl(std::string_view source, std::string_view entry,
                                                std::span<const NamedConstant> constants) {
    if (Result<void> fine = check_source(source); !fine) {
        return fail(std::move(fine).error());
    }
    std::vector<NamedValue> values;
    values.reserve(constants.size());
    for (const NamedConstant& one : constants) {
        values.push_back({{one.name.data(), one.name.size()}, one.value});
    }
    Told told;
    std::int32_t result = 0;
    const Result<void> ran = on_large_stack([&] {
        const Sink sink{&told, take_words, take_complaint};
        result = repartir_wgsl_compile({source.data(), source.size()}, {entry.data(), entry.size()},
                                       values.data(), values.size(), &sink);
    });
    if (!ran) {
        return fail(ran.error());
    }
    if (result == 0) {
        return std::move(told.words);
    }
    if (told.complaints.empty()) {
        told.complaints.push_back({0, 0,
                                   "its compiler failed in a way that it should not; please report "
                                   "it with the shader"});
    }
    return fail(does_not_compile("WGSL", source, told.complaints));
}

#else

bool has_wgsl() noexcept { return false; }

Result<std::vector<std::uint32_t>> compile_wgsl(std::string_view /*source*/,
                                                std::string_view /*entry*/,
                                                std::span<const NamedConstant> /*constants*/) {
    return fail(refusal(Code::unsupported,
                        "this build of Repartir has no compiler for WGSL; build it with cargo 1.87 "
                        "or later (Debian: cargo-web) and -D REPARTIR_WGSL=ON, or give SPIR-V"));
}

#endif

}  // namespace repartir::gpu
