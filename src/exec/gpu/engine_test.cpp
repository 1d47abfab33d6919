// SPDX-License-Identifier: MIT
#include "exec/gpu/engine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "exec/gpu/engine_fixture.hpp"

namespace repartir::gpu {
namespace {

std::uint32_t groups(std::size_t count) { return static_cast<std::uint32_t>((count + 63) / 64); }

/// Both with memory that is shared, as on SwiftShader, and with copies, as on a GPU of its own.
class Engines : public OnDevice, public testing::WithParamInterface<bool> {
  protected:
    void SetUp() override {
        OnDevice::SetUp();
        if (!IsSkipped()) {
            EngineOptions options;
            options.copies = GetParam();
            make_engine(options);
        }
    }
    /// Two submissions of one job each at the device, the others wait.
    void one_by_one() {
        EngineOptions options;
        options.copies = GetParam();
        options.batch_jobs_max = 1;
        options.early_jobs = 1;
        make_engine(options);
    }
};

TEST_P(Engines, AwkwardSizesAgainAndAgain) {
    const auto twice = pipeline(twice_glsl);
    std::uint64_t id = 0;
    for (const std::size_t count : {0U, 1U, 63U, 64U, 65U, 1009U, 100'003U}) {
        std::vector<float> from(count);
        std::iota(from.begin(), from.end(), 1.0F);
        for (int again = 0; again < 3; ++again) {
            std::vector<float> to(count, -1.0F);
            engine_->submit(job(++id, twice, groups(count), {in(from), out(to)}));
            finish();
            ASSERT_TRUE(ends_.ends[id].ok) << count;
            for (std::size_t i = 0; i < count; ++i) {
                ASSERT_EQ(to[i], from[i] * 2) << i << " of " << count;
            }
        }
    }
}

TEST_P(Engines, OutputsBeginAsZerosWhateverWasThere) {
    const auto add = pipeline(add_glsl);
    for (std::uint64_t id = 1; id <= 4; ++id) {
        std::vector<std::uint32_t> to(1000, 77);
        Job one = job(id, add, groups(to.size()), {out(to)});
        one.push = push(5);
        engine_->submit(std::move(one));
        finish();
        EXPECT_EQ(std::ranges::count(to, 5U), 1000) << id;
    }
}

TEST_P(Engines, WhatGoesInAndOutIsChanged) {
    const auto add = pipeline(add_glsl);
    std::vector<std::uint32_t> values(100);
    std::iota(values.begin(), values.end(), 0U);
    Job one = job(1, add, groups(values.size()), {in_out(values)});
    one.push = push(1000);
    engine_->submit(std::move(one));
    finish();
    EXPECT_EQ(values.front(), 1000U);
    EXPECT_EQ(values.back(), 1099U);
}

TEST_P(Engines, ManyGoTogether) {
    constexpr std::size_t jobs = 1000;
    const auto twice = pipeline(twice_glsl);
    const std::vector<float> from(16, 3.0F);
    std::vector<std::vector<float>> to(jobs, std::vector<float>(16));
    for (std::size_t i = 0; i < jobs; ++i) {
        engine_->submit(job(i + 1, twice, 1, {in(from), out(to[i])}));
    }
    finish();
    EXPECT_EQ(ends_.order.size(), jobs);
    EXPECT_LT(engine_->submitted(), jobs / 4);
    for (const std::vector<float>& one : to) {
        EXPECT_EQ(std::ranges::count(one, 6.0F), 16);
    }
}

TEST_P(Engines, NoWorkgroupLeavesZeros) {
    std::vector<float> to(4, 1.0F);
    const std::vector<float> from(4, 1.0F);
    engine_->submit(job(1, pipeline(twice_glsl), 0, {in(from), out(to)}));
    finish();
    EXPECT_TRUE(ends_.ends[1].ok);
    EXPECT_EQ(std::ranges::count(to, 0.0F), 4);
}

TEST_P(Engines, AChainOnBuffersThatStayIsInOrder) {
    constexpr std::uint32_t steps = 300;
    const auto add = pipeline(add_glsl);
    const std::shared_ptr<Resident> buffer = engine_->make_resident(4096).value();
    Job first = job(1, add, 16, {resident(buffer, Use::in_out)});
    first.push = push(0);
    for (std::uint32_t i = 0; i < steps; ++i) {
        Job step = first;
        step.id = i + 1;
        step.push = push(i);
        engine_->submit(std::move(step));
    }
    finish();
    EXPECT_EQ(ends_.order.size(), steps);
    EXPECT_TRUE(std::ranges::is_sorted(ends_.order));
    ASSERT_NE(buffer->region->host(), nullptr) << "SwiftShader's memory is the host's";
    // SAFETY: the device is done, and the memory is the host's.
    const auto* values = reinterpret_cast<const std::uint32_t*>(buffer->region->host());
    const std::uint32_t sum = steps * (steps - 1) / 2;
    EXPECT_EQ(values[0], sum);
    EXPECT_EQ(values[1023], sum);
}

TEST_P(Engines, TheUrgentGoFirst) {
    one_by_one();
    const auto twice = pipeline(twice_glsl);
    const std::vector<float> from(100'000, 1.0F);
    std::vector<std::vector<float>> to(6, std::vector<float>(from.size()));
    for (std::uint64_t i = 0; i < 6; ++i) {
        Job one = job(i + 1, twice, groups(from.size()), {in(from), out(to[i])});
        one.priority = i == 5 ? Priority::high : i == 4 ? Priority::low : Priority::normal;
        engine_->submit(std::move(one));
    }
    finish();
    const std::vector<std::uint64_t> expected{1, 2, 6, 3, 4, 5};  // two were at the device
    EXPECT_EQ(ends_.order, expected);
}

TEST_P(Engines, WhatWaitsCanBeWithdrawn) {
    one_by_one();
    const auto twice = pipeline(twice_glsl);
    const std::vector<float> from(64, 1.0F);
    std::vector<float> to(64);
    for (std::uint64_t id = 1; id <= 3; ++id) {
        engine_->submit(job(id, twice, 1, {in(from), out(to)}));
    }
    EXPECT_TRUE(engine_->withdraw(3));
    EXPECT_FALSE(engine_->withdraw(3));
    EXPECT_FALSE(engine_->withdraw(1));
    finish();
    EXPECT_EQ(ends_.order.size(), 2U);
}

TEST_P(Engines, MoreThanTheDeviceHasIsAnErrorAndTheNextIsFine) {
    const auto twice = pipeline(twice_glsl);
    Operand huge;
    huge.bytes = 1ULL << 40U;
    std::vector<float> to(64);
    const std::vector<float> from(64, 1.0F);
    engine_->submit(job(1, twice, 1, {huge, out(to)}));
    EXPECT_FALSE(ends_.ends[1].ok);
    EXPECT_FALSE(ends_.ends[1].begun);
    engine_->submit(job(2, twice, 1, {in(from), out(to)}));
    finish();
    EXPECT_TRUE(ends_.ends[2].ok);
}

TEST_P(Engines, WhatFindsNoRoomWaitsUntilOthersHaveEnded) {
    EngineOptions options;
    options.copies = GetParam();
    options.early_jobs = 1;  // it is tried at once, and again with each look
    // Of one job, not of two. SwiftShader has one kind of memory, so that copies count twice.
    options.device_bytes_max = (GetParam() ? 200ULL : 100ULL) << 20U;
    make_engine(options);
    const auto twice = pipeline(twice_glsl);
    for (std::uint64_t id = 1; id <= 3; ++id) {
        const std::size_t count = (9U << 20U) + id;  // of each 36 MiB in, and as much out
        const std::vector<float> from(count, 1.0F);
        std::vector<float> to(count);
        std::vector<float> other(count);
        engine_->submit(job(2 * id, twice, 1, {in(from), out(to)}));
        engine_->submit(job(2 * id + 1, twice, 1, {in(from), out(other)}));
        finish();
        EXPECT_TRUE(ends_.ends[2 * id].ok);
        EXPECT_TRUE(ends_.ends[2 * id + 1].ok);
        EXPECT_EQ(other[63], 2.0F);
    }
}

TEST_P(Engines, NothingIsLeftWhenItGoes) {
    {
        const auto twice = pipeline(twice_glsl);
        std::vector<float> to(64);
        const std::vector<float> from(64, 1.0F);
        engine_->submit(job(1, twice, 1, {in(from), out(to)}));
        finish();
    }
    engine_.reset();  // Memory asserts that nothing is in use
}

TEST_P(Engines, DroppedJobsAreTold) {
    one_by_one();
    const auto twice = pipeline(twice_glsl);
    std::vector<float> to(64);
    const std::vector<float> from(64, 1.0F);
    for (std::uint64_t id = 1; id <= 3; ++id) {
        engine_->submit(job(id, twice, 1, {in(from), out(to)}));
    }
    ASSERT_EQ(device_->call.device_wait_idle(device_->handle()), VK_SUCCESS);
    engine_->drop(Error(Domain::gpu, Code::driver_failed, Fault::node, "lost"));
    EXPECT_TRUE(ends_.ends[1].begun);
    EXPECT_FALSE(ends_.ends[3].begun);
    EXPECT_EQ(ends_.ends[3].code, Code::driver_failed);
}

INSTANTIATE_TEST_SUITE_P(Memory, Engines, testing::Values(false, true),
                         [](const auto& one) { return one.param ? "Copied" : "Shared"; });

}  // namespace
}  // namespace repartir::gpu
