// SPDX-License-Identifier: MIT
// The checker must be able to fail: each of these weakenings of the code that ships is an error
// that it has to find.
#include <gtest/gtest.h>

#include "deque_model.hpp"
#include "injector_model.hpp"
#include "parker_model.hpp"

namespace repartir::model {
namespace {

constexpr auto rlx = std::memory_order_relaxed;
constexpr auto sc = std::memory_order_seq_cst;

std::memory_order without_sc(std::memory_order order, std::memory_order instead) {
    return order == sc ? instead : order;
}

/// No single order of the strong accesses.
struct NoSeqCst : Faithful {
    static std::memory_order load(std::memory_order o) {
        return without_sc(o, std::memory_order_acquire);
    }
    static std::memory_order store(std::memory_order o) {
        return without_sc(o, std::memory_order_release);
    }
    static std::memory_order exchange(std::memory_order o) {
        return without_sc(o, std::memory_order_acq_rel);
    }
};
struct NoSeqCstLoads : Faithful {
    static std::memory_order load(std::memory_order o) {
        return without_sc(o, std::memory_order_acquire);
    }
};
struct NoSeqCstStores : Faithful {
    static std::memory_order store(std::memory_order o) {
        return without_sc(o, std::memory_order_release);
    }
};
struct NoSeqCstExchanges : Faithful {
    static std::memory_order exchange(std::memory_order o) {
        return without_sc(o, std::memory_order_acq_rel);
    }
};
struct RelaxedReleaseStores : Faithful {
    static std::memory_order store(std::memory_order o) {
        return o == std::memory_order_release ? rlx : o;
    }
};
struct RelaxedAcquireLoads : Faithful {
    static std::memory_order load(std::memory_order o) {
        return o == std::memory_order_acquire ? rlx : o;
    }
};
struct RelaxedLoads : Faithful {
    static std::memory_order load(std::memory_order) { return rlx; }
};
struct NoHeavyFence : Faithful {
    static constexpr bool has_heavy_fence = false;
};
struct NoLightFence : Faithful {
    static constexpr bool has_light_fence = false;
};
struct NoFence : Faithful {
    static constexpr bool has_fence = false;
};
struct NoWake : Faithful {
    static constexpr bool has_wake = false;
};

void expect_found(const Report& report, const char* what) {
    EXPECT_NE(report.violation.find(what), std::string::npos)
        << "not found in " << report.executions << " executions; found: " << report.violation;
}

TEST(WeakenedDeque, OwnerAndThiefTakeTheSameValueWithoutSeqCst) {
    expect_found(explore_deque<NoSeqCst>({"ppoo", {"ss"}}), "taken once");
    expect_found(explore_deque<NoSeqCstLoads>({"ppoo", {"ss"}}), "taken once");
    expect_found(explore_deque<NoSeqCstStores>({"ppoo", {"ss"}}), "taken once");
}

TEST(WeakenedDeque, OwnerAndThiefTakeTheSameValueWithoutEitherHalfOfTheFence) {
    expect_found(explore_deque<NoHeavyFence>({"ppoo", {"bsse"}, 2, 9}), "taken once");
    expect_found(explore_deque<NoLightFence>({"ppoo", {"bsse"}, 2, 9}), "taken once");
}

TEST(WeakenedDeque, OwnerAndThiefTakeTheSameValueWithoutARaid) {
    expect_found(explore_deque<Faithful>({"ppoo", {"ss"}, 2, 9}), "taken once");
}

TEST(WeakenedDeque, TasksAreNotPublishedByRelaxedStores) {
    expect_found(explore_deque<RelaxedReleaseStores>({"p", {"s"}}), "data race");
    expect_found(explore_deque<RelaxedLoads>({"p", {"s"}}), "data race");
}

TEST(WeakenedDeque, AGrownRingIsNotPublishedWithoutAcquire) {
    expect_found(explore_deque<RelaxedAcquireLoads>({"ppp", {"s"}}), "construction");
}

TEST(WeakenedInjector, TasksAreNotPublishedByRelaxedSequenceNumbers) {
    expect_found(explore_injector<RelaxedReleaseStores>({{1}, {"1"}}), "data race");
    expect_found(explore_injector<RelaxedAcquireLoads>({{1}, {"1"}}), "data race");
}

TEST(WeakenedParker, AWakeUpIsLostWithoutSeqCst) {
    expect_found(explore_parker<NoSeqCst>({{1}, 1, 1}, {}), "deadlock");
    expect_found(explore_parker<NoSeqCstLoads>({{1}, 1, 1}, {}), "deadlock");
    expect_found(explore_parker<NoSeqCstExchanges>({{1}, 1, 1, Submit::counter, false}, {}),
                 "deadlock");
}

TEST(WeakenedParker, AWakeUpIsLostWithoutEitherHalfOfTheFence) {
    expect_found(explore_parker<NoHeavyFence>({{1}, 1, 1, Submit::own}, {}), "deadlock");
    expect_found(explore_parker<NoLightFence>({{1}, 1, 1, Submit::own}, {}), "deadlock");
}

TEST(WeakenedParker, AWakeUpIsLostWithoutTheFullFence) {
    expect_found(explore_parker<NoFence>({{1}, 1, 1, Submit::after_release, false}, {}),
                 "deadlock");
    expect_found(explore_parker<NoFence>({{1}, 1, 1, Submit::own, false}, {}), "deadlock");
}

TEST(WeakenedParker, SleepersStayAsleepWithoutTheSystemCall) {
    expect_found(explore_parker<NoWake>({{1}, 1, 1}, {}), "deadlock");
}

TEST(WeakenedParker, EachStepOfTheProtocolIsNeeded) {
    ParkerScenario scenario{{1}, 1, 1};
    scenario.flaw = Flaw::look_once;
    expect_found(explore_parker<Faithful>(scenario, {}), "deadlock");
    scenario.flaw = Flaw::look_first;
    expect_found(explore_parker<Faithful>(scenario, {}), "deadlock");
    ParkerScenario two{{2}, 2, 1};
    two.flaw = Flaw::drop_duty;
    expect_found(explore_parker<Faithful>(two, {.search = Search::bounded, .preemptions_max = 2}),
                 "deadlock");
}

TEST(WeakenedParker, TheInjectorMustPublishItsClaimInOrder) {
    expect_found(explore_parker<NoSeqCst>({{1}, 1, 1, Submit::injector},
                                          {.search = Search::bounded, .preemptions_max = 3}),
                 "deadlock");
}

}  // namespace
}  // namespace repartir::model
