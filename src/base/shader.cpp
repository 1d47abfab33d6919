// SPDX-License-Identifier: MIT
#include "repartir/shader.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "base/os_error.hpp"

namespace repartir {
namespace {

constexpr std::uint32_t spirv_magic = 0x07230203;

std::optional<ShaderLanguage> language_of(std::string_view path) {
    if (path.ends_with(".spv")) {
        return ShaderLanguage::spirv;
    }
    if (path.ends_with(".wgsl")) {
        return ShaderLanguage::wgsl;
    }
    if (path.ends_with(".glsl") || path.ends_with(".comp")) {
        return ShaderLanguage::glsl;
    }
    return std::nullopt;
}

Error refusal(Code code, const std::string& path, std::string_view why) {
    return Error(Domain::gpu, code, Fault::user, "the shader " + path + " " + std::string(why));
}

Result<std::string> read_all(const std::string& path) {
    const base::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) {
        return fail(base::os_error(Domain::gpu, "cannot open the shader " + path, errno));
    }
    std::string bytes;
    std::array<char, 65536> piece{};
    while (true) {
        const ssize_t got = ::read(file.get(), piece.data(), piece.size());
        if (got == 0) {
            return bytes;
        }
        if (got < 0 && errno != EINTR) {
            return fail(base::os_error(Domain::gpu, "cannot read the shader " + path, errno));
        }
        bytes.append(piece.data(), static_cast<std::size_t>(got < 0 ? 0 : got));
        if (bytes.size() > shader_bytes_max) {
            return fail(refusal(Code::too_large, path,
                                "is larger than " + std::to_string(shader_bytes_max >> 20U) +
                                    " MiB, the most that is read"));
        }
    }
}

/// @return the words in this machine's byte order.
Result<std::vector<std::uint32_t>> words_of(const std::string& path, std::string_view bytes) {
    std::vector<std::uint32_t> words(bytes.size() / sizeof(std::uint32_t));
    if (!words.empty()) {
        std::memcpy(words.data(), bytes.data(), words.size() * sizeof(std::uint32_t));
    }
    const bool turned = !words.empty() && words[0] == std::byteswap(spirv_magic);
    if (bytes.size() % sizeof(std::uint32_t) != 0 || words.empty() ||
        (words[0] != spirv_magic && !turned)) {
        return fail(refusal(Code::malformed, path,
                            "is no SPIR-V: that is whole words of 4 bytes, the first of them "
                            "0x07230203; text ends in .wgsl, .glsl or .comp"));
    }
    for (std::uint32_t& word : words) {
        word = turned ? std::byteswap(word) : word;
    }
    return words;
}

}  // namespace

std::string_view to_string(ShaderLanguage language) noexcept {
    switch (language) {
        case ShaderLanguage::glsl:
            return "GLSL";
        case ShaderLanguage::wgsl:
            return "WGSL";
        default:
            return "SPIR-V";
    }
}

struct Shader::Body {
    ShaderLanguage language;
    std::string text;
    std::vector<std::uint32_t> words;
    std::string name;
};

Shader::Shader(std::shared_ptr<const Body> body) : body_(std::move(body)) {}

Shader Shader::spirv(std::span<const std::uint32_t> words, std::string_view name) {
    return Shader(std::make_shared<const Body>(
        Body{ShaderLanguage::spirv, {}, {words.begin(), words.end()}, std::string(name)}));
}

Shader Shader::glsl(std::string_view source) {
    return Shader(
        std::make_shared<const Body>(Body{ShaderLanguage::glsl, std::string(source), {}, {}}));
}

Shader Shader::wgsl(std::string_view source) {
    return Shader(
        std::make_shared<const Body>(Body{ShaderLanguage::wgsl, std::string(source), {}, {}}));
}

Result<Shader> Shader::from_file(const std::string& path) {
    const std::optional<ShaderLanguage> language = language_of(path);
    if (!language) {
        return fail(refusal(Code::invalid_argument, path,
                            "has to tell its language by its name's end: .spv for SPIR-V, .wgsl, "
                            ".glsl or .comp for GLSL"));
    }
    Result<std::string> bytes = read_all(path);
    if (!bytes) {
        return fail(std::move(bytes).error());
    }
    if (*language != ShaderLanguage::spirv) {
        return Shader(std::make_shared<const Body>(Body{*language, std::move(*bytes), {}, path}));
    }
    Result<std::vector<std::uint32_t>> words = words_of(path, *bytes);
    if (!words) {
        return fail(std::move(words).error());
    }
    return Shader(
        std::make_shared<const Body>(Body{ShaderLanguage::spirv, {}, std::move(*words), path}));
}

ShaderLanguage Shader::language() const noexcept {
    return body_ ? body_->language : ShaderLanguage::spirv;
}

std::string_view Shader::source() const noexcept {
    if (language() != ShaderLanguage::spirv) {
        return body_->text;
    }
    // SAFETY: any object may be looked at as char.
    return {reinterpret_cast<const char*>(words().data()), words().size_bytes()};
}

std::span<const std::uint32_t> Shader::words() const noexcept {
    return body_ ? std::span<const std::uint32_t>(body_->words) : std::span<const std::uint32_t>();
}

std::string_view Shader::name() const noexcept {
    return body_ ? std::string_view(body_->name) : std::string_view();
}

}  // namespace repartir
