// SPDX-License-Identifier: MIT
#pragma once
/// @file outcome.hpp What happened to a task that was accepted.
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "repartir/dispatch.hpp"
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
    output_lost,  ///< it wrote more than could be kept, and we ended it; Outcome::error() says why
    not_started,  ///< it could not be started; Outcome::error() says why
    device_failed,  ///< the GPU or its driver failed while it ran; Outcome::error() says how
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
/// beyond that. Nothing is ever cut off in silence: a task that writes more than its output limit
/// (Task::output_limit), or more than the disk takes, is ended as End::output_lost; then lost()
/// counts what is missing and read() fails.
///
/// A spilled output is a file without a name: nothing can leave it behind. It occupies its disk
/// space, and one descriptor of this process, until the last copy of the value is gone: who keeps
/// thousands of them needs a limit of open files to match. A value; the copies share the file.
class Captured {
  public:
    Captured() = default;
    /// All of it is in memory.
    /// @param lost how many further bytes could not be kept
    explicit Captured(std::string bytes, std::uint64_t lost = 0);
    /// @return an output that is in the file at `path`, `size` bytes long, which stays.
    [[nodiscard]] static Captured in_file(std::string path, std::uint64_t size);
    /// @return an output that is in an open file, `size` bytes long.
    /// @param fd a descriptor that can be read at any offset; taken over, closed with the last copy
    /// @param lost how many further bytes could not be kept
    [[nodiscard]] static Captured in_descriptor(int fd, std::uint64_t size, std::uint64_t lost = 0);

    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }  ///< bytes that are kept
    /// @return how many bytes the task wrote after those that are kept; they are gone. At least
    /// that many: what it would have written had it not been ended, nobody knows.
    [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }
    [[nodiscard]] bool complete() const noexcept { return lost_ == 0; }      ///< nothing was lost
    [[nodiscard]] bool in_memory() const noexcept { return path_.empty(); }  ///< not in a file
    /// @return the bytes, when in_memory(); empty otherwise.
    [[nodiscard]] const std::string& bytes() const noexcept { return bytes_; }
    /// @return a path that opens the file that holds the bytes; empty when in_memory(). That of a
    /// spilled output (/proc/self/fd/N) is good in this process and while a copy of this lives.
    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    /// @return all bytes, read back from the file where they were spilled. Errors: io_error, also
    /// when some were lost: read_at() gives what is left.
    [[nodiscard]] Result<std::string> read() const;
    /// Copies bytes that are kept, wherever they are, from `offset` on. Any thread.
    /// @return how many; fewer than there is room for only at the end, 0 past it. Errors: io_error
    [[nodiscard]] Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const;

  private:
    class OpenFile;
    std::string bytes_;
    std::string path_;
    std::uint64_t size_ = 0;
    std::uint64_t lost_ = 0;
    std::shared_ptr<const OpenFile> file_;  // shared by the copies of one Outcome; the last closes
};

/// Peak resident memory and how well it is known (docs/decisions/0006).
struct PeakMemory {
    enum class Source : std::uint8_t {
        unknown,  ///< nothing measured it
        cgroup,   ///< the task's cgroup: exact for all its processes
        rusage,   ///< the largest single process, by getrusage
        at_most,  ///< an upper bound: the child inherits its parent's high-water mark
    };
    std::uint64_t bytes = 0;          ///< 0 when unknown
    Source source = Source::unknown;  ///< who measured it
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

/// What the scheduler expected of one executor when it chose where an attempt was to run. Times
/// that it did not know are 0.
struct Candidate {
    std::string where;                     ///< the executor's description
    bool chosen = false;                   ///< the attempt ran there
    bool room = false;                     ///< it could begin there at once
    bool learnt = false;                   ///< it is known how long tasks of this name run
    std::chrono::nanoseconds wait{0};      ///< for a slot, behind what waits there
    std::chrono::nanoseconds transfer{0};  ///< there and back
    std::chrono::nanoseconds run{0};       ///< there
    /// @return from the choice until its result would have been here.
    [[nodiscard]] std::chrono::nanoseconds finish() const noexcept { return wait + transfer + run; }
};

/// What one try used and how it ended.
struct Attempt {
    std::uint32_t number = 0;                       ///< from 1
    Ending ending;                                  ///< of the task as a whole
    std::optional<Error> error;                     ///< why not_started, output_lost, ...
    std::vector<Ending> stages;                     ///< one per program of a pipeline, in order
    std::chrono::system_clock::time_point started;  ///< for display
    std::chrono::nanoseconds wall{0};               ///< start to end
    std::chrono::nanoseconds user{0};               ///< CPU time in user mode, all programs
    std::chrono::nanoseconds system{0};             ///< CPU time in the kernel, all programs
    PeakMemory peak_memory;
    Containment containment = Containment::none;
    Backend backend = Backend::any;  ///< which kind of executor ran it
    std::string where;               ///< the executor's own words, such as "host/cpu"
    /// What was asked for and given in a lesser form, or was out of the ordinary.
    std::vector<std::string> notes;
    /// Who could have run it; empty unless SchedulerOptions::explain.
    std::vector<Candidate> candidates;
};

/// @return why the attempt ran where it ran, a line for each candidate; empty when there are none.
[[nodiscard]] std::string explain(const Attempt& attempt);

/// What happened to a task that was accepted: exactly one per task. A value.
struct Outcome {
    TaskId id;
    std::string name;               ///< as the task was named
    std::vector<Attempt> attempts;  ///< all tries, in order; empty when it was never tried
    Captured out;                   ///< standard output of the last attempt (last program)
    Captured err;                   ///< standard error of the last attempt (all programs)
    /// Of a shader: what its output_buffers and inout_buffers held, in their order; empty unless
    /// ok(). Those that were given a SharedBuffer are that one.
    std::vector<gpu::Bytes> buffers;
    Ending ending;  ///< the verdict: of the last attempt, or cancelled

    [[nodiscard]] bool ok() const noexcept { return ending.ok(); }  ///< it exited with 0
    /// @return why it did not start, its output was lost or its device failed; nullptr otherwise.
    [[nodiscard]] const Error* error() const noexcept;
    /// @return the last attempt; a static empty one when it was never tried.
    [[nodiscard]] const Attempt& last() const noexcept;
    /// @return what a shell would show: the code; 128 + signal; 4 timed out; 5 cancelled; 127 not
    ///         found, 126 not executable (or too long a name or command line), 1 any other failure
    ///         to start, or lost output; 137 out of memory.
    [[nodiscard]] int exit_code() const noexcept;
};

}  // namespace repartir
