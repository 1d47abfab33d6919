// SPDX-License-Identifier: MIT
// The checker checks itself: random programs have the same outcomes under the reduced and under the
// full search, and each kind of error is found.
#include "checker.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "atomics.hpp"
#include "base/prng.hpp"

namespace repartir::model {
namespace {

using Word = Atomics<>::atomic<std::uint32_t>;

struct Instruction {
    enum class What : std::uint8_t { load, store, add, exchange, fence, light, heavy };
    What what;
    std::size_t location;
    std::memory_order order;
    std::uint32_t value;
};
using Code = std::vector<std::vector<Instruction>>;

std::memory_order any_of(base::Prng& random, std::initializer_list<std::memory_order> orders) {
    return orders.begin()[random.below(orders.size())];
}

Instruction random_instruction(base::Prng& random, std::uint32_t value) {
    using What = Instruction::What;
    using enum std::memory_order;
    const std::size_t location = random.below(2);
    switch (random.below(8)) {
        case 0:
        case 1:
            return {What::load, location, any_of(random, {relaxed, acquire, seq_cst}), value};
        case 2:
        case 3:
            return {What::store, location, any_of(random, {relaxed, release, seq_cst}), value};
        case 4:
            return {What::add, location, any_of(random, {relaxed, acq_rel, seq_cst}), 100};
        case 5:
            return {What::exchange, location, any_of(random, {relaxed, acq_rel}), value};
        case 6:
            return {What::fence, 0, any_of(random, {acquire, release, seq_cst}), value};
        default:
            return {random.below(2) == 0 ? What::light : What::heavy, 0, relaxed, value};
    }
}

Code random_code(std::uint64_t seed) {
    base::Prng random(seed);
    Code code(2 + random.below(2));
    std::uint32_t value = 1;
    for (std::vector<Instruction>& thread : code) {
        const std::uint64_t length = code.size() == 2 ? 2 + random.below(3) : 2;
        for (std::uint64_t at = 0; at < length; ++at) {
            thread.push_back(random_instruction(random, value++));
        }
    }
    return code;
}

std::uint32_t execute(const Instruction& instruction, Word& word) {
    using What = Instruction::What;
    std::uint32_t expected = 0;
    switch (instruction.what) {
        case What::load:
            return word.load(instruction.order);
        case What::store:
            word.store(instruction.value, instruction.order);
            return 0;
        case What::add:
            return word.fetch_add(instruction.value, instruction.order);
        case What::exchange:
            return word.compare_exchange_strong(expected, instruction.value, instruction.order,
                                                std::memory_order_relaxed)
                       ? 1000
                       : expected;
        case What::fence:
            Atomics<>::fence(instruction.order);
            return 0;
        case What::light:
            Atomics<>::light_fence();
            return 0;
        case What::heavy:
            Atomics<>::heavy_fence();
            return 0;
    }
    return 0;
}

struct Outcomes {
    std::set<std::vector<std::uint32_t>> seen;
    Report report;
};

Outcomes outcomes_of(const Code& code, const Options& options) {
    struct State {
        std::array<Word, 2> words;
        std::array<std::vector<std::uint32_t>, threads_max> read;
    };
    std::unique_ptr<State> state;
    Outcomes outcomes;
    const Program program{
        [&] {
            state = std::make_unique<State>();
            std::vector<std::function<void()>> bodies;
            for (std::size_t at = 0; at < code.size(); ++at) {
                bodies.emplace_back([&, at] {
                    for (const Instruction& next : code[at]) {
                        state->read[at].push_back(execute(next, state->words[next.location]));
                    }
                });
            }
            return bodies;
        },
        [&] {
            std::vector<std::uint32_t> all{state->words[0].load(), state->words[1].load()};
            for (const auto& read : state->read) {
                all.insert(all.end(), read.begin(), read.end());
            }
            outcomes.seen.insert(all);
        }};
    outcomes.report = explore(program, options);
    return outcomes;
}

void compare_searches(std::uint64_t first_seed, std::uint64_t programs) {
    std::uint64_t compared = 0;
    for (std::uint64_t seed = first_seed; seed < first_seed + programs; ++seed) {
        const Code code = random_code(seed);
        const Outcomes all = outcomes_of(code, {.search = Search::all, .executions_max = 60'000});
        if (!all.report.complete) {
            continue;  // too many to try all
        }
        ++compared;
        const Outcomes reduced = outcomes_of(code, {});
        ASSERT_TRUE(reduced.report.complete) << "seed " << seed << reduced.report.violation;
        ASSERT_EQ(reduced.seen, all.seen) << "seed " << seed;
        ASSERT_LE(reduced.report.executions, all.report.executions);
    }
    EXPECT_GE(compared, programs / 2) << "most programs must be small enough to compare";
}

TEST(Checker, ReducedSearchSeesWhatTheFullSearchSees) { compare_searches(1, 150); }
TEST(CheckerLong, ReducedSearchSeesWhatTheFullSearchSees) { compare_searches(1000, 3000); }

/// Explores two threads over a fresh State.
template <class State>
Report explore_two(const std::function<void(State&)>& one, const std::function<void(State&)>& two,
                   const Options& options = {}) {
    std::unique_ptr<State> state;
    return explore({[&]() -> std::vector<std::function<void()>> {
                        state = std::make_unique<State>();
                        return {[&] { one(*state); }, [&] { two(*state); }};
                    },
                    [] {}},
                   options);
}

struct Words {
    Word word{0};
    Word other{0};
    std::optional<Word> owned{std::in_place, 0};
};

TEST(Checker, FindsALostWakeUp) {
    // The waker looks for sleepers before it changes the word.
    const Report report = explore_two<Words>(
        [](Words& w) {
            w.other.store(1);
            Atomics<>::wait_while(w.word, 0);
        },
        [](Words& w) {
            if (w.other.load() == 1) {
                w.word.store(1);
                Atomics<>::wake_one(w.word);
            }
        });
    EXPECT_TRUE(report.violation.starts_with("deadlock")) << report.violation;
    EXPECT_NE(report.violation.find("wait (compare) L0"), std::string::npos) << report.violation;
}

TEST(Checker, AFutexThatIsUsedWellLosesNothing) {
    const Report report = explore_two<Words>(
        [](Words& w) {
            while (w.word.load() == 0) {
                Atomics<>::wait_while(w.word, 0);
            }
        },
        [](Words& w) {
            w.word.store(1);
            Atomics<>::wake_one(w.word);
        });
    EXPECT_TRUE(report.complete) << report.violation;
    EXPECT_GE(report.executions, 3U);
}

TEST(Checker, WakeOneWakesOnlyOne) {
    std::unique_ptr<Words> state;
    const auto program = [&](bool all) {
        return Program{[&, all]() -> std::vector<std::function<void()>> {
                           state = std::make_unique<Words>();
                           const auto wait = [&] { Atomics<>::wait_while(state->word, 0); };
                           return {wait, wait, [&, all] {
                                       state->word.store(1);
                                       if (all) {
                                           Atomics<>::wake_all(state->word);
                                       } else {
                                           Atomics<>::wake_one(state->word);
                                       }
                                   }};
                       },
                       [] {}};
    };
    EXPECT_TRUE(explore(program(true)).complete);
    EXPECT_TRUE(explore(program(false)).violation.starts_with("deadlock"));
}

TEST(Checker, FindsUseAfterTheEnd) {
    const Report report = explore_two<Words>(
        [](Words& w) {
            static_cast<void>(w.other.load());
            w.owned.reset();
        },
        [](Words& w) {
            Word& word = *w.owned;
            w.other.store(1);
            word.store(1);
        });
    EXPECT_NE(report.violation.find("does not live"), std::string::npos) << report.violation;
}

TEST(Checker, FindsUseBeforeTheConstructionIsVisible) {
    struct Late {
        Atomics<>::atomic<Word*> pointer{nullptr};
        std::unique_ptr<Word> word;
    };
    const auto publish = [](std::memory_order order) {
        return explore_two<Late>(
            [order](Late& late) {
                late.word = std::make_unique<Word>(1);
                late.pointer.store(late.word.get(), order);
            },
            [](Late& late) {
                if (Word* const word = late.pointer.load(std::memory_order_acquire)) {
                    require(word->load(std::memory_order_relaxed) == 1, "the word holds 1");
                }
            });
    };
    EXPECT_TRUE(publish(std::memory_order_release).complete);
    EXPECT_NE(publish(std::memory_order_relaxed).violation.find("construction"), std::string::npos);
}

TEST(Checker, FindsAnExecutionThatDoesNotEnd) {
    const Report report = explore_two<Words>(
        [](Words& w) {
            while (w.word.load() == 0) {}
        },
        [](Words& w) { static_cast<void>(w.other.load()); }, {.steps_max = 100});
    EXPECT_TRUE(report.violation.starts_with("an execution does not end")) << report.violation;
}

TEST(Checker, PollingEndsBecauseStoresBecomeVisible) {
    const Report report = explore_two<Words>(
        [](Words& w) {
            for (int polls = 0; w.word.load(std::memory_order_relaxed) == 0; ++polls) {
                require(polls <= 20, "a store becomes visible");
                if (w.other.load(std::memory_order_acquire) == 0) {
                    return;  // the store has not happened yet: do not poll for ever
                }
            }
        },
        [](Words& w) {
            w.word.store(1, std::memory_order_relaxed);
            w.other.store(1, std::memory_order_relaxed);
        });
    EXPECT_TRUE(report.complete) << report.violation;
}

TEST(Checker, FailedClaimComesWithItsTrace) {
    const Report report =
        explore_two<Words>([](Words& w) { w.word.store(1); },
                           [](Words& w) { require(w.word.load() == 0, "nobody ever writes"); });
    EXPECT_EQ(report.violation, "nobody ever writes\n  T0 store seq_cst L0\n  T1 load seq_cst L0");
    EXPECT_FALSE(report.complete);
}

}  // namespace
}  // namespace repartir::model
