// SPDX-License-Identifier: MIT
// The gate at which the event loop sleeps, in every execution of small programs.
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "atomics.hpp"
#include "loop/wake_gate.hpp"

namespace repartir::model {
namespace {

/// One loop, and wakers that each post one item. The kernel's part (an eventfd that epoll waits
/// for) is a futex word: a write sets it, the loop sleeps while it is 0.
template <class Rule>
Report explore_gate(std::uint32_t wakers) {
    struct State {
        loop::WakeGate<Atomics<Rule>> gate;
        Atomics<>::atomic<std::uint32_t> items{0};
        Atomics<>::atomic<std::uint32_t> event{0};
        std::uint32_t calls = 0;
    };
    std::unique_ptr<State> state;
    const auto wake = [&] {
        // ORDER: relaxed: the gate is what makes the item visible.
        state->items.fetch_add(1, std::memory_order_relaxed);
        if (state->gate.knock()) {
            ++state->calls;
            state->event.store(1);
            Atomics<>::wake_all(state->event);
        }
    };
    const auto loop = [&] {
        for (std::uint32_t taken = 0; taken < wakers;) {
            if (state->gate.take()) {
                taken = state->items.load(std::memory_order_relaxed);  // ORDER: as above
            } else {
                if (state->gate.lie_down()) {
                    Atomics<>::wait_while(state->event, 0);
                    state->event.store(0);
                }
                state->gate.get_up();
            }
        }
    };
    return explore({[&] {
                        state = std::make_unique<State>();
                        std::vector<std::function<void()>> bodies{loop};
                        bodies.insert(bodies.end(), wakers, wake);
                        return bodies;
                    },
                    [&] { require(state->calls <= wakers, "a knock is one call at most"); }},
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

TEST(WakeGateModel, TheLoopNeverSleepsThroughAKnock) {
    const Report report = explore_gate<Faithful>(1);
    EXPECT_EQ(report.violation, "");
    EXPECT_TRUE(report.complete);
}

TEST(WakeGateModelLong, TheLoopNeverSleepsThroughTwoKnocks) {
    const Report report = explore_gate<Faithful>(2);
    EXPECT_EQ(report.violation, "");
    EXPECT_TRUE(report.complete);
}

TEST(WakeGateModel, ItSleepsThroughOneWithoutSeqCst) {
    EXPECT_TRUE(explore_gate<NoSeqCst>(1).violation.starts_with("deadlock"));
}

}  // namespace
}  // namespace repartir::model
