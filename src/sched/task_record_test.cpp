// SPDX-License-Identifier: MIT
#include "sched/task_record.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "repartir/scheduler.hpp"
#include "sched/plane_door.hpp"

namespace repartir::detail {
namespace {

TEST(TaskQueue, TakesFromTheMiddleAndKeepsTheOrder) {
    const auto record = [] { return TaskRecord(nullptr, nullptr, Task::binary("x"), TaskId{}); };
    auto first = record();
    auto second = record();
    auto third = record();
    TaskQueue queue;
    EXPECT_EQ(queue.front(), nullptr);
    queue.push_back(first);
    queue.push_back(second);
    queue.push_back(third);
    queue.remove(second);
    EXPECT_EQ(queue.front(), &first);
    EXPECT_EQ(first.next, &third);
    queue.remove(first);
    queue.remove(third);
    EXPECT_EQ(queue.front(), nullptr);
}

TEST(PlaneDoor, WaitsForWhoIsInsideAndTurnsTheNextAway) {
    alignas(8) std::byte nothing{};
    // SAFETY: the door only hands the reference on; no visit here uses it
    PlaneDoor door(reinterpret_cast<TaskPlane&>(nothing));
    std::promise<void> inside;
    std::promise<void> leave;
    std::atomic<bool> left{false};
    std::thread visitor([&] {
        door.enter([&](TaskPlane&) {
            bool nested = false;
            door.enter([&](TaskPlane&) { nested = true; });
            EXPECT_TRUE(nested);
            inside.set_value();
            leave.get_future().wait();
            left = true;
        });
    });
    inside.get_future().wait();
    std::thread owner([&] {
        door.close();
        EXPECT_TRUE(left);
    });
    leave.set_value();
    owner.join();
    visitor.join();
    bool entered = false;
    door.enter([&](TaskPlane&) { entered = true; });
    EXPECT_FALSE(entered);
}

}  // namespace
}  // namespace repartir::detail
