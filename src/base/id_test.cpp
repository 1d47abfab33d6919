// SPDX-License-Identifier: MIT
#include "repartir/id.hpp"

#include <gtest/gtest.h>

#include <unordered_set>

namespace repartir {
namespace {

TEST(Id, RandomJobIdsDiffer) {
    std::unordered_set<TaskId> seen;
    for (int i = 0; i < 10'000; ++i) {
        EXPECT_TRUE(seen.insert(TaskId{JobId::random(), 0}).second);
    }
}

TEST(Id, TextRoundTrips) {
    const TaskId id{JobId{{0x0012ABCDU, 0xFFFFFFFFU, 7U}}, 4'294'967'295U};
    EXPECT_EQ(to_string(id), "0012abcdffffffff00000007-4294967295");
    EXPECT_EQ(parse_task_id(to_string(id)), id);
}

TEST(Id, RefusesEveryOtherText) {
    for (const char* text : {"", "-", "0012abcdffffffff00000007", "0012abcdffffffff00000007-",
                             "0012abcdffffffff00000007-4294967296", "0012abcdffffffff0000000g-1",
                             "0012abcdffffffff00000007-1x", "0012abcdffffffff00000007_1",
                             "+012abcdffffffff00000007-1", "0012abcdffffffff00000007--1",
                             "0012ABCDffffffff00000007-1", "0012abcdffffffff00000007-01"}) {
        EXPECT_FALSE(parse_task_id(text).has_value()) << text;
    }
}

TEST(Id, AttemptTextNamesTaskAndNumber) {
    const AttemptId id{TaskId{JobId{{1, 2, 3}}, 4}, 2, 99, 1};
    EXPECT_EQ(to_string(id), "000000010000000200000003-4.2");
}

TEST(Id, OrdersByJobThenElement) {
    const TaskId low{JobId{{1, 0, 0}}, 9};
    const TaskId high{JobId{{2, 0, 0}}, 0};
    EXPECT_LT(low, high);
    EXPECT_LT((TaskId{low.job, 8}), low);
}

}  // namespace
}  // namespace repartir
