// SPDX-License-Identifier: MIT
// The classic little programs: what the memory model allows and forbids.
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "atomics.hpp"

namespace repartir::model {
namespace {

constexpr auto rlx = std::memory_order_relaxed;
constexpr auto acq = std::memory_order_acquire;
constexpr auto rel = std::memory_order_release;
constexpr auto acq_rel = std::memory_order_acq_rel;
constexpr auto sc = std::memory_order_seq_cst;

struct State {
    Atomics<>::atomic<int> x{0};
    Atomics<>::atomic<int> y{0};
    Plain<int> data;
    std::array<int, 4> r{-1, -1, -1, -1};
};

using Body = std::function<void(State&)>;
using Registers = std::array<int, 4>;

enum class Expect : std::uint8_t { allowed, forbidden, race };

struct Litmus {
    const char* name;
    std::vector<Body> threads;
    Registers outcome;
    Expect expect;
};

void fence(std::memory_order order) { Atomics<>::fence(order); }

// Store buffering: both miss the other's store.
std::vector<Body> store_buffering(std::memory_order store, std::memory_order load) {
    return {[=](State& s) {
                s.x.store(1, store);
                s.r[0] = s.y.load(load);
            },
            [=](State& s) {
                s.y.store(1, store);
                s.r[1] = s.x.load(load);
            }};
}

std::vector<Body> store_buffering_fenced(std::memory_order first, std::memory_order second) {
    return {[=](State& s) {
                s.x.store(1, rlx);
                fence(first);
                s.r[0] = s.y.load(rlx);
            },
            [=](State& s) {
                s.y.store(1, rlx);
                fence(second);
                s.r[1] = s.x.load(rlx);
            }};
}

// Message passing: the flag is seen, the data is not.
std::vector<Body> message_passing(std::memory_order store, std::memory_order load) {
    return {[=](State& s) {
                s.x.store(1, rlx);
                s.y.store(1, store);
            },
            [=](State& s) {
                s.r[0] = s.y.load(load);
                s.r[1] = s.x.load(rlx);
            }};
}

std::vector<Body> message_passing_plain(std::memory_order store) {
    return {[=](State& s) {
                s.data.set(1);
                s.y.store(1, store);
            },
            [=](State& s) {
                s.r[0] = s.y.load(acq);
                if (s.r[0] == 1) {
                    s.r[1] = s.data.get();
                }
            }};
}

// Independent reads of independent writes: the readers disagree on the order of the writes.
std::vector<Body> iriw(std::memory_order store, std::memory_order load, bool fenced) {
    const auto reader = [=](State& s, Atomics<>::atomic<int>& one, Atomics<>::atomic<int>& other,
                            std::size_t at) {
        s.r[at] = one.load(load);
        if (fenced) {
            fence(sc);
        }
        s.r[at + 1] = other.load(load);
    };
    return {[=](State& s) { s.x.store(1, store); }, [=](State& s) { s.y.store(1, store); },
            [=](State& s) { reader(s, s.x, s.y, 0); }, [=](State& s) { reader(s, s.y, s.x, 2); }};
}

std::vector<Litmus> fences_and_asymmetric() {
    const Body light = [](State& s) {
        s.x.store(1, rlx);
        Atomics<>::light_fence();
        s.r[0] = s.y.load(rlx);
    };
    const Body heavy = [](State& s) {
        s.y.store(1, rlx);
        Atomics<>::heavy_fence();
        s.r[1] = s.x.load(rlx);
    };
    const Body light_other = [](State& s) {
        s.y.store(1, rlx);
        Atomics<>::light_fence();
        s.r[1] = s.x.load(rlx);
    };
    return {
        {"SbHeavyAndLight", {light, heavy}, {0, 0, -1, -1}, Expect::forbidden},
        {"SbTwoLights", {light, light_other}, {0, 0, -1, -1}, Expect::allowed},
        {"SbFences", store_buffering_fenced(sc, sc), {0, 0, -1, -1}, Expect::forbidden},
        {"SbOneFence", store_buffering_fenced(sc, acq_rel), {0, 0, -1, -1}, Expect::allowed},
        {"SbWeakFences", store_buffering_fenced(acq_rel, acq_rel), {0, 0, -1, -1}, Expect::allowed},
        {"SbFenceAgainstAccesses",
         {store_buffering_fenced(sc, sc)[0], store_buffering(sc, sc)[1]},
         {0, 0, -1, -1},
         Expect::forbidden},
        {"MpFences",
         {[](State& s) {
              s.x.store(1, rlx);
              fence(rel);
              s.y.store(1, rlx);
          },
          [](State& s) {
              s.r[0] = s.y.load(rlx);
              fence(acq);
              s.r[1] = s.x.load(rlx);
          }},
         {1, 0, -1, -1},
         Expect::forbidden},
    };
}

std::vector<Litmus> others() {
    return {
        {"Coherence",
         {[](State& s) { s.x.store(1, rlx); },
          [](State& s) {
              s.r[0] = s.x.load(rlx);
              s.r[1] = s.x.load(rlx);
          }},
         {1, 0, -1, -1},
         Expect::forbidden},
        {"WriteToReadCausality",
         {[](State& s) { s.x.store(1, rlx); },
          [](State& s) {
              s.r[0] = s.x.load(acq);
              if (s.r[0] == 1) {
                  s.y.store(1, rel);
              }
          },
          [](State& s) {
              s.r[1] = s.y.load(acq);
              s.r[2] = s.x.load(rlx);
          }},
         {1, 1, 0, -1},
         Expect::forbidden},
        {"ReleaseSequenceThroughRmw",
         {[](State& s) {
              s.x.store(1, rlx);
              s.y.store(1, rel);
          },
          [](State& s) { s.y.fetch_add(1, rlx); },
          [](State& s) {
              s.r[0] = s.y.load(acq);
              s.r[1] = s.x.load(rlx);
          }},
         {2, 0, -1, -1},
         Expect::forbidden},
        {"RelaxedStoreEndsReleaseSequence",
         {[](State& s) {
              s.x.store(1, rlx);
              s.y.store(1, rel);
              s.y.store(2, rlx);
          },
          [](State& s) {
              s.r[0] = s.y.load(acq);
              s.r[1] = s.x.load(rlx);
          }},
         {2, 0, -1, -1},
         Expect::allowed},
        {"RmwIsAtomic",
         {[](State& s) { s.r[0] = s.x.fetch_add(1, rlx); },
          [](State& s) { s.r[1] = s.x.fetch_add(1, rlx); }},
         {0, 0, -1, -1},
         Expect::forbidden},
        {"LoadBufferingIsNotModelled",  // C++ allows it; memory.hpp says that we do not look for it
         {[](State& s) {
              s.r[0] = s.x.load(rlx);
              s.y.store(1, rlx);
          },
          [](State& s) {
              s.r[1] = s.y.load(rlx);
              s.x.store(1, rlx);
          }},
         {1, 1, -1, -1},
         Expect::forbidden},
    };
}

std::vector<Litmus> all() {
    std::vector<Litmus> litmus = {
        {"SbRelaxed", store_buffering(rlx, rlx), {0, 0, -1, -1}, Expect::allowed},
        {"SbReleaseAcquire", store_buffering(rel, acq), {0, 0, -1, -1}, Expect::allowed},
        {"SbSeqCst", store_buffering(sc, sc), {0, 0, -1, -1}, Expect::forbidden},
        {"MpRelaxed", message_passing(rlx, rlx), {1, 0, -1, -1}, Expect::allowed},
        {"MpReleaseAcquire", message_passing(rel, acq), {1, 0, -1, -1}, Expect::forbidden},
        {"MpReleaseRelaxed", message_passing(rel, rlx), {1, 0, -1, -1}, Expect::allowed},
        {"MpPlainReleaseAcquire", message_passing_plain(rel), {1, 0, -1, -1}, Expect::forbidden},
        {"MpPlainRelaxed", message_passing_plain(rlx), {1, 1, -1, -1}, Expect::race},
        {"IriwReleaseAcquire", iriw(rel, acq, false), {1, 0, 1, 0}, Expect::allowed},
        {"IriwSeqCst", iriw(sc, sc, false), {1, 0, 1, 0}, Expect::forbidden},
        {"IriwFences", iriw(rlx, rlx, true), {1, 0, 1, 0}, Expect::forbidden},
    };
    for (const std::vector<Litmus>& more : {fences_and_asymmetric(), others()}) {
        litmus.insert(litmus.end(), more.begin(), more.end());
    }
    return litmus;
}

class LitmusTest : public testing::TestWithParam<Litmus> {};

TEST_P(LitmusTest, OutcomeIsAsTheModelSays) {
    const Litmus& litmus = GetParam();
    std::unique_ptr<State> state;
    std::set<Registers> outcomes;
    const Program program{[&] {
                              state = std::make_unique<State>();
                              std::vector<std::function<void()>> bodies;
                              for (const Body& body : litmus.threads) {
                                  bodies.emplace_back([&] { body(*state); });
                              }
                              return bodies;
                          },
                          [&] { outcomes.insert(state->r); }};
    const Report report = explore(program);
    if (litmus.expect == Expect::race) {
        EXPECT_TRUE(report.violation.starts_with("data race")) << report.violation;
        return;
    }
    EXPECT_EQ(report.violation, "");
    EXPECT_TRUE(report.complete);
    EXPECT_EQ(outcomes.contains(litmus.outcome), litmus.expect == Expect::allowed);
}

INSTANTIATE_TEST_SUITE_P(Model, LitmusTest, testing::ValuesIn(all()),
                         [](const auto& litmus) { return litmus.param.name; });

}  // namespace
}  // namespace repartir::model
