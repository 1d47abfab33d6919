// SPDX-License-Identifier: MIT
// What no recorder makes, but bytes from elsewhere may say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "exec/gpu/dsl/ir.hpp"

namespace repartir::gpu::dsl {
namespace {

constexpr auto nothing = ValueType::boolean;

Module base() {
    Module module;
    module.workgroup = {4, 1, 1};
    module.objects = {{Space::buffer, ValueType::u32, BufferAccess::in_out, 2, 0},
                      {Space::local, ValueType::f32, BufferAccess::in_out, 1, 4}};
    module.variables = {ValueType::f32};
    module.inputs = {{Input::Kind::number, ValueType::u32, 0, 1},       // 0
                     {Input::Kind::number, ValueType::f32, 0, 2},       // 1
                     {Input::Kind::number, ValueType::boolean, 0, 1}};  // 2
    return module;
}

std::string refusal(const std::function<void(Module&)>& change) {
    Module module = base();
    change(module);
    const Result<Outline> found = outline(module);
    return found ? "" : found.error().sentence();
}
std::string refusal(std::vector<Step> steps) {
    return refusal([&](Module& module) { module.steps = std::move(steps); });
}

TEST(Outline, TakesWhatFits) {
    EXPECT_EQ(refusal({{Op::begin_if, nothing, {2}},
                       {Op::add, ValueType::f32, {1, 1}},
                       {Op::begin_else, nothing, {}},
                       {Op::begin_loop, nothing, {}},
                       {Op::leave, nothing, {}},
                       {Op::end, nothing, {}},
                       {Op::end, nothing, {}}}),
              "");
}

TEST(Outline, ValuesEndWithTheirBody) {
    EXPECT_THAT(refusal({{Op::begin_if, nothing, {2}},
                         {Op::add, ValueType::f32, {1, 1}},
                         {Op::end, nothing, {}},
                         {Op::negate, ValueType::f32, {3}}}),
                testing::HasSubstr("step 3 of the kernel, negate, uses a value that does not"));
    EXPECT_NE(refusal({{Op::begin_if, nothing, {2}},
                       {Op::add, ValueType::f32, {1, 1}},
                       {Op::begin_else, nothing, {}},
                       {Op::negate, ValueType::f32, {3}},
                       {Op::end, nothing, {}}}),
              "");
    EXPECT_NE(refusal({{Op::negate, ValueType::f32, {3}}}), "");
    EXPECT_NE(refusal({{Op::negate, ValueType::f32, {no_value}}}), "");
}

TEST(Outline, OperandsFit) {
    const std::vector<Step> wrong{
        {Op::add, ValueType::f32, {1}},
        {Op::add, ValueType::f32, {1, 1, 1}},
        {Op::add, ValueType::f32, {0, 1}},
        {Op::add, ValueType::u32, {1, 1}},
        {Op::add, nothing, {2, 2}},
        {Op::sin, ValueType::u32, {0}},
        {Op::less, ValueType::u32, {0, 0}},
        {Op::select, ValueType::u32, {0, 0, 0}},
        {Op::select, ValueType::u32, {2, 0, 1}},
        {Op::convert, nothing, {0}},
        {Op::bit_cast, ValueType::f64, {0}},
        {Op::begin_if, nothing, {0}},
        {Op::begin_for, ValueType::f32, {1, 1, 1}},
        {Op::get, ValueType::f32, {1}},
        {Op::get, ValueType::u32, {0}},
        {Op::set, nothing, {0, 0}},
        {Op::load, ValueType::u32, {0, 0, 3, 0, no_value}},
        {Op::load, ValueType::u32, {0, 2, 1, 0, no_value}},
        {Op::load, ValueType::u32, {0, 0, 0, 0, no_value}},
        {Op::load, ValueType::u32, {0, 0xFFFFFFFF, 2, 0, no_value}},
        {Op::load, ValueType::f32, {0, 0, 1, 0, no_value}},
        {Op::load, ValueType::u32, {0, 0, 1, 1, no_value}},
        {Op::load, ValueType::u32, {0, 0, 1, 0, 1}},
        {Op::load, ValueType::u32, {0, 0, 1}},
        {Op::load, ValueType::u32, {7, 0, 1, 0, no_value}},
        {Op::store, nothing, {0, 0, 0, no_value}},
        {Op::store, nothing, {0, 0, 0, no_value, 1}},
        {Op::store, nothing, {0, 1, 0, no_value, 0, 0}},
        {Op::clear, nothing, {0}},
        {Op::atomic_add, ValueType::u32, {0, 0, 0, no_value}},
        {Op::atomic_add, ValueType::u32, {0, 0, 0, no_value, 0, 0}},
        {Op::atomic_add, ValueType::f32, {1, 0, 0, no_value, 1}},
        {Op::barrier, nothing, {0}},
        {Op::barrier, ValueType::u32, {}},
        {Op::subgroup_shuffle, ValueType::f32, {1, 1}},
        {Op::subgroup_ballot, ValueType::f32, {2}},
        {static_cast<Op>(200), nothing, {}},
        {Op::add, static_cast<ValueType>(9), {0, 0}},
    };
    for (const Step& step : wrong) {
        EXPECT_NE(refusal({step}), "") << static_cast<int>(step.op);
    }
}

TEST(Outline, BodiesNest) {
    EXPECT_NE(refusal({{Op::end, nothing, {}}}), "");
    EXPECT_NE(refusal({{Op::begin_else, nothing, {}}}), "");
    EXPECT_NE(refusal({{Op::begin_loop, nothing, {}}}), "");
    EXPECT_NE(
        refusal(
            {{Op::begin_loop, nothing, {}}, {Op::begin_else, nothing, {}}, {Op::end, nothing, {}}}),
        "");
    EXPECT_NE(refusal({{Op::begin_if, nothing, {2}},
                       {Op::begin_else, nothing, {}},
                       {Op::begin_else, nothing, {}},
                       {Op::end, nothing, {}}}),
              "");
    EXPECT_NE(
        refusal({{Op::begin_if, nothing, {2}}, {Op::leave, nothing, {}}, {Op::end, nothing, {}}}),
        "");
    EXPECT_NE(refusal({{Op::begin_loop, nothing, {}},
                       {Op::leave, nothing, {}},
                       {Op::barrier, nothing, {}},
                       {Op::end, nothing, {}}}),
              "");
    std::vector<Step> deep(depth_max + 1, {Op::begin_loop, nothing, {}});
    deep.insert(deep.end(), depth_max + 1, {Op::end, nothing, {}});
    EXPECT_THAT(refusal(deep), testing::HasSubstr("nested too deeply"));
}

TEST(Outline, FramesAndObjectsFit) {
    const std::vector<std::function<void(Module&)>> wrong{
        [](Module& m) { m.workgroup = {0, 1, 1}; },
        [](Module& m) { m.workgroup = {1024, 2, 1}; },
        [](Module& m) { m.push_constant_bytes = 260; },
        [](Module& m) { m.push_constant_bytes = 3; },
        [](Module& m) { m.constants = {{"c", ValueType::boolean, 0}}; },
        [](Module& m) { m.variables = {static_cast<ValueType>(7)}; },
        [](Module& m) { m.objects[0].stride = 0; },
        [](Module& m) { m.objects[0].stride = 1U << 30U; },
        [](Module& m) { m.objects[0].type = ValueType::boolean; },
        [](Module& m) { m.objects[0].access = static_cast<BufferAccess>(3); },
        [](Module& m) { m.objects[0].space = static_cast<Space>(3); },
        [](Module& m) { m.objects[0].count = 1; },
        [](Module& m) { m.objects[1].count = 0; },
        [](Module& m) { m.objects[1].count = 1U << 30U; },
        [](Module& m) { m.objects.push_back(m.objects[0]); },
        [](Module& m) {
            m.objects.insert(m.objects.end(), 5,
                             {Space::local, ValueType::u32, BufferAccess::in_out, 1, 4096});
        },
        [](Module& m) { m.inputs[0].bits = std::uint64_t{1} << 32U; },
        [](Module& m) { m.inputs[2].bits = 2; },
        [](Module& m) { m.inputs[0].kind = static_cast<Input::Kind>(9); },
        [](Module& m) { m.inputs[0] = {Input::Kind::push_constant, ValueType::u32, 0, 0}; },
        [](Module& m) { m.inputs[0] = {Input::Kind::builtin, ValueType::u32, 99, 0}; },
        [](Module& m) { m.inputs[0] = {Input::Kind::length, ValueType::u32, 1, 0}; },
        [](Module& m) { m.inputs[0] = {Input::Kind::constant, ValueType::u32, 0, 0}; },
    };
    for (std::size_t i = 0; i < wrong.size(); ++i) {
        EXPECT_NE(refusal(wrong[i]), "") << i;
    }
    EXPECT_EQ(refusal([](Module&) {}), "");
}

}  // namespace
}  // namespace repartir::gpu::dsl
