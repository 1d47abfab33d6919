// SPDX-License-Identifier: MIT
#include "wire/result.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "wire/limits.hpp"

namespace repartir::wire {
namespace {

using namespace std::literals;

Attempt some_attempt() {
    Attempt attempt;
    attempt.ending = {End::signaled, 9};
    attempt.error = Error(Domain::process, Code::io_error, Fault::system, "lost");
    attempt.stages = {{End::exited, 0}, {End::signaled, 9}};
    attempt.wall = 3s;
    attempt.user = 2s;
    attempt.system = 1s;
    attempt.peak_memory = {4096, PeakMemory::Source::cgroup};
    attempt.containment = Containment::cgroup;
    attempt.where = "host/cpu";
    attempt.notes = {"one", "two"};
    return attempt;
}

TEST(ResultTest, AnAttemptComesBackAsItWas) {
    const Attempt attempt = some_attempt();
    TaskResult result;
    result.sequence = 5;
    result.attempt.number = 2;
    result.report = to_record(attempt, 10s);
    result.out = {100, "tail", 3};
    const std::string body = codec::encode(result);
    const auto got = decode<TaskResult>(MessageType::task_result, body);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->sequence, 5U);
    EXPECT_EQ(got->attempt.number, 2U);
    EXPECT_EQ(got->out.offset, 100U);
    EXPECT_EQ(got->out.bytes, "tail");
    EXPECT_EQ(got->out.lost, 3U);
    const std::chrono::system_clock::time_point now{1'000s};
    const auto again = to_attempt(got->report, now);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->ending, attempt.ending);
    EXPECT_EQ(again->error->sentence(), "lost");
    EXPECT_EQ(again->stages, attempt.stages);
    EXPECT_EQ(again->started, now - 10s);
    EXPECT_EQ(again->wall, attempt.wall);
    EXPECT_EQ(again->user, attempt.user);
    EXPECT_EQ(again->system, attempt.system);
    EXPECT_EQ(again->peak_memory.bytes, 4096U);
    EXPECT_EQ(again->peak_memory.source, PeakMemory::Source::cgroup);
    EXPECT_EQ(again->containment, Containment::cgroup);
    EXPECT_EQ(again->where, "host/cpu");
    EXPECT_EQ(again->notes, attempt.notes);
}

TEST(ResultTest, NumbersThatNameNothingAreRefused) {
    const AttemptRecord good = to_record(some_attempt(), 0s);
    AttemptRecord bad = good;
    bad.ending.end = static_cast<End>(200);
    EXPECT_FALSE(to_attempt(bad, {}));
    bad = good;
    bad.stages[1].end = static_cast<End>(8);
    EXPECT_FALSE(to_attempt(bad, {}));
    bad = good;
    bad.containment = static_cast<Containment>(4);
    EXPECT_FALSE(to_attempt(bad, {}));
    bad = good;
    bad.peak_source = static_cast<PeakMemory::Source>(9);
    EXPECT_EQ(to_attempt(bad, {}).error().code(), Code::malformed);
}

// Found by the fuzzer: a peer's age of minus 2^63 overflowed the clock of the start.
TEST(ResultTest, TimesThatCannotBeAreBroughtWithinBounds) {
    const std::chrono::system_clock::time_point now{1'000'000s};
    AttemptRecord bad = to_record(some_attempt(), std::chrono::nanoseconds::min());
    bad.wall = std::chrono::nanoseconds::max();
    bad.user = -1ns;
    bad.system = std::chrono::nanoseconds::max();
    const auto low = to_attempt(bad, now);
    ASSERT_TRUE(low);
    EXPECT_EQ(low->started, now);
    EXPECT_EQ(low->wall, duration_max);
    EXPECT_EQ(low->user, 0s);
    EXPECT_EQ(low->user + low->system, duration_max);
    bad.age = std::chrono::nanoseconds::max();
    EXPECT_EQ(to_attempt(bad, {})->started, std::chrono::system_clock::time_point(-duration_max));
}

}  // namespace
}  // namespace repartir::wire
