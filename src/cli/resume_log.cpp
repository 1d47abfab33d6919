// SPDX-License-Identifier: MIT
#include "cli/resume_log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <numeric>
#include <utility>

#include "base/fd.hpp"
#include "base/os_error.hpp"
#include "cli/text.hpp"

namespace repartir::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view magic = "repartir-resume ";
constexpr std::string_view format_version = "1 ";
constexpr std::size_t line_bytes_max = 1024;
constexpr std::size_t shown_bytes_max = 200;
constexpr std::size_t key_digits = 32;
constexpr std::size_t crc_digits = 8;
constexpr base::BootTime sync_interval = 50ms;

constexpr std::array all_ends{End::exited,      End::signaled,      End::timed_out,
                              End::cancelled,   End::out_of_memory, End::output_lost,
                              End::not_started, End::device_failed};

std::string crc_text(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    const std::uint32_t value = crc32(bytes);
    std::string text;
    for (unsigned shift = 32; shift > 0; shift -= 4) {
        text += digits[(value >> (shift - 4)) & 15U];
    }
    return text;
}

/// Takes the checksum off the end of a line. @return what it covers; nothing when it does not
/// match.
std::optional<std::string_view> checked(std::string_view line) {
    if (line.size() < crc_digits + 2 || line[line.size() - crc_digits - 1] != ' ') {
        return std::nullopt;
    }
    const std::string_view body = line.substr(0, line.size() - crc_digits - 1);
    if (crc_text(body) != line.substr(line.size() - crc_digits)) {
        return std::nullopt;
    }
    return body;
}

std::string sealed(const std::string& body) {
    const std::string crc = crc_text(body);
    return cat({body, " ", crc, "\n"});
}

}  // namespace

std::string format_header(const ResumeHeader& header) {
    return sealed(cat({magic, format_version, to_string(header.command), " ",
                       printable(header.shown, shown_bytes_max)}));
}

std::string format_record(const ResumeRecord& record) {
    return sealed(cat({to_string(record.key), record.rerun ? " ! " : " + ",
                       to_string(record.ending.end), " ", std::to_string(record.ending.code)}));
}

Result<ResumeHeader> parse_header(std::string_view line) {
    if (!line.starts_with(magic)) {
        return fail(usage_error("it is no resume log"));
    }
    if (!line.substr(magic.size()).starts_with(format_version)) {
        return fail(usage_error("it was written by another version of repartir"));
    }
    const std::optional<std::string_view> body = checked(line);
    const std::size_t prefix = magic.size() + format_version.size();
    if (!body || body->size() < prefix + key_digits + 1 || (*body)[prefix + key_digits] != ' ') {
        return fail(usage_error("its first line is damaged"));
    }
    const std::optional<Fingerprint> command = parse_fingerprint(body->substr(prefix, key_digits));
    if (!command) {
        return fail(usage_error("its first line is damaged"));
    }
    return ResumeHeader{*command, std::string(body->substr(prefix + key_digits + 1))};
}

std::optional<ResumeRecord> parse_record(std::string_view line) noexcept {
    const std::optional<std::string_view> body = checked(line);
    if (!body || body->size() < key_digits + 3) {
        return std::nullopt;
    }
    const std::optional<Fingerprint> key = parse_fingerprint(body->substr(0, key_digits));
    const std::string_view mark = body->substr(key_digits, 3);
    std::string_view rest = body->substr(key_digits + 3);
    const std::size_t space = rest.find(' ');
    if (!key || (mark != " + " && mark != " ! ") || space == std::string_view::npos) {
        return std::nullopt;
    }
    ResumeRecord record{*key, mark == " ! ", {}};
    const auto* const end = std::ranges::find(all_ends, rest.substr(0, space),
                                              [](End value) { return to_string(value); });
    rest.remove_prefix(space + 1);
    const auto [stop, bad] =
        std::from_chars(rest.data(), rest.data() + rest.size(), record.ending.code);
    if (end == all_ends.end() || bad != std::errc{} || stop != rest.data() + rest.size()) {
        return std::nullopt;
    }
    record.ending.end = *end;
    return record;
}

