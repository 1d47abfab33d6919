// SPDX-License-Identifier: MIT
#include "client/lanes.hpp"

#include <gmock/gmock.h>
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
    while (const Things::Lane* const lane = lanes.after(place, true)) {
        place = lane->place();
        EXPECT_EQ(place, lane->head().place);
        all.push_back(place.arrival);
    }
    return all;
}

const Thing* last(const Things& lanes) {
    return lanes.last_if([](int) { return true; });
}

TEST(LanesTest, TheHeadsComeByPriorityAndArrival) {
    Things lanes;
    std::vector<Thing> things{{{1, 1}, 7}, {{1, 2}, 7}, {{0, 3}, 8}, {{1, 4}, 8}};
    for (Thing& one : things) {
        lanes.add(one.place, one.kind, one);
    }
    EXPECT_EQ(heads(lanes), (std::vector<std::uint64_t>{3, 1, 4}));
    EXPECT_EQ(last(lanes), &things[3]);
    lanes.erase(things[0].place, 7);
    EXPECT_EQ(heads(lanes), (std::vector<std::uint64_t>{3, 2, 4}));
    lanes.add(things[0].place, 7, things[0]);
    EXPECT_EQ(heads(lanes), (std::vector<std::uint64_t>{3, 1, 4})) << "back in its place";
    lanes.erase({1, 9}, 7);
    lanes.erase({1, 1}, 8);
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
    std::vector<Thing> things{{{1, 1}, 7}, {{0, 2}, 7}};
    for (Thing& one : things) {
        lanes.add(one.place, one.kind, one);
    }
    EXPECT_EQ(last(lanes), things.data());
    lanes.erase(things[0].place, 7);
    EXPECT_EQ(last(lanes), &things[1]);
    lanes.erase(things[1].place, 7);
    EXPECT_EQ(last(lanes), nullptr);
    EXPECT_EQ(lanes.after({}, true), nullptr);
}

void expect_as(const std::map<Place, Thing*>& waiting, const Things& lanes, std::uint64_t seed) {
    std::map<std::pair<std::uint8_t, int>, std::uint64_t> first;
    std::vector<std::uint64_t> wanted;
    for (const auto& [place, one] : waiting) {
        if (first.try_emplace({place.level, one->kind}, place.arrival).second) {
            wanted.push_back(place.arrival);
        }
    }
    ASSERT_EQ(heads(lanes), wanted) << seed;
    ASSERT_EQ(lanes.size(), waiting.size()) << seed;
    ASSERT_EQ(last(lanes), waiting.empty() ? nullptr : waiting.rbegin()->second) << seed;
}

TEST(LanesTest, ALaneThatIsPassedOverIsFoundWhereItIsAskedFor) {
    Lanes<int, Thing, int> lanes;
    std::vector<Thing> things{{{1, 2}, 7}, {{1, 3}, 8}, {{1, 1}, 7}};
    lanes.add(things[0].place, 7, things[0]);
    lanes.add(things[1].place, 8, things[1]);
    auto* const lane = lanes.after({}, false);
    lane->note = 5;
    lanes.pass(*lane);
    lanes.pass(*lane);
    lanes.add(things[2].place, 7, things[2]);
    EXPECT_EQ(&lanes.after({}, false)->head(), &things[1]);
    EXPECT_EQ(&lanes.after({}, true)->head(), &things[2])
        << "who comes before it is passed over too";
    EXPECT_EQ(lanes.after({}, true)->note, 5);
    EXPECT_EQ(lanes.after({1, 1}, true), lanes.after({}, false));
    lanes.erase(things[2].place, 7);
    lanes.erase(things[0].place, 7);
    EXPECT_EQ(lanes.after({}, false), lanes.after({}, true));
    lanes.add(things[0].place, 7, things[0]);
    EXPECT_EQ(&lanes.after({}, false)->head(), &things[0]) << "a new lane, once it was empty";
    EXPECT_EQ(lanes.after({}, false)->note, 0);
}

TEST(LanesTest, AllOfAKindAreTakenOut) {
    Things lanes;
    std::vector<Thing> things{{{0, 1}, 7}, {{1, 2}, 7}, {{1, 3}, 8}, {{2, 4}, 7}};
    for (Thing& one : things) {
        lanes.add(one.place, one.kind, one);
    }
    lanes.pass(*lanes.after({}, false));
    EXPECT_THAT(lanes.take_if([](int kind) { return kind == 7; }),
                testing::UnorderedElementsAre(things.data(), &things[1], &things[3]));
    EXPECT_EQ(heads(lanes), std::vector<std::uint64_t>{3});
    EXPECT_EQ(lanes.size(), 1U);
    EXPECT_TRUE(lanes.any_of({1, 9}, 8));
    EXPECT_FALSE(lanes.any_of({0, 9}, 8));
    EXPECT_EQ(lanes.last_if([](int kind) { return kind == 7; }), nullptr);
}

// Whatever comes, goes and comes back.
TEST(LanesTest, TheyAreAsOneQueueOfEachKind) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        base::Prng random(seed);
        std::vector<Thing> things(50);
        std::map<Place, Thing*> waiting;
        Things lanes;
        for (std::uint64_t arrival = 1; arrival <= things.size(); ++arrival) {
            things[arrival - 1] = {{static_cast<std::uint8_t>(random.below(3)), arrival},
                                   static_cast<int>(random.below(3))};
        }
        for (int step = 0; step < 200; ++step) {
            Thing& one = things[random.below(things.size())];
            if (Things::Lane* const lane = lanes.after(one.place, false)) {
                EXPECT_FALSE(lane->passed());
                lanes.pass(*lane);
                EXPECT_TRUE(lane->passed());
            }
            if (random.below(8) == 0) {
                lanes.reopen();
                EXPECT_EQ(lanes.after({}, false), lanes.after({}, true));
            }
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
