// SPDX-License-Identifier: MIT
#pragma once
/// @file launch.hpp Turns a Task into what the kernel needs to start its programs.
#include <sys/resource.h>

#include <string>
#include <vector>

#include "base/fd.hpp"
#include "exec/cpu/host.hpp"
#include "proc/spawn.hpp"
#include "repartir/result.hpp"
#include "repartir/task.hpp"

namespace repartir::exec {

/// Room for the arguments, environment and settings of one task at a time; kept by a lane so that
/// the next task allocates nothing. One thread.
class Launch {
  public:
    /// @param host outlives this.
    explicit Launch(const Host& host) : host_(host) {}
    Launch(const Launch&) = delete;
    Launch& operator=(const Launch&) = delete;

    /// Prepares what all programs of the task have in common. Errors: invalid_argument (a CPU or
    /// NUMA node that this process may not use).
    [[nodiscard]] Result<void> prepare(const Task& task);
    /// @return how to start one program of the prepared task, without its descriptors and group;
    /// good
    ///         until the next call of either function, while the task lives.
    [[nodiscard]] proc::SpawnPlan plan_for(const Program& program);

  private:
    void prepare_environment(const Task& task);
    void prepare_limits(const Limits& limits);
    [[nodiscard]] Result<void> prepare_placement(const TaskExtras& extras);

    const Host& host_;
    const TaskExtras* extras_ = nullptr;
    std::vector<const char*> argv_;
    const char* const* envp_ = nullptr;
    std::vector<const char*> own_envp_;
    std::vector<std::string> own_texts_;
    std::vector<proc::FdMapping> buffers_;
    std::vector<proc::RlimitSetting> rlimits_;
    std::vector<unsigned long> affinity_;
    std::vector<unsigned long> memory_nodes_;
};

/// First number of the descriptors under which a program finds its SharedBuffers.
inline constexpr int first_buffer_fd = 10;

/// Opens a task's input file. A FIFO opens at once, whether somebody writes to it or not.
/// Errors: not_found, permission_denied, not_executable never; with the path in the sentence.
[[nodiscard]] Result<base::Fd> open_input(const std::string& path);
/// Creates or truncates a task's output file. @param stream "stdout" or "stderr", for the sentence.
[[nodiscard]] Result<base::Fd> open_output(const std::string& path, std::string_view stream);

}  // namespace repartir::exec
