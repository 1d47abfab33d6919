// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/fit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace repartir::gpu {
namespace {

using testing::HasSubstr;

Interface shader() {
    Interface interface;
    interface.entry = "main";
    interface.workgroup_size = {64, 1, 1};
    interface.bindings = {{0, 0, BindingKind::storage, true, false, 0, 4, "from"},
                          {0, 1, BindingKind::storage, true, true, 16, 4, "to"}};
    interface.push_constant_bytes = 4;
    return interface;
}

Dispatch task() {
    Dispatch dispatch;
    dispatch.buffers = {{BufferUse::in, 64, {}, {}}, {BufferUse::out, 64, {}, {}}};
    dispatch.push.resize(4);
    return dispatch;
}

DeviceInfo device() {
    DeviceInfo info;
    info.name = "Small";
    info.memory_bytes = 1000;
    info.limits.workgroup_count_max = {100, 10, 10};
    info.limits.workgroup_size_max = {64, 64, 64};
    info.limits.workgroup_invocations_max = 64;
    info.limits.shared_memory_bytes = 100;
    info.limits.storage_buffer_bytes_max = 900;
    info.limits.storage_buffers_max = 2;
    info.limits.push_constant_bytes_max = 128;
    return info;
}

void expect_misfit(const Interface& interface, const Dispatch& dispatch, const char* sentence) {
    const Result<void> checked = check_arguments(interface, dispatch);
    ASSERT_FALSE(checked.has_value()) << sentence;
    EXPECT_EQ(checked.error().code(), Code::invalid_task);
    EXPECT_THAT(checked.error().sentence(), HasSubstr(sentence));
}

void expect_too_much(const Interface& interface, const Dispatch& dispatch, const char* sentence,
                     Code code = Code::too_large) {
    const Result<void> checked = check_device(interface, dispatch, device(), {});
    ASSERT_FALSE(checked.has_value()) << sentence;
    EXPECT_EQ(checked.error().code(), code);
    EXPECT_THAT(checked.error().sentence(), HasSubstr(sentence));
}

TEST(Fit, WhatFits) {
    EXPECT_TRUE(check_arguments(shader(), task()).has_value());
    EXPECT_TRUE(check_device(shader(), task(), device(), {}).has_value());
}

TEST(Fit, TheBindingIsNamed) {
    Dispatch few = task();
    few.buffers.pop_back();
    expect_misfit(shader(), few,
                  "uses 2 buffers, and the task gives 1: give one for binding 1 of "
                  "set 0, 'to'");
    Dispatch many = task();
    many.buffers.push_back(many.buffers[0]);
    expect_misfit(shader(), many, "uses 2 buffers, and the task gives 3: leave out the last ones");
    Dispatch lost = task();
    lost.buffers[1].use = BufferUse::in;
    expect_misfit(shader(), lost, "binding 1 of set 0, 'to', is written by the shader");
    Dispatch vain = task();
    vain.buffers[0].use = BufferUse::out;
    expect_misfit(shader(), vain, "binding 0 of set 0, 'from', is never written");
    Dispatch small = task();
    small.buffers[1].bytes = 15;
    expect_misfit(shader(), small, "'to', takes at least 16 bytes, and the task gives 15 bytes");
    Dispatch silent = task();
    silent.push.clear();
    expect_misfit(shader(), silent, "has 4 bytes of push constants, and the task gives 0 bytes");
    Interface uniform = shader();
    uniform.bindings[1].kind = BindingKind::uniform;
    expect_misfit(uniform, task(), "is a uniform buffer, which shaders only read");
}

TEST(Fit, TheDeviceIsNamedAndBothNumbers) {
    Dispatch wide = task();
    wide.workgroups = {1, 11, 1};
    expect_too_much(shader(), wide, "the task has 11 workgroups in y, and the device takes 10");
    Interface large = shader();
    large.workgroup_size = {8, 8, 2};
    expect_too_much(large, task(), "have 128 invocations, and the device takes 64");
    large.workgroup_size = {65, 1, 1};
    expect_too_much(large, task(), "workgroups are 65 in x, and the device takes 64");
    Interface shared = shader();
    shared.shared_bytes = 101;
    expect_too_much(shared, task(), "uses 101 bytes of workgroup memory, and the device has 100");
    Dispatch heavy = task();
    heavy.buffers[0].bytes = 901;
    expect_too_much(shader(), heavy, "'from', would have 901 bytes, and the device takes 900");
    heavy.buffers[0].bytes = heavy.buffers[1].bytes = 501;
    expect_too_much(shader(), heavy, "buffers have 1002 bytes, and the device has 1000 bytes");
    heavy.buffers[0].bytes = heavy.buffers[1].bytes = UINT64_MAX;
    expect_too_much(shader(), heavy, "would have");
    Interface many = shader();
    many.bindings.push_back(many.bindings[0]);
    Dispatch given = task();
    given.buffers.push_back(given.buffers[0]);
    expect_too_much(many, given, "uses 3 storage buffers, and the device takes 2");
    Interface pushes = shader();
    pushes.push_constant_bytes = 256;
    expect_too_much(pushes, task(), "256 bytes of push constants, and the device takes 128");
    Interface wide_numbers = shader();
    wide_numbers.needs.add(Feature::float64);
    expect_too_much(wide_numbers, task(), "the shader uses float64, which Small lacks",
                    Code::unsupported);
    Features has;
    has.add(Feature::float64);
    EXPECT_TRUE(check_device(wide_numbers, task(), device(), has).has_value());
}

}  // namespace
}  // namespace repartir::gpu
