// SPDX-License-Identifier: MIT
#pragma once
/// @file child.hpp Watching the programs of one task until nothing of them is left.
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "loop/loop.hpp"
#include "proc/guardian.hpp"
#include "proc/pipe.hpp"
#include "proc/spawn.hpp"
#include "repartir/result.hpp"

namespace repartir::proc {

/// How one process ended and what it used (with the children that it waited for).
struct Exit {
    bool signaled = false;  ///< a signal ended it
    int code = 0;           ///< exit code, or the signal
    bool lost = false;      ///< somebody else in this process waited for it: nothing is known
    bool core_dumped = false;
    base::BootTime at{0};  ///< when we saw it
    std::chrono::microseconds user{0};
    std::chrono::microseconds system{0};
    std::uint64_t max_rss_bytes = 0;  ///< ru_maxrss; at least what this process's was at the spawn
};

/// The processes of one task: one program, or the stages of a pipeline, in one process group that
/// is led by the first. Life: adopt() each, attach() the readers of their outputs, and wait for
/// on_ended.
///
/// The task has ended when every adopted process has ended. Who still holds an output pipe then (a
/// background child) has `linger` to finish; after that the rest of the group is killed, what is in
/// the pipes is read, and they are closed (docs/decisions/0004-end-of-a-task.md). The leader is
/// reaped last, so that the group's id cannot be anybody else's while we signal it.
///
/// One thread: the loop's. Can be used again after on_ended.
class ChildGroup final : private loop::Timer {
  public:
    /// Who is told. Functions are called from the loop, never from inside a call into the group.
    class Observer {
      public:
        Observer() = default;
        Observer(const Observer&) = delete;
        Observer& operator=(const Observer&) = delete;
        /// The process adopted as number `index` ended.
        virtual void on_exit(ChildGroup& group, std::size_t index, const Exit& exit) noexcept = 0;
        /// All processes ended and are reaped, the group is gone, every attached reader is closed;
        /// the readers' sinks have had their last bytes. May destroy the group or use it again.
        virtual void on_ended(ChildGroup& group) noexcept = 0;

      protected:
        ~Observer() = default;
    };

    /// @param loop, observer outlive the group. @param linger how long background children may hold
    /// the outputs open after the end.
    ChildGroup(loop::Loop& loop, Observer& observer, std::chrono::milliseconds linger);
    /// Kills and reaps what still runs.
    ~ChildGroup() override;
    ChildGroup(const ChildGroup&) = delete;
    ChildGroup& operator=(const ChildGroup&) = delete;

    /// Takes over a started program. The first must have been spawned with Group::own (or session),
    /// the others with Group::join and group_id(), all with guard_slot() when it is not null.
    /// Errors: as Loop::add; the program has then been killed and reaped.
    [[nodiscard]] Result<void> adopt(Spawned child);
    /// Says that an open reader belongs to the task. It must outlive the group's use. Its sink must
    /// call reader_ended() from on_end.
    void attach(PipeReader& reader);
    /// To be called by the sink when an attached reader has reached its end.
    void reader_ended(PipeReader& reader) noexcept;

    /// Sends a signal to the whole group; nothing when it has ended.
    void signal(int number) noexcept;
    /// SIGTERM and SIGCONT to the group now, SIGKILL after `grace`. Called again it sends no second
    /// SIGTERM; a shorter grace replaces a longer one.
    void terminate(std::chrono::milliseconds grace) noexcept;
    /// SIGKILL to the group now.
    void kill() noexcept;

    [[nodiscard]] pid_t group_id() const noexcept {
        return group_id_;
    }  ///< 0 before the first adopt
    [[nodiscard]] bool running() const noexcept { return group_id_ != 0; }  ///< until on_ended
    /// @return whether an adopted process is stopped (SIGSTOP, SIGTSTP) just now. One call to the
    /// kernel each.
    [[nodiscard]] bool stopped() const noexcept;

    /// Lets a guardian end the group when this process dies. Before the first adopt.
    void set_guard(GuardSlot slot) noexcept { guard_ = std::move(slot); }
    /// @return what SpawnPlan::guard must be for the leader; nullptr without a guardian.
    [[nodiscard]] std::uint64_t* guard_slot() noexcept { return guard_.entry(); }

  private:
    class Member;
    void on_timer(base::BootTime now) noexcept override;
    void member_ended(std::size_t index, const Exit& exit) noexcept;
    void check_end() noexcept;
    void finish() noexcept;
    void clear_group() noexcept;

    loop::Loop& loop_;
    Observer& observer_;
    GuardSlot guard_;
    std::chrono::milliseconds linger_;
    std::vector<std::unique_ptr<Member>> members_;  // kept for the next use
    std::size_t member_count_ = 0;
    std::size_t alive_ = 0;
    std::vector<PipeReader*> readers_;  // attached and open
    pid_t group_id_ = 0;
    base::BootTime kill_at_ = base::never;
    bool killed_ = false;
    bool told_ = false;  // SIGTERM was sent
    bool lingering_ = false;
    bool finishing_ = false;
    bool leader_lost_ = false;  // somebody else reaped it: the group's id may be anybody's
};

}  // namespace repartir::proc
