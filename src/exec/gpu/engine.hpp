// SPDX-License-Identifier: MIT
#pragma once
/// @file engine.hpp Runs jobs on one device.
#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "exec/gpu/job.hpp"
#include "exec/gpu/setup.hpp"

namespace repartir::gpu {

/// How an engine works. Aggregate; only tests set more than the defaults.
struct EngineOptions {
    std::uint32_t batch_jobs_max = 256;             ///< in one submission
    std::uint64_t batch_bytes_max = 256ULL << 20U;  ///< of operands in one submission
    std::uint32_t early_jobs = 64;  ///< so many go before the device is done with what it has
    std::chrono::nanoseconds early_after = std::chrono::microseconds(20);  ///< or what is there
    std::uint64_t device_bytes_max = UINT64_MAX;  ///< of the device's own memory
    bool copies = false;                          ///< Ways::copies
};

/// Hands jobs to a device in the order of their priority, and tells how they ended. A job goes to
/// an idle device at once. What comes while it works goes with the next submission, as one list of
/// commands with two barriers in all: once the device is done, or before that, so that it does not
/// idle, when there is enough or the device takes long (docs/decisions/0015).
///
/// Never blocks but in wait(). One thread at a time ("the engine's thread"), besides reached() and
/// wait().
class Engine {
  public:
    /// @param device outlives it, and so does the sink @param kept as Pipelines has it
    /// Errors (Domain::gpu): driver_failed, out_of_resources.
    [[nodiscard]] static Result<std::unique_ptr<Engine>> make(const Device& device, JobSink& sink,
                                                              const EngineOptions& options = {},
                                                              std::span<const std::byte> kept = {});
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    /// Takes a job, and hands it to the device if it can be now.
    void submit(Job job);
    /// Takes a job, and leaves it to the next submit(), advance() or hand_on().
    void hold(Job job);
    /// Hands what waits to the device, if it can be now.
    void hand_on();
    /// @return how many jobs wait to be handed to the device.
    [[nodiscard]] std::size_t waiting() const noexcept { return waiting_count_; }
    /// Takes back a job that was not handed to the device. @return whether it was one; then the
    /// sink is not told.
    bool withdraw(std::uint64_t id);
    /// Tells of what has ended, and hands on what waits. @return whether jobs are there.
    bool advance();
    /// @return whether jobs are there, at the device or waiting, and it is not lost.
    [[nodiscard]] bool busy() const noexcept;
    /// Ends all jobs with an error; the device is lost, or does nothing.
    void drop(const Error& error);
    /// Ends all jobs with an error while the device still works at some, which may be for ever:
    /// what those use is never given back. The engine is not to be destroyed then.
    void leave(const Error& error);

    /// What the device does now, in the count of submissions.
    [[nodiscard]] std::uint64_t submitted() const noexcept { return submitted_; }
    /// @return the oldest submission that was not seen to have ended; 0: there is none.
    [[nodiscard]] std::uint64_t awaited() const noexcept;
    /// @return since when the device works at it, about; nothing when it does nothing.
    [[nodiscard]] std::optional<base::BootTime> busy_since() const noexcept;
    /// @return whether the device has ended a submission, or was lost. Any thread; 15 ns.
    [[nodiscard]] bool reached(std::uint64_t submission) const noexcept;
    /// Blocks until reached(), or for so long. Any thread.
    void wait(std::uint64_t submission, std::chrono::nanoseconds at_most) const noexcept;
    /// @return why the device takes no more jobs; nothing as long as it does.
    [[nodiscard]] const std::optional<Error>& lost() const noexcept { return lost_; }

    /// Makes a buffer that stays on the device, filled with zeros.
    /// Errors (Domain::gpu): out_of_resources, driver_failed.
    [[nodiscard]] Result<std::shared_ptr<Resident>> make_resident(std::uint64_t bytes);
    [[nodiscard]] Memory& memory() noexcept { return memory_; }
    [[nodiscard]] Pipelines& pipelines() noexcept { return pipelines_; }

  private:
    static constexpr std::size_t depth = 2;
    static constexpr std::size_t priorities = 3;

    struct Running {
        Job job;
        std::unique_ptr<Setup> setup;
    };
    /// Jobs that went to the device together.
    struct Batch {
        std::uint64_t submission = 0;
        base::BootTime since{};
        std::vector<Running> jobs;
        VkCommandBuffer commands = nullptr;
    };

    Engine(const Device& device, JobSink& sink, const EngineOptions& options,
           std::span<const std::byte> kept);
    [[nodiscard]] Result<void> start();
    [[nodiscard]] Result<VkCommandBuffer> spare_commands();
    void end_finished();
    void finish(Batch& batch);
    [[nodiscard]] bool may_launch() const noexcept;
    /// @return whether something was taken from what waits.
    bool launch();
    [[nodiscard]] Batch gather();
    [[nodiscard]] std::deque<Job>* next_lane() noexcept;
    void drop_waiting(const Error& error);
    [[nodiscard]] Result<VkCommandBuffer> commands_for(Batch& batch);
    [[nodiscard]] Result<void> record(VkCommandBuffer into, const std::vector<Running>& jobs);
    void fill_fresh(VkCommandBuffer into, const Job& job);
    void record_dispatches(VkCommandBuffer into, const std::vector<Running>& jobs);
    [[nodiscard]] bool hazard(const Job& job) const noexcept;
    void mark(const Job& job) const noexcept;
    void barrier(VkCommandBuffer into, VkPipelineStageFlags before, VkPipelineStageFlags after);
    [[nodiscard]] Result<void> hand_over(Batch& batch, VkCommandBuffer commands);
    void fail_batch(Batch& batch, const Error& error, bool begun);
    void lose(const Error& error);

    const Device& device_;
    JobSink& sink_;
    EngineOptions options_;
    Memory memory_;
    Pipelines pipelines_;
    Setups setups_;
    Owned<VkCommandPool> pool_;
    Owned<VkSemaphore> timeline_;
    std::array<std::deque<Job>, priorities> waiting_;
    std::size_t waiting_count_ = 0;
    std::deque<Batch> flying_;
    std::uint64_t submitted_ = 0;
    std::uint64_t barriers_ = 1;  ///< in the order of the queue, between dispatches
    bool finishing_ = false;      ///< a batch that has ended still has its memory
    std::optional<Error> lost_;
};

}  // namespace repartir::gpu
