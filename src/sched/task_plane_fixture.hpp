// SPDX-License-Identifier: MIT
#pragma once
/// @file task_plane_fixture.hpp For tests: a scheduler with an executor here and one that stands
/// for machines that come and go.
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "repartir/scheduler.hpp"
#include "sched/fake_executor.hpp"

namespace repartir::sched {

/// @return why nobody is there.
inline Error gone() {
    return Error(Domain::wire, Code::unreachable, Fault::policy, "no worker could be reached: w");
}

/// `slots` of them here (none: nobody is here) and `there` of them elsewhere.
struct Two {
    Two(std::uint32_t slots, std::uint32_t there) {
        SchedulerOptions options;
        options.workers = 1;
        options.on_full = OnFull::refuse;
        scheduler.emplace(std::move(*Scheduler::create(options)));
        local.can.slots = slots;
        remote.can = {Backend::remote, there, 0, false, "far away"};
        remote.can.elastic = true;
        remote.can.running_slots = 1;
        if (slots != 0) {
            EXPECT_TRUE(
                scheduler->register_backend(Backend::cpu, std::make_unique<FakeExecutor>(local)));
        }
        EXPECT_TRUE(
            scheduler->register_backend(Backend::remote, std::make_unique<FakeExecutor>(remote)));
    }
    /// A task that may run in both places.
    Pending<Outcome> submit(const char* name, std::uint32_t cores = 1) {
        return scheduler->schedule(
            Task::binary(name).affinity(Affinity::remote_allowed).cores(cores));
    }
    FakeState local;  // both outlive the scheduler
    FakeState remote;
    std::optional<Scheduler> scheduler;
};

}  // namespace repartir::sched
