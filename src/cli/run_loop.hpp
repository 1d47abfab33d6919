// SPDX-License-Identifier: MIT
#pragma once
/// @file run_loop.hpp The main loop of `repartir run`: inputs in, outcomes out, signals heard.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "cli/config.hpp"
#include "cli/delivery.hpp"
#include "cli/exit_code.hpp"
#include "cli/foreground.hpp"
#include "cli/inputs.hpp"
#include "cli/progress.hpp"
#include "cli/resume_log.hpp"
#include "cli/signals.hpp"
#include "cli/stream_hub.hpp"
#include "cli/task_maker.hpp"
#include "cli/watched_executor.hpp"
#include "repartir/pending.hpp"
#include "repartir/scheduler.hpp"

namespace repartir::cli {

/// What a run needs from outside, made by the command.
struct RunParts {
    const RunConfig& config;
    const TaskMaker& maker;
    InputSource& source;
    ResumeLog* log;  ///< nullptr: none
    Signals& signals;
    Scheduler& scheduler;
    std::vector<WatchedExecutor*> executors;  ///< registered with the scheduler
    Bell& bell;                               ///< that outcomes and output ring
    std::uint32_t workers;                    ///< tasks at once, or about so many
    std::vector<std::uint32_t> cpus;          ///< for --pin
};

/// Runs everything that the source gives, once. One thread, the main one, which does all the
/// writing; it sleeps unless a task ends, a signal comes, a reader takes more, or something is due.
class Run {
  public:
    explicit Run(RunParts parts);
    /// @return the exit code.
    [[nodiscard]] int execute();

  private:
    /// A task that was submitted.
    struct InFlight {
        Pending<Outcome> pending;
        Done done;                               // all but the result
        std::shared_ptr<StreamedTask> streamed;  // shared with the task's callback
        std::optional<std::uint32_t> cpu;        // with --pin
    };

    void hear_signals();
    void stop(bool cancel_running);
    bool collect();
    void settle(InFlight& task);
    bool feed();
    bool feed_one();
    void skip(const Ending& prior);
    void submit(Item& item, MadeTask made, const Fingerprint& key, bool rerun);
    [[nodiscard]] bool make_folder(const std::string& path);
    [[nodiscard]] std::uint32_t take_cpu();
    void watch_output();
    void lose_output(std::string_view name, int error);
    void show_progress(base::BootTime now);
    [[nodiscard]] bool progress_due(base::BootTime now) const noexcept;
    void sleep(bool nap, base::BootTime now);
    [[nodiscard]] int sleep_ms(base::BootTime now) const noexcept;
    void fail_run(const Error& error, int code);
    void finish();
    void summarise(base::BootTime now);
    [[nodiscard]] std::string advice() const;
    [[nodiscard]] int code() const noexcept;

    RunParts parts_;
    Delivery delivery_;
    StreamHub hub_;
    Foreground foreground_;
    std::vector<InFlight> in_flight_;  // oldest first
    std::size_t window_;
    Item item_;
    std::string last_folder_;
    std::vector<std::uint32_t> free_cpus_;

    base::BootTime started_;
    base::BootTime next_progress_;
    RateMeter rate_;
    std::uint64_t ended_ = 0;
    std::uint64_t failed_ = 0;
    std::uint64_t skipped_ = 0;
    std::uint64_t skipped_bad_ = 0;
    std::chrono::nanoseconds cpu_time_{0};
    std::uint64_t seen_rings_ = 0;

    Verdict verdict_;
    std::optional<int> single_code_;  // of the one program without inputs
    int error_code_ = exit_ok;        // of an error of ours
    int interrupts_ = 0;
    bool exhausted_ = false;      // the source has no more
    bool input_blocked_ = false;  // it has nothing now
    bool stopping_ = false;       // start nothing more
    bool halted_ = false;         // because of failures
    bool reader_gone_ = false;
    ProgressMode progress_;
};

}  // namespace repartir::cli
