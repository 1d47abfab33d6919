// SPDX-License-Identifier: MIT
// Each kernel against plain C++, on the interpreter and on a driver, over awkward sizes.
#include "algorithms.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "both_fixture.hpp"

namespace repartir::gpu {
namespace {

constexpr std::uint32_t sizes[] = {0, 1, 2, 31, 64, 97, 128, 257, 1009};

std::uint32_t groups(std::size_t items, std::uint32_t each) {
    return static_cast<std::uint32_t>((items + each - 1) / each);
}

std::vector<std::uint32_t> random_words(std::size_t count, std::uint32_t seed) {
    std::mt19937 source(seed);
    std::vector<std::uint32_t> words(count);
    std::ranges::generate(words, [&] { return static_cast<std::uint32_t>(source()); });
    return words;
}
std::vector<float> random_floats(std::size_t count, std::uint32_t seed) {
    std::vector<float> floats(count);
    std::ranges::transform(random_words(count, seed), floats.begin(), [](std::uint32_t word) {
        return static_cast<float>(word >> 8U) * 0x1p-23F - 1;
    });
    return floats;
}

class Algorithms : public OnBoth {};

TEST_P(Algorithms, TwiceIsExact) {
    for (const std::uint32_t n : sizes) {
        const std::vector<float> in = random_floats(n, n);
        std::vector<float> out(n);
        run(algorithms::twice(), {groups(n, 64), 1, 1}, {}, in, out);
        for (std::uint32_t i = 0; i < n; ++i) {
            ASSERT_EQ(out[i], in[i] * 2);
        }
    }
}

TEST_P(Algorithms, MatrixProduct) {
    for (const std::uint32_t n : {0U, 1U, 15U, 16U, 17U, 37U, 64U}) {
        const std::vector<float> a = random_floats(std::size_t{n} * n, 1);
        const std::vector<float> b = random_floats(std::size_t{n} * n, 2);
        std::vector<float> c(a.size());
        const std::uint32_t tiles = groups(n, algorithms::tile);
        run(algorithms::matmul(), {tiles, tiles, 1}, push_constants(n), a, b, c);
        for (std::uint32_t i = 0; i < n * n; ++i) {
            float sum = 0;
            for (std::uint32_t k = 0; k < n; ++k) {
                const float product = a[i / n * n + k] * b[k * n + i % n];
                sum += product;
            }
            ASSERT_EQ(c[i], sum) << n << " " << i;  // the same order, no contraction: the same bits
        }
    }
}

TEST_P(Algorithms, Reduction) {
    for (const std::uint32_t n : sizes) {
        std::vector<std::uint32_t> data = random_words(n, n);
        const std::uint32_t sum = std::reduce(data.begin(), data.end());
        while (data.size() > 1) {
            std::vector<std::uint32_t> sums(groups(data.size(), algorithms::reduced));
            run(algorithms::reduction(), {static_cast<std::uint32_t>(sums.size()), 1, 1}, {}, data,
                sums);
            data = sums;
        }
        ASSERT_EQ(data.empty() ? 0 : data[0], sum);
    }
}

TEST_P(Algorithms, PrefixScan) {
    for (const std::uint32_t n : sizes) {
        std::vector<std::int32_t> data;
        for (const std::uint32_t word : random_words(n, n)) {
            data.push_back(static_cast<std::int32_t>(word) / 4096);
        }
        std::vector<std::int32_t> expected(n);
        std::inclusive_scan(data.begin(), data.end(), expected.begin());
        const std::uint32_t count = groups(n, algorithms::scanned);
        std::vector<std::int32_t> totals(count);
        run(algorithms::scan(), {count, 1, 1}, {}, data, totals);
        run(algorithms::scan_offsets(), {count, 1, 1}, {}, data, totals);
        ASSERT_EQ(data, expected);
    }
}

TEST_P(Algorithms, Histogram) {
    for (const std::uint32_t n : sizes) {
        const std::vector<std::uint32_t> words = random_words(n, n);
        std::vector<std::uint32_t> expected(256);
        for (const std::uint32_t word : words) {
            for (unsigned shift = 0; shift < 32; shift += 8) {
                ++expected[word >> shift & 0xFFU];
            }
        }
        std::vector<std::uint32_t> counts(256);
        run(algorithms::histogram(), {3, 1, 1}, {}, words, counts);
        ASSERT_EQ(counts, expected);
    }
}

TEST_P(Algorithms, FourierTransform) {
    constexpr std::uint32_t n = algorithms::fft_size;
    for (const std::uint32_t blocks : {1U, 3U}) {
        const std::vector<float> numbers = random_floats(std::size_t{2} * n * blocks, 7);
        std::vector<std::array<float, 2>> in(std::size_t{n} * blocks);
        std::memcpy(in.data(), numbers.data(), sizeof(float) * numbers.size());
        std::vector<std::array<float, 2>> out(in.size());
        run(algorithms::fft(), {blocks, 1, 1}, {}, in, out);
        for (std::uint32_t i = 0; i < n * blocks; ++i) {
            std::complex<double> sum;
            for (std::uint32_t k = 0; k < n; ++k) {
                const auto& x = in[i / n * n + k];
                sum += std::complex<double>(x[0], x[1]) *
                       std::polar(1.0, -2 * std::numbers::pi * (i % n) * k / n);
            }
            // cos and sin may be off by 2^-11, in each of 6 rounds
            ASSERT_NEAR(out[i][0], sum.real(), 0.05);
            ASSERT_NEAR(out[i][1], sum.imag(), 0.05);
        }
    }
}

TEST_P(Algorithms, StarsMove) {
    for (const std::uint32_t n : {0U, 1U, 2U, 97U, 130U}) {
        const std::vector<float> numbers = random_floats(std::size_t{7} * n, n);
        std::vector<algorithms::Star> stars(n);
        for (std::uint32_t i = 0; i < n; ++i) {
            const float* x = &numbers[std::size_t{7} * i];
            stars[i] = {{x[0], x[1], x[2]}, x[3] + 2, {x[4], x[5], x[6]}, i};
        }
        std::vector<algorithms::Star> moved(n);
        constexpr float dt = 0.125F;
        run(algorithms::nbody(), {groups(n, 64), 1, 1}, push_constants(dt), stars, moved);
        for (std::uint32_t i = 0; i < n; ++i) {
            ASSERT_EQ(moved[i].id, i);
            ASSERT_EQ(moved[i].mass, stars[i].mass);
            for (std::size_t axis = 0; axis < 3; ++axis) {
                double pull = 0;
                for (const algorithms::Star& other : stars) {
                    double square = 0.01;
                    for (std::size_t a = 0; a < 3; ++a) {
                        square += std::pow(other.position[a] - stars[i].position[a], 2);
                    }
                    pull += (other.position[axis] - stars[i].position[axis]) * other.mass /
                            std::pow(square, 1.5);
                }
                ASSERT_NEAR(moved[i].velocity[axis], stars[i].velocity[axis] + pull * dt,
                            1e-4 * (1 + std::abs(pull)));
            }
        }
    }
}

std::array<std::uint32_t, 16> padded(const std::string& text) {
    std::array<std::uint8_t, 64> bytes{};
    std::ranges::copy(text, bytes.begin());
    bytes[text.size()] = 0x80;
    bytes[63] = static_cast<std::uint8_t>(8 * text.size());
    std::array<std::uint32_t, 16> words{};
    for (std::size_t i = 0; i < 64; ++i) {
        words[i / 4] |= static_cast<std::uint32_t>(bytes[i]) << (24 - 8 * (i % 4));
    }
    return words;
}

TEST_P(Algorithms, Sha256) {
    std::vector<std::array<std::uint32_t, 16>> messages(70, padded(""));
    messages[1] = padded("abc");
    std::vector<std::array<std::uint32_t, 8>> digests(messages.size());
    run(algorithms::sha256(), {2, 1, 1}, {}, messages, digests);
    // FIPS 180-4
    const std::array<std::uint32_t, 8> of_nothing{0xE3B0C442, 0x98FC1C14, 0x9AFBF4C8, 0x996FB924,
                                                  0x27AE41E4, 0x649B934C, 0xA495991B, 0x7852B855};
    const std::array<std::uint32_t, 8> of_abc{0xBA7816BF, 0x8F01CFEA, 0x414140DE, 0x5DAE2223,
                                              0xB00361A3, 0x96177A9C, 0xB410FF61, 0xF20015AD};
    for (std::size_t i = 0; i < digests.size(); ++i) {
        ASSERT_EQ(digests[i], i == 1 ? of_abc : of_nothing);
    }
}

TEST_P(Algorithms, SubgroupsAgreeWithEachOther) {
    if (!has().subgroups) {
        GTEST_SKIP() << "the device lacks subgroup operations";
    }
    const std::uint32_t size = subgroup_size();
    if (32 % size != 0) {
        GTEST_SKIP() << "subgroups are larger than the workgroup";
    }
    constexpr std::uint32_t n = 96;
    std::vector<std::int32_t> in;
    for (const std::uint32_t word : random_words(n, 5)) {
        in.push_back(static_cast<std::int32_t>(word % 400) - 200);
    }
    std::vector<std::int32_t> out(std::size_t{n} * 10);
    run(algorithms::subgroups(), {3, 1, 1}, {}, in, out);
    for (std::uint32_t i = 0; i < n; ++i) {
        const auto* first = &in[i / size * size];
        const auto* last = first + size;
        const auto* r = &out[std::size_t{i} * 10];
        ASSERT_EQ(r[0], std::accumulate(first, last, 0));
        ASSERT_EQ(r[1], *std::min_element(first, last));
        ASSERT_EQ(r[2], *std::max_element(first, last));
        ASSERT_EQ(r[3], std::accumulate(first, first + i % size + 1, 0));
        ASSERT_EQ(r[4], std::accumulate(first, first + i % size, 0));
        ASSERT_EQ(r[5], *first);
        ASSERT_EQ(r[6], first[size - 1 - i % size]);
        ASSERT_EQ(r[7], std::any_of(first, last, [](int x) { return x > 100; }) ? 1 : 0);
        ASSERT_EQ(r[8], std::all_of(first, last, [](int x) { return x > -100; }) ? 1 : 0);
        std::uint32_t odd = 0;
        for (std::uint32_t l = 0; l < size; ++l) {
            odd |= (first[l] & 1) != 0 ? 1U << l : 0;
        }
        ASSERT_EQ(static_cast<std::uint32_t>(r[9]), odd);
    }
}

INSTANTIATE_TEST_SUITE_P(On, Algorithms, testing::Values(On::interpreter, On::driver),
                         [](const auto& which) {
                             return which.param == On::driver ? "Driver" : "Interpreter";
                         });

}  // namespace
}  // namespace repartir::gpu
