// SPDX-License-Identifier: MIT
// What cannot be recorded is told in a sentence; what must not compile does not.
#include "exec/gpu/dsl/recorder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <concepts>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "repartir/kernel.hpp"

namespace repartir::gpu {
namespace {

using testing::HasSubstr;

/// @return what is wrong with a kernel that this lambda records.
template <class F>
std::string mistake(F body) {
    const Kernel made = kernel("k", body);
    if (made.error() == nullptr) {
        return "";
    }
    EXPECT_TRUE(made.spirv().empty());
    EXPECT_EQ(made.hash(), 0);
    EXPECT_EQ(made.error()->code(), Code::invalid_task);
    EXPECT_EQ(made.error()->domain(), Domain::gpu);
    EXPECT_THAT(made.error()->sentence(), HasSubstr("the kernel \"k\" cannot be used: "));
    EXPECT_FALSE(run_on_cpu(made, {}));
    return made.error()->sentence();
}

TEST(Recorder, AValueEndsWithItsBody) {
    const char* sentence = "a value is used behind the body of the If or loop";
    EXPECT_THAT(mistake([](Out<float> out) {
                    std::optional<Float> kept;
                    If(global_id().x < 4, [&] { kept.emplace(to<float>(local_index() + 1)); });
                    out[0] = *kept;
                }),
                HasSubstr(sentence));
    EXPECT_THAT(mistake([](Out<std::uint32_t> out) {
                    std::optional<UInt> kept;
                    For(0, 4, [&](UInt i) { kept.emplace(i); });
                    out[0] = *kept;
                }),
                HasSubstr(sentence));
    EXPECT_THAT(mistake([](Out<std::uint32_t> out) {
                    std::optional<UInt> kept;
                    If(global_id().x < 4, [&] {
                    }).ElseIf((kept.emplace(global_id().y + 1), *kept < 3), [&] {});
                    out[0] = *kept;
                }),
                HasSubstr(sentence));
    EXPECT_THAT(mistake([](Out<float> out) {
                    std::optional<Var<float>> kept;
                    Loop([&] {
                        kept.emplace(1.0F);
                        Break();
                    });
                    out[0] = *kept;
                }),
                HasSubstr("a variable is used behind the body"));
}

TEST(Recorder, AValueBelongsToItsKernel) {
    std::optional<UInt> kept;
    EXPECT_EQ(mistake([&](Out<std::uint32_t>) { kept.emplace(global_id().x); }), "");
    EXPECT_THAT(mistake([&](Out<std::uint32_t> out) { out[0] = *kept; }),
                HasSubstr("left over from another kernel"));
    const UInt outside = global_id().x + 1;  // records nothing, and harms nothing
    EXPECT_THAT(mistake([&](Out<std::uint32_t> out) { out[0] = outside; }),
                HasSubstr("outside of any"));
}

TEST(Recorder, OneKernelAtATime) {
    std::string inner;
    EXPECT_EQ(mistake([&](Out<std::uint32_t> out) {
                  inner = mistake([](Out<std::uint32_t> o) { o[0] = 1; });
                  out[0] = 2;
              }),
              "");
    EXPECT_THAT(inner, HasSubstr("recorded inside of another kernel"));
}

TEST(Recorder, ExceptionsAreMistakes) {
    EXPECT_THAT(mistake([](Out<float>) { throw std::runtime_error("no table"); }),
                HasSubstr("threw an exception: no table"));
    EXPECT_THAT(mistake([](Out<float>) { throw 7; }), HasSubstr("no std::exception"));
    EXPECT_THAT(mistake([](Out<float>) {
                    try {
                        Loop([] { throw 7; });
                    } catch (int) {}
                }),
                HasSubstr("caught inside the kernel"));
    EXPECT_EQ(mistake([](Out<float> out) { out[0] = 1.0F; }), "");  // and the next one is fine
}

TEST(Recorder, FlowHasItsPlace) {
    EXPECT_THAT(mistake([](Out<float>) { Break(); }), HasSubstr("stands in no loop"));
    EXPECT_THAT(mistake([](Out<float>) { Continue(); }), HasSubstr("stands in no loop"));
    EXPECT_THAT(mistake([](Out<float> out) {
                    Loop([&] {
                        Break();
                        out[0] = 1.0F;
                    });
                }),
                HasSubstr("something follows gpu::Break()"));
    EXPECT_THAT(mistake([](Out<float> out) {
                    auto branches = If(global_id().x < 4, [] {});
                    out[0] = 1.0F;
                    std::move(branches).Else([] {});
                }),
                HasSubstr("right behind its If"));
}

TEST(Recorder, NumbersAndIndexesOfTheProgramAreChecked) {
    EXPECT_THAT(mistake([](Out<std::uint32_t> out) { out[0] = global_id().x + -1; }),
                HasSubstr("does not fit into the uint"));
    EXPECT_THAT(mistake([](Out<std::int32_t> out) { out[0] = 0xFFFFFFFFU; }),
                HasSubstr("does not fit into the int"));
    EXPECT_THAT(mistake([](InOut<std::array<float, 3>> a) { a[0][3] = 1.0F; }),
                HasSubstr("element 3 of an array of 3 does not exist"));
    EXPECT_THAT(mistake([](Out<std::array<float, 3>>) {
                    Var<std::array<float, 3>> v = Float3{1, 2, 3};
                    v[5] = 1.0F;
                }),
                HasSubstr("element 5 of an array of 3 does not exist"));
}

struct Pair {
    float a = 0;
    std::uint32_t b = 0;
    static constexpr auto gpu_fields = std::tuple(&Pair::a, &Pair::b);
};

TEST(Recorder, AtomicsHaveTheirPlace) {
    EXPECT_THAT(mistake([](Out<std::uint32_t>) {
                    Array<std::uint32_t, 4> mine;
                    atomic_add(mine[0], 1);
                }),
                HasSubstr("which no other invocation sees"));
    EXPECT_EQ(mistake([](InOut<Pair> pairs) { atomic_add(pairs[0][&Pair::b], 1); }), "");
}

TEST(Recorder, ConstantsAgreeWithThemselves) {
    EXPECT_THAT(mistake([](Out<float> out) { out[0] = constant("n", 1.0F) + constant("n", 2.0F); }),
                HasSubstr("the constant \"n\" is asked for twice"));
}

TEST(Recorder, SizesAreBounded) {
    const auto with = [](std::array<std::uint32_t, 3> size) {
        return kernel("k", {.workgroup = size}, [](Out<float> out) { out[0] = 1.0F; });
    };
    EXPECT_EQ(with({1024, 1, 1}).error(), nullptr);
    for (const auto size : {std::array<std::uint32_t, 3>{0, 1, 1},
                            {1025, 1, 1},
                            {64, 64, 1},
                            {0x10000, 0x10000, 1}}) {
        ASSERT_NE(with(size).error(), nullptr);
        EXPECT_EQ(with(size).error()->code(), Code::too_large);
    }
    const auto error_of = [](auto body) { return kernel("k", body).error()->sentence(); };
    EXPECT_THAT(error_of([](Out<float>) { Shared<float, 1 << 20> a; }), HasSubstr("at most"));
    EXPECT_THAT(error_of([](Out<float>) { Array<float, 1 << 20> a; }), HasSubstr("at most"));
}

// What must not compile.
static_assert(!std::is_constructible_v<bool, Bool>, "if (traced) is a mistake");
static_assert(!std::is_assignable_v<Float&, Float>, "a value never changes");
template <class B>
using Element = decltype(std::declval<B>()[0]);
static_assert(!std::is_assignable_v<Element<In<float>>, float>, "an In is only read");
static_assert(!std::is_convertible_v<Element<Out<float>>, Float>, "an Out is only written");
static_assert(std::is_assignable_v<Element<Out<float>>, float>);
static_assert(!std::is_copy_constructible_v<Var<float>>, "bodies capture by reference");
template <class A, class B>
concept Adds = requires(A a, B b) { a + b; };
static_assert(Adds<Float, float> && Adds<Float, int> && Adds<Float3, Float> && Adds<int, UInt>);
static_assert(!Adds<Float, UInt> && !Adds<UInt, float> && !Adds<Int, UInt> &&
              !Adds<Float, Float3x3>);
static_assert(!Adds<Float2, Float3> && !Adds<Bool, Bool> && !Adds<Float, bool>);
template <class A>
concept Indexes = std::constructible_from<Index, A>;
static_assert(Indexes<UInt> && Indexes<Int> && Indexes<int> && !Indexes<Float> && !Indexes<float>);

}  // namespace
}  // namespace repartir::gpu
