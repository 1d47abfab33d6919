// SPDX-License-Identifier: MIT
#pragma once
/// @file outcome.hpp What happened to a task that was accepted.
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "repartir/error.hpp"
#include "repartir/id.hpp"
#include "repartir/policy.hpp"
#include "repartir/result.hpp"

namespace repartir {

/// How a task ended. Values are stable: they appear in JSON output by name.
enum class End : std::uint8_t {
    exited,         ///< the program returned; `code` is its exit code
    signaled,       ///< a signal ended it that we did not send; `code` is the signal
    timed_out,      ///< its time was up and we ended it
    cancelled,      ///< somebody asked for it to end, or it never had to start
    out_of_memory,  ///< its cgroup ran out of memory and the kernel ended it
    not_started,    ///< it could not be started; Outcome::error() says why
};

[[nodiscard]] std::string_view to_string(End end) noexcept;  ///< "exited", "signaled", ...

/// How one program ended.
struct Ending {
    End end = End::not_started;
    int code = 0;  ///< exit code when exited; signal number when a signal ended it; else 0

    /// @return whether it exited with 0.
    [[nodiscard]] bool ok() const noexcept { return end == End::exited && code == 0; }
    /// @return one phrase: "exited 3", "killed by signal 9 (SIGKILL)", "timed out".
    [[nodiscard]] std::string describe() const;
    bool operator==(const Ending&) const = default;
};

/// What a task wrote to one stream: bytes in memory up to the capture limit, all of it in a file
/// beyond that. Nothing is ever cut off in silence: where the file could not take all of it (a full
/// disk), lost() counts what is missing, read() fails, and the attempt's notes say why. The verdict
/// stays the program's own: who needs the output asks for complete() beside ok().
class Captured {
  public:
    Captured() = default;
    /// All of it is in memory.
    /// @param lost how many further bytes could not be kept
    explicit Captured(std::string bytes, std::uint64_t lost = 0);
    /// All of it is in the file at `path`, `size` bytes long.
    /// @param owned the file is ours and goes with the last copy of this value
    /// @param lost how many further bytes could not be kept
    Captured(std::string path, std::uint64_t size, bool owned, std::uint64_t lost = 0);

    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }  ///< bytes that are kept
    /// @return how many bytes the task wrote after those that are kept; they are gone.
    [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }
    [[nodiscard]] bool complete() const noexcept { return lost_ == 0; }  ///< nothing was lost
    [[nodiscard]] bool in_memory() const noexcept { return path_.empty(); }
    /// @return the bytes, when in_memory(); empty otherwise.
    [[nodiscard]] const std::string& bytes() const noexcept { return bytes_; }
    /// @return the file that holds the bytes; empty when in_memory().
    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    /// @return all bytes, read back from the file where they were spilled. Errors: io_error, also
    /// when some were lost: bytes() or path() give what is left.
    [[nodiscard]] Result<std::string> read() const;

  private:
    struct SpillFile;
    std::string bytes_;
    std::string path_;
    std::uint64_t size_ = 0;
    std::uint64_t lost_ = 0;
    std::shared_ptr<const SpillFile>
        spill_;  // shared by the copies of one Outcome; unlinks at the last
};

/// Peak resident memory and how well it is known (docs/decisions/0006).
struct PeakMemory {
    enum class Source : std::uint8_t {
        unknown,  ///< nothing measured it
        cgroup,   ///< the task's cgroup: exact for all its processes
        rusage,   ///< the largest single process, by getrusage
        at_most,  ///< an upper bound: the child inherits its parent's high-water mark
    };
    std::uint64_t bytes = 0;
    Source source = Source::unknown;
};
[[nodiscard]] std::string_view to_string(PeakMemory::Source source) noexcept;  ///< "cgroup", ...

/// What holds the processes of a task together when it must end, best first.
enum class Containment : std::uint8_t {
    none,           ///< nothing ran
    pid_namespace,  ///< no descendant can escape
    cgroup,         ///< no descendant can escape
    process_group,  ///< a descendant that calls setsid escapes
};
[[nodiscard]] std::string_view to_string(Containment containment) noexcept;  ///< "cgroup", ...

/// What one try used and how it ended.
struct Attempt {
    std::uint32_t number = 0;                       ///< from 1
    Ending ending;                                  ///< of the task as a whole
    std::optional<Error> error;                     ///< why it did not start, if so
    std::vector<Ending> stages;                     ///< one per program of a pipeline, in order
    std::chrono::system_clock::time_point started;  ///< for display
    std::chrono::nanoseconds wall{0};               ///< start to end
    std::chrono::nanoseconds user{0};               ///< CPU time in user mode, all programs
    std::chrono::nanoseconds system{0};             ///< CPU time in the kernel, all programs
    PeakMemory peak_memory;
    Containment containment = Containment::none;
    Backend backend = Backend::any;  ///< which kind of executor ran it
    std::string where;               ///< the executor's own words, such as "host/cpu"
    std::vector<std::string> notes;  ///< what was asked for and given in a lesser form
};

/// What happened to a task that was accepted: exactly one per task. A value.
struct Outcome {
    TaskId id;
    std::string name;               ///< as the task was named
    std::vector<Attempt> attempts;  ///< all tries, in order; empty when it was never tried
    Captured out;                   ///< standard output of the last attempt (last program)
    Captured err;                   ///< standard error of the last attempt (all programs)
    Ending ending;                  ///< the verdict: of the last attempt, or cancelled

    [[nodiscard]] bool ok() const noexcept { return ending.ok(); }
    /// @return why it did not start; nullptr otherwise.
    [[nodiscard]] const Error* error() const noexcept;
    /// @return the last attempt; a static empty one when it was never tried.
    [[nodiscard]] const Attempt& last() const noexcept;
    /// @return what a shell would show: the code; 128 + signal; 4 timed out; 5 cancelled; 127 not
    ///         found, 126 not executable (or too long a name or command line), 1 any other failure
    ///         to start; 137 out of memory.
    [[nodiscard]] int exit_code() const noexcept;
};

}  // namespace repartir
