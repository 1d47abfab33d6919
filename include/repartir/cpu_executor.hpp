// SPDX-License-Identifier: MIT
#pragma once
/// @file cpu_executor.hpp Runs programs and pipelines as child processes of this machine.
#include <cstdint>
#include <memory>
#include <optional>

#include "repartir/executor.hpp"
#include "repartir/result.hpp"
#include "repartir/topology.hpp"

namespace repartir {

/// How a CpuExecutor is set up. Every field has a working default.
struct CpuExecutorOptions {
    CpuExecutorOptions() = default;
    std::uint32_t slots = 0;                    ///< programs at once; 0: the topology's default
    Topology topology;                          ///< empty: this machine's
    std::uint64_t capture_bytes = 4ULL << 20U;  ///< captured in memory per stream; more spills
    std::uint64_t output_bytes = 1ULL << 30U;   ///< captured in all per stream: Task::output_limit
    /// Soft limit of open descriptors of programs whose task sets none, for a process that raised
    /// its own: a program that was written for select() fails above 1,024. Nothing: ours.
    std::optional<std::uint64_t> open_files;
    bool pin_spawners = true;  ///< bind spawner i to CPU i (children are not bound)
};

/// Runs programs and pipelines as child processes of this machine: one spawner thread per CPU in
/// use, each with one event loop over the pipes, pidfds and timers of its children.
///
/// Children get their own process group, an empty signal mask, default dispositions, the affinity
/// that this process started with, the environment as it was at create(), and PR_SET_PDEATHSIG; a
/// guardian process ends their groups when this process dies. Installs no signal handler, never
/// calls wait(-1).
///
/// A task is over when its programs are. Background children of theirs that still hold its output
/// have a second to finish; then the whole process group is killed. A program that inherits the
/// terminal as its stdin is made the foreground group of it, and the terminal is taken back after
/// it.
class CpuExecutor final : public Executor {
  public:
    /// Starts the spawners. Errors: unsupported (SIGCHLD is ignored in this process),
    /// invalid_argument (more than 65,536 slots), out_of_resources.
    [[nodiscard]] static Result<std::unique_ptr<CpuExecutor>> create(CpuExecutorOptions options);
    ~CpuExecutor() override;

    [[nodiscard]] Capabilities capabilities() const override;
    void start(const AttemptId& id, const Task& task, AttemptSink& sink) override;
    void cancel(const AttemptId& id, CancelReason reason, bool force) override;
    void shutdown() override;
    [[nodiscard]] bool on_own_thread() const noexcept override;
    /// Reads nothing more of what an attempt writes until release_output(): its programs wait once
    /// the pipe is full, and no others do. From its OutputCallback only. An attempt that is being
    /// ended, or whose programs have ended, is read on all the same.
    void hold_output(const AttemptId& id);
    /// Ends that, soon. From any thread; nothing where nothing is held.
    void release_output(const AttemptId& id);

    /// @return the CPUs that this process may use, from hwloc, and its cgroup's quota.
    [[nodiscard]] static Topology this_machine();

  private:
    struct Impl;
    explicit CpuExecutor(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace repartir
