// SPDX-License-Identifier: MIT
#include "worker/daemon/client_room.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/fd.hpp"

namespace repartir::worker {
namespace {

TEST(ClientRoom, ManyDescriptorsLeaveItAsItWas) {
    const net::ServerOptions wanted;
    const net::ServerOptions all = with_room_for_tasks(wanted, {1U << 20U, 20}, 64);
    EXPECT_EQ(all.connections_max, wanted.connections_max);
    EXPECT_EQ(all.strangers_max, wanted.strangers_max);
    const net::ServerOptions endless = with_room_for_tasks(wanted, {~std::uint64_t{0}, 20}, 64);
    EXPECT_EQ(endless.connections_max, wanted.connections_max);
}

TEST(ClientRoom, TasksComeFirst) {
    for (const std::uint64_t limit : {100U, 256U, 1024U, 4096U}) {
        const net::ServerOptions some = with_room_for_tasks({}, {limit, 20}, 4);
        EXPECT_EQ(some.connections_max + some.strangers_max, limit - 20 - 8 - 8 - 4 * 6) << limit;
        EXPECT_GE(some.connections_max, 2 * some.strangers_max) << limit;
    }
}

TEST(ClientRoom, SomebodyIsServedHoweverFewThereAre) {
    for (const std::uint64_t limit : {0U, 20U, 30U, 40U}) {
        const net::ServerOptions one = with_room_for_tasks({}, {limit, 20}, 2);
        EXPECT_EQ(one.connections_max, 1U) << limit;
        EXPECT_EQ(one.strangers_max, 2U) << limit;
    }
    const net::ServerOptions many_slots = with_room_for_tasks({}, {1024, 24}, 1000);
    EXPECT_EQ(many_slots.connections_max + many_slots.strangers_max, (1024U - 24 - 8) / 8);
}

TEST(ClientRoom, OpenDescriptorsAreCounted) {
    const Descriptors before = descriptors_now();
    const base::Fd one(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(descriptors_now().used, before.used + 1);
    EXPECT_GE(before.limit, before.used);
}

}  // namespace
}  // namespace repartir::worker
