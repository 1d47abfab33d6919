// SPDX-License-Identifier: MIT
#pragma once
/// @file guardian.hpp A tiny process that ends the process groups of our tasks when we die.
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "repartir/result.hpp"

namespace repartir::proc {

class Guardian;
struct GuardedTerminal;  // guardian_child.hpp

/// A place in a Guardian's table for one process group at a time. Move-only; empty when
/// default-made; gives its place back when destroyed. Must not outlive the Guardian.
class GuardSlot {
  public:
    GuardSlot() = default;
    GuardSlot(GuardSlot&& other) noexcept
        : guardian_(std::exchange(other.guardian_, nullptr)),
          entry_(std::exchange(other.entry_, nullptr)) {}
    GuardSlot& operator=(GuardSlot&& other) noexcept;
    GuardSlot(const GuardSlot&) = delete;
    GuardSlot& operator=(const GuardSlot&) = delete;
    ~GuardSlot();

    /// @return what SpawnPlan::guard takes; nullptr when empty.
    [[nodiscard]] std::uint64_t* entry() const noexcept { return entry_; }
    /// Forgets the group: to be called before its leader is reaped.
    void clear() noexcept;

  private:
    friend class Guardian;
    GuardSlot(Guardian& guardian, std::uint64_t& entry) noexcept
        : guardian_(&guardian), entry_(&entry) {}

    Guardian* guardian_ = nullptr;
    std::uint64_t* entry_ = nullptr;
};

/// Which cgroups are this process's: all in these folders whose names begin with the prefix.
struct CgroupsOfOurs {
    std::vector<std::string> folders;  ///< at most two
    std::string prefix;                ///< nobody else's may begin so; empty: there are none
};

/// Watches this process from a process of its own, and when this process ends, however it ends,
/// sends SIGKILL to every group in a shared table, and to what is in our cgroups, which it then
/// removes (docs/decisions/0007-guardian.md). It is in a
/// group of its own, blocks all signals that can be blocked, holds two descriptors and a few
/// pages of memory.
///
/// Any thread.
class Guardian {
  public:
    /// Starts the guardian. Copies this process's page tables once: create it early.
    /// @param slots how many groups at once @param cgroups to end too
    /// Errors: out_of_resources, unsupported (no pidfd), too_large (a cgroup's path).
    [[nodiscard]] static Result<std::unique_ptr<Guardian>> create(
        std::size_t slots, const CgroupsOfOurs& cgroups = {});
    /// Ends and reaps the guardian; groups still in the table are left alone. Does nothing in a
    /// copy that fork() made.
    ~Guardian();
    Guardian(const Guardian&) = delete;
    Guardian& operator=(const Guardian&) = delete;

    /// @return a free slot. Errors: out_of_resources when all are taken.
    [[nodiscard]] Result<GuardSlot> acquire();
    /// Notes the state of our terminal, where we are its foreground group: when we die while one of
    /// the groups in the table has the foreground, the guardian gives it back to our group, with
    /// the modes of now.
    void remember_terminal() noexcept;
    /// The terminal is to be left as it is.
    void forget_terminal() noexcept;
    /// @return whether the guardian process still runs: somebody may have killed it.
    [[nodiscard]] bool alive() const noexcept;
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }  ///< its process id

  private:
    friend class GuardSlot;
    Guardian() = default;
    [[nodiscard]] Result<void> start(std::size_t slots, const CgroupsOfOurs& cgroups, int pipe,
                                     int parent);
    void release(std::uint64_t& entry) noexcept;

    pid_t owner_ = 0;  // the process that made it; copies of it by fork() must not end the guardian
    pid_t pid_ = -1;
    base::Fd pidfd_;
    base::Fd pipe_;           // our end: closes when we die or exec
    void* region_ = nullptr;  // shared mapping: the guardian's stack, its plan, the table
    std::size_t region_bytes_ = 0;
    std::uint64_t* entries_ = nullptr;     // the table, inside region_
    GuardedTerminal* terminal_ = nullptr;  // inside region_ too
    std::mutex mutex_;                     // guards free_
    std::vector<std::uint32_t> free_;
};

}  // namespace repartir::proc
