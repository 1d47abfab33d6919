// SPDX-License-Identifier: MIT
// Each operation against plain C++, on the interpreter and on a driver, over the edges of its type.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "both_fixture.hpp"

namespace repartir::gpu {
namespace {

template <class T>
std::vector<T> edges() {
    using Limits = std::numeric_limits<T>;
    if constexpr (std::is_floating_point_v<T>) {
        return {
            T{0},     T{1},     T{-1},           T(0.5),           T(-0.5),         T(1.5),
            T(2.5),   T(-2.5),  T(3.75),         T(0.1),           T(1e-3),         T(1e10),
            T(-1e10), T(1e20),  T(-1e20),        T(100.0),         T(0.75),         T(12.3),
            T(255),   T(65536), T(2147483648.0), T(-2147483648.0), T(4294967296.0), T(16777217.0)};
    } else {
        std::vector<T> all{0, 1, 2, 3, 7, 31, 32, 33, 63, 64, 100, 255, 65535, 123456789};
        for (const T value : {Limits::max(), Limits::min(), static_cast<T>(Limits::max() - 1),
                              static_cast<T>(Limits::max() / 2), static_cast<T>(-1),
                              static_cast<T>(-2), static_cast<T>(-7)}) {
            all.push_back(value);
        }
        return all;
    }
}

/// Every edge with every other.
template <class T>
std::pair<std::vector<T>, std::vector<T>> pairs() {
    std::pair<std::vector<T>, std::vector<T>> all;
    for (const T a : edges<T>()) {
        for (const T b : edges<T>()) {
            all.first.push_back(a);
            all.second.push_back(b);
        }
    }
    return all;
}

/// Units in the last place between two numbers.
template <std::floating_point T>
std::int64_t ulps(T a, T b) {
    using Bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    const auto place = [](T x) {
        const auto bits = std::bit_cast<Bits>(x);
        return std::int64_t{bits < 0 ? std::numeric_limits<Bits>::min() - bits : bits};
    };
    std::int64_t between = 0;
    return __builtin_sub_overflow(place(a), place(b), &between)
               ? std::numeric_limits<std::int64_t>::max()
               : std::abs(between);
}

class Operations : public OnBoth {
  protected:
    /// Compares what `traced` gives for pairs of edges with what `plain` says.
    template <class T, class Traced, class Plain>
    void two(const std::string& name, Traced traced, Plain plain, std::int64_t off = 0) {
        using R = decltype(plain(T{}, T{}));
        const auto [a, b] = pairs<T>();
        std::vector<R> out(a.size());
        run(kernel(name,
                   [&](In<T> x, In<T> y, Out<R> z) {
                       const UInt i = global_id().x;
                       z[i] = traced(x[i], y[i]);
                   }),
            {static_cast<std::uint32_t>(a.size() / 64 + 1), 1, 1}, {}, a, b, out);
        for (std::size_t i = 0; i < a.size(); ++i) {
            const R expected = plain(a[i], b[i]);
            if constexpr (std::is_floating_point_v<R>) {
                const bool near = ulps(out[i], expected) <= off;
                ASSERT_TRUE(near || (std::isnan(expected) && std::isnan(out[i])) ||
                            !std::isfinite(expected))
                    << name << "(" << a[i] << ", " << b[i] << ") = " << out[i] << ", not "
                    << expected;
            } else {
                ASSERT_EQ(out[i], expected) << name << "(" << a[i] << ", " << b[i] << ")";
            }
        }
    }
    template <class T, class Traced, class Plain>
    void one(const std::string& name, Traced traced, Plain plain, std::int64_t off = 0) {
        two<T>(
            name, [&](auto x, auto) { return traced(x); }, [&](T x, T) { return plain(x); }, off);
    }

