// SPDX-License-Identifier: MIT
// How a scheduler ends whose machines come and go; task_plane_test.cpp has the rest.
#include <gtest/gtest.h>

#include <future>

#include "sched/task_plane_fixture.hpp"

namespace repartir::sched {
namespace {

using namespace std::chrono_literals;

TEST(TaskPlaneClose, ADrainEndsWhenNobodyComes) {
    Two f(0, 0);
    auto a = f.submit("a");
    auto drained =
        std::async(std::launch::async, [&] { return f.scheduler->shutdown(Shutdown::drain); });
    EXPECT_EQ(drained.wait_for(20ms), std::future_status::timeout);
    f.remote.can.unreachable = gone();
    f.remote.resize(0);
    EXPECT_TRUE(drained.get().has_value());
    EXPECT_EQ(std::move(a).get()->error()->code(), Code::unreachable);
}

TEST(TaskPlaneClose, ACancelEndsWhatWaitsForNobody) {
    Two f(0, 1);
    auto running = f.submit("running");
    auto wide = f.submit("wide", 7);
    auto queued = f.submit("queued");
    f.remote.resize(0);
    EXPECT_TRUE(f.scheduler->shutdown(Shutdown::cancel));
    for (Pending<Outcome>* one : {&running, &wide, &queued}) {
        EXPECT_EQ(std::move(*one).get()->ending.end, End::cancelled);
    }
}

}  // namespace
}  // namespace repartir::sched
