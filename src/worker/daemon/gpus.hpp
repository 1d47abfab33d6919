// SPDX-License-Identifier: MIT
#pragma once
/// @file gpus.hpp The GPUs of a worker.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "repartir/gpu_executor.hpp"

namespace repartir::worker {

/// Runs shader tasks, each on the GPU that has the fewest of those that can run it. One thread;
/// ends are told on any.
class Gpus {
  public:
    /// Opens them. Errors: as GpuExecutor::create; those that are not required, and fail, are left
    /// out.
    [[nodiscard]] static Result<Gpus> open(const std::vector<GpuOptions>& options);

    [[nodiscard]] std::uint32_t tasks_max() const noexcept;  ///< at once; 0: there is none
    [[nodiscard]] const std::vector<Error>& left_out() const noexcept { return left_out_; }
    [[nodiscard]] std::vector<std::string> names() const;  ///< of the devices
    /// @return the task that a client sent as this. Errors: malformed
    [[nodiscard]] static Result<Task> task_of(std::string_view arguments);
    /// Begins an attempt. The sink is told of its end, exactly once. @param task outlives that
    /// Errors: why none of them can run it; then nothing is told
    [[nodiscard]] Result<void> start(const AttemptId& id, const Task& task, AttemptSink& sink);
    /// Asks an attempt to end; ids that are not here are ignored.
    void cancel(const AttemptId& id);
    /// An attempt has ended, as its sink was told.
    void ended(const AttemptId& id);
    /// Ends what runs by force, and waits for it.
    void shutdown();

  private:
    struct Gpu {
        std::unique_ptr<GpuExecutor> executor;
        std::uint32_t running = 0;
    };
    std::vector<Gpu> gpus_;
    std::vector<Error> left_out_;
    std::unordered_map<AttemptId, std::size_t> where_;
};

}  // namespace repartir::worker