    template <class T>
    void whole_numbers();
    template <class T>
    void floats();
};

template <class T>
void Operations::whole_numbers() {
    using U = std::make_unsigned_t<T>;
    constexpr bool is_signed = std::is_signed_v<T>;
    constexpr unsigned bits = 8 * sizeof(T);
    const auto wrap = [](auto f) {
        return [f](T a, T b) { return static_cast<T>(f(static_cast<U>(a), static_cast<U>(b))); };
    };
    const auto divides = [](T a, T b) {
        return b != 0 &&
               !(is_signed && b == static_cast<T>(-1) && a == std::numeric_limits<T>::min());
    };
    two<T>("add", [](auto a, auto b) { return a + b; }, wrap(std::plus<U>()));
    two<T>("subtract", [](auto a, auto b) { return a - b; }, wrap(std::minus<U>()));
    two<T>("multiply", [](auto a, auto b) { return a * b; }, wrap(std::multiplies<U>()));
    two<T>(
        "divide", [](auto a, auto b) { return a / b; },
        [&](T a, T b) { return divides(a, b) ? static_cast<T>(a / b) : a; });
    two<T>(
        "remainder", [](auto a, auto b) { return a % b; },
        [&](T a, T b) { return divides(a, b) ? static_cast<T>(a % b) : T{0}; });
    two<T>("and", [](auto a, auto b) { return a & b; }, wrap(std::bit_and<U>()));
    two<T>("or", [](auto a, auto b) { return a | b; }, wrap(std::bit_or<U>()));
    two<T>("xor", [](auto a, auto b) { return a ^ b; }, wrap(std::bit_xor<U>()));
    two<T>(
        "shift left", [](auto a, auto b) { return a << b; },
        wrap([](U a, U b) { return static_cast<U>(a << (b % bits)); }));
    two<T>(
        "shift right", [](auto a, auto b) { return a >> b; },
        [](T a, T b) { return static_cast<T>(a >> (static_cast<U>(b) % bits)); });
    two<T>(
        "min", [](auto a, auto b) { return min(a, b); }, [](T a, T b) { return std::min(a, b); });
    two<T>(
        "max", [](auto a, auto b) { return max(a, b); }, [](T a, T b) { return std::max(a, b); });
    one<T>(
        "negate", [](auto a) { return -a; },
        [](T a) { return static_cast<T>(U{0} - static_cast<U>(a)); });
    one<T>("invert", [](auto a) { return ~a; }, [](T a) { return static_cast<T>(~a); });
    one<T>(
        "abs", [](auto a) { return abs(a); },
        [](T a) { return static_cast<T>(a < T{0} ? U{0} - static_cast<U>(a) : U(a)); });
    one<T>(
        "sign", [](auto a) { return sign(a); },
        [](T a) {
            return static_cast<T>(a == 0 ? 0 : a < T{0} ? -1 : 1);
        });
    // one operand is a number of the program: no guard is emitted where it needs none
    one<T>(
        "by 7", [](auto a) { return a / 7 + a % 7 + (a >> 3) + (a << 5); },
        [](T a) { return static_cast<T>(U(a / 7) + U(a % 7) + U(a >> 3) + (U(a) << 5U)); });
    one<T>("by 0", [](auto a) { return a / 0 + a % 0; }, [](T a) { return a; });
}

template <class T>
void Operations::floats() {
    two<T>("add", [](auto a, auto b) { return a + b; }, [](T a, T b) { return a + b; });
    two<T>("subtract", [](auto a, auto b) { return a - b; }, [](T a, T b) { return a - b; });
    two<T>("multiply", [](auto a, auto b) { return a * b; }, [](T a, T b) { return a * b; });
    two<T>("divide", [](auto a, auto b) { return a / b; }, [](T a, T b) { return a / b; }, 3);
    two<T>(
        "min", [](auto a, auto b) { return min(a, b); }, [](T a, T b) { return std::min(a, b); });
    two<T>(
        "max", [](auto a, auto b) { return max(a, b); }, [](T a, T b) { return std::max(a, b); });
    two<T>(
        "not contracted", [](auto a, auto b) { return a * b + a; },
        [](T a, T b) {
            const volatile T product = a * b;
            return product + a;
        });
    one<T>("negate", [](auto a) { return -a; }, [](T a) { return -a; });
    one<T>("abs", [](auto a) { return abs(a); }, [](T a) { return std::abs(a); });
    one<T>(
        "sign", [](auto a) { return sign(a); },
        [](T a) { return static_cast<T>((a > 0) - (a < 0)); });
    one<T>("floor", [](auto a) { return floor(a); }, [](T a) { return std::floor(a); });
    one<T>("ceil", [](auto a) { return ceil(a); }, [](T a) { return std::ceil(a); });
    one<T>("trunc", [](auto a) { return trunc(a); }, [](T a) { return std::trunc(a); });
    one<T>("round", [](auto a) { return round(a); }, [](T a) { return std::nearbyint(a); });
    one<T>(
        "clamp", [](auto a) { return clamp(a, -1, 2); },
        [](T a) { return std::clamp(a, T{-1}, T{2}); });
    one<T>(
        "sqrt", [](auto a) { return sqrt(abs(a)); }, [](T a) { return std::sqrt(std::abs(a)); }, 4);
    one<T>(
        "inverse_sqrt", [](auto a) { return inverse_sqrt(abs(a) + 1); },
        [](T a) { return 1 / std::sqrt(std::abs(a) + 1); }, 4);
}

TEST_P(Operations, Int) { whole_numbers<std::int32_t>(); }
TEST_P(Operations, UInt) { whole_numbers<std::uint32_t>(); }
TEST_P(Operations, Int64) {
    if (!has().int64) {
        GTEST_SKIP() << "the device lacks int64";
    }
    whole_numbers<std::int64_t>();
    whole_numbers<std::uint64_t>();
}
TEST_P(Operations, Float) { floats<float>(); }
TEST_P(Operations, Double) {
    if (!has().float64) {
        GTEST_SKIP() << "the device lacks float64";
    }
    floats<double>();
}

TEST_P(Operations, Bits) {
    using U = std::uint32_t;
    one<U>(
        "bit_count", [](auto a) { return bit_count(a); },
        [](U a) { return static_cast<U>(std::popcount(a)); });
    one<U>(
        "lowest_bit", [](auto a) { return lowest_bit(a); },
        [](U a) { return a == 0 ? ~U{0} : static_cast<U>(std::countr_zero(a)); });
    one<U>(
        "highest_bit", [](auto a) { return highest_bit(a); },
        [](U a) { return a == 0 ? ~U{0} : static_cast<U>(31 - std::countl_zero(a)); });
    one<U>(
        "reverse_bits", [](auto a) { return reverse_bits(a); },
        [](U a) {
            U result = 0;
            for (unsigned i = 0; i < 32; ++i) {
                result |= (a >> i & 1U) << (31 - i);
            }
            return result;
        });
    one<std::int32_t>(
        "highest_bit of int", [](auto a) { return highest_bit(a); },
        [](std::int32_t a) { return 31 - std::countl_zero(static_cast<U>(a)); });
}

TEST_P(Operations, ComparisonsAndBools) {
    const auto compare = [&]<class T>(T) {
        const auto number = [](const Bool& b) { return to<std::uint32_t>(b); };
        two<T>(
            "compare",
            [&](auto a, auto b) {
                return number(a < b) | number(a <= b) << 1 | number(a > b) << 2 |
                       number(a >= b) << 3 | number(a == b) << 4 | number(a != b) << 5 |
                       number(!(a < b) && (a != b || a > b)) << 6 |
                       number((a < b) == (b < a)) << 7 | number((a < b) ^ (a <= b)) << 8;
            },
            [](T a, T b) -> std::uint32_t {
                const auto bit = [](bool set, unsigned at) {
                    return static_cast<std::uint32_t>(set) << at;
                };
                return bit(a < b, 0) | bit(a <= b, 1) | bit(a > b, 2) | bit(a >= b, 3) |
                       bit(a == b, 4) | bit(a != b, 5) | bit(a >= b && a != b, 6) |
                       bit((a < b) == (b < a), 7) | bit((a < b) != (a <= b), 8);
            });
        two<T>(
            "select", [](auto a, auto b) { return select(a < b, a, b); },
            [](T a, T b) { return a < b ? a : b; });
    };
    compare(std::int32_t{});
    compare(std::uint32_t{});
    compare(float{});
    if (has().int64 && has().float64) {
        compare(std::int64_t{});
        compare(std::uint64_t{});
        compare(double{});
    }
}

template <class To, class From>
To cut_off(From a) {
    if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
        if (std::isnan(a)) {
            return 0;
        }
        const long double wide = a;
        if (wide < static_cast<long double>(std::numeric_limits<To>::min())) {
            return std::numeric_limits<To>::min();
        }
        if (wide > static_cast<long double>(std::numeric_limits<To>::max())) {
            return std::numeric_limits<To>::max();
        }
    }
    return static_cast<To>(a);
}

TEST_P(Operations, Conversions) {
    const auto convert = [&]<class From, class To>(From, To) {
        one<From>(
            "convert", [](auto a) { return to<To>(a); }, [](From a) { return cut_off<To>(a); });
    };
    const auto from = [&]<class From>(From zero) {
        convert(zero, std::int32_t{});
        convert(zero, std::uint32_t{});
        convert(zero, float{});
        if (has().int64 && has().float64) {
            convert(zero, std::int64_t{});
            convert(zero, std::uint64_t{});
            convert(zero, double{});
        }
    };
    from(std::int32_t{});
    from(std::uint32_t{});
    from(float{});
    if (has().int64 && has().float64) {
        from(std::int64_t{});
        from(std::uint64_t{});
        from(double{});
    }
    one<float>(
        "bit_cast", [](auto a) { return bit_cast<std::uint32_t>(a); },
        [](float a) { return std::bit_cast<std::uint32_t>(a); });
    one<std::int32_t>(
        "to bool", [](auto a) { return to<float>(to<bool>(a)); },
        [](std::int32_t a) { return a != 0 ? 1.0F : 0.0F; });
}

TEST_P(Operations, Functions) {
    // as exact as Vulkan's table asks; the arguments are chosen so that a bound in units fits
    const auto unit = [](auto a) { return fract(abs(a)) * 0.9f + 0.05f; };
    const auto plain_unit = [](float a) {
        const float x = std::abs(a);
        return (x - std::floor(x)) * 0.9F + 0.05F;
    };
    const auto check = [&](const char* name, auto traced, auto plain, float absolute) {
        one<float>(
            name, [&](auto a) { return traced(unit(a)); },
            [&](float a) { return plain(plain_unit(a)); },
            std::max<std::int64_t>(8, static_cast<std::int64_t>(absolute / 0x1p-28F)));
    };
    constexpr float eleven = 0x1p-11F;
    check("sin", [](auto a) { return sin(a); }, [](float a) { return std::sin(a); }, eleven);
    check("cos", [](auto a) { return cos(a); }, [](float a) { return std::cos(a); }, eleven);
    check("tan", [](auto a) { return tan(a); }, [](float a) { return std::tan(a); }, eleven);
    check("asin", [](auto a) { return asin(a); }, [](float a) { return std::asin(a); }, eleven);
    check("acos", [](auto a) { return acos(a); }, [](float a) { return std::acos(a); }, eleven);
    check("atan", [](auto a) { return atan(a); }, [](float a) { return std::atan(a); }, eleven);
    check("exp", [](auto a) { return exp(a); }, [](float a) { return std::exp(a); }, 0);
    check("exp2", [](auto a) { return exp2(a); }, [](float a) { return std::exp2(a); }, 0);
    check("log", [](auto a) { return log(a); }, [](float a) { return std::log(a); }, 0x1p-21F);
    check("log2", [](auto a) { return log2(a); }, [](float a) { return std::log2(a); }, 0x1p-21F);
    check(
        "pow", [](auto a) { return pow(a, 2.5f); }, [](float a) { return std::pow(a, 2.5F); },
        0x1p-21F);
    check(
        "atan2", [](auto a) { return atan2(a, 0.5f); }, [](float a) { return std::atan2(a, 0.5F); },
        eleven);
    check("fma", [](auto a) { return fma(a, a, 1.0f); }, [](float a) { return a * a + 1; }, 0);
    check(
        "mix", [](auto a) { return mix(a, 2.0f, 0.25f); },
        [](float a) { return a + (2 - a) * 0.25F; }, 0);
    check(
        "is_nan, is_inf", [](auto a) { return to<float>(is_nan(a) || is_inf(a)); },
        [](float) { return 0.0F; }, 0);
}

struct Mixed {
    double first = 0;
    std::uint64_t second = 0;
    std::int32_t third = 0;
    float fourth = 0;
    std::array<std::array<float, 2>, 3> matrix{};
    static constexpr auto gpu_fields =
        std::tuple(&Mixed::first, &Mixed::second, &Mixed::third, &Mixed::fourth, &Mixed::matrix);
    bool operator==(const Mixed&) const = default;
};

TEST_P(Operations, StructsLieAsInCpp) {
    if (!has().int64 || !has().float64) {
        GTEST_SKIP() << "the device lacks int64 or float64";
    }
    std::vector<Mixed> data(
        5, Mixed{0.1, ~std::uint64_t{0} - 5, -7, 0.25F, {{{1, 2}, {3, 4}, {5, 6}}}});
    std::vector<Mixed> out(5);
    run(kernel("mixed",
               [](InOut<Mixed> a, Out<Mixed> b) {
                   const UInt i = global_id().x;
                   a[i][&Mixed::third] = value(a[i][&Mixed::third]) * 2;
                   a[i][&Mixed::second] += std::uint64_t{3};
                   a[i][&Mixed::matrix][i % 3U][1] = 0.5f;
                   Composite<Mixed> all = a[i];
                   b[i] = Composite<Mixed>(all[&Mixed::first] * 2.0, all[&Mixed::second],
                                           all[&Mixed::third], all[&Mixed::fourth],
                                           all[&Mixed::matrix]);
               }),
        {1, 1, 1}, {}, data, out);
    for (std::size_t i = 0; i < data.size(); ++i) {
        Mixed expected{0.1, ~std::uint64_t{0} - 2, -14, 0.25F, {{{1, 2}, {3, 4}, {5, 6}}}};
        expected.matrix[i % 3][1] = 0.5F;
        ASSERT_EQ(data[i], expected);
        expected.first *= 2;
        ASSERT_EQ(out[i], expected);
    }
}

TEST_P(Operations, VectorsAndMatrices) {
    using Matrix3 = std::array<std::array<float, 3>, 3>;
    const std::vector<Matrix3> m{{{{1, 2, 3}, {4, 5, 6}, {7, 8, 10}}}};
    const std::vector<std::array<float, 3>> v{{1, -2, 0.5F}};
    std::vector<std::array<float, 3>> out(4);
    std::vector<Matrix3> products(2);
    run(kernel("matrices", {.workgroup = {1, 1, 1}},
               [](In<Matrix3> a, In<std::array<float, 3>> x, Out<std::array<float, 3>> y,
                  Out<Matrix3> z) {
                   const Float3x3 matrix = a[0];
                   y[0] = matrix * x[0];
                   y[1] = cross(x[0], matrix[1]);
                   const Float3 n = 2.0f * x[0] - 1.0f;
                   y[2] = Float3{dot(n, n), to<float>(any(n > 0.0f)), to<float>(all(n > 0.0f))};
                   Var<std::array<float, 3>> w = n;
                   w[1] += 5;
                   w *= 2;
                   y[3] = select(w[0] > 0.0f, w, x[0]);
                   z[0] = matrix * matrix;
                   z[1] = transpose(matrix);
               }),
        {1, 1, 1}, {}, m, v, out, products);
    EXPECT_EQ(out[0], (std::array<float, 3>{-3.5F, -4, -4}));
    EXPECT_EQ(out[1], (std::array<float, 3>{-14.5F, -4, 13}));
    EXPECT_EQ(out[2], (std::array<float, 3>{26, 1, 0}));
    EXPECT_EQ(out[3], (std::array<float, 3>{2, 0, 0}));
    EXPECT_EQ(products[0][0], (std::array<float, 3>{30, 36, 45}));
    EXPECT_EQ(products[1], (Matrix3{{{1, 4, 7}, {2, 5, 8}, {3, 6, 10}}}));
}

INSTANTIATE_TEST_SUITE_P(On, Operations, testing::Values(On::interpreter, On::driver),
                         [](const auto& which) {
                             return which.param == On::driver ? "Driver" : "Interpreter";
                         });

}  // namespace
}  // namespace repartir::gpu
