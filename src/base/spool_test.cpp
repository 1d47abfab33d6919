// SPDX-License-Identifier: MIT
#include "base/spool.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace repartir::base {
namespace {

TEST(SpoolTest, IsReadWhereverItLies) {
    Spool spool("/tmp", 10, 1000);
    EXPECT_TRUE(spool.append(std::string("12345")));
    EXPECT_EQ(spool.read(2, 100), "345");
    EXPECT_EQ(spool.read(5, 100), "");
    EXPECT_TRUE(spool.append(std::string("67890abc")));  // into the file
    EXPECT_EQ(spool.size(), 13U);
    EXPECT_EQ(spool.read(0, 100), "1234567890abc");
    EXPECT_EQ(spool.read(8, 3), "90a");
    EXPECT_EQ(spool.lost(), 0U);
}

TEST(SpoolTest, WhatPassesTheLimitIsLostAndSoIsAllThatFollows) {
    Spool spool("/tmp", 4, 8);
    EXPECT_TRUE(spool.append(std::string("123456")));
    EXPECT_FALSE(spool.append(std::string("7890")));
    EXPECT_FALSE(spool.append(std::string("x")));
    EXPECT_EQ(spool.read(0, 100), "12345678");
    EXPECT_EQ(spool.lost(), 3U);
    EXPECT_EQ(spool.loss()->code(), Code::too_large);
}

TEST(SpoolTest, WithoutRoomForTheFileMemoryKeepsWhatItHas) {
    Spool spool("/nowhere/at/all", 4, 100);
    EXPECT_TRUE(spool.append(std::string("123")));
    EXPECT_FALSE(spool.append(std::string("456")));
    EXPECT_EQ(spool.read(0, 100), "123");
    EXPECT_EQ(spool.lost(), 3U);
    EXPECT_NE(spool.loss()->sentence().find("/nowhere/at/all"), std::string::npos);
}

TEST(SpoolTest, BeginsAnewAndIsTakenWhereverItLies) {
    Spool spool("/tmp", 4, 100);
    EXPECT_TRUE(spool.append(std::string("123456")));
    spool.restart();
    EXPECT_EQ(spool.size(), 0U);
    EXPECT_TRUE(spool.append(std::string("abc")));
    EXPECT_EQ(spool.take().bytes(), "abc");
    EXPECT_TRUE(spool.append(std::string("abcdef")));
    const Captured taken = spool.take();
    EXPECT_FALSE(taken.in_memory());
    EXPECT_EQ(taken.read().value(), "abcdef");
    EXPECT_EQ(spool.size(), 0U);
}

TEST(SpoolTest, IsReadWhileItGrows) {
    Spool spool("/tmp", 1000, 1U << 20U);
    std::thread writer([&] {
        for (int i = 0; i < 2000; ++i) {
            spool.append(std::string(100, static_cast<char>('a' + i % 26)));
        }
    });
    std::uint64_t at = 0;
    while (at < 200'000) {
        for (const char c : spool.read(at, 4096)) {
            ASSERT_EQ(c, static_cast<char>('a' + at / 100 % 26));
            ++at;
        }
    }
    writer.join();
}

}  // namespace
}  // namespace repartir::base
