// SPDX-License-Identifier: MIT
// The parker that ships, in the executions of small crews.
#include "parker_model.hpp"

#include <gtest/gtest.h>

namespace repartir::model {
namespace {

struct Case {
    ParkerScenario scenario;
    std::size_t preemptions_max = 0;  ///< 0: every execution
};

class ParkerModel : public testing::TestWithParam<Case> {};
class ParkerModelLong : public testing::TestWithParam<Case> {};

void verify(const Case& sample) {
    Options options;
    if (sample.preemptions_max != 0) {
        options.search = Search::bounded;
        options.preemptions_max = sample.preemptions_max;
    }
    const Report report = explore_parker<Faithful>(sample.scenario, options);
    EXPECT_EQ(report.violation, "");
    EXPECT_TRUE(report.complete);
    testing::Test::RecordProperty("executions", static_cast<int>(report.executions));
}

TEST_P(ParkerModel, NoWakeUpIsLost) { verify(GetParam()); }
TEST_P(ParkerModelLong, NoWakeUpIsLost) { verify(GetParam()); }

std::string name_of(const Case& sample) {
    static constexpr std::array<const char*, 5> how = {"counter", "injector", "release", "own",
                                                       "inlet"};
    const ParkerScenario& scenario = sample.scenario;
    std::string name;
    for (const int tasks : scenario.submitters) {
        name += "s" + std::to_string(tasks);
    }
    name += "_w" + std::to_string(scenario.workers);
    name += scenario.tasks_per_worker == 0 ? "_stop"
                                           : "_each" + std::to_string(scenario.tasks_per_worker);
    name += std::string("_") + how.at(static_cast<std::size_t>(scenario.submit));
    name += scenario.asymmetric ? "" : "_fenced";
    return sample.preemptions_max == 0 ? name
                                       : name + "_bound" + std::to_string(sample.preemptions_max);
}

INSTANTIATE_TEST_SUITE_P(
    Quick, ParkerModel,
    testing::Values(
        // Complete: one submitter, one worker, each way to publish, with and without a heavy fence.
        Case{{{1}, 1, 1}}, Case{{{1}, 1, 1, Submit::after_release}}, Case{{{1}, 1, 1, Submit::own}},
        Case{{{1}, 1, 1, Submit::own, false}}, Case{{{1}, 1, 1, Submit::after_release, false}},
        Case{{{1}, 1, 1, Submit::inlet}}, Case{{{1}, 1, 1, Submit::inlet, false}},
        Case{{{1}, 1, 1, Submit::counter, false}}, Case{{{0}, 1, 0}},
        // Bounded: the worker sleeps twice; two submitters; two and three workers; shutdown.
        Case{{{2}, 1, 2}, 4}, Case{{{2}, 1, 2, Submit::own}, 2}, Case{{{1, 1}, 1, 2}, 3},
        Case{{{2}, 2, 1}, 2}, Case{{{1, 1}, 2, 1}, 1}, Case{{{1}, 1, 0}, 3}, Case{{{0}, 2, 0}, 2},
        Case{{{1}, 2, 0}, 1}, Case{{{2}, 2, 1, Submit::own, false}, 1}, Case{{{3}, 3, 1}, 1},
        Case{{{2}, 2, 1, Submit::inlet}, 2}, Case{{{1}, 1, 1, Submit::injector}, 3},
        Case{{{2}, 1, 2, Submit::injector}, 1}),
    [](const auto& sample) { return name_of(sample.param); });

INSTANTIATE_TEST_SUITE_P(
    Long, ParkerModelLong,
    testing::Values(Case{{{2}, 1, 2}}, Case{{{1}, 1, 0}}, Case{{{1, 1}, 2, 1}, 2},
                    Case{{{2}, 2, 1}, 3}, Case{{{2}, 1, 2, Submit::own}, 3},
                    Case{{{2}, 2, 1, Submit::own, false}, 2}, Case{{{2}, 2, 1, Submit::inlet}, 3},
                    Case{{{1}, 2, 0}, 2}, Case{{{0}, 2, 0}, 3}, Case{{{0}, 3, 0}, 1},
                    Case{{{2, 1}, 3, 1}, 1}, Case{{{2}, 2, 1, Submit::after_release}, 2},
                    Case{{{2}, 1, 2, Submit::injector}, 2},
                    Case{{{1, 1}, 1, 2, Submit::injector}, 2}),
    [](const auto& sample) { return name_of(sample.param); });

}  // namespace
}  // namespace repartir::model
