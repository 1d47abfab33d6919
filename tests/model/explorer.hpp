// SPDX-License-Identifier: MIT
#pragma once
/// @file explorer.hpp Which executions of a program need to be looked at, and in which order.
#include <array>
#include <cstddef>
#include <optional>
#include <vector>

#include "view.hpp"

namespace repartir::model {

/// How the explorer chooses.
enum class Search : std::uint8_t {
    reduced,  ///< one execution at least of each class that differs in the order of dependent steps
    all,      ///< every interleaving: what the reduced search is tested against
    bounded,  ///< every interleaving with at most Options::preemptions_max preemptions
};

/// Depth-first search over the schedules of a program, and over the choices that the memory leaves.
///
/// Stateless: the program is run again from the start for each execution, along the recorded prefix
/// of decisions. Dynamic partial-order reduction (C. Flanagan, P. Godefroid, POPL 2005) with the
/// source sets of P. Abdulla, S. Aronis, B. Jonsson, K. Sagonas, "Optimal Dynamic Partial Order
/// Reduction", POPL 2014, section 4, and sleep sets (P. Godefroid, 1996): a schedule is tried in
/// another order only where two steps depend on each other and could have come the other way.
///
/// Programs that are too large for it get the bounded search (M. Musuvathi, S. Qadeer, "Iterative
/// Context Bounding for Systematic Testing of Multithreaded Programs", PLDI 2007): a preemption is
/// a change of threads while the first could go on. It is complete up to its bound.
///
/// One execution: start(), then pick() before each step (and choose() inside a step) until the
/// program has ended or pick() says that the rest was seen already; then next_execution().
class Explorer {
  public:
    explicit Explorer(Search search, std::size_t preemptions_max)
        : search_(search), preemptions_max_(preemptions_max) {}

    /// A new execution begins.
    void start(std::size_t threads);
    /// Decides who takes the next step.
    /// @param enabled those who can. Not empty. @param live those who have not ended.
    /// @param pending the next operation of each thread
    /// @return nothing: all that could follow was explored elsewhere (sleep sets).
    [[nodiscard]] std::optional<std::size_t> pick(ThreadSet enabled, ThreadSet live,
                                                  const std::array<Op, threads_max>& pending);
    /// Inside the step just picked: one of `count` continuations. All are explored.
    [[nodiscard]] std::size_t choose(std::size_t count);
    /// Prepares the next execution. @return false when all were explored.
    [[nodiscard]] bool next_execution();

    [[nodiscard]] std::size_t depth() const noexcept { return depth_; }
    /// Who took step `at` of this execution, and what it was.
    [[nodiscard]] std::size_t thread_at(std::size_t at) const { return steps_[at].chosen; }
    [[nodiscard]] const Op& op_at(std::size_t at) const { return steps_[at].op; }

  private:
    using Clock = std::array<Stamp, threads_max>;

    /// One decision, kept from execution to execution while its prefix stands.
    struct Step {
        ThreadSet enabled = 0;
        ThreadSet backtrack = 0;  // must be tried here
        ThreadSet done = 0;       // was tried here
        ThreadSet sleep = 0;      // need not be tried here: an earlier sibling covers it
        std::size_t chosen = 0;
        Op op;
        std::array<Op, threads_max> pending;
        std::size_t preemptions = 0;  // before this step
        Clock clock{};  // of the dependence order: how many steps of each thread come before
    };
    struct Choice {
        std::size_t step = 0;
        std::size_t count = 0;
        std::size_t picked = 0;
    };

    void bound_step(Step& step) const;
    [[nodiscard]] bool open_step(ThreadSet enabled, ThreadSet live,
                                 const std::array<Op, threads_max>& pending);
    void find_races(std::size_t thread, const Op& op);
    [[nodiscard]] ThreadSet initials_after(std::size_t step, std::size_t thread,
                                           const Op& op) const;
    void order_step(Step& step);

    Search search_;
    std::size_t preemptions_max_;
    std::size_t thread_count_ = 0;
    std::size_t depth_ = 0;
    std::size_t choices_taken_ = 0;
    ThreadSet asleep_ = 0;
    std::vector<Step> steps_;
    std::vector<Choice> choices_;
    std::array<Clock, threads_max> clocks_{};
};

}  // namespace repartir::model
