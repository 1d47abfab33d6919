// SPDX-License-Identifier: MIT
#pragma once
/// @file delivery.hpp From finished tasks to our output and the resume log, in this order.
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "cli/config.hpp"
#include "cli/resume_log.hpp"
#include "cli/sink.hpp"
#include "repartir/outcome.hpp"

namespace repartir::cli {

/// A task that ended, or was refused.
struct Done {
    std::uint64_t sequence = 0;
    std::string label;
    std::vector<std::string> values;
    std::string packed_argv;  ///< only with --json
    std::string out_path;
    std::string err_path;
    Fingerprint key;     ///< only with --resume
    bool rerun = false;  ///< it ended badly in an earlier run
    Result<Outcome> result;
};

/// Prints what tasks wrote, in the order that was asked for, and notes a task in the log only once
/// its output is with the kernel: what the log calls ended has been delivered. Bounded: past some
/// MiB it says congested(), and outputs that wait for their turn go to files. One thread.
class Delivery {
  public:
    /// @param log where to note what ended, or nullptr; outlives this. @param config outlives this
    Delivery(const RunConfig& config, ResumeLog* log);

    /// Takes a task that ended.
    void accept(Done&& done);
    /// Says that the task of this number will not come: an earlier run did it.
    void skip(std::uint64_t sequence);
    /// Prints lines of running tasks.
    void stream(std::string_view out, std::string_view err);
    /// Prints a line of ours on standard error.
    void say(std::string_view line);
    /// Shows the progress bar, or nothing when `bar` is empty, unless other output waits.
    void show_bar(const std::string& bar);
    /// Writes what can be written now, and keeps the log up. Never blocks on a reader.
    void pump(base::BootTime now);
    /// Makes the log durable. @return whether everything that was delivered is in it.
    bool sync(base::BootTime now);

    /// @return whether so much waits that no more should be made.
    [[nodiscard]] bool congested() const noexcept;
    /// @return whether a task of this number may be started: not too far ahead of the first missing
    /// one.
    [[nodiscard]] bool in_window(std::uint64_t sequence) const noexcept;
    /// @return whether output waits for a reader.
    [[nodiscard]] bool waiting() const noexcept { return out_.waiting() || err_.waiting(); }
    [[nodiscard]] const Sink& out() const noexcept { return out_; }
    [[nodiscard]] const Sink& err() const noexcept { return err_; }
    /// @return why the log could not be written; nothing while it can.
    [[nodiscard]] const std::optional<Error>& log_error() const noexcept { return log_error_; }
    /// @return how many tasks' outputs could not be read back to be printed.
    [[nodiscard]] std::uint64_t unreadable() const noexcept { return unreadable_; }
    /// @return when pump() should be called for the log's sake.
    [[nodiscard]] base::BootTime log_due() const noexcept;

  private:
    struct Note {
        std::uint64_t out_end = 0;
        std::uint64_t err_end = 0;
        ResumeRecord record;
    };
    [[nodiscard]] Sink& err_sink() noexcept { return shared_ ? out_ : err_; }
    void deliver(Done& done);
    /// Says that a task failed, unless it was asked to be quiet.
    void announce(const Done& done);
    /// @return false when the output could not be read back.
    [[nodiscard]] bool deliver_json(const Done& done);
    void print(Sink& sink, const Captured& captured, std::string_view label);
    [[nodiscard]] static Captured tagged(const Captured& captured, std::string_view label);
    void hold(Done&& done);
    void release();
    void clear_bar();
    void settle_notes();

    const RunConfig& config_;
    ResumeLog* log_;
    Sink out_;
    Sink err_;
    bool shared_;  // both go to one place: one sink keeps lines whole
    bool bar_shown_ = false;
    std::deque<Note> notes_;
    std::map<std::uint64_t, std::optional<Done>> held_;  // by number; nothing: skipped
    std::uint64_t held_bytes_ = 0;                       // in memory
    std::size_t held_files_ = 0;                         // in spill files, a descriptor each
    const std::size_t files_max_;                        // that may wait, here and in the sinks
    std::uint64_t unreadable_ = 0;
    std::uint64_t next_ = 1;  // with --keep-order: the number to print next
    std::optional<Error> log_error_;
};

}  // namespace repartir::cli
