// SPDX-License-Identifier: MIT
#include "repartir/kernel.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <thread>
#include <vector>

#include "exec/gpu/dsl/ir.hpp"

namespace repartir::gpu {
namespace {

const auto twice = [](In<float> in, Out<float> out) {
    UInt i = global_id().x;
    If(i < in.length(), [&] { out[i] = in[i] * 2.0F; });
};

struct Big {
    double a = 0;
    std::array<float, 2> b{};
    static constexpr auto gpu_fields = std::tuple(&Big::a, &Big::b);
};

TEST(Kernel, KnowsWhatItTakes) {
    const Kernel made =
        kernel("facts", {.workgroup = {8, 4, 2}},
               [](In<float> a, Out<std::array<float, 3>> b, InOut<Big> c, UInt n, Float3 v) {
                   Shared<float, 10> shared;
                   shared[0] = a[0] * constant("scale", 2.0F);
                   b[n] = v * shared[0];
                   c[0][&Big::a] += 1;
               });
    ASSERT_EQ(made.error(), nullptr) << made.error()->sentence();
    const KernelInterface& facts = made.interface();
    EXPECT_EQ(made.name(), "facts");
    EXPECT_EQ(facts.workgroup, (std::array<std::uint32_t, 3>{8, 4, 2}));
    EXPECT_THAT(facts.buffers, testing::ElementsAre(KernelBuffer{BufferAccess::in, 4},
                                                    KernelBuffer{BufferAccess::out, 12},
                                                    KernelBuffer{BufferAccess::in_out, 16}));
    EXPECT_EQ(facts.push_constant_bytes, 16);
    EXPECT_THAT(facts.constants,
                testing::ElementsAre(KernelConstant{"scale", ValueType::f32, 0x40000000}));
    EXPECT_EQ(facts.shared_bytes, 40);
    EXPECT_EQ(facts.needs, (DeviceNeeds{.int64 = true, .float64 = true}));
    EXPECT_GT(made.spirv().size(), 100);
    EXPECT_EQ(made.spirv()[0], 0x07230203);
}

TEST(Kernel, HashIsOfTheContent) {
    const Kernel one = kernel("one", twice);
    const Kernel other = kernel("another name", twice);
    EXPECT_EQ(one.hash(), other.hash());
    // the same in every process, on every machine: change it only together with the bytes' version
    EXPECT_EQ(one.hash(), 17651699455583326163U);
    std::uint64_t elsewhere = 0;
    std::thread([&] { elsewhere = kernel("one", twice).hash(); }).join();
    EXPECT_EQ(one.hash(), elsewhere);
    const Kernel with_unused = kernel("unused", [](In<float> in, Out<float> out) {
        const UInt unused = global_id().y * 77U;
        static_cast<void>(unused);
        UInt i = global_id().x;
        const Float also = in[unused];
        static_cast<void>(also);
        If(i < in.length(), [&] { out[i] = in[i] * 2.0F; });
    });
    EXPECT_EQ(one.hash(), with_unused.hash());
    const Kernel thrice = kernel("one", [](In<float> in, Out<float> out) {
        UInt i = global_id().x;
        If(i < in.length(), [&] { out[i] = in[i] * 3.0F; });
    });
    EXPECT_NE(one.hash(), thrice.hash());
    EXPECT_NE(one.hash(), kernel("one", {.workgroup = {32, 1, 1}}, twice).hash());
    EXPECT_TRUE(std::ranges::equal(one.spirv(), other.spirv()));
}

TEST(Kernel, NoneIsAnError) {
    const Kernel none;
    ASSERT_NE(none.error(), nullptr);
    EXPECT_EQ(none.error()->code(), Code::invalid_task);
    EXPECT_TRUE(none.spirv().empty());
}

TEST(Kernel, CopiesShareTheirBody) {
    const Kernel one = kernel("one", twice);
    const Kernel copy = one;  // NOLINT(performance-unnecessary-copy-initialization)
    EXPECT_EQ(copy.spirv().data(), one.spirv().data());
}

TEST(Kernel, MadeOfItsBytesItIsTheSame) {
    const Kernel one = kernel("one", twice);
    const std::string bytes = dsl::encode(one.body().module);
    const Result<dsl::Module> again = dsl::decode(bytes);
    ASSERT_TRUE(again);
    EXPECT_EQ(*again, one.body().module);
}

}  // namespace
}  // namespace repartir::gpu
