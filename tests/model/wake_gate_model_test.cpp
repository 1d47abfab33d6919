// SPDX-License-Identifier: MIT
// The event loop's sleep protocol that ships (src/loop/wake_gate.hpp), with an eventfd in place of
// the kernel's: a counter that the sleeper waits on until it differs from what it last saw.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <vector>

#include "atomics.hpp"
#include "loop/wake_gate.hpp"

namespace repartir::model {
namespace {

template <class Rule>
class ModelLoop {
  public:
    void post() {
        // ORDER: relaxed: in the loop a mutex does this; the knock must be enough.
        posted_.fetch_add(1, std::memory_order_relaxed);
        if (gate_.knock()) {
            bell_.fetch_add(1);
            Atomics<>::wake_one(bell_);
        }
    }
    void run(int posts) {
        std::uint32_t seen = 0;
        while (ran < posts) {
            if (gate_.lie_down()) {
                Atomics<>::wait_while(bell_, seen);
            }
            seen = bell_.load();
            gate_.get_up();
            if (gate_.take()) {
                ran += posted_.exchange(0, std::memory_order_relaxed);
            }
        }
    }
    int ran = 0;

  private:
    loop::WakeGate<Atomics<Rule>> gate_;
    // Not what is checked here: they keep their orders under every Rule.
    Atomics<>::atomic<std::uint32_t> bell_{0};
    Atomics<>::atomic<int> posted_{0};
};

// Each poster posts as often as its number says; the loop runs until it has seen all.
template <class Rule>
Report explore_gate(const std::vector<int>& posters) {
    std::unique_ptr<ModelLoop<Rule>> loop;
    int posts = 0;
    for (const int some : posters) {
        posts += some;
    }
    return explore({[&] {
                        loop = std::make_unique<ModelLoop<Rule>>();
                        std::vector<std::function<void()>> bodies;
                        bodies.emplace_back([&] { loop->run(posts); });
                        for (const int some : posters) {
                            bodies.emplace_back([&, some] {
                                for (int i = 0; i < some; ++i) {
                                    loop->post();
                                }
                            });
                        }
                        return bodies;
                    },
                    [&] { require(loop->ran == posts, "everything that was posted ran"); }},
                   Options{});
}

TEST(WakeGateModel, NoWakeUpIsLost) {
    for (const std::vector<int>& posters : {std::vector{1}, std::vector{2}, std::vector{1, 1}}) {
        const Report report = explore_gate<Faithful>(posters);
        EXPECT_EQ(report.violation, "");
        EXPECT_TRUE(report.complete);
    }
}

struct AcquireRelease : Faithful {
    static std::memory_order weaker(std::memory_order order, std::memory_order instead) {
        return order == std::memory_order_seq_cst ? instead : order;
    }
    static std::memory_order load(std::memory_order order) {
        return weaker(order, std::memory_order_acquire);
    }
    static std::memory_order store(std::memory_order order) {
        return weaker(order, std::memory_order_release);
    }
};

// The model can fail: without one order of the flags a wake-up gets lost.
TEST(WakeGateModel, WithoutSeqCstAWakeUpIsLost) {
    EXPECT_TRUE(explore_gate<AcquireRelease>({1}).violation.starts_with("deadlock"));
}

}  // namespace
}  // namespace repartir::model
