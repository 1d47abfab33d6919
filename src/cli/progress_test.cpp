// SPDX-License-Identifier: MIT
#include "cli/progress.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace repartir::cli {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

ProgressState half_way() {
    ProgressState state;
    state.ended = 40;
    state.skipped = 10;
    state.failed = 3;
    state.busy = {{Backend::cpu, 2}};
    state.total = 100;
    state.elapsed = 20s;
    state.rate = 2.0;
    return state;
}

TEST(Progress, BarTellsEverythingThatItKnows) {
    const std::string bar = progress_bar(half_way(), 100);
    EXPECT_THAT(bar, HasSubstr("###"));
    EXPECT_THAT(bar, HasSubstr(" 50% "));
    EXPECT_THAT(bar, HasSubstr("50/100 done, 3 failed, cpu: 2 running, 2.0/s, 25 s left"));
}

TEST(Progress, EachBackendHasItsCount) {
    ProgressState state = half_way();
    state.busy = {{Backend::cpu, 2}, {Backend::remote, 14}};
    EXPECT_THAT(progress_bar(state, 100), HasSubstr(" failed, cpu: 2, remote: 14 running, 2.0/s"));
    EXPECT_THAT(progress_line(state), HasSubstr(" failed, cpu: 2, remote: 14 running, 2.0/s"));
}

TEST(Progress, NeverWiderThanTheTerminal) {
    ProgressState state = half_way();
    for (std::size_t width = 0; width < 200; ++width) {
        EXPECT_LE(progress_bar(state, width).size(), width);
    }
    state.total.reset();
    EXPECT_LE(progress_bar(state, 10).size(), 10U);
}

TEST(Progress, WithoutATotalThereIsNoShareAndNoTimeLeft) {
    ProgressState state = half_way();
    state.total.reset();
    EXPECT_THAT(progress_bar(state, 100), Not(HasSubstr("%")));
    EXPECT_THAT(progress_bar(state, 100), Not(HasSubstr("left")));
}

TEST(Progress, ExtremesDoNotOverflow) {
    ProgressState state = half_way();
    state.rate = 1e-300;
    EXPECT_THAT(progress_bar(state, 100), Not(HasSubstr("left")));
    state.total = 10;  // more done than there should be
    EXPECT_THAT(progress_bar(state, 100), HasSubstr("100% "));
    state.total = 0;
    EXPECT_THAT(progress_bar(state, 100), Not(HasSubstr("%")));
}

TEST(Progress, LineForAPipe) {
    EXPECT_THAT(progress_line(half_way()), HasSubstr("repartir: 50/100 done"));
    EXPECT_THAT(progress_line(half_way()), HasSubstr("20.0 s elapsed"));
}

TEST(Progress, RateFollowsAndForgets) {
    RateMeter meter;
    EXPECT_EQ(meter.rate(), 0.0);
    meter.update(100, 1s);
    EXPECT_DOUBLE_EQ(meter.rate(), 100.0);
    meter.update(100, 1s);  // no time has passed
    EXPECT_DOUBLE_EQ(meter.rate(), 100.0);
    meter.update(100, 4s);  // one half-life without an end
    EXPECT_NEAR(meter.rate(), 50.0, 1e-9);
}

}  // namespace
}  // namespace repartir::cli
