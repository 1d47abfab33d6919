// SPDX-License-Identifier: MIT
#include "bench/gpu/kernels.hpp"

#include <array>
#include <cstddef>
#include <deque>

namespace bench::gpu {

using namespace repartir::gpu;  // the kernel language

namespace {

constexpr std::uint32_t steps = 8;     // columns of a, and rows of b, in workgroup memory
constexpr std::uint32_t stride = 132;  // of those columns: writes fall into different banks
using Left = Shared<float, std::size_t{steps} * stride>;
using Right = Shared<float, std::size_t{steps} * product_square>;
/// Variables stay where they are.
using Numbers = std::deque<Var<float>>;

/// @return the column that the j-th of 8 is, from the invocation's first: 4 here, 4 further right.
constexpr std::uint32_t column(std::uint32_t j) { return j % 4 + j / 4 * 64; }

/// Adds the products of what is in workgroup memory to 8 x 8 sums.
void add_products(const Left& left, const UInt& y, const Right& right, const UInt& x,
                  const Numbers& sum) {
    for (std::uint32_t step = 0; step < steps; ++step) {
        std::deque<Float> r;
        for (std::uint32_t j = 0; j < 8; ++j) {
            r.emplace_back(right[x + (step * product_square + column(j))]);
        }
        for (std::uint32_t i = 0; i < 8; ++i) {
            const Float l = left[y + (step * stride + i)];
            for (std::uint32_t j = 0; j < 8; ++j) {
                sum[i * 8 + j] = fma(l, r[j], sum[i * 8 + j]);
            }
        }
    }
}

}  // namespace

Kernel product() {
    const KernelOptions options{.workgroup = {256, 1, 1}};
    return kernel("product", options, [](In<float> a, In<float> b, Out<float> c, UInt n) {
        const Left left;
        const Right right;
        const UInt id = local_index();
        const UInt x = id % 16 * 4;
        const UInt y = id / 16 * 8;
        const UInt top = workgroup_id().y * product_square;
        const UInt side = workgroup_id().x * product_square;
        const UInt a_first = (top + id / 2) * n + id % 2 * 4;
        const UInt b_first = (id / 32) * n + side + id % 32 * 4;
        Numbers sum;
        for (std::uint32_t i = 0; i < 64; ++i) {
            sum.emplace_back(0.0F);
        }
        Numbers next;  // four of a, four of b, on their way from memory
        for (std::uint32_t i = 0; i < 8; ++i) {
            next.emplace_back(i < 4 ? Float(a[a_first + i]) : Float(b[b_first + (i - 4)]));
        }
        const UInt mine = id % 2 * (4 * stride) + id / 2;
        For(0, n, steps, [&](UInt from) {
            for (std::uint32_t i = 0; i < 4; ++i) {
                left[mine + i * stride] = next[i];
                right[id * 4 + i] = next[4 + i];
            }
            barrier();
            If(from + steps < n, [&] {
                for (std::uint32_t i = 0; i < 4; ++i) {
                    next[i] = Float(a[a_first + from + steps + i]);
                    next[4 + i] = Float(b[b_first + (from + steps) * n + i]);
                }
            });
            add_products(left, y, right, x, sum);
            barrier();
        });
        for (std::uint32_t i = 0; i < 64; ++i) {
            c[(top + y + i / 8) * n + side + x + column(i % 8)] = sum[i];
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
