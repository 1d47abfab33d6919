// SPDX-License-Identifier: MIT
// A compute kernel written in C++: recorded once, emitted as SPIR-V for GPUs, and run here on the
// CPU, which needs no GPU and computes the same.
#include <cstdint>
#include <cstdio>
#include <repartir/repartir.hpp>
#include <vector>

namespace gpu = repartir::gpu;

int main() {
    const gpu::Kernel twice = gpu::kernel("twice", [](gpu::In<float> in, gpu::Out<float> out) {
        gpu::UInt i = gpu::global_id().x;
        gpu::If(i < in.length(), [&] { out[i] = in[i] * 2.0F; });
    });

    const std::vector<float> in{1, 2, 3, 4, 5};
    std::vector<float> out(in.size());
    const auto ran = gpu::run_on_cpu(twice, {.workgroups = {1, 1, 1}, .buffers = {in, out}});
    if (!ran) {
        std::fprintf(stderr, "%s\n", ran.error().sentence().c_str());
        return 1;
    }
    for (const float value : out) {
        std::printf("%g ", value);
    }
    std::printf("\n%s: %zu buffers, %u invocations in a workgroup, %s of SPIR-V\n",
                twice.name().c_str(), twice.interface().buffers.size(),
                twice.interface().workgroup[0], twice.spirv().empty() ? "nothing" : "a module");

    // A kernel that cannot be recorded carries a sentence instead of code.
    const gpu::Kernel wrong = gpu::kernel("wrong", [](gpu::Out<float> o) {
        gpu::Break();
        o[0] = 1.0F;
    });
    std::printf("%s\n", wrong.error()->sentence().c_str());
    return 0;
}
