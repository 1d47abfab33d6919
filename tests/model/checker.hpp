// SPDX-License-Identifier: MIT
#pragma once
/// @file checker.hpp Runs a small concurrent program in every way that matters.
#include <ucontext.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "explorer.hpp"
#include "memory.hpp"
#include "view.hpp"

namespace repartir::model {

/// A program to check. `setup` builds the shared state afresh and returns the bodies of the
/// threads; `check` looks at the state after all have ended. Threads must be deterministic but for
/// the atomics (atomics.hpp) that they use.
struct Program {
    std::function<std::vector<std::function<void()>>()> setup;
    std::function<void()> check;
};

/// How much to do.
struct Options {
    Search search = Search::reduced;
    std::size_t preemptions_max = 3;   ///< of Search::bounded
    std::uint64_t executions_max = 0;  ///< 0: until all were seen
    std::size_t steps_max = 2000;      ///< a longer execution counts as one that does not end
};

/// What came out.
struct Report {
    std::uint64_t executions = 0;  ///< run to their end
    std::uint64_t pruned = 0;      ///< given up half-way: seen in another order
    std::uint64_t steps = 0;       ///< visible operations in all
    bool complete = false;         ///< every execution was seen and none is bad
    std::string violation;         ///< empty, or what is wrong and the steps that lead there
};

/// Runs the program until something is wrong or nothing is left to try.
///
/// Wrong is: a failed require(), a data race on plain data, a deadlock (which a lost wake-up is),
/// the use of an atomic before its construction or after its end, an execution that does not end.
[[nodiscard]] Report explore(const Program& program, const Options& options = {});

/// A claim of the program, from a thread or from `check`.
void require(bool holds, const char* claim);

/// The execution that is going on: what the modelled atomics talk to. Each modelled thread is a
/// context (ucontext) with its own stack; all run on the one thread of the test, and change at
/// visible operations only.
class Checker final : private Oracle {
  public:
    Checker(const Program& program, const Options& options);
    Checker(const Checker&) = delete;
    Checker& operator=(const Checker&) = delete;
    ~Checker() override;

    [[nodiscard]] Report run();

    /// The checker that runs on this thread. Modelled atomics are built in places that know of no
    /// checker, so they ask here.
    [[nodiscard]] static Checker& current();
    /// Whether an atomic of that execution still has a place in the memory: state that outlives its
    /// execution is destroyed under the next one, or under none.
    [[nodiscard]] static bool runs(std::uint64_t execution);

    /// Before a visible operation of the running thread: others may go first.
    void visible(const Op& op);
    [[nodiscard]] Memory& memory() noexcept { return memory_; }
    /// Futex operations on a location.
    void wait_while(std::size_t location, std::uint64_t value);
    void wake(std::size_t location, bool all);
    /// The running thread polls: it goes on once another thread has taken a step, or none can. Only
    /// under Search::all and Search::bounded (the reduced search knows no such dependence), and in
    /// one thread of a program (two would give way to each other for ever).
    void yield();

    std::size_t choose(std::size_t count) override;
    void fail(const std::string& why) override;

  private:
    struct Context {
        ucontext_t machine{};
        std::vector<char> stack;
        bool done = false;
        std::size_t waits_on = locations_max;  // futex: asleep on this location
        std::size_t yielded_at = 0;            // the depth of the execution when it did
    };

    void execute();
    void run_thread();
    static void enter();
    void continue_with(std::size_t next);
    [[nodiscard]] std::size_t decide();
    [[nodiscard]] ThreadSet enabled() const;
    [[nodiscard]] ThreadSet live() const;
    [[nodiscard]] std::string trace() const;

    const Program& program_;
    const Options options_;
    Memory memory_;
    Explorer explorer_;
    Report report_;
    std::vector<std::function<void()>> bodies_;
    std::array<Context, threads_max> contexts_;
    std::array<Op, threads_max> pending_{};
    ucontext_t main_machine_{};
    std::size_t self_ = main_thread;
    bool starting_ = false;  // threads run to their first visible operation
    bool draining_ = false;  // the execution is of no interest any more: let it end
    Checker* outer_ = nullptr;
};

}  // namespace repartir::model
