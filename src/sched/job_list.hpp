// SPDX-License-Identifier: MIT
#pragma once
/// @file job_list.hpp An intrusive list of jobs.
#include <utility>

#include "repartir/detail/state.hpp"

namespace repartir::sched {

/// First in, first out; a job is in one list at most. Owns nothing and never allocates.
///
/// Thread safety: none.
class JobList {
  public:
    JobList() = default;
    JobList(JobList&& other) noexcept
        : first_(std::exchange(other.first_, nullptr)), last_(other.last_) {}
    JobList& operator=(JobList&& other) noexcept {
        first_ = std::exchange(other.first_, nullptr);
        last_ = other.last_;
        return *this;
    }
    ~JobList() = default;

    [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
    void push_back(detail::Job& job) noexcept {
        job.next_ = nullptr;
        (first_ == nullptr ? first_ : last_->next_) = &job;
        last_ = &job;
    }
    void push_front(detail::Job& job) noexcept {
        job.next_ = first_;
        if (first_ == nullptr) {
            last_ = &job;
        }
        first_ = &job;
    }
    /// Not when it is empty.
    [[nodiscard]] detail::Job& pop_front() noexcept {
        detail::Job& job = *first_;
        first_ = job.next_;
        return job;
    }

  private:
    detail::Job* first_ = nullptr;
    detail::Job* last_ = nullptr;  // valid while there is a first
};

}  // namespace repartir::sched
