// SPDX-License-Identifier: MIT
// The deque that ships, in every execution of small programs.
#include "deque_model.hpp"

#include <gtest/gtest.h>

namespace repartir::model {
namespace {

class DequeModel : public testing::TestWithParam<DequeScenario> {};
class DequeModelLong : public testing::TestWithParam<DequeScenario> {};

void verify(const DequeScenario& scenario) {
    const Report report = explore_deque<Faithful>(scenario);
    EXPECT_EQ(report.violation, "");
    EXPECT_TRUE(report.complete);
    testing::Test::RecordProperty("executions", static_cast<int>(report.executions));
}

TEST_P(DequeModel, EveryValueIsTakenOnceInOrder) { verify(GetParam()); }
TEST_P(DequeModelLong, EveryValueIsTakenOnceInOrder) { verify(GetParam()); }

std::string name_of(const DequeScenario& scenario) {
    std::string name = scenario.owner;
    for (const std::string& thief : scenario.thieves) {
        name += "_" + thief;
    }
    return name + "_cap" + std::to_string(scenario.capacity) +
           (scenario.alert_pops == 0 ? "" : "_alert" + std::to_string(scenario.alert_pops));
}

// Capacity 2 makes the third value in a row grow the ring, and the third push after a pop wrap.
INSTANTIATE_TEST_SUITE_P(
    Quick, DequeModel,
    testing::Values(DequeScenario{"po", {"s"}},          // the last value
                    DequeScenario{"p", {"s", "s"}},      // two thieves, one value
                    DequeScenario{"po", {"s", "s"}},     // all three
                    DequeScenario{"ppoo", {"s"}},        //
                    DequeScenario{"ppoo", {"ss"}},       //
                    DequeScenario{"ppoo", {"s", "s"}},   //
                    DequeScenario{"ppp", {"s"}},         // grows
                    DequeScenario{"ppp", {"ss"}},        // grows
                    DequeScenario{"ppp", {"s", "s"}},    // grows under two thieves
                    DequeScenario{"pppoo", {"ss"}},      // grows, then pops
                    DequeScenario{"ppopp", {"s"}},       // wraps or grows
                    DequeScenario{"ppopp", {"ss"}},      //
                    DequeScenario{"popo", {"ss"}},       // empty in between
                    DequeScenario{"popop", {"s", "s"}},  //
                    DequeScenario{"opop", {"ss"}},       // a pop before the first push
                    DequeScenario{"ppp", {"ss"}, 4},     // no growth
                    DequeScenario{"pp", {"i"}},          // the first is not wanted
                    DequeScenario{"ppo", {"si"}},        // the second is
                    DequeScenario{"ppo", {"i", "s"}},    // wanted once the other is gone
                    DequeScenario{"pppo", {"si"}},       // and growth
                    DequeScenario{"ppoo", {"ss", "s"}},  // the larger ones
                    DequeScenario{"pppoo", {"s", "s"}}, DequeScenario{"ppoopo", {"ss"}},
                    DequeScenario{"ppopo", {"s", "s"}}),
    [](const auto& scenario) { return name_of(scenario.param); });

// A biased owner: unaware, made alert by a raid, calm again after so many pops.
INSTANTIATE_TEST_SUITE_P(
    QuickRaids, DequeModel,
    testing::Values(DequeScenario{"po", {"bse"}, 2, 1},        // the last value
                    DequeScenario{"ppoo", {"bse"}, 2, 1},      // calms down in between
                    DequeScenario{"ppoo", {"bse"}, 2, 9},      // does not
                    DequeScenario{"ppoo", {"bsse"}, 2, 1},     // two in one raid
                    DequeScenario{"ppoo", {"bsebse"}, 2, 1},   // and in two
                    DequeScenario{"ppooo", {"bsebse"}, 2, 2},  //
                    DequeScenario{"popo", {"bsse"}, 2, 1},     // empty in between
                    DequeScenario{"pppoo", {"bsse"}, 2, 1},    // grows
                    DequeScenario{"pppoo", {"bsse"}, 4, 1},    // calms down after a raid of two
                    DequeScenario{"ppopp", {"bsse"}, 2, 1}),   // wraps
    [](const auto& scenario) { return name_of(scenario.param); });

// An owner that never pops: batches.
INSTANTIATE_TEST_SUITE_P(QuickBatches, DequeModel,
                         testing::Values(DequeScenario{"p", {"2", "2"}},   // two thieves, one value
                                         DequeScenario{"pp", {"2"}},       //
                                         DequeScenario{"pp", {"2", "1"}},  //
                                         DequeScenario{"pp", {"2", "2"}},  //
                                         DequeScenario{"ppp", {"2"}},      // grows
                                         DequeScenario{"ppp", {"22"}},     // wraps or grows
                                         DequeScenario{"ppp", {"21", "1"}},   //
                                         DequeScenario{"pppp", {"22"}},       //
                                         DequeScenario{"ppp", {"3", "s"}},    // beside a single one
                                         DequeScenario{"ppp", {"2", "2"}, 4}  // no growth
                                         ),
                         [](const auto& scenario) { return name_of(scenario.param); });

// Two raids at once: the second finds the owner alert, or not. Minutes when complete.
INSTANTIATE_TEST_SUITE_P(LongRaids, DequeModelLong,
                         testing::Values(DequeScenario{"po", {"bse", "bse"}, 2, 1},
                                         DequeScenario{"ppo", {"bse", "bse"}, 2, 1}),
                         [](const auto& scenario) { return name_of(scenario.param); });

TEST(DequeModelBounded, TwoRaidsAtOnceWithFewPreemptions) {
    for (const char* const owner : {"po", "ppo", "ppoo", "ppooo"}) {
        const Report report = explore_deque<Faithful>(
            {owner, {"bse", "bse"}, 2, 1}, {.search = Search::bounded, .preemptions_max = 2});
        EXPECT_EQ(report.violation, "") << owner;
    }
}

INSTANTIATE_TEST_SUITE_P(
    Long, DequeModelLong,
    testing::Values(DequeScenario{"pppppoo", {"ss"}}, DequeScenario{"pppp", {"si", "s"}},
                    DequeScenario{"ppoopo", {"ss", "s"}}, DequeScenario{"pppoo", {"ss", "s"}},
                    DequeScenario{"pppo", {"s", "s", "s"}}, DequeScenario{"popopo", {"ss", "s"}}),
    [](const auto& scenario) { return name_of(scenario.param); });

}  // namespace
}  // namespace repartir::model
