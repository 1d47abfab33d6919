// SPDX-License-Identifier: MIT
#include "client/attempt_map.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "base/prng.hpp"

namespace repartir::client {
namespace {

AttemptId attempt(std::uint64_t element, std::uint32_t number = 1, std::uint64_t issuer = 9,
                  std::uint64_t epoch = 0) {
    return {{{{7, 7, 7}}, static_cast<std::uint32_t>(element)}, number, issuer, epoch};
}

TEST(AttemptMapTest, AnEpochMakesNoOtherAttempt) {
    AttemptMap<int> map;
    map.at(attempt(1)).second = 5;
    EXPECT_EQ(map.find(attempt(1, 1, 9, 77))->second, 5);
    EXPECT_EQ(map.find(attempt(1, 2)), nullptr);
    EXPECT_EQ(map.find(attempt(1, 1, 8)), nullptr);
    map.erase(attempt(1, 1, 9, 78));
    EXPECT_EQ(map.size(), 0U);
}

// Whatever is added and erased: ids that share chains, and so many that it grows.
TEST(AttemptMapTest, IsAMap) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        base::Prng random(seed);
        AttemptMap<std::uint64_t> map;
        std::map<std::pair<std::uint64_t, std::uint32_t>, std::uint64_t> model;
        const std::uint64_t elements = 1 + random.below(200);
        const auto key = [&] {
            return std::pair(random.below(elements), static_cast<std::uint32_t>(random.below(4)));
        };
        for (std::uint64_t value = 0; value < 1000; ++value) {
            const auto [element, number] = key();
            if (random.below(3) != 0) {
                map.at(attempt(element, number)).second = value;
                model[{element, number}] = value;
            } else {
                map.erase(attempt(element, number));
                model.erase({element, number});
            }
            ASSERT_EQ(map.size(), model.size()) << seed;
            const auto [looked, for_number] = key();
            const auto* const found = map.find(attempt(looked, for_number));
            const auto expected = model.find({looked, for_number});
            ASSERT_EQ(found != nullptr, expected != model.end()) << seed;
            ASSERT_TRUE(found == nullptr || found->second == expected->second) << seed;
        }
    }
}

TEST(AttemptMapTest, ElementsStayWhereTheyAre) {
    AttemptMap<int> map;
    std::vector<AttemptMap<int>::Element*> places;
    for (std::uint64_t i = 0; i < 10'000; ++i) {
        places.push_back(&map.at(attempt(i)));
    }
    for (std::uint64_t i = 0; i < 10'000; ++i) {
        ASSERT_EQ(map.find(attempt(i)), places[i]);
        ASSERT_EQ(&map.at(attempt(i)), places[i]);
    }
}

}  // namespace
}  // namespace repartir::client
