// SPDX-License-Identifier: MIT
#include "core/throughput.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace repartir::core {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t piece = 32U * 1024;

/// A machine that sends pieces one behind the other, each a millisecond after the one before.
struct Stream {
    std::optional<std::uint64_t> send(int pieces, bool last_is_full = false) {
        std::optional<std::uint64_t> sample;
        for (int i = 0; i < pieces; ++i) {
            now += 1ms;
            const bool last = i + 1 == pieces;
            if (const auto one = way.arrived(piece, !last || last_is_full, now)) {
                sample = one;
            }
        }
        return sample;
    }
    Throughput way;
    base::BootTime now = 1000s;
};

TEST(ThroughputTest, ASampleIsAMebibyteThatCameInOneGo) {
    Stream stream;
    EXPECT_FALSE(stream.send(32)) << "the first piece says nothing of how long it took";
    Stream longer;
    EXPECT_EQ(longer.send(33), piece * 1000);
}

TEST(ThroughputTest, PausesDoNotCount) {
    Stream stream;
    for (int i = 0; i < 3; ++i) {
        EXPECT_FALSE(stream.send(11));
        stream.now += 10s;
    }
    EXPECT_EQ(stream.send(11), piece * 1000) << "10 of each 11 count";
}

TEST(ThroughputTest, AStreamThatEndsWithAFullPieceIsPausedByWhatFollows) {
    Stream stream;
    EXPECT_FALSE(stream.send(20, true));
    stream.way.paused();
    stream.now += 10s;
    EXPECT_EQ(stream.send(20), piece * 1000);
}

TEST(ThroughputTest, WhatIsFasterThanTheClockIsNotMeasured) {
    Throughput way;
    for (int i = 0; i < 1000; ++i) {
        EXPECT_FALSE(way.arrived(piece, true, 5s));
    }
    EXPECT_FALSE(way.arrived(~std::uint64_t{0}, true, 5s));
    EXPECT_EQ(way.arrived(~std::uint64_t{0}, true, 6s), std::uint64_t{1} << 33U);
}

TEST(ThroughputTest, AnEstimateRisesFasterThanItFalls) {
    EXPECT_EQ(smoothed_rate(0, 80), 80U);
    EXPECT_EQ(smoothed_rate(80, 160), 120U);
    EXPECT_EQ(smoothed_rate(160, 80), 150U);
}

}  // namespace
}  // namespace repartir::core
