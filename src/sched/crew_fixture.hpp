// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <latch>
#include <memory>
#include <utility>

#include "repartir/detail/crew.hpp"
#include "repartir/function.hpp"

namespace repartir::detail {

/// @return a crew of this many workers, else at the options' defaults.
inline std::unique_ptr<Crew> make_crew(std::uint32_t workers, std::uint32_t capacity = 1U << 20U,
                                       OnFull on_full = OnFull::wait, std::uint32_t spares = 64) {
    SchedulerOptions options;
    options.workers = workers;
    options.queue_capacity = capacity;
    options.on_full = on_full;
    options.spare_workers_max = spares;
    Result<std::unique_ptr<Crew>> crew = Crew::create(options);
    EXPECT_TRUE(crew) << crew.error().sentence();
    return std::move(*crew);
}

/// Submits a function at this priority.
template <class F>
auto submit(Crew& crew, F work, Priority priority = Priority::normal) {
    return submit_function(crew, std::move(work), priority);
}

/// Keeps one worker busy from its construction until open().
class Gate {
  public:
    explicit Gate(Crew& crew)
        : pending_(submit(crew, [this] {
              entered_.count_down();
              open_.wait(false);
          })) {
        entered_.wait();
    }
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;
    ~Gate() { open(); }

    /// Lets the worker go on, once.
    void open() {
        if (!open_.exchange(true)) {
            open_.notify_all();
            EXPECT_TRUE(std::move(pending_).get());
        }
    }

  private:
    std::latch entered_{1};
    std::atomic<bool> open_{false};
    Pending<void> pending_;
};

}  // namespace repartir::detail
