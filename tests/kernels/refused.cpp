// SPDX-License-Identifier: MIT
// Mistakes that the compiler has to find: compiled once for each CASE, which has to fail with the
// sentence that CMakeLists.txt names.
#include "repartir/kernel.hpp"

namespace gpu = repartir::gpu;

struct Padded {
    float a = 0;
    double b = 0;
    static constexpr auto gpu_fields = std::tuple(&Padded::a, &Padded::b);
};
struct Forgetful {
    float a = 0;
    float b = 0;
    static constexpr auto gpu_fields = std::tuple(&Forgetful::a);
};
struct Swapped {
    float a = 0;
    float b = 0;
    static constexpr auto gpu_fields = std::tuple(&Swapped::b, &Swapped::a);
};

gpu::Kernel refused() {
#if CASE == 1
    return gpu::kernel("k", [](gpu::Out<float> out) {
        if (gpu::global_id().x < 4) {
            out[0] = 1.0f;
        }
    });
#elif CASE == 2
    return gpu::kernel("k", [](gpu::In<float> in) { in[0] = 1.0f; });
#elif CASE == 3
    return gpu::kernel("k", [](float) {});
#elif CASE == 4
    return gpu::kernel("k", [](auto) {});
#elif CASE == 5
    return gpu::kernel("k", [](gpu::In<float> in) { return in[0]; });
#elif CASE == 6
    return gpu::kernel("k", [](gpu::In<Padded>) {});
#elif CASE == 7
    return gpu::kernel("k", [](gpu::In<Forgetful>) {});
#elif CASE == 8
    return gpu::kernel("k", [](gpu::In<Swapped>) {});
#elif CASE == 9
    return gpu::kernel("k", [](gpu::In<bool>) {});
#elif CASE == 10
    return gpu::kernel("k", [](gpu::UInt n) { gpu::While(n < 4, [] {}); });
#elif CASE == 11
    return gpu::kernel("k", [](gpu::In<char>) {});
#elif CASE == 12
    return gpu::kernel("k", [](gpu::Float x) {
        gpu::Float sum = 0.0f;
        sum = x;
    });
#else
    return gpu::kernel("k", [](gpu::Out<float> out) { out[0] = 1.0f; });
#endif
}
