// SPDX-License-Identifier: MIT
#include "worker/daemon/streamed.hpp"

#include <gtest/gtest.h>

#include <string>

namespace repartir::worker {
namespace {

constexpr base::SpoolLimits limits{1000, 1U << 30U};

TEST(StreamedTest, AProgramThatIsTooFarAheadWaitsOnceUntilHalfIsTaken) {
    Streamed streamed(limits, "/tmp");
    const std::string half(Streamed::ahead_max / 2, 'x');
    EXPECT_FALSE(streamed.append(Stream::out, half));
    EXPECT_FALSE(streamed.resumes()) << "it does not wait";
    EXPECT_TRUE(streamed.append(Stream::err, half)) << "both streams count";
    EXPECT_FALSE(streamed.append(Stream::err, std::string(10, 'y'))) << "it was told";
    EXPECT_EQ(streamed.take(Stream::out, 0, half.size()).size(), half.size());
    EXPECT_FALSE(streamed.resumes());
    EXPECT_EQ(streamed.take(Stream::err, half.size(), 100), std::string(10, 'y'));
    EXPECT_TRUE(streamed.resumes());
    EXPECT_FALSE(streamed.resumes());
}

TEST(StreamedTest, WhatIsTakenAgainDoesNotCountTwice) {
    Streamed streamed(limits, "/tmp");
    const std::string all(Streamed::ahead_max, 'x');
    EXPECT_TRUE(streamed.append(Stream::out, all));
    EXPECT_EQ(streamed.take(Stream::out, 0, all.size()), all);
    EXPECT_TRUE(streamed.resumes());
    EXPECT_EQ(streamed.take(Stream::out, 0, 10), std::string(10, 'x')) << "of another connection";
    EXPECT_FALSE(streamed.append(Stream::out, std::string(10, 'x')));
    EXPECT_FALSE(streamed.loss());
    EXPECT_EQ(streamed.of(Stream::out).size(), all.size() + 10);
}

}  // namespace
}  // namespace repartir::worker
