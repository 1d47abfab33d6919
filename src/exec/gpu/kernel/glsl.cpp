// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/glsl.hpp"

#include <glslang/Public/ShaderLang.h>
#include <glslang/SPIRV/GlslangToSpv.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

#include "exec/gpu/kernel/check.hpp"
#include "exec/gpu/kernel/diagnostic.hpp"
#include "exec/gpu/kernel/source_limits.hpp"

namespace repartir::gpu {
namespace {

/// Says no to each #include.
class NoFiles : public glslang::TShader::Includer {
  public:
    IncludeResult* includeSystem(const char* /*header*/, const char* /*by*/,
                                 std::size_t /*depth*/) override {
        return &no_;
    }
    void releaseInclude(IncludeResult* /*result*/) override {}

  private:
    static constexpr std::string_view why = "files cannot be included; put their text in place";
    IncludeResult no_{"", why.data(), why.size(), nullptr};
};

TBuiltInResource limits() {
    constexpr int plenty = 65535;
    constexpr int invocations = static_cast<int>(workgroup_invocations_max);
    TBuiltInResource resources{};
    resources.maxComputeWorkGroupCountX = plenty;
    resources.maxComputeWorkGroupCountY = plenty;
    resources.maxComputeWorkGroupCountZ = plenty;
    resources.maxComputeWorkGroupSizeX = invocations;
    resources.maxComputeWorkGroupSizeY = invocations;
    resources.maxComputeWorkGroupSizeZ = invocations;
    resources.maxComputeUniformComponents = plenty;
    TLimits& may = resources.limits;
    may.nonInductiveForLoops = may.whileLoops = may.doWhileLoops = true;
    may.generalUniformIndexing = may.generalVariableIndexing = true;
    may.generalConstantMatrixVectorIndexing = true;
    return resources;
}

/// Reads "ERROR: 0:12: 'x' : what is wrong".
std::optional<Diagnostic> read(std::string_view line, std::string_view source) {
    constexpr std::string_view error = "ERROR: ";
    if (!line.starts_with(error)) {
        return std::nullopt;
    }
    line.remove_prefix(error.size());
    Diagnostic told;
    const std::size_t colon = line.find(':');
    const std::size_t second = colon == line.npos ? line.npos : line.find(": ", colon + 1);
    if (second != line.npos) {
        const char* const end = line.data() + second;
        const auto parsed = std::from_chars(line.data() + colon + 1, end, told.line);
        if (parsed.ec == std::errc() && parsed.ptr == end) {
            line.remove_prefix(second + 2);
        }
    }
    // "2 compilation errors.  No code generated."
    if (line.find("compilation terminated") != line.npos || line.find("No code") != line.npos) {
        return std::nullopt;
    }
    line = line.substr(0, line.find_last_not_of(" \r") + 1);
    told.message = line;
    // glslang tells no columns; the word that it quotes mostly stands in the line once.
    const std::size_t close = line.find('\'', 1);
    if (line.starts_with('\'') && close != line.npos && close > 1 && told.line > 0) {
        told.column = column_of(source, told.line, line.substr(1, close - 1));
    }
    return told;
}

std::vector<Diagnostic> read_all(std::string_view log, std::string_view source) {
    std::vector<Diagnostic> all;
    while (!log.empty()) {
        const std::size_t end = std::min(log.find('\n'), log.size());
        auto one = read(log.substr(0, end), source);
        // What follows in the same line mostly follows from the first.
        if (one && (all.empty() || all.back().line != one->line)) {
            all.push_back(*std::move(one));
        }
        log.remove_prefix(std::min(end + 1, log.size()));
    }
    if (all.empty()) {
        all.push_back({0, 0, "the compiler does not say why"});
    }
    return all;
}

Result<std::vector<std::uint32_t>> compile(std::string_view source) {
    const GlslTables tables;
    const TBuiltInResource resources = limits();
    glslang::TShader shader(EShLangCompute);
    const char* const text = source.data();
    const int bytes = static_cast<int>(source.size());
    shader.setStringsWithLengths(&text, &bytes, 1);
    // So that the Includer is asked, who knows better words.
    shader.setPreamble("#extension GL_GOOGLE_include_directive : enable\n");
    shader.setEnvInput(glslang::EShSourceGlsl, EShLangCompute, glslang::EShClientVulkan, 100);
    shader.setEnvClient(glslang::EShClientVulkan, glslang::EShTargetVulkan_1_2);
    shader.setEnvTarget(glslang::EShTargetSpv, glslang::EShTargetSpv_1_5);
    constexpr auto rules =
        // NOLINTNEXTLINE(clang-analyzer-optin.core.EnumCastOutOfRange): a set of its bits
        static_cast<EShMessages>(EShMsgSpvRules | EShMsgVulkanRules | EShMsgCascadingErrors);
    constexpr int version = 460;  // of a shader that does not say
    NoFiles files;
    glslang::TProgram program;
    if (!shader.parse(&resources, version, ECoreProfile, false, false, rules, files)) {
        return fail(does_not_compile("GLSL", source, read_all(shader.getInfoLog(), source)));
    }
    program.addShader(&shader);
    if (!program.link(rules)) {
        return fail(does_not_compile("GLSL", source, read_all(program.getInfoLog(), source)));
    }
    std::vector<std::uint32_t> words;
    spv::SpvBuildLogger log;
    glslang::SpvOptions options;
    options.disableOptimizer = true;
    glslang::GlslangToSpv(*program.getIntermediate(EShLangCompute), words, &log, &options);
    if (const std::string told = log.getAllMessages(); told.find("error") != told.npos) {
        return fail(does_not_compile("GLSL", source, std::vector<Diagnostic>{{0, 0, told}}));
    }
    return words;
}

}  // namespace

GlslTables::GlslTables() { glslang::InitializeProcess(); }
GlslTables::~GlslTables() { glslang::FinalizeProcess(); }

Result<std::vector<std::uint32_t>> compile_glsl(std::string_view source) {
    if (Result<void> fine = check_source(source); !fine) {
        return fail(std::move(fine).error());
    }
    Result<std::vector<std::uint32_t>> words;
    Result<void> ran = on_large_stack([&] { words = compile(source); });
    return ran ? std::move(words) : fail(std::move(ran).error());
}

}  // namespace repartir::gpu