Ending recorded_ending(const Outcome& outcome) noexcept {
    Ending ending = outcome.ending;
    if (ending.end == End::not_started) {
        ending.code = outcome.exit_code();
    }
    return ending;
}

int recorded_exit_code(const Ending& ending) noexcept {
    if (ending.end == End::not_started && ending.code != 0) {
        return ending.code;
    }
    Outcome outcome;
    outcome.ending = ending;
    return outcome.exit_code();
}

Result<void> ResumeReader::line(std::string_view text) {
    if (!header_) {
        Result<ResumeHeader> header = parse_header(text);
        if (!header) {
            return fail(header.error());
        }
        header_ = std::move(*header);
        valid_bytes_ = offset_;
        return {};
    }
    const std::optional<ResumeRecord> record = parse_record(text);
    if (!record) {
        damaged_ = true;
        return {};
    }
    if (damaged_) {
        return fail(usage_error(cat(
            {"it is damaged after byte ", number(valid_bytes_), ", with whole records behind"})));
    }
    records_.push_back(*record);
    valid_bytes_ = offset_;
    return {};
}

Result<void> ResumeReader::feed(std::string_view piece) {
    while (!piece.empty()) {
        const std::size_t end = piece.find('\n');
        const std::string_view part = piece.substr(0, end);
        partial_bytes_ += part.size();
        partial_ += part.substr(0, line_bytes_max - std::min(line_bytes_max, partial_.size()));
        if (end == std::string_view::npos) {
            return {};
        }
        offset_ += partial_bytes_ + 1;
        if (Result<void> done = line(partial_); !done) {
            return done;
        }
        partial_.clear();
        partial_bytes_ = 0;
        piece.remove_prefix(end + 1);
    }
    return {};
}

bool ResumeReader::torn_header() const noexcept {
    const std::string_view common = magic.substr(0, std::min(magic.size(), partial_.size()));
    return !header_ && partial_bytes_ <= line_bytes_max && partial_.starts_with(common);
}

Error ResumeLog::error(std::string_view what, int number) const {
    return Error(
        Domain::io, number == EACCES ? Code::permission_denied : Code::io_error, Fault::user,
        cat({"the resume log ", printable(path_), " ", what, ": ", base::words_of(number)}));
}

