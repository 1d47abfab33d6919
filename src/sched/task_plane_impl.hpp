// SPDX-License-Identifier: MIT
#pragma once
/// @file task_plane_impl.hpp What the files of the task plane share.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "sched/task_plane.hpp"

namespace repartir::detail {

/// @return an error of the scheduler.
inline Error refusal(Code code, Fault fault, std::string sentence) {
    return Error(Domain::scheduler, code, fault, std::move(sentence));
}

/// @return the outcome of a task that ends before its next try.
inline Outcome cancelled_outcome(const TaskRecord& record) {
    Outcome outcome;
    outcome.id = record.id;
    outcome.name = record.task.extras().name;
    outcome.attempts = record.attempts;
    outcome.ending = Ending{End::cancelled, 0};
    return outcome;
}

struct TaskPlane::Deferred {
    struct Resolution {
        SharedState<Outcome>* state;  // one reference, given up after resolving
        Outcome outcome;
    };
    /// Of an executor: to cancel an attempt, or to give some back.
    struct Call {
        Executor* executor;
        AttemptId cancelled;
        std::uint32_t give_back = 0;  // 0: it is the other
    };
    std::vector<Resolution> resolutions;
    std::vector<Call> calls;
    std::uint64_t settled = 0;

    void resolve(SharedState<Outcome>& state, Outcome outcome) {
        resolutions.push_back(Resolution{&state, std::move(outcome)});
    }
};

}  // namespace repartir::detail
