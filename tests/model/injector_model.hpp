// SPDX-License-Identifier: MIT
#pragma once
/// @file injector_model.hpp Little programs over the injector that ships, for the checker.
#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "atomics.hpp"
#include "sched/injector.hpp"

namespace repartir::model {

/// Producers that push so many values each, and consumers that pop batches of at most so many.
struct InjectorScenario {
    std::vector<int> producers;
    std::vector<std::string> consumers;  ///< a digit a batch
    std::size_t capacity = 2;
};

/// Checks under `Rule`'s atomics: each accepted value is taken once, its task is visible to the
/// taker, nobody sees a producer's values out of order, and a push is refused only when the queue
/// may be full.
template <class Rule>
Report explore_injector(const InjectorScenario& scenario, const Options& options = {}) {
    constexpr std::uint64_t stride = 4;  // a producer's values: stride * producer + 0, 1, ...
    struct State {
        explicit State(std::size_t capacity) : queue(capacity) {}

        sched::Injector<std::uint64_t, Atomics<Rule>> queue;
        std::array<Plain<std::uint64_t>, stride * threads_max> tasks;
        std::array<int, stride * threads_max> accepted{};
        std::array<int, stride * threads_max> taken{};
    };
    std::unique_ptr<State> state;

    const auto produce = [&](std::size_t producer, int pushes) {
        for (std::uint64_t value = stride * producer; pushes-- > 0; ++value) {
            state->tasks.at(value).set(value + 100);
            state->accepted.at(value) = state->queue.try_push(value) ? 1 : 0;
        }
    };
    const auto consume = [&](const std::string& batches) {
        std::array<std::uint64_t, threads_max> next{};
        for (const char batch : batches) {
            const auto most = static_cast<std::size_t>(batch - '0');
            const std::size_t count = state->queue.pop_batch(most, [&](std::uint64_t value) {
                require(state->tasks.at(value).get() == value + 100,
                        "a task holds what was put there");
                require(value % stride >= next.at(value / stride), "a producer's order is kept");
                next.at(value / stride) = value % stride + 1;
                ++state->taken.at(value);
            });
            require(count <= most, "a batch is no larger than asked");
        }
    };
    return explore({[&] {
                        state = std::make_unique<State>(scenario.capacity);
                        std::vector<std::function<void()>> bodies;
                        for (const int pushes : scenario.producers) {
                            bodies.emplace_back([&produce, pushes, producer = bodies.size()] {
                                produce(producer, pushes);
                            });
                        }
                        for (const std::string& batches : scenario.consumers) {
                            bodies.emplace_back([&consume, &batches] { consume(batches); });
                        }
                        return bodies;
                    },
                    [&] {
                        consume("9");
                        require(state->queue.empty(), "a quiet queue gives out all it has");
                        int accepted = 0;
                        for (std::size_t value = 0; value < state->taken.size(); ++value) {
                            accepted += state->accepted.at(value);
                            require(state->taken.at(value) == state->accepted.at(value),
                                    "each accepted value is taken once");
                        }
                        int pushes = 0;
                        for (const int some : scenario.producers) {
                            pushes += some;
                        }
                        require(accepted >= std::min<int>(pushes, 2), "no push is refused early");
                    }},
                   options);
}

}  // namespace repartir::model
