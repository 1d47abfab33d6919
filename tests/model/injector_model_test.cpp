// SPDX-License-Identifier: MIT
// The injector that ships, in every execution of small programs.
#include "injector_model.hpp"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace repartir::model {
namespace {

class InjectorModel : public testing::TestWithParam<InjectorScenario> {};
class InjectorModelLong : public testing::TestWithParam<InjectorScenario> {};

void verify(const InjectorScenario& scenario) {
    const Report report = explore_injector<Faithful>(scenario);
    EXPECT_EQ(report.violation, "");
    EXPECT_TRUE(report.complete);
}

TEST_P(InjectorModel, EveryValueIsTakenOnceInOrder) { verify(GetParam()); }
TEST_P(InjectorModelLong, EveryValueIsTakenOnceInOrder) { verify(GetParam()); }

std::string name_of(const InjectorScenario& scenario) {
    std::string name;
    for (const int pushes : scenario.producers) {
        name += "p" + std::to_string(pushes);
    }
    for (const std::string& pops : scenario.consumers) {
        name += "_" + pops;
    }
    return name;
}

INSTANTIATE_TEST_SUITE_P(
    Quick, InjectorModel,
    testing::Values(InjectorScenario{{2}, {"11"}}, InjectorScenario{{1, 1}, {"1"}},
                    InjectorScenario{{2}, {"2"}}, InjectorScenario{{2}, {"1", "1"}},
                    InjectorScenario{{3}, {"1"}},  // full, or the second round
                    InjectorScenario{{3}, {"2"}},  // and a batch
                    InjectorScenario{{2}, {"2", "1"}}, InjectorScenario{{2, 1}, {"1"}},
                    InjectorScenario{{1, 1}, {"2"}}, InjectorScenario{{1}, {"1", "1"}}),
    [](const auto& scenario) { return name_of(scenario.param); });

INSTANTIATE_TEST_SUITE_P(Long, InjectorModelLong,
                         testing::Values(InjectorScenario{{3}, {"2", "1"}},
                                         InjectorScenario{{4}, {"12"}},
                                         InjectorScenario{{1, 1}, {"1", "1"}},
                                         InjectorScenario{{2, 2}, {"2"}}),
                         [](const auto& scenario) { return name_of(scenario.param); });

}  // namespace
}  // namespace repartir::model
