// SPDX-License-Identifier: MIT
#pragma once
/// @file line_log.hpp The log of a daemon, line by line to a descriptor.
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "repartir/worker.hpp"

namespace repartir::cli {

/// Writes logfmt lines with time and level in front. Any thread.
///
/// A reader that stops reading a pipe never stops the daemon: lines that would wait for it are
/// counted instead, and the count is the next line that it gets.
class LineLog {
  public:
    /// @param fd outlives this
    explicit LineLog(int fd) noexcept : fd_(fd) {}
    LineLog(const LineLog&) = delete;
    LineLog& operator=(const LineLog&) = delete;

    /// Writes one line. @param line logfmt, as LogSink takes it
    void write(LogLevel level, std::string_view line);

  private:
    [[nodiscard]] bool put(LogLevel level, std::string_view line) const;

    const int fd_;
    std::mutex mutex_;  // guards the count, and the order of lines
    std::uint64_t lost_ = 0;
};

/// @return the wall clock as RFC 3339 has it, in UTC, with milliseconds.
[[nodiscard]] std::string time_text();

}  // namespace repartir::cli
