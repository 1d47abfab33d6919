// SPDX-License-Identifier: MIT
// A compute kernel written in C++: recorded once, emitted as SPIR-V for GPUs, and run on the CPU
// where there is none. One argument: which GPU (see `repartir gpu list`); CPU drivers are allowed
// when it is named.
#include <cstdint>
#include <cstdio>
#include <repartir/repartir.hpp>
#include <vector>

namespace gpu = repartir::gpu;
using repartir::Task;

int main(int argc, char** argv) {
    const gpu::Kernel twice = gpu::kernel("twice", [](gpu::In<float> in, gpu::Out<float> out) {
        gpu::UInt i = gpu::global_id().x;
        gpu::If(i < in.length(), [&] { out[i] = in[i] * 2.0F; });
    });

    // At once, in this thread.
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
    std::printf("\n%s: %zu buffers, %u invocations in a workgroup\n", twice.name().c_str(),
                twice.interface().buffers.size(), twice.interface().workgroup[0]);

    // As a task, on the best GPU, or on the CPUs where there is none.
    repartir::GpuOptions best;
    best.required = false;
    best.in_process = true;
    best.device = argc > 1 ? argv[1] : "any";
    best.allow_cpu = argc > 1;
    auto pool = repartir::Pool::builder().gpu(best).build().value();
    const auto outcome = pool.submit(Task::shader(twice)
                                         .input_buffer(in)
                                         .output_buffer(in.size() * sizeof(float))
                                         .cpu_fallback())
                             .get();
    if (!outcome || !outcome->ok()) {
        std::fprintf(
            stderr, "%s\n",
            !outcome ? outcome.error().sentence().c_str() : outcome->ending.describe().c_str());
        return 1;
    }
    std::printf("twice %g is %g, on %s\n", in[4], outcome->buffers[0].as<float>()[4],
                outcome->last().where.c_str());

    // A kernel that cannot be recorded carries a sentence instead of code.
    const gpu::Kernel wrong = gpu::kernel("wrong", [](gpu::Out<float> o) {
        gpu::Break();
        o[0] = 1.0F;
    });
    std::printf("%s\n", wrong.error()->sentence().c_str());
    return 0;
}
