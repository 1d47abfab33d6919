// SPDX-License-Identifier: MIT
#include "exec/gpu/dsl/ir.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace repartir::gpu::dsl {
namespace {

Module small() {
    Module module;
    module.workgroup = {4, 1, 1};
    module.objects = {{Space::buffer, ValueType::u32, BufferAccess::in_out, 1, 0}};
    module.variables = {ValueType::f32, ValueType::u32};
    module.inputs = {{Input::Kind::number, ValueType::u32, 0, 99},
                     {Input::Kind::builtin, ValueType::u32, 0, 0},
                     {Input::Kind::number, ValueType::u32, 0, 5}};
    module.steps = {
        {Op::add, ValueType::u32, {0, 1}},                   // 3: nobody needs it
        {Op::add, ValueType::u32, {1, 2}},                   // 4
        {Op::load, ValueType::u32, {0, 0, 1, 4, no_value}},  // 5
        {Op::set, ValueType::boolean, {1, 5}},
        {Op::get, ValueType::u32, {1}},  // 6
        {Op::store, ValueType::boolean, {0, 0, 1, no_value, 6}},
    };
    return module;
}

TEST(Ir, BytesAndBack) {
    const Module module = small();
    const std::string bytes = encode(module);
    const Result<Module> again = decode(bytes);
    ASSERT_TRUE(again);
    EXPECT_EQ(*again, module);
    EXPECT_EQ(hash(*again), hash(module));
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
        ASSERT_FALSE(decode(std::string_view(bytes).substr(0, cut))) << cut;
    }
    EXPECT_FALSE(decode(bytes + "x"));
    EXPECT_EQ(decode("RKIR\2\0\0\0").error().code(), Code::malformed);
}

TEST(Ir, TidiedLeavesOutWhatNobodyNeeds) {
    const Module tidy = tidied(small());
    ASSERT_EQ(tidy.steps.size(), 5);
    ASSERT_EQ(tidy.inputs.size(), 2);
    EXPECT_EQ(tidy.inputs[0].kind, Input::Kind::builtin);
    EXPECT_EQ(tidy.inputs[1].bits, 5);
    EXPECT_EQ(tidy.variables, (std::vector{ValueType::u32}));
    EXPECT_EQ(tidy.steps[0], (Step{Op::add, ValueType::u32, {0, 1}}));
    EXPECT_EQ(tidy.steps[4], (Step{Op::store, ValueType::boolean, {0, 0, 0, no_value, 4}}));
    EXPECT_EQ(tidied(tidy), tidy);
    EXPECT_TRUE(outline(tidy));
}

TEST(Ir, EveryStepHasItsRule) {
    std::set<std::string_view> names;
    for (std::size_t op = 0; op < op_count; ++op) {
        EXPECT_EQ(rule_of(static_cast<Op>(op)).op, static_cast<Op>(op));
        names.insert(rule_of(static_cast<Op>(op)).name);
    }
    EXPECT_EQ(names.size(), op_count);
}

TEST(Ir, EveryTypeHasItsName) {
    std::set<std::string_view> names;
    for (auto type = ValueType::boolean; type <= ValueType::f64;
         type = static_cast<ValueType>(static_cast<int>(type) + 1)) {
        names.insert(to_string(type));
    }
    EXPECT_EQ(names.size(), 7);
}

}  // namespace
}  // namespace repartir::gpu::dsl
