// SPDX-License-Identifier: MIT
#pragma once
/// @file deque_model.hpp Little programs over the deque that ships, for the checker.
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "atomics.hpp"
#include "repartir/detail/deque.hpp"

namespace repartir::model {

/// One owner and some thieves. Values are numbered as they are pushed; the tag of a value is its
/// lowest bit.
struct DequeScenario {
    std::string owner;  ///< 'p' push, 'o' pop
    /// 's' steal, 'i' steal what has an odd number only, 'b' begin and 'e' end a raid, a digit: a
    /// batch of at most so many, where the owner never pops
    std::vector<std::string> thieves;
    std::size_t capacity = 2;
    std::uint32_t alert_pops = 0;  ///< 0: alert for ever, no raids needed
};

/// What the threads of a scenario share, and what they found.
template <class Rule>
struct DequeState {
    DequeState(std::size_t capacity, std::uint32_t alert_pops) : deque(capacity, alert_pops) {}

    void take(std::size_t thread, std::optional<std::uint64_t> value) {
        if (value) {
            require(tasks.at(*value).get() == *value + 100, "a task holds what was put there");
            ++taken.at(*value);
            last.at(thread) = *value;
        }
    }

    /// @return whether the step was to begin or end a raid.
    bool raid(char step) {
        if (step == 'b') {
            deque.begin_raid([] { Atomics<Rule>::heavy_fence(); });
        } else if (step == 'e') {
            deque.end_raid();
        }
        return step == 'b' || step == 'e';
    }

    /// @return whether the step was to take a batch.
    bool batch(std::size_t thread, char step) {
        if (step < '1' || step > '9') {
            return false;
        }
        std::array<std::uint64_t, 8> values{};
        const std::size_t count =
            deque.steal_batch(values.data(), static_cast<std::size_t>(step - '0'));
        require(count <= static_cast<std::size_t>(step - '0'), "a batch is no larger than asked");
        for (std::size_t i = 0; i < count; ++i) {
            require(!last.at(thread) || values.at(i) > *last.at(thread), "the oldest come first");
            take(thread, values.at(i));
        }
        return true;
    }

    detail::WorkDeque<std::uint64_t, Atomics<Rule>> deque;
    std::array<Plain<std::uint64_t>, 8> tasks;
    std::array<int, 8> taken{};
    std::array<std::optional<std::uint64_t>, threads_max> last;
};

/// Checks under `Rule`'s atomics: each value is taken exactly once, what its pusher wrote into its
/// task is visible to its taker, each thief sees rising numbers, the owner pops the newest, and
/// what was not wanted was not taken.
template <class Rule>
Report explore_deque(const DequeScenario& scenario, const Options& options = {}) {
    using State = DequeState<Rule>;
    std::unique_ptr<State> state;
    std::uint64_t pushed = 0;

    const auto own = [&] {
        std::uint64_t next = 0;
        std::optional<std::uint64_t> newest;
        for (const char step : scenario.owner) {
            if (step == 'p') {
                state->tasks.at(next).set(next + 100);
                require(state->deque.push(next), "a push finds memory");
                newest = next++;
            } else {
                const auto value = state->deque.pop();
                require(!value || !newest || *value <= *newest, "the owner pops the newest");
                newest = value;
                state->take(0, value);
            }
        }
        pushed = next;
    };
    const auto thieve = [&](std::size_t thread, const std::string& steps) {
        for (const char step : steps) {
            if (state->raid(step) || state->batch(thread, step)) {
                continue;
            }
            const auto before = state->last.at(thread);
            const auto value =
                step == 's' ? state->deque.steal()
                            : state->deque.steal_if([](std::uint64_t tag) { return tag % 2 == 1; });
            require(!value || !before || *value > *before, "a thief sees the oldest first");
            require(!value || step == 's' || *value % 2 == 1, "only what is wanted is taken");
            state->take(thread, value);
        }
    };
    return explore({[&] {
                        state = std::make_unique<State>(scenario.capacity, scenario.alert_pops);
                        std::vector<std::function<void()>> bodies{own};
                        for (const std::string& steps : scenario.thieves) {
                            bodies.emplace_back([&thieve, &steps, thread = bodies.size()] {
                                thieve(thread, steps);
                            });
                        }
                        return bodies;
                    },
                    [&] {
                        while (const auto value = state->deque.pop()) {
                            state->take(0, value);
                        }
                        for (std::uint64_t value = 0; value < pushed; ++value) {
                            require(state->taken.at(value) == 1, "each value is taken once");
                        }
                    }},
                   options);
}

}  // namespace repartir::model
