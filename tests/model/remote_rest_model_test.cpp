// SPDX-License-Identifier: MIT
// How the thread of a remote executor rests while callers drive its loop, in every execution of
// small programs: it is never asleep where nobody else sees to the loop.
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "atomics.hpp"
#include "exec/remote/rest.hpp"
#include "loop/lead.hpp"

namespace repartir::model {
namespace {

enum class Flaw : std::uint8_t {
    none,
    one_look,           // once refused the lead, it sleeps soundly without trying again
    looks_then_leaves,  // a caller looks whether it sleeps soundly, and leaves the lead afterwards
    asks_then_rests,    // it looks whether something was asked before it says that it rests
};

template <class Rule>
struct State {
    loop::BasicLead<Atomics<Rule>> lead;
    exec::Rest<Atomics<Rule>> rest;
    Atomics<>::atomic<std::uint32_t> requests{0};
    Atomics<>::atomic<std::uint32_t> recalled{0};
    Plain<int> loop;  // what the lead guards

    void recall() {
        recalled.store(1);
        Atomics<>::wake_all(recalled);
    }
    /// As under the mutex of the requests: what came before is visible, whoever is first.
    std::uint32_t asked(std::uint32_t more = 0) {
        return requests.fetch_add(more, std::memory_order_acq_rel);
    }
    void use_loop() { loop.set(loop.get() + 1); }
};

/// Refuses the lead a second time without a look, as to who sleeps at once where it was refused.
template <class Lead>
struct OneLook {
    Lead& lead;
    bool refused = false;
    bool take() {
        if (std::exchange(refused, false)) {
            return false;
        }
        refused = !lead.take();
        return !refused;
    }
};

/// The thread comes to its loop, rests once and comes back, as Engine has it.
/// @param timed a light sleep ends by itself
template <class Rule>
void rest_once(State<Rule>& state, bool timed, Flaw flaw) {
    const auto sleep = [&](bool soundly) {
        if (soundly || !timed) {
            Atomics<>::wait_while(state.recalled, 0);
        }
        return state.recalled.exchange(0) != 0;
    };
    state.rest.end(state.lead, true, 0, sleep);
    state.use_loop();
    state.recalled.store(0);
    const bool before = state.asked() != 0;
    const std::uint64_t turns = state.rest.begin();
    state.lead.leave();
    const bool wanted = flaw == Flaw::asks_then_rests ? before : state.asked() != 0;
    if (flaw == Flaw::one_look) {
        OneLook<decltype(state.lead)> lead{state.lead};
        state.rest.end(lead, wanted, turns, sleep);
    } else {
        state.rest.end(state.lead, wanted, turns, sleep);
    }
    state.use_loop();
}

/// A caller who waits takes a turn, if it gets the lead.
template <class Rule>
void take_turn(State<Rule>& state, Flaw flaw) {
    if (!state.lead.take()) {
        return;
    }
    state.use_loop();
    if (flaw == Flaw::looks_then_leaves) {
        exec::Rest<Atomics<Rule>>& rest = state.rest;
        struct {
            void leave() {}
        } later;
        const bool recalls = rest.turn_ends(later);
        state.lead.leave();
        if (recalls) {
            state.recall();
        }
    } else if (state.rest.turn_ends(state.lead) || state.asked() != 0) {
        state.recall();
    }
}

template <class Rule>
Report explore_turns(std::uint32_t callers, Flaw flaw = Flaw::none) {
    std::unique_ptr<State<Rule>> state;
    return explore({[&] {
                        state = std::make_unique<State<Rule>>();
                        std::vector<std::function<void()>> bodies{
                            [&, flaw] { rest_once(*state, true, flaw); }};
                        bodies.insert(bodies.end(), callers,
                                      [&, flaw] { take_turn(*state, flaw); });
                        return bodies;
                    },
                    [] {}},
                   {});
}

/// Somebody asks while the thread goes to rest, and no interval ends its sleep.
template <class Rule>
Report explore_request(Flaw flaw = Flaw::none) {
    std::unique_ptr<State<Rule>> state;
    return explore({[&]() -> std::vector<std::function<void()>> {
                        state = std::make_unique<State<Rule>>();
                        return {[&, flaw] { rest_once(*state, false, flaw); },
                                [&] {
                                    state->asked(1);
                                    if (state->rest.resting()) {
                                        state->recall();
                                    }
                                }};
                    },
                    [] {}},
                   {});
}

struct NoSeqCst : Faithful {
    static std::memory_order weak(std::memory_order order, std::memory_order instead) {
        return order == std::memory_order_seq_cst ? instead : order;
    }
    static std::memory_order load(std::memory_order order) {
        return weak(order, std::memory_order_acquire);
    }
    static std::memory_order store(std::memory_order order) {
        return weak(order, std::memory_order_release);
    }
};

TEST(RemoteRestModel, ItIsRecalledWhenACallerLeavesTheLead) {
    const Report report = explore_turns<Faithful>(1);
    EXPECT_EQ(report.violation, "");
    EXPECT_TRUE(report.complete);
}

TEST(RemoteRestModelLong, ItIsRecalledByTheLastOfTwoCallers) {
    const Report report = explore_turns<Faithful>(2);
    EXPECT_EQ(report.violation, "");
    EXPECT_TRUE(report.complete);
}

TEST(RemoteRestModel, WhatIsAskedIsSeenAsItGoesToRest) {
    const Report report = explore_request<Faithful>();
    EXPECT_EQ(report.violation, "");
    EXPECT_TRUE(report.complete);
}

TEST(RemoteRestModel, EachPartIsNeeded) {
    for (const Flaw flaw : {Flaw::one_look, Flaw::looks_then_leaves}) {
        EXPECT_TRUE(explore_turns<Faithful>(1, flaw).violation.starts_with("deadlock"))
            << static_cast<int>(flaw);
    }
    EXPECT_TRUE(explore_request<Faithful>(Flaw::asks_then_rests).violation.starts_with("deadlock"));
    EXPECT_TRUE(explore_turns<NoSeqCst>(1).violation.starts_with("deadlock"));
}

}  // namespace
}  // namespace repartir::model
