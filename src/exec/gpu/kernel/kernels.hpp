// SPDX-License-Identifier: MIT
#pragma once
/// @file kernels.hpp Shaders that were compiled to SPIR-V and checked, by content.
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "exec/gpu/kernel/compile.hpp"
#include "exec/gpu/kernel/glsl.hpp"
#include "repartir/shader.hpp"

namespace repartir::gpu {

/// Shared by the cache, the jobs that run it and who keeps something by its address.
using KernelPtr = std::shared_ptr<const Compiled>;

/// Compiles and checks each shader once. Any thread.
class Kernels {
  public:
    /// Errors as of compile(); those of shaders that failed are not kept.
    [[nodiscard]] Result<KernelPtr> get(const Shader& shader, std::string_view entry,
                                        std::span<const NamedConstant> constants = {});

  private:
    struct Kept {
        Shader shader;
        std::string entry;
        std::vector<NamedConstant> constants;
        KernelPtr kernel;
    };
    static constexpr std::size_t kept_max = 256;
    using Ages = std::list<Kept>;

    std::mutex mutex_;
    std::unique_ptr<GlslTables> glsl_;  ///< once there was GLSL
    Ages kept_;                         ///< the least recently used first
    std::unordered_multimap<std::size_t, Ages::iterator> by_hash_;
};

}  // namespace repartir::gpu
