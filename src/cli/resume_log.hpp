// SPDX-License-Identifier: MIT
#pragma once
/// @file resume_log.hpp The log of what ended, so that a second run does only what is missing.
/// The format is described in docs/resume-log.md.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/fd.hpp"
#include "cli/fingerprint.hpp"
#include "repartir/outcome.hpp"
#include "repartir/result.hpp"

namespace repartir::cli {

/// One task that ended.
struct ResumeRecord {
    Fingerprint key;
    bool rerun = false;  ///< it replaces an earlier record of the key that ended badly
    Ending ending;
    bool operator==(const ResumeRecord&) const = default;
};

/// The first line of a log.
struct ResumeHeader {
    Fingerprint command;  ///< of the command and what it is made with
    std::string shown;    ///< the command, shortened, for messages
    bool operator==(const ResumeHeader&) const = default;
};

/// @return the line, its newline included.
[[nodiscard]] std::string format_header(const ResumeHeader& header);
/// @return the line, its newline included.
[[nodiscard]] std::string format_record(const ResumeRecord& record);
/// Reads a line without its newline. Errors: invalid_argument (no log, another version, damaged).
[[nodiscard]] Result<ResumeHeader> parse_header(std::string_view line);
/// Reads a line without its newline; nothing when it is damaged.
[[nodiscard]] std::optional<ResumeRecord> parse_record(std::string_view line) noexcept;

/// Reads a log in pieces. After finish(), a torn tail is known by valid_bytes() < the bytes fed.
class ResumeReader {
  public:
    /// Takes the next piece. Errors: invalid_argument (no log, another version, damage in the
    /// middle, which is damage with a whole record behind it).
    [[nodiscard]] Result<void> feed(std::string_view piece);

    [[nodiscard]] const std::optional<ResumeHeader>& header() const noexcept { return header_; }
    [[nodiscard]] const std::vector<ResumeRecord>& records() const noexcept { return records_; }
    /// @return how many bytes from the start are whole lines.
    [[nodiscard]] std::uint64_t valid_bytes() const noexcept { return valid_bytes_; }
    /// @return whether all of it may be the torn start of a header, so that nothing is lost by
    /// starting anew.
    [[nodiscard]] bool torn_header() const noexcept;

  private:
    [[nodiscard]] Result<void> line(std::string_view text);

    std::optional<ResumeHeader> header_;
    std::vector<ResumeRecord> records_;
    std::string partial_;       // a line whose newline has not come yet, cut to line_bytes_max
    std::uint64_t offset_ = 0;  // of the line that is read next
    std::uint64_t valid_bytes_ = 0;
    std::uint64_t partial_bytes_ = 0;
    bool damaged_ = false;
};

/// @return what a log keeps of how a task ended: for one that could not be started the code is its
/// exit code (127 not found, 126 not executable, else 1).
[[nodiscard]] Ending recorded_ending(const Outcome& outcome) noexcept;
/// @return the exit code of a task that a log says ended so.
[[nodiscard]] int recorded_exit_code(const Ending& ending) noexcept;

/// An open log, locked against other runs. One thread. Records are written and made durable by
/// sync(), which callers spread out; the destructor does not sync.
class ResumeLog {
  public:
    /// Opens or creates a log and reads what it holds; cuts a torn tail off. Errors:
    /// invalid_argument (no log, damaged, of another command, in use by another run), io_error.
    [[nodiscard]] static Result<ResumeLog> open(const std::string& path,
                                                const ResumeHeader& header);

    /// Looks a task up, and takes one of the records of its key: as many tasks of one key are
    /// skipped as have ended. @param prefer_bad take one that ended badly first.
    /// @return how it ended; nothing when it has not.
    [[nodiscard]] std::optional<Ending> take(const Fingerprint& key, bool prefer_bad) noexcept;
    /// Notes a task for the next sync().
    void append(const ResumeRecord& record);
    /// Writes what was noted, and waits until the disk has it. After an error everything unwritten
    /// is kept for the next try and the file ends with a whole line. Errors: io_error.
    [[nodiscard]] Result<void> sync(base::BootTime now);
    /// @return when sync should be called next; base::never when nothing waits.
    [[nodiscard]] base::BootTime sync_due() const noexcept;
    /// @return how many records wait for a sync.
    [[nodiscard]] std::uint64_t unsynced() const noexcept { return unsynced_; }

  private:
    struct Entry {
        Fingerprint key;
        std::uint32_t well = 0;
        std::uint32_t badly = 0;
        std::size_t first_bad = 0;  // of so many in bad_endings_, oldest first
    };
    ResumeLog() = default;
    [[nodiscard]] Result<std::uint64_t> load(const ResumeHeader& header);
    void index(const std::vector<ResumeRecord>& records);
    /// Moves whole lines from pending_ to the file. @return 0, or the errno value that ended it.
    [[nodiscard]] int write_pending();
    [[nodiscard]] Error error(std::string_view what, int number) const;

    std::string path_;
    base::Fd file_;
    std::vector<Entry> entries_;  // by key
    std::vector<Ending> bad_endings_;
    std::string pending_;
    std::uint64_t size_ = 0;  // of the file, whole lines only
    std::uint64_t unsynced_ = 0;
    base::BootTime last_sync_{0};
};

}  // namespace repartir::cli
