// SPDX-License-Identifier: MIT
#pragma once
/// @file parallel.hpp Loops over the workers of a crew. Not for direct use.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <ranges>
#include <stop_token>
#include <type_traits>
#include <utility>
#include <vector>

#include "repartir/detail/call.hpp"
#include "repartir/detail/group.hpp"
#include "repartir/task_group.hpp"

namespace repartir::detail {

/// Runs `body(from, to)` over disjoint pieces of a range until all of it is done or one fails.
///
/// Source: A. Tzannes, G. Caragea, R. Barua, U. Vishkin, "Lazy binary-splitting: a run-time
/// adaptive work-stealing scheduler", PPoPP 2010: half of what is left is spawned only when the own
/// deque is empty, that is, when others may be hungry. The pieces between two looks grow until one
/// takes about `piece_time`, so that cheap bodies run as plain loops and dear ones are still
/// shared.
template <class Body>
class RangeLoop {
  public:
    RangeLoop(Crew& crew, Body& body) noexcept : crew_(crew), body_(body) {}

    /// @return the first failure: what the body threw, or the Error that it returned.
    [[nodiscard]] Result<void> run(std::size_t first, std::size_t last) noexcept {
        TaskGroup group(crew_);  // also makes an outside thread a guest
        Spawned whole([&] { return split(first, last, 1); });
        group.run(whole);
        return group.wait();
    }
    /// Has the pieces that have not begun skipped. Any thread.
    void stop() noexcept {
        stopped_.store(true, std::memory_order_relaxed);  // ORDER: a hint; joins order the rest
    }

  private:
    static constexpr std::chrono::microseconds piece_time{4};

    Result<void> split(std::size_t first, std::size_t last, std::size_t piece) noexcept {
        Worker* const worker = current_worker;
        while (first < last && !stopped_.load(std::memory_order_relaxed)) {  // ORDER: as stop()
            const std::size_t left = last - first;
            if (left > piece && worker != nullptr && worker->deque.empty()) {
                const std::size_t middle = first + left / 2;
                Spawned upper([this, middle, last, piece] { return split(middle, last, piece); });
                TaskGroup group(crew_);
                group.run(upper);
                Result<void> lower = split(first, middle, piece);
                Result<void> joined = group.wait();
                return lower ? std::move(joined) : std::move(lower);
            }
            const std::size_t end = first + (left < piece ? left : piece);
            const auto began = std::chrono::steady_clock::now();
            if (Result<void> done = call_caught(body_, first, end); !done) {
                stop();
                return done;
            }
            if (std::chrono::steady_clock::now() - began < piece_time) {
                piece *= 2;
            }
            first = end;
        }
        return {};
    }

    Crew& crew_;
    Body& body_;
    std::atomic<bool> stopped_{false};
};

/// Calls `body(i)` for every i of [first, last) on the workers of `crew` and on this thread.
template <class Body>
[[nodiscard]] Result<void> parallel_for(Crew& crew, std::size_t first, std::size_t last,
                                        Body& body) noexcept {
    auto piece = [&body](std::size_t from, std::size_t to) {
        using Raw = std::remove_cv_t<std::invoke_result_t<Body&, std::size_t>>;
        if constexpr (Flatten<Raw>::is_result) {
            for (std::size_t i = from; i < to; ++i) {
                if (auto done = body(i); !done) {
                    return Result<void>(fail(std::move(done).error()));
                }
            }
            return Result<void>();
        } else if constexpr (std::is_trivially_copyable_v<Body>) {
            // A copy in this frame cannot be what the body writes to, so the loop is vectorised.
            Body own = body;
            for (std::size_t i = from; i < to; ++i) {
                own(i);
            }
        } else {
            for (std::size_t i = from; i < to; ++i) {
                body(i);
            }
        }
    };
    return RangeLoop(crew, piece).run(first, last);
}

/// What map makes of one element.
template <class Range, class F>
using MapValue = typename Flatten<
    std::remove_cv_t<std::invoke_result_t<F&, std::ranges::range_reference_t<Range>>>>::type;

/// The work behind Pool::map: owns inputs and callable.
template <class Range, class F>
class MapWork {
  public:
    using Value = MapValue<Range, F>;
    MapWork(Crew& crew, Range&& inputs, F&& call)
        : crew_(&crew), inputs_(std::move(inputs)), call_(std::move(call)) {}

    Result<std::vector<Value>> operator()(const std::stop_token& token) {
        const auto count = static_cast<std::size_t>(std::ranges::size(inputs_));
        std::vector<std::optional<Value>> slots(count);
        auto piece = [&](std::size_t from, std::size_t to) { return fill(slots, token, from, to); };
        if (Result<void> all = RangeLoop(*crew_, piece).run(0, count); !all) {
            return fail(std::move(all).error());
        }
        std::vector<Value> values;
        values.reserve(count);
        for (std::optional<Value>& slot : slots) {
            values.push_back(*std::move(slot));
        }
        return values;
    }

  private:
    Result<void> fill(std::vector<std::optional<Value>>& slots, const std::stop_token& token,
                      std::size_t from, std::size_t to) {
        using Raw =
            std::remove_cv_t<std::invoke_result_t<F&, std::ranges::range_reference_t<Range>>>;
        auto input = std::ranges::begin(inputs_) + static_cast<std::ptrdiff_t>(from);
        for (std::size_t i = from; i < to; ++i, ++input) {
            if (token.stop_requested()) {
                return fail(cancelled_error());
            }
            if constexpr (Flatten<Raw>::is_result) {
                Raw made = std::invoke(call_, *input);
                if (!made) {
                    return fail(std::move(made).error());
                }
                slots[i].emplace(*std::move(made));
            } else {
                slots[i].emplace(std::invoke(call_, *input));
            }
        }
        return {};
    }

    Crew* crew_;
    Range inputs_;
    F call_;
};

}  // namespace repartir::detail
