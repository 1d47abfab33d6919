// SPDX-License-Identifier: MIT
#pragma once
/// @file key_table.hpp Idempotency keys: a second submission of a key joins the first.
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "repartir/detail/state.hpp"
#include "repartir/outcome.hpp"
#include "repartir/task.hpp"
#include "sched/task_record.hpp"

namespace repartir::detail {

/// A second submission of a key: a Pending of its own that ends as the first task does.
struct Follower final : SharedState<Outcome> {
    Follower(Crew* crew, std::shared_ptr<PlaneDoor> way, TaskRecord& first)
        : SharedState<Outcome>(crew), door(std::move(way)), primary(&first) {}
    void cancel() noexcept override;
    [[nodiscard]] std::optional<Result<Outcome>> run_for_consumer() noexcept override;

    const std::shared_ptr<PlaneDoor> door;
    TaskRecord* primary;  // nullptr once cancelled or once the task ended; under the plane's mutex
};

/// What is known of one key.
struct KeyEntry {
    Task task;                         // to tell the same work from other work under the same key
    TaskRecord* live = nullptr;        // while the task is not done; the plane owns a reference
    std::vector<Follower*> followers;  // each holds one reference
    std::uint32_t interested = 1;      // consumers that have not cancelled
    Outcome outcome;                   // once done
};

/// Keys of this scheduler, live ones and as many finished ones as fit. Guarded by the plane's
/// mutex.
class KeyTable {
  public:
    static constexpr std::size_t finished_max = 4096;              ///< keys kept after their end
    static constexpr std::uint64_t finished_bytes_max = 64 << 20;  ///< of captured output with them

    [[nodiscard]] KeyEntry* find(const std::string& key) noexcept;
    /// @return what a new submission of the key joins; nullptr when the key is free, or none. A
    /// task that was cancelled and has only to end yet loses its key here.
    [[nodiscard]] KeyEntry* to_join(const std::string& key) noexcept;
    /// Books a live task under its key, which must be free.
    void insert(TaskRecord& record);
    /// Marks a key as finished; older finished ones are forgotten past the bounds. A cancelled task
    /// has no result to remember: its key is free again, as who submits it again wants it run.
    void finish(const std::string& key, const Outcome& outcome);

  private:
    void evict() noexcept;
    std::unordered_map<std::string, KeyEntry> entries_;
    std::deque<std::string> finished_;  // oldest first
    std::uint64_t finished_bytes_ = 0;
};

/// @return whether two tasks would do the same work: programs, environment, directory and input.
[[nodiscard]] bool same_work(const Task& left, const Task& right);

}  // namespace repartir::detail
