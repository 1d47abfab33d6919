// SPDX-License-Identifier: MIT
#pragma once
/// @file job.hpp One dispatch, as an engine is given it.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "exec/gpu/memory.hpp"
#include "exec/gpu/pipeline.hpp"
#include "repartir/policy.hpp"

namespace repartir::gpu {

/// Which way the bytes of an operand go.
enum class Use : std::uint8_t { in, out, in_out };

/// A buffer that stays on the device between jobs. Belongs to the engine's thread.
struct Resident {
    RegionPtr region;
    std::uint64_t bytes = 0;
    bool fresh = true;          ///< nothing has used it: it is to be filled with zeros first
    std::uint64_t read_at = 0;  ///< how far the engine's count of barriers was, then
    std::uint64_t written_at = 0;
};

/// What is bound to one binding. What `out` operands hold begins as zeros.
struct Operand {
    Use use = Use::in;
    std::uint64_t bytes = 0;               ///< may be 0
    std::span<const std::byte> from;       ///< in, in_out: its bytes; to stay until the job is done
    std::span<std::byte> to;               ///< out, in_out: where they go
    Region* imported = nullptr;            ///< `from` and `to`, for the device to use in place
    std::shared_ptr<Resident> resident{};  ///< shared by the jobs that use it; the above is empty
};

/// Told of the end of jobs.
class JobSink {
  public:
    JobSink() = default;
    JobSink(const JobSink&) = delete;
    JobSink& operator=(const JobSink&) = delete;
    virtual ~JobSink() = default;
    /// Exactly once for each job, from inside Engine::submit(), advance() or drop().
    /// @param begun whether the device may have begun it
    virtual void done(std::uint64_t id, const Result<void>& how, bool begun) noexcept = 0;
};

/// One dispatch. A value.
struct Job {
    std::uint64_t id = 0;  ///< the sink's
    Priority priority = Priority::normal;
    std::shared_ptr<const Pipeline> pipeline;
    std::array<std::uint32_t, 3> workgroups{1, 1, 1};  ///< one that is 0: nothing runs
    std::vector<Operand> operands;                     ///< one for each binding of the pipeline
    std::string push;                                  ///< as long as the pipeline's push constants
};

}  // namespace repartir::gpu
