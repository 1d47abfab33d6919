// SPDX-License-Identifier: MIT
#pragma once
/// @file crew.hpp The worker threads that run functions and continuations. Not for direct use.
#include <cstdint>
#include <memory>

#include "repartir/detail/state.hpp"
#include "repartir/result.hpp"
#include "repartir/scheduler.hpp"

namespace repartir::detail {

/// A fixed number of worker threads.
///
/// Thread safety: every function from any thread; creating and destroying from one outside thread.
class Crew {
  public:
    /// Starts the workers. Errors: invalid_argument, out_of_resources (threads).
    [[nodiscard]] static Result<std::unique_ptr<Crew>> create(const SchedulerOptions& options);
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;
    /// Shuts down with Shutdown::cancel, runs what was posted, joins the workers.
    ~Crew();

    /// Has a worker run a continuation. Never blocks, never fails; not after the destructor has
    /// begun.
    void post(Continuation& continuation) noexcept;

    /// Refuses later functions, then drains or cancels those accepted. Continuations still run
    /// after it. Errors: would_deadlock on a thread of this crew.
    Result<void> shutdown(Shutdown how);

    /// @return how many workers there are, spares aside.
    [[nodiscard]] std::uint32_t workers() const noexcept;
    /// @return whether the calling thread is one of this crew's.
    [[nodiscard]] bool on_crew_thread() const noexcept;
    /// Adds the crew's counts to `stats`.
    void count(SchedulerStats& stats) const noexcept;

  private:
    struct Impl;
    explicit Crew(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace repartir::detail
