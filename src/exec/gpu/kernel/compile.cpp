// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/compile.hpp"

#include <string>
#include <utility>

#include "exec/gpu/kernel/check.hpp"
#include "exec/gpu/kernel/glsl.hpp"
#include "exec/gpu/kernel/refusal.hpp"
#include "exec/gpu/kernel/wgsl.hpp"

namespace repartir::gpu {
namespace {

Result<std::vector<std::uint32_t>> to_spirv(const Shader& shader, std::string_view entry,
                                            std::span<const NamedConstant> constants) {
    switch (shader.language()) {
        case ShaderLanguage::glsl:
            return compile_glsl(shader.source());
        case ShaderLanguage::wgsl:
            return compile_wgsl(shader.source(), entry, constants);
        default:
            return std::vector(shader.words().begin(), shader.words().end());
    }
}

Result<Compiled> compiled(const Shader& shader, std::string_view entry,
                          std::span<const NamedConstant> constants) {
    if (shader.empty()) {
        return fail(refusal(Code::invalid_argument, "the shader is empty; give its source"));
    }
    Result<std::vector<std::uint32_t>> words = to_spirv(shader, entry, constants);
    if (!words) {
        return fail(std::move(words).error());
    }
    Result<Interface> interface = inspect(*words, entry);
    if (interface && !constants.empty() && shader.language() != ShaderLanguage::wgsl) {
        if (Result<void> put = specialize(*words, interface->constants, constants); !put) {
            return fail(std::move(put).error());
        }
        interface = inspect(*words, entry);  // sizes may follow from constants
    }
    if (!interface) {
        return fail(std::move(interface).error());
    }
    return Compiled{std::move(*words), std::move(*interface)};
}

}  // namespace

Result<Compiled> compile(const Shader& shader, std::string_view entry,
                         std::span<const NamedConstant> constants) {
    Result<Compiled> done = compiled(shader, entry, constants);
    if (done || shader.name().empty()) {
        return done;
    }
    const Error& error = done.error();
    return fail(Error(error.domain(), error.code(), error.fault(),
                      std::string(shader.name()) + ": " + error.sentence()));
}

}  // namespace repartir::gpu
