// SPDX-License-Identifier: MIT
#include "repartir/scheduler.hpp"

#include <system_error>
#include <thread>
#include <utility>

#include "repartir/detail/crew.hpp"
#include "sched/crew_impl.hpp"
#include "sched/task_plane.hpp"

namespace repartir {

Scheduler::Scheduler() = default;
Scheduler::Scheduler(Scheduler&&) noexcept = default;

Scheduler& Scheduler::operator=(Scheduler&& other) noexcept {
    if (this != &other) {
        const Scheduler ended(std::move(*this));
        crew_ = std::move(other.crew_);
        plane_ = std::move(other.plane_);
    }
    return *this;
}

Scheduler::~Scheduler() {
    if (plane_ == nullptr) {
        return;
    }
    plane_->close(Shutdown::cancel);
    if (!crew_->on_own_thread() && !plane_->on_own_thread()) {
        const detail::StandIn spare;  // for a worker of another pool
        static_cast<void>(crew_->shutdown(Shutdown::cancel));
        plane_->wait_closed();
        return;
    }
    // One of its own threads dropped the last owner: it cannot wait for itself.
    detail::Crew* const crew = crew_.release();
    detail::TaskPlane* const plane = plane_.release();
    try {
        std::thread([crew, plane] {
            Scheduler rest;
            rest.crew_.reset(crew);
            rest.plane_.reset(plane);
        }).detach();
    } catch (const std::system_error&) {  // dropped: no thread is left; it stays, closed and idle
    }
}

Result<Scheduler> Scheduler::create(const SchedulerOptions& options) {
    if (options.queue_capacity == 0) {
        return fail(Error(Domain::scheduler, Code::invalid_argument, Fault::user,
                          "a queue of capacity 0 takes no task: give it room for at least one"));
    }
    Result<std::unique_ptr<detail::Crew>> crew = detail::Crew::create(options);
    if (!crew) {
        return fail(std::move(crew).error());
    }
    Scheduler scheduler;
    scheduler.crew_ = std::move(*crew);
    scheduler.plane_ = std::make_unique<detail::TaskPlane>(*scheduler.crew_, options);
    scheduler.crew_->impl().plane = scheduler.plane_.get();
    return scheduler;
}

Result<void> Scheduler::register_backend(Backend backend, std::unique_ptr<Executor> executor) {
    return plane_->register_backend(backend, std::move(executor));
}

Pending<Outcome> Scheduler::schedule(Task task) { return plane_->schedule(std::move(task)); }

Result<void> Scheduler::shutdown(Shutdown how) {
    if (crew_->on_own_thread() || plane_->on_own_thread()) {
        return fail(
            Error(Domain::scheduler, Code::would_deadlock, Fault::user,
                  "shutdown was called on a thread of the pool or of an executor, which would wait "
                  "for itself: call it from outside"));
    }
    const detail::StandIn spare;  // for a worker of another pool
    plane_->close(how);  // before the crew: a function that waits for a task must see it end
    if (Result<void> ended = crew_->shutdown(how); !ended) {
        return ended;
    }
    plane_->wait_closed();
    return {};
}

SchedulerStats Scheduler::stats() const {
    SchedulerStats stats;
    crew_->count(stats);
    plane_->count(stats);
    return stats;
}

std::vector<Capabilities> Scheduler::capabilities() const { return plane_->capabilities(); }

}  // namespace repartir
