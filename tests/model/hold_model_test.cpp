// SPDX-License-Identifier: MIT
// How a shutdown sees every submission that has not seen it: the Hold that ships, in every
// execution, and what it is without each of its parts.
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "atomics.hpp"
#include "repartir/detail/deque.hpp"
#include "sched/inlet.hpp"

namespace repartir::model {
namespace {

enum class Flaw : std::uint8_t { none, no_heavy_fence, no_wait, looks_before };

template <class Rule>
Report explore_hold(bool fenced, Flaw flaw) {
    using Atoms = Atomics<Rule>;
    struct State {
        Atomics<>::atomic<std::uint32_t> closed{0};
        typename Atoms::template atomic<std::uint32_t> held{0};
        detail::WorkDeque<int, Atoms> queue{2};
        bool accepted = false;
        std::optional<std::size_t> drained;  // what the shutdown saw when nobody held
    };
    std::unique_ptr<State> state;
    const auto submitter = [&] {
        const bool before = flaw == Flaw::looks_before && state->closed.load() != 0;
        const sched::Hold<Atoms> hold(state->held, fenced);
        // ORDER: relaxed, as in Crew::Impl::submit_through
        const bool closed = flaw == Flaw::looks_before
                                ? before
                                : state->closed.load(std::memory_order_relaxed) != 0;
        if (!closed) {
            require(state->queue.push(1), "a push finds memory");
            state->accepted = true;
        }
    };
    const auto shutdown = [&] {
        state->closed.store(1, std::memory_order_seq_cst);
        if (flaw != Flaw::no_heavy_fence) {
            fenced ? Atoms::fence(std::memory_order_seq_cst) : Atoms::heavy_fence();
        }
        if (flaw == Flaw::no_wait || state->held.load(std::memory_order_acquire) == 0) {
            state->drained = state->queue.size();
        }
    };
    return explore({[&]() -> std::vector<std::function<void()>> {
                        state = std::make_unique<State>();
                        return {submitter, shutdown};
                    },
                    [&] {
                        require(!state->drained || (*state->drained == 1) == state->accepted,
                                "what was accepted was seen");
                    }},
                   {});
}

TEST(HoldModel, AShutdownSeesWhatWasAccepted) {
    for (const bool fenced : {false, true}) {
        const Report report = explore_hold<Faithful>(fenced, Flaw::none);
        EXPECT_EQ(report.violation, "");
        EXPECT_TRUE(report.complete);
    }
}

TEST(HoldModel, EachPartIsNeeded) {
    for (const Flaw flaw : {Flaw::no_heavy_fence, Flaw::no_wait, Flaw::looks_before}) {
        for (const bool fenced : {false, true}) {
            EXPECT_NE(explore_hold<Faithful>(fenced, flaw).violation, "")
                << static_cast<int>(flaw) << fenced;
        }
    }
}

}  // namespace
}  // namespace repartir::model
