// SPDX-License-Identifier: MIT
// How a shutdown knows that the crew is at rest: the count that ships, and the simpler idea that
// does not work.
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "atomics.hpp"
#include "sched/awake_count.hpp"

namespace repartir::model {
namespace {

/// Looks at the queues, then at a flag per member: each look is right, all of them together are
/// not.
class FlagPerMember {
  public:
    void wake(std::size_t member) { awake_.at(member).store(1); }
    void rest(std::size_t member) { awake_.at(member).store(0); }
    template <class Empty>
    bool quiet(Empty&& empty) {
        return empty() && awake_[0].load() == 0 && awake_[1].load() == 0;
    }

  private:
    std::array<Atomics<>::atomic<int>, 2> awake_;
};

template <class Rule>
class Shipped {
  public:
    void wake(std::size_t) { count_.wake(); }
    void rest(std::size_t) { static_cast<void>(count_.rest()); }
    template <class Empty>
    bool quiet(Empty&& empty) {
        return count_.quiet(empty);
    }

  private:
    sched::AwakeCount<Atomics<Rule>> count_;
};

struct Found {
    Report report;
    int quiet = 0;  // executions in which the shutdown found the crew at rest
};

/// One job in queue 1. Member 0 steals it into queue 0 and rests, as a spare does that is not
/// needed any more; member 1 looks everywhere and runs what it finds. A shutdown looks on.
template <class Counter>
Found explore_rest() {
    struct State {
        Counter counter;
        std::array<Atomics<>::atomic<int>, 2> queues;
        Plain<int> ran;
    };
    std::unique_ptr<State> state;
    Found found;
    const auto spare = [&] {
        state->counter.wake(0);
        if (state->queues[1].take_one()) {
            state->queues[0].fetch_add(1);
        }
        state->counter.rest(0);
    };
    const auto worker = [&] {
        state->counter.wake(1);
        if (state->queues[1].take_one() || state->queues[0].take_one()) {
            state->ran.set(1);
        }
        state->counter.rest(1);
    };
    const auto shutdown = [&] {
        const auto empty = [&] {
            return state->queues[0].load() == 0 && state->queues[1].load() == 0;
        };
        if (state->counter.quiet(empty)) {
            ++found.quiet;
            require(state->ran.get() == 1, "a crew at rest has run everything");
        }
    };
    found.report = explore({[&]() -> std::vector<std::function<void()>> {
                                state = std::make_unique<State>();
                                state->queues[1].store(1);
                                return {spare, worker, shutdown};
                            },
                            [] {}},
                           {});
    return found;
}

struct NoSeqCst : Faithful {
    static std::memory_order load(std::memory_order) { return std::memory_order_relaxed; }
    static std::memory_order exchange(std::memory_order) { return std::memory_order_relaxed; }
};

TEST(RestModel, ACrewAtRestHasRunEverything) {
    const Found found = explore_rest<Shipped<Faithful>>();
    EXPECT_EQ(found.report.violation, "");
    EXPECT_TRUE(found.report.complete);
    EXPECT_GT(found.quiet, 0) << "the shutdown must be able to see the crew at rest";
}

TEST(RestModel, FlagsAndWeakOrdersAreCaught) {
    EXPECT_NE(explore_rest<FlagPerMember>().report.violation, "");
    EXPECT_NE(explore_rest<Shipped<NoSeqCst>>().report.violation, "");
}

}  // namespace
}  // namespace repartir::model
