// SPDX-License-Identifier: MIT
#pragma once
/// @file policy.hpp Small values that say how a task may be retried, limited and placed.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace repartir {

/// Which lane a task waits in. High is looked at first; low starts within a bounded number of
/// others.
enum class Priority : std::uint8_t { high, normal, low };

/// Which kind of executor may run a task. Of a shader, `gpu` means any GPU: of this machine, or of
/// a worker.
enum class Backend : std::uint8_t { any, cpu, gpu, remote };

/// Where a task may run, beyond the backend.
enum class Affinity : std::uint8_t {
    none,            ///< wherever the scheduler likes: here, or on a worker of the pool's
    cpu_only,        ///< only on CPUs of this machine
    gpu_required,    ///< only where a GPU is
    remote_allowed,  ///< as none; says that it was thought of
};

[[nodiscard]] std::string_view to_string(Priority priority) noexcept;  ///< "high", "normal", "low"
[[nodiscard]] std::string_view to_string(Backend backend) noexcept;    ///< "any", "cpu", ...
[[nodiscard]] std::string_view to_string(Affinity affinity) noexcept;  ///< "none", "cpu_only", ...

/// Exponential backoff with full jitter: the n-th wait is uniform in [0, min(max, initial *
/// 2^(n-1))]. Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
struct Backoff {
    std::chrono::milliseconds initial{100};  ///< ceiling of the first wait
    std::chrono::milliseconds max{30'000};   ///< ceiling of every wait
    bool jitter = true;                      ///< false: wait the ceiling itself
};

/// How often, after what and how long after a failure of its own a task is tried again.
struct RetryPolicy {
    std::uint32_t max_retries = 0;        ///< tries beyond the first for the task's own failures
    std::uint32_t max_start_retries = 3;  ///< for transient failures to start (EAGAIN, ENOMEM, ...)
    Backoff backoff;                      ///< how long to wait before each
    std::vector<int> exit_codes;          ///< retry only these; both lists empty: any failure
    std::vector<int> signals;             ///< retry only deaths by these
};

/// Ceilings that the kernel enforces on a program; unset means no ceiling of ours.
/// Address space, CPU time, file size and open files are rlimits. Resident memory and process count
/// need a cgroup; where none can be made the task is refused rather than run without its limit.
struct Limits {
    /// RLIMIT_CPU, of each process: SIGXCPU at this much, SIGKILL one second later.
    std::optional<std::chrono::seconds> cpu_time;
    std::optional<std::uint64_t> address_space_bytes;  ///< RLIMIT_AS
    std::optional<std::uint64_t> file_bytes;           ///< RLIMIT_FSIZE
    std::optional<std::uint64_t> open_files;           ///< RLIMIT_NOFILE
    std::optional<std::uint64_t> resident_bytes;       ///< cgroup memory
    std::optional<std::uint64_t> processes;            ///< cgroup pids

    /// @return whether rlimits do not suffice for them.
    [[nodiscard]] bool needs_cgroup() const noexcept { return resident_bytes || processes; }
    /// @return whether nothing is limited.
    [[nodiscard]] bool empty() const noexcept {
        return !cpu_time && !address_space_bytes && !file_bytes && !open_files && !needs_cgroup();
    }
};

}  // namespace repartir
