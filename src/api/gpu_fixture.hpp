// SPDX-License-Identifier: MIT
#pragma once
/// @file gpu_fixture.hpp A shader task, and the driver that runs it in tests.
#include <cstdint>
#include <string_view>
#include <vector>

#include "exec/gpu/swiftshader_fixture.hpp"
#include "repartir/gpu_executor.hpp"
#include "repartir/task.hpp"

namespace repartir {

inline constexpr std::string_view twice_glsl = R"(#version 450
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) readonly buffer A { uint a[]; };
layout(set = 0, binding = 1) writeonly buffer B { uint b[]; };
void main() {
    uint i = gl_GlobalInvocationID.x;
    if (i < uint(a.length())) b[i] = a[i] * 2;
})";

/// SwiftShader is the only Vulkan driver. Skipped where it is not there.
class OnSwiftShader : public gpu::OnSwiftShader {
  protected:
    static GpuOptions swiftshader() {
        GpuOptions options;
        options.allow_cpu = true;
        options.in_process = true;
        return options;
    }
    static Task twice(const std::vector<std::uint32_t>& values) {
        return Task::shader(Shader::glsl(twice_glsl))
            .workgroups(static_cast<std::uint32_t>((values.size() + 63) / 64))
            .input_buffer(values)
            .output_buffer(values.size() * 4);
    }
};

}  // namespace repartir
