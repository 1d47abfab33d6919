// SPDX-License-Identifier: MIT
#include "bench/gpu/kernels.hpp"

#include <array>
#include <deque>

namespace bench::gpu {

using namespace repartir::gpu;  // the kernel language

Kernel product() {
    const KernelOptions options{.workgroup = {256, 1, 1}};
    return kernel("product", options, [](In<float> a, In<float> b, Out<float> c, UInt n) {
        constexpr std::uint32_t stride = 132;  // writes of a column fall into different banks
        Shared<float, 8 * stride> left;
        Shared<float, 8 * 128> right;
        const UInt id = local_index();
        const UInt x = id % 16 * 4;
        const UInt y = id / 16 * 8;
        const UInt top = workgroup_id().y * product_square;
        const UInt side = workgroup_id().x * product_square;
        const UInt a_first = (top + id / 2) * n + id % 2 * 4;
        const UInt b_first = (id / 32) * n + side + id % 32 * 4;
        std::deque<Var<float>> sum;  // 8 rows of 4 columns here and 4 columns 64 to the right
        for (int i = 0; i < 64; ++i) {
            sum.emplace_back(0.0F);
        }
        std::deque<Var<float>> next;  // four of a, four of b, on their way from memory
        for (std::uint32_t i = 0; i < 8; ++i) {
            next.emplace_back(i < 4 ? Float(a[a_first + i]) : Float(b[b_first + (i - 4)]));
        }
        const UInt column = id % 2 * (4 * stride) + id / 2;
        For(0, n, 8, [&](UInt from) {
            for (std::uint32_t i = 0; i < 4; ++i) {
                left[column + i * stride] = next[i];
                right[id * 4 + i] = next[4 + i];
            }
            barrier();
            If(from + 8 < n, [&] {
                for (std::uint32_t i = 0; i < 4; ++i) {
                    next[i] = Float(a[a_first + from + 8 + i]);
                    next[4 + i] = Float(b[b_first + (from + 8) * n + i]);
                }
            });
            for (std::uint32_t step = 0; step < 8; ++step) {
                std::deque<Float> r;
                for (std::uint32_t j = 0; j < 8; ++j) {
                    r.emplace_back(right[x + (step * 128 + j % 4 + j / 4 * 64)]);
                }
                for (std::uint32_t i = 0; i < 8; ++i) {
                    const Float l = left[y + (step * stride + i)];
                    for (std::uint32_t j = 0; j < 8; ++j) {
                        sum[i * 8 + j] = fma(l, r[j], sum[i * 8 + j]);
                    }
                }
            }
            barrier();
        });
        for (std::uint32_t i = 0; i < 8; ++i) {
            for (std::uint32_t j = 0; j < 8; ++j) {
                c[(top + y + i) * n + side + x + (j % 4 + j / 4 * 64)] = sum[i * 8 + j];
            }
        }
    });
}

Kernel plain_product() {
    const KernelOptions options{.workgroup = {plain_product_square, plain_product_square, 1}};
    return kernel("plain product", options, [](In<float> a, In<float> b, Out<float> c, UInt n) {
        constexpr std::uint32_t tile = plain_product_square;
        Shared<std::array<float, tile>, tile> left;
        Shared<std::array<float, tile>, tile> right;
        const UInt x = local_id().x;
        const UInt y = local_id().y;
        const UInt column = global_id().x;
        const UInt line = global_id().y;
        Var<float> sum = 0.0F;
        For(0, n, plain_product_square, [&](UInt from) {
            left[y][x] = Float(a[line * n + from + x]);
            right[y][x] = Float(b[(from + y) * n + column]);
            barrier();
            For(0, plain_product_square, [&](UInt k) { sum += left[y][k] * right[k][x]; });
            barrier();
        });
        c[line * n + column] = sum;
    });
}

}  // namespace bench::gpu
