// SPDX-License-Identifier: MIT
#pragma once
/// @file shader.hpp The source of a compute shader, as a value.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "repartir/result.hpp"

namespace repartir {

/// What a shader is written in.
enum class ShaderLanguage : std::uint8_t { spirv, glsl, wgsl };
/// @return "SPIR-V", "GLSL" or "WGSL".
[[nodiscard]] std::string_view to_string(ShaderLanguage language) noexcept;

/// The longest shader that Shader::from_file reads.
inline constexpr std::size_t shader_bytes_max = std::size_t{16} << 20U;

/// The source of a compute shader, in any of the languages. Nothing is compiled or checked here:
/// that comes with the task. A value; copies share one immutable body. Any thread may read it.
class Shader {
  public:
    Shader() = default;  ///< none
    /// A module in SPIR-V, in this machine's byte order; copied, like the texts. @param name for
    /// people
    [[nodiscard]] static Shader spirv(std::span<const std::uint32_t> words,
                                      std::string_view name = {});
    [[nodiscard]] static Shader glsl(std::string_view source);  ///< for the compute stage
    [[nodiscard]] static Shader wgsl(std::string_view source);
    /// Reads a file whose name ends in .spv, .wgsl, .glsl or .comp (GLSL). SPIR-V of the other byte
    /// order is turned round. Errors (Domain::gpu): invalid_argument (the ending), not_found,
    /// permission_denied, too_large (shader_bytes_max), malformed (.spv that is no SPIR-V),
    /// out_of_resources, io_error.
    [[nodiscard]] static Result<Shader> from_file(const std::string& path);

    [[nodiscard]] bool empty() const noexcept { return source().empty(); }
    [[nodiscard]] ShaderLanguage language() const noexcept;  ///< spirv when it is none
    /// @return the text, or the bytes of the words; good as long as a copy of this Shader lives.
    [[nodiscard]] std::string_view source() const noexcept;
    /// @return SPIR-V's words; nothing for the other languages.
    [[nodiscard]] std::span<const std::uint32_t> words() const noexcept;
    [[nodiscard]] std::string_view name()
        const noexcept;  ///< the file's; of one from memory its own
    /// Equal in language and source; names do not count.
    [[nodiscard]] bool operator==(const Shader& other) const noexcept {
        return language() == other.language() && source() == other.source();
    }

  private:
    struct Body;
    explicit Shader(std::shared_ptr<const Body> body);
    std::shared_ptr<const Body> body_;  // shared by the copies of one shader
};

}  // namespace repartir
