// SPDX-License-Identifier: MIT
#pragma once
/// @file run.hpp One attempt of one task, from its start to its result, on the thread of its lane.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/spool.hpp"
#include "exec/cpu/cgroup.hpp"
#include "exec/cpu/host.hpp"
#include "exec/cpu/launch.hpp"
#include "exec/cpu/lent_terminal.hpp"
#include "exec/cpu/spawning.hpp"
#include "loop/loop.hpp"
#include "proc/child.hpp"
#include "proc/pipe.hpp"
#include "proc/spawn.hpp"
#include "repartir/executor.hpp"

namespace repartir::exec {

/// How long a background child may keep a task's output open after its programs have ended.
inline constexpr std::chrono::milliseconds linger{1000};

/// Our own peak of resident memory, which a child's ru_maxrss starts from (docs/decisions/0006).
/// Asked for only when a child exceeds what is known. One thread.
class HighWaterMark {
  public:
    /// @return whether a child that reports this maximum must have reached it by itself.
    [[nodiscard]] bool below(std::uint64_t child_max_rss_bytes) noexcept;

  private:
    std::uint64_t known_bytes_ = 0;
};

class Run;

/// What the runs of one lane share. All of it outlives them.
struct LaneContext {
    Host& host;
    loop::Loop& loop;
    proc::Spawner& spawner;
    const Spawning& spawning;
    Launch& launch;
    HighWaterMark& high_water;
    std::span<std::byte> read_buffer;
};

/// Who is told, on the lane's thread, that a run has its result. May start the run again.
class RunObserver {
  public:
    RunObserver() = default;
    RunObserver(const RunObserver&) = delete;
    RunObserver& operator=(const RunObserver&) = delete;
    virtual void on_result(Run& run, AttemptResult&& result) noexcept = 0;

  protected:
    ~RunObserver() = default;
};

/// Drives one attempt at a time: starts its programs, collects their output, ends them when their
/// time is up or somebody says so, and says what came of it. Reusable. One thread: the lane's.
class Run final : private proc::ChildGroup::Observer {
  public:
    /// Both outlive the run.
    Run(LaneContext& context, RunObserver& observer);
    ~Run();

    /// Begins an attempt. May have its result at once (it could not start): then the observer has
    /// been told when this returns.
    void start(const AttemptId& id, const Task& task, AttemptSink& sink);
    /// Ends the attempt: gently, or by force. The first reason counts.
    void cancel(CancelReason reason, bool force) noexcept;
    /// Reads no more of its output, so that its programs wait: not where they have ended or are
    /// being ended.
    void hold_output() noexcept;
    /// Reads it again.
    void release_output() noexcept;

    [[nodiscard]] const AttemptId& id() const noexcept { return id_; }
    [[nodiscard]] AttemptSink& sink() const noexcept { return *sink_; }  ///< as given to start()

  private:
    /// One of the two output streams.
    class Collector final : public proc::PipeReader::Sink {
      public:
        Collector(Run& run, Stream stream) : run_(run), stream_(stream) {}
        void on_bytes(proc::PipeReader& reader, std::span<const std::byte> bytes) noexcept override;
        void on_end(proc::PipeReader& reader, int os_error) noexcept override;

        Run& run_;
        const Stream stream_;
        Output kind_ = Output::discard;
        base::Fd pipe_;    // our end, until the first program runs
        base::Fd theirs_;  // the programs' end, or their file
        int number_ = -1;  // what the programs get
        base::Spool spool_;
        proc::PipeReader reader_;
    };

    /// Ends the attempt when its time is up.
    class Deadline final : public loop::Timer {
      public:
        explicit Deadline(Run& run) : run_(run) {}
        void on_timer(base::BootTime /*now*/) noexcept override {
            run_.cancel(CancelReason::timed_out, false);
        }

      private:
        Run& run_;
    };

    void on_exit(proc::ChildGroup& group, std::size_t index,
                 const proc::Exit& exit) noexcept override;
    void on_ended(proc::ChildGroup& group) noexcept override;

    [[nodiscard]] Result<void> prepare();
    [[nodiscard]] Result<void> prepare_input();
    [[nodiscard]] Result<void> prepare_output(Collector& collector, Output kind,
                                              const std::string& path, int ours);
    [[nodiscard]] Result<void> prepare_cgroup();
    [[nodiscard]] Result<void> start_programs();
    [[nodiscard]] Result<void> start_stage(std::size_t index, int in, int out);
    [[nodiscard]] Result<void> watch();
    [[nodiscard]] Result<void> heed_call_off(Result<void> begun);
    void output_lost() noexcept;
    [[nodiscard]] std::optional<Error> name_losses();
    [[nodiscard]] Captured collected(Collector& collector);
    void finish() noexcept;
    [[nodiscard]] Ending verdict();
    [[nodiscard]] Ending ending_of_programs() const;
    void measure_memory(Attempt& attempt);
    void clear() noexcept;

    LaneContext& context_;
    RunObserver& observer_;
    AttemptId id_;
    const Task* task_ = nullptr;
    AttemptSink* sink_ = nullptr;

    proc::ChildGroup group_;
    Collector out_;
    Collector err_;
    proc::PipeWriter feeder_;
    base::Fd input_;         // what the first program reads
    base::Fd input_writer_;  // our end of its pipe
    std::size_t input_written_ = 0;
    std::optional<TaskCgroup> cgroup_;
    std::vector<int> entrances_;
    Deadline deadline_;

    std::vector<Ending> stages_;
    std::size_t running_ = 0;             // programs started and not ended
    std::optional<Error> error_;          // why it did not start
    bool output_lost_ = false;            // more was written than could be kept
    std::optional<CancelReason> reason_;  // why we ended it
    std::vector<std::string> notes_;
    LentTerminal terminal_;
    bool foreground_ = false;  // the group is to have the terminal that is our stdin
    bool ran_ = false;         // at least one program started
    bool guarded_ = false;     // the guardian has a place for our group
    std::chrono::system_clock::time_point started_;
    base::BootTime began_{0};
    base::BootTime ended_{0};
    std::chrono::nanoseconds user_{0};
    std::chrono::nanoseconds system_{0};
    std::uint64_t max_rss_ = 0;
};

}  // namespace repartir::exec
