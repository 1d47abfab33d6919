// SPDX-License-Identifier: MIT
#include "client/lanes.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "base/prng.hpp"

namespace repartir::client {
namespace {

/// Something that waits.
struct Thing {
    Place place;
    int kind = 0;
};
using Things = Lanes<int, Thing>;

std::vector<std::uint64_t> heads(const Things& lanes) {
    std::vector<std::uint64_t> all;
    Place place;
    while (const Thing* const head = lanes.head_after(place)) {
        place = head->place;
        all.push_back(place.arrival);
    }
    return all;
}

TEST(LanesTest, TheHeadsComeByPriorityAndArrival) {
    Things lanes;
    std::vector<Thing> things{{{true, 1}, 7}, {{true, 2}, 7}, {{false, 3}, 8}, {{true, 4}, 8}};
    for (Thing& one : things) {
        lanes.add(one.place, one.kind, one);
    }
    EXPECT_EQ(heads(lanes), (std::vector<std::uint64_t>{3, 1, 4}));
    EXPECT_EQ(lanes.last(), &things[3]);
    lanes.erase(things[0].place, 7);
    EXPECT_EQ(heads(lanes), (std::vector<std::uint64_t>{3, 2, 4}));
    lanes.add(things[0].place, 7, things[0]);
    EXPECT_EQ(heads(lanes), (std::vector<std::uint64_t>{3, 1, 4})) << "back in its place";
    lanes.erase({true, 9}, 7);
    lanes.erase({true, 1}, 8);
    EXPECT_EQ(lanes.size(), 4U) << "what is not there is not missed";
    std::vector<std::uint64_t> all;
    lanes.each_head([&](const Thing& head) {
        all.push_back(head.place.arrival);
        lanes.erase(head.place, head.kind);
    });
    EXPECT_EQ(all, (std::vector<std::uint64_t>{3, 1, 2, 4})) << "each may be erased there";
}

TEST(LanesTest, WhatIsOfLowPriorityIsTheLast) {
    Things lanes;
    std::vector<Thing> things{{{true, 1}, 7}, {{false, 2}, 7}};
    for (Thing& one : things) {
        lanes.add(one.place, one.kind, one);
    }
    EXPECT_EQ(lanes.last(), things.data());
    lanes.erase(things[0].place, 7);
    EXPECT_EQ(lanes.last(), &things[1]);
    lanes.erase(things[1].place, 7);
    EXPECT_EQ(lanes.last(), nullptr);
    EXPECT_EQ(lanes.head_after({}), nullptr);
}

void expect_as(const std::map<Place, Thing*>& waiting, const Things& lanes, std::uint64_t seed) {
    std::map<std::pair<bool, int>, std::uint64_t> first;
    std::vector<std::uint64_t> wanted;
    for (const auto& [place, one] : waiting) {
        if (first.try_emplace({place.low, one->kind}, place.arrival).second) {
            wanted.push_back(place.arrival);
        }
    }
    ASSERT_EQ(heads(lanes), wanted) << seed;
    ASSERT_EQ(lanes.size(), waiting.size()) << seed;
    ASSERT_EQ(lanes.last(), waiting.empty() ? nullptr : waiting.rbegin()->second) << seed;
}

// Whatever comes, goes and comes back.
TEST(LanesTest, TheyAreAsOneQueueOfEachKind) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        base::Prng random(seed);
        std::vector<Thing> things(50);
        std::map<Place, Thing*> waiting;
        Things lanes;
        for (std::uint64_t arrival = 1; arrival <= things.size(); ++arrival) {
            things[arrival - 1] = {{random.below(2) != 0, arrival},
                                   static_cast<int>(random.below(3))};
        }
        for (int step = 0; step < 200; ++step) {
            Thing& one = things[random.below(things.size())];
            if (waiting.erase(one.place) != 0) {
                lanes.erase(one.place, one.kind);
            } else {
                lanes.add(one.place, one.kind, one);
                waiting.emplace(one.place, &one);
            }
            ASSERT_NO_FATAL_FAILURE(expect_as(waiting, lanes, seed));
        }
    }
}

}  // namespace
}  // namespace repartir::client
