// SPDX-License-Identifier: MIT
// A compute shader on a GPU. Says so, and ends well, where there is none. One argument: which GPU
// (see `repartir gpu list`); CPU drivers are allowed when it is named.
#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

#include "repartir/repartir.hpp"

namespace {

constexpr const char* source = R"(#version 450
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) readonly buffer From { float from[]; };
layout(set = 0, binding = 1) writeonly buffer To { float to[]; };
void main() {
    uint i = gl_GlobalInvocationID.x;
    if (i < uint(from.length())) to[i] = from[i] * 2.0;
})";

}  // namespace

int main(int argc, char** argv) {
    repartir::GpuOptions gpu;
    gpu.in_process = true;
    gpu.device = argc > 1 ? argv[1] : "any";
    gpu.allow_cpu = argc > 1;
    auto pool = repartir::Pool::builder().gpu(gpu).build();
    if (!pool) {
        std::printf("no GPU: %s\n", pool.error().sentence().c_str());
        return pool.error().code() == repartir::Code::unsupported ? 0 : 1;
    }
    std::vector<float> values(1000);
    std::iota(values.begin(), values.end(), 0.0F);
    const auto outcome =
        pool->submit(repartir::Task::shader(repartir::Shader::glsl(source))
                         .workgroups(static_cast<std::uint32_t>((values.size() + 63) / 64))
                         .input_buffer(values)
                         .output_buffer(values.size() * sizeof(float)))
            .get();
    if (!outcome || !outcome->ok()) {
        std::printf("%s\n", !outcome           ? outcome.error().sentence().c_str()
                            : outcome->error() ? outcome->error()->sentence().c_str()
                                               : outcome->ending.describe().c_str());
        return 1;
    }
    const auto twice = outcome->buffers[0].as<float>();
    std::printf("twice %g is %g, on %s\n", values[999], twice[999], outcome->last().where.c_str());
}
