// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "repartir/kernel.hpp"

namespace repartir::gpu {
namespace {

using testing::HasSubstr;
using Words = std::vector<std::uint32_t>;

Kernel adds() {
    return kernel("adds", [](In<std::uint32_t> in, InOut<std::uint32_t> out, UInt n) {
        const UInt i = global_id().x;
        out[i] += in[i] + n + constant("more", 0U);
    });
}

std::string refusal(const Kernel& kernel, const CpuRun& run) {
    const Result<void> ran = run_on_cpu(kernel, run);
    if (ran) {
        return "";
    }
    EXPECT_EQ(ran.error().code(), Code::invalid_task);
    return ran.error().sentence();
}

TEST(CpuRun, ChecksWhatItIsGiven) {
    const Kernel made = adds();
    Words in(4);
    Words out(4);
    const Words constant_out(4);
    const auto pushed = push_constants(1U);
    EXPECT_EQ(refusal(made, {.buffers = {in, out}, .push_constants = pushed}), "");
    EXPECT_EQ(out, (Words{1, 1, 1, 1}));
    EXPECT_THAT(refusal(made, {.buffers = {in}, .push_constants = pushed}),
                HasSubstr("it takes 2 buffers and is given 1"));
    EXPECT_THAT(refusal(made, {.buffers = {in, constant_out}, .push_constants = pushed}),
                HasSubstr("buffer 1 is written by it, and const"));
    EXPECT_THAT(refusal(made, {.buffers = {in, out}}), HasSubstr("take 4 bytes and are given 0"));
    const auto odd = std::as_writable_bytes(std::span(in)).subspan(1);
    EXPECT_THAT(refusal(made, {.buffers = {odd, out}, .push_constants = pushed}),
                HasSubstr("buffer 0 does not begin at a multiple of 4 bytes"));
    EXPECT_THAT(
        refusal(made,
                {.buffers = {in, out}, .push_constants = pushed, .constants = {{"none", 1U}}}),
        HasSubstr("it has no constant \"none\""));
    EXPECT_THAT(
        refusal(made,
                {.buffers = {in, out}, .push_constants = pushed, .constants = {{"more", 1.0F}}}),
        HasSubstr("is of type uint, not float"));
    EXPECT_THAT(refusal(made, {.buffers = {in, out}, .push_constants = pushed, .subgroup_size = 3}),
                HasSubstr("not 3"));
}

TEST(CpuRun, NoWorkgroupsDoNothing) {
    Words in(4);
    Words out(4);
    const auto pushed = push_constants(1U);
    for (const auto groups : {std::array<std::uint32_t, 3>{0, 1, 1}, {1, 0, 1}, {1, 1, 0}}) {
        EXPECT_TRUE(run_on_cpu(
            adds(), {.workgroups = groups, .buffers = {in, out}, .push_constants = pushed}));
    }
    EXPECT_TRUE(run_on_cpu(adds(), {.buffers = {in, out}, .push_constants = pushed, .first = 5}));
    EXPECT_EQ(out, Words(4));
}

TEST(CpuRun, ThreadsShareARunByRanges) {
    const Kernel count = kernel("count", {.workgroup = {7, 1, 1}},
                                [](InOut<std::uint32_t> sum, InOut<std::uint32_t> order) {
                                    const UInt3 g = workgroup_id();
                                    const UInt3 n = workgroup_count();
                                    const UInt at = (g.z * n.y + g.y) * n.x + g.x;
                                    atomic_add(sum[0], 1);
                                    If(local_index() == 0, [&] { order[at] = at + 1; });
                                });
    constexpr std::uint64_t groups = std::uint64_t{5} * 4 * 3;
    Words sum(1);
    Words order(groups);
    {
        std::vector<std::jthread> threads;
        for (std::uint64_t first = 0; first < groups; first += 20) {
            threads.emplace_back([&, first] {
                EXPECT_TRUE(run_on_cpu(count, {.workgroups = {5, 4, 3},
                                               .buffers = {sum, order},
                                               .first = first,
                                               .count = 20}));
            });
        }
    }
    EXPECT_EQ(sum[0], groups * 7);
    for (std::uint32_t i = 0; i < groups; ++i) {
        EXPECT_EQ(order[i], i + 1);
    }
}

TEST(CpuRun, EndlessLoopsEnd) {
    const Kernel endless =
        kernel("endless", [](InOut<std::uint32_t> a) { Loop([&] { atomic_add(a[0], 1); }); });
    Words a(1);
    const Result<void> bounded = run_on_cpu(endless, {.buffers = {a}, .rounds_max = 10});
    ASSERT_FALSE(bounded);
    EXPECT_EQ(bounded.error().code(), Code::timed_out);
    EXPECT_EQ(a[0], 11 * 64);
    std::stop_source stop;
    std::jthread later([&] {
        while (__atomic_load_n(&a[0], __ATOMIC_RELAXED) < 100000) {
            std::this_thread::yield();
        }
        stop.request_stop();
    });
    const Result<void> stopped = run_on_cpu(endless, {.buffers = {a}, .stop = stop.get_token()});
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().code(), Code::cancelled);
    EXPECT_EQ(run_on_cpu(endless, {.buffers = {a}, .stop = stop.get_token()}).error().code(),
              Code::cancelled);
}

}  // namespace
}  // namespace repartir::gpu