Result<ResumeLog> ResumeLog::open(const std::string& path, const ResumeHeader& header) {
    ResumeLog log;
    log.path_ = path;
    log.file_ = base::Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
    if (!log.file_) {
        return fail(log.error("cannot be opened", errno));
    }
    struct stat status{};
    if (::fstat(log.file_.get(), &status) != 0) {
        return fail(log.error("cannot be examined", errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(usage_error(
            cat({"the resume log ", printable(path), " is no regular file; name one"})));
    }
    // A record lock belongs to this process alone: a child that has just been cloned never keeps
    // it.
    struct flock whole{};
    whole.l_type = F_WRLCK;
    if (::fcntl(log.file_.get(), F_SETLK, &whole) != 0) {
        if (errno == EAGAIN || errno == EACCES) {
            return fail(
                usage_error(cat({"the resume log ", printable(path),
                                 " is in use by another run; wait for it or name another"})));
        }
        return fail(log.error("cannot be locked", errno));
    }
    const Result<std::uint64_t> valid = log.load(header);
    if (!valid) {
        return fail(valid.error());
    }
    log.size_ = *valid;
    if (::fstat(log.file_.get(), &status) != 0) {
        return fail(log.error("cannot be examined", errno));
    }
    if (static_cast<std::uint64_t>(status.st_size) > *valid &&
        ::ftruncate(log.file_.get(), static_cast<off_t>(*valid)) != 0) {
        return fail(log.error("cannot be cut to its last whole record", errno));
    }
    if (log.size_ == 0) {
        log.pending_ = format_header(header);
    }
    if (Result<void> done = log.sync(base::now()); !done) {
        return fail(done.error());
    }
    return log;
}

Result<std::uint64_t> ResumeLog::load(const ResumeHeader& header) {
    ResumeReader reader;
    std::string piece(std::size_t{1} << 20U, '\0');
    const auto refuse = [&](std::string_view why) {
        return fail(usage_error(cat({"the resume log ", printable(path_), " cannot be used: ", why,
                                     "; name another file, or remove it to start anew"})));
    };
    while (true) {
        const ssize_t got = ::read(file_.get(), piece.data(), piece.size());
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return fail(error("cannot be read", errno));
        }
        if (got == 0) {
            break;
        }
        const std::string_view text(piece.data(), static_cast<std::size_t>(got));
        if (const Result<void> done = reader.feed(text); !done) {
            return refuse(done.error().sentence());
        }
    }
    if (!reader.header()) {
        return reader.torn_header() ? Result<std::uint64_t>(0) : refuse("it is no resume log");
    }
    if (reader.header()->command != header.command) {
        return refuse(cat({"it belongs to another command (", reader.header()->shown, ")"}));
    }
    index(reader.records());
    return reader.valid_bytes();
}

void ResumeLog::index(const std::vector<ResumeRecord>& records) {
    std::vector<std::size_t> order(records.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, {}, [&](std::size_t i) { return std::pair(records[i].key, i); });
    for (const std::size_t i : order) {
        const ResumeRecord& record = records[i];
        if (entries_.empty() || entries_.back().key != record.key) {
            entries_.push_back(Entry{record.key, 0, 0, bad_endings_.size()});
        }
        Entry& entry = entries_.back();
        if (record.rerun && entry.badly > 0) {
            ++entry.first_bad;  // as take() took it
            --entry.badly;
        }
        if (record.ending.ok()) {
            ++entry.well;
        } else {
            ++entry.badly;
            bad_endings_.push_back(record.ending);
        }
    }
    entries_.shrink_to_fit();
}

std::optional<Ending> ResumeLog::take(const Fingerprint& key, bool prefer_bad) noexcept {
    const auto found = std::ranges::lower_bound(entries_, key, {}, &Entry::key);
    if (found == entries_.end() || found->key != key || (found->well == 0 && found->badly == 0)) {
        return std::nullopt;
    }
    if (found->badly > 0 && (prefer_bad || found->well == 0)) {
        --found->badly;
        return bad_endings_[found->first_bad++];
    }
    --found->well;
    return Ending{End::exited, 0};
}

void ResumeLog::append(const ResumeRecord& record) {
    pending_ += format_record(record);
    ++unsynced_;
}

int ResumeLog::write_pending() {
    std::size_t written = 0;
    int error = 0;
    while (written < pending_.size() && error == 0) {
        const ssize_t put =
            ::write(file_.get(), pending_.data() + written, pending_.size() - written);
        written += put > 0 ? static_cast<std::size_t>(put) : 0;
        error = put < 0 && errno != EINTR ? errno : 0;
    }
    const std::size_t newline = pending_.rfind('\n', written == 0 ? 0 : written - 1);
    const std::size_t whole = written == 0 || newline == std::string::npos ? 0 : newline + 1;
    size_ += whole;
    pending_.erase(0, whole);
    if (whole < written && ::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0) {
        error = errno;
    }
    return error;
}

Result<void> ResumeLog::sync(base::BootTime now) {
    last_sync_ = now;
    if (pending_.empty()) {
        return {};
    }
    const int unwritten = write_pending();
    if (::fdatasync(file_.get()) != 0) {
        return fail(error("cannot be made durable", errno));
    }
    const auto left = std::ranges::count(pending_, '\n');
    unsynced_ = std::min(unsynced_, static_cast<std::uint64_t>(left));
    if (unwritten != 0) {
        return fail(error("cannot be written", unwritten));
    }
    return {};
}

base::BootTime ResumeLog::sync_due() const noexcept {
    return pending_.empty() ? base::never : last_sync_ + sync_interval;
}

}  // namespace repartir::cli
