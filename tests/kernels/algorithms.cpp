// SPDX-License-Identifier: MIT
#include "algorithms.hpp"

#include <bit>
#include <cmath>
#include <numbers>

namespace repartir::gpu::algorithms {

Kernel twice() {
    return kernel("twice", [](In<float> in, Out<float> out) {
        UInt i = global_id().x;
        If(i < in.length(), [&] { out[i] = in[i] * 2.0f; });
    });
}

Kernel matmul() {
    const KernelOptions options{.workgroup = {tile, tile, 1}};
    return kernel("matmul", options, [](In<float> a, In<float> b, Out<float> c, UInt n) {
        Shared<std::array<float, tile>, tile> left;
        Shared<std::array<float, tile>, tile> right;
        const UInt x = local_id().x;
        const UInt y = local_id().y;
        const UInt column = global_id().x;
        const UInt line = global_id().y;
        Var<float> sum = 0.0f;
        For(0, n, tile, [&](UInt from) {
            // beyond the matrix these are zeros, which add nothing
            left[y][x] = select(from + x < n, a[line * n + from + x], 0.0f);
            right[y][x] = select(column < n, b[(from + y) * n + column], 0.0f);
            barrier();
            For(0, tile, [&](UInt k) { sum += left[y][k] * right[k][x]; });
            barrier();
        });
        If(column < n && line < n, [&] { c[line * n + column] = sum; });
    });
}

Kernel reduction() {
    const KernelOptions options{.workgroup = {reduced, 1, 1}};
    return kernel("reduction", options, [](In<std::uint32_t> in, Out<std::uint32_t> out) {
        Shared<std::uint32_t, reduced> sums;
        const UInt me = local_index();
        sums[me] = in[global_id().x];  // 0 beyond the end
        Var<std::uint32_t> half = reduced / 2;
        While([&] { return half > 0; },
              [&] {
                  barrier();
                  If(me < half, [&] { sums[me] += sums[me + half]; });
                  half /= 2;
              });
        If(me == 0, [&] { out[workgroup_id().x] = sums[0]; });
    });
}

Kernel scan() {
    const KernelOptions options{.workgroup = {scanned, 1, 1}};
    return kernel("scan", options, [](InOut<std::int32_t> data, Out<std::int32_t> totals) {
        Shared<std::int32_t, scanned> sums;
        const UInt me = local_index();
        sums[me] = data[global_id().x];
        for (std::uint32_t step = 1; step < scanned; step *= 2) {  // unrolled
            barrier();
            const Int before = select(me >= step, sums[me - step], 0);
            barrier();
            sums[me] += before;
        }
        data[global_id().x] = sums[me];
        If(me == scanned - 1, [&] { totals[workgroup_id().x] = sums[me]; });
    });
}

Kernel scan_offsets() {
    const KernelOptions options{.workgroup = {scanned, 1, 1}};
    return kernel("scan_offsets", options, [](InOut<std::int32_t> data, In<std::int32_t> totals) {
        Var<std::int32_t> before = 0;
        For(0, workgroup_id().x, [&](UInt w) { before += totals[w]; });
        data[global_id().x] += before;
    });
}

Kernel histogram() {
    const KernelOptions options{.workgroup = {128, 1, 1}};
    return kernel("histogram", options, [](In<std::uint32_t> words, InOut<std::uint32_t> counts) {
        Shared<std::uint32_t, 256> mine;
        const UInt stride = workgroup_count().x * workgroup_size().x;
        For(global_id().x, words.length(), stride, [&](UInt i) {
            for (std::uint32_t shift = 0; shift < 32; shift += 8) {
                atomic_add(mine[words[i] >> shift & 0xFFU], 1);
            }
        });
        barrier();
        For(local_index(), 256, workgroup_size().x, [&](UInt value) {
            const UInt count = mine[value];
            If(count != 0, [&] { atomic_add(counts[value], count); });
        });
    });
}

Kernel fft() {
    const KernelOptions options{.workgroup = {fft_size / 2, 1, 1}};
    return kernel("fft", options, [](In<std::array<float, 2>> in, Out<std::array<float, 2>> out) {
        constexpr int bits = std::bit_width(fft_size) - 1;
        Shared<std::array<float, 2>, fft_size> data;
        const UInt me = local_index();
        const UInt from = workgroup_id().x * fft_size;
        for (std::uint32_t part = 0; part < 2; ++part) {
            const UInt i = me + part * (fft_size / 2);
            data[reverse_bits(i) >> (32 - bits)] = in[from + i];
        }
        for (std::uint32_t half = 1; half < fft_size; half *= 2) {
            barrier();
            const UInt k = me % half;
            const UInt i = me / half * (2 * half) + k;
            const float turn = -std::numbers::pi_v<float> / static_cast<float>(half);
            const Float angle = to<float>(k) * turn;
            const Float2 w{cos(angle), sin(angle)};
            const Float2 a = data[i];
            const Float2 b = data[i + half];
            const Float2 wb{w.x * b.x - w.y * b.y, w.x * b.y + w.y * b.x};
            data[i] = a + wb;
            data[i + half] = a - wb;
        }
        barrier();
        for (std::uint32_t part = 0; part < 2; ++part) {
            const UInt i = me + part * (fft_size / 2);
            out[from + i] = data[i];
        }
    });
}

Kernel nbody() {
    return kernel("nbody", [](In<Star> stars, Out<Star> moved, Float dt) {
        const UInt i = global_id().x;
        If(i < stars.length(), [&] {
            const Float3 here = stars[i][&Star::position];
            Var<std::array<float, 3>> pull = Float3{0.0f, 0.0f, 0.0f};
            For(0, stars.length(), [&](UInt j) {
                const Float3 far = value(stars[j][&Star::position]) - here;
                const Float distance = dot(far, far) + 0.01f;
                const Float weight = stars[j][&Star::mass] / (distance * sqrt(distance));
                pull += far * weight;
            });
            const Float3 velocity = value(stars[i][&Star::velocity]) + pull * dt;
            moved[i] = Composite<Star>(here + velocity * dt, stars[i][&Star::mass], velocity,
                                       stars[i][&Star::id]);
        });
    });
}

namespace {

UInt rotated(const UInt& x, std::uint32_t by) { return x >> by | x << (32 - by); }

/// The first bits of the fractions of the roots of the first primes.
std::uint32_t root_bits(std::uint32_t prime, bool cube) {
    const long double root = cube ? std::cbrt(static_cast<long double>(prime))
                                  : std::sqrt(static_cast<long double>(prime));
    return static_cast<std::uint32_t>((root - std::floor(root)) * 0x1p32L);
}
template <std::size_t N>
std::array<std::uint32_t, N> roots(bool cube) {
    std::array<std::uint32_t, N> all{};
    std::uint32_t prime = 1;
    for (std::uint32_t& bits : all) {
        bool divisible = true;
        while (divisible) {
            ++prime;
            divisible = false;
            for (std::uint32_t d = 2; d * d <= prime; ++d) {
                divisible = divisible || prime % d == 0;
            }
        }
        bits = root_bits(prime, cube);
    }
    return all;
}

}  // namespace

Kernel sha256() {
    using Block = std::array<std::uint32_t, 16>;
    using Digest = std::array<std::uint32_t, 8>;
    return kernel("sha256", [](In<Block> messages, Out<Digest> digests) {
        const UInt me = global_id().x;
        Array<std::uint32_t, 64> w;
        Array<std::uint32_t, 64> k;
        const auto cubes = roots<64>(true);
        for (std::size_t i = 0; i < 64; ++i) {
            k[i] = cubes[i];
        }
        For(0, 16, [&](UInt t) { w[t] = messages[me][t]; });
        For(16, 64, [&](UInt t) {
            const UInt a = w[t - 15];
            const UInt b = w[t - 2];
            w[t] = w[t - 16] + (rotated(a, 7) ^ rotated(a, 18) ^ a >> 3) + w[t - 7] +
                   (rotated(b, 17) ^ rotated(b, 19) ^ b >> 10);
        });
        Var<Digest> s = [] {
            const Digest start = roots<8>(false);
            return Composite<Digest>(start[0], start[1], start[2], start[3], start[4], start[5],
                                     start[6], start[7]);
        }();
        const Composite<Digest> before = s;
        For(0, 64, [&](UInt t) {
            const Composite<Digest> v = s;
            const UInt choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
            const UInt major = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
            const UInt first = v[7] + (rotated(v[4], 6) ^ rotated(v[4], 11) ^ rotated(v[4], 25)) +
                               choice + k[t] + w[t];
            const UInt second = (rotated(v[0], 2) ^ rotated(v[0], 13) ^ rotated(v[0], 22)) + major;
            s = Composite<Digest>(first + second, v[0], v[1], v[2], v[3] + first, v[4], v[5], v[6]);
        });
        for (std::size_t i = 0; i < 8; ++i) {
            digests[me][i] = before[i] + s[i];
        }
    });
}

Kernel subgroups() {
    return kernel(
        "subgroups", {.workgroup = {32, 1, 1}}, [](In<std::int32_t> in, Out<std::int32_t> out) {
            const UInt i = global_id().x;
            const Int x = in[i];
            const UInt4 odd = subgroup_ballot((x & 1) == 1);
            const UInt last = subgroup_size() - 1U;
            const std::array<Int, 10> results{subgroup_add(x),
                                              subgroup_min(x),
                                              subgroup_max(x),
                                              subgroup_inclusive_add(x),
                                              subgroup_exclusive_add(x),
                                              subgroup_first(x),
                                              subgroup_shuffle(x, last - subgroup_invocation()),
                                              to<std::int32_t>(subgroup_any(x > 100)),
                                              to<std::int32_t>(subgroup_all(x > -100)),
                                              bit_cast<std::int32_t>(odd.x)};
            for (std::uint32_t r = 0; r < results.size(); ++r) {
                out[i * 10U + r] = results[r];
            }
        });
}

}  // namespace repartir::gpu::algorithms
