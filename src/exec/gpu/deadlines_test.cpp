// SPDX-License-Identifier: MIT
#include "exec/gpu/deadlines.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <map>
#include <vector>

namespace repartir::gpu {
namespace {

using namespace std::chrono_literals;

AttemptId id(std::uint32_t number) { return {{JobId::random(), number}, 1, 1, 1}; }

TEST(Deadlines, ComeInTheirOrderAndNotWhenRemoved) {
    std::mutex mutex;
    std::map<AttemptId, Deadlines::Place> places;
    std::vector<AttemptId> came;
    std::promise<void> all;
    Deadlines deadlines([&](const AttemptId& due) {
        const std::lock_guard lock(mutex);
        deadlines.remove(places.at(due));
        came.push_back(due);
        if (came.size() == 2) {
            all.set_value();
        }
    });
    const AttemptId late = id(1);
    const AttemptId removed = id(2);
    const AttemptId early = id(3);
    const base::BootTime now = base::now();
    {
        const std::lock_guard lock(mutex);
        places[late] = deadlines.add(now + 30ms, late);
        const Deadlines::Place place = deadlines.add(now + 10ms, removed);
        places[early] = deadlines.add(now + 1ms, early);
        deadlines.remove(place);
    }
    ASSERT_EQ(all.get_future().wait_for(60s), std::future_status::ready);
    EXPECT_GE(base::now(), now + 30ms);
    EXPECT_EQ(came, (std::vector{early, late}));
}

TEST(Deadlines, StopsWithSomeLeft) {
    bool called = false;
    Deadlines deadlines([&](const AttemptId&) { called = true; });
    static_cast<void>(deadlines.add(base::now() + 1h, id(1)));
    deadlines.stop();
    EXPECT_FALSE(called);
}

}  // namespace
}  // namespace repartir::gpu
