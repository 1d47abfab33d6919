// SPDX-License-Identifier: MIT
#pragma once
/// @file sink.hpp Output that waits for its reader without making us wait.
#include <cerrno>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "repartir/outcome.hpp"

namespace repartir::cli {

/// A queue of bytes in front of a standard stream. pump() writes what the reader takes now and
/// never blocks on a pipe or a terminal, so that signals are seen while a reader is slow. After an
/// error everything is dropped. One thread.
class Sink {
  public:
    /// @param fd standard output or error; stays open, is not changed.
    explicit Sink(int fd);

    /// Queues text.
    void write(std::string_view text);
    /// Queues what was captured; a spilled file is copied as it is written, not read at once.
    void write(const Captured& captured);
    /// Writes until the reader takes no more or nothing is left.
    void pump();

    /// @return whether something waits for the reader.
    [[nodiscard]] bool waiting() const noexcept { return !chunks_.empty(); }
    /// @return bytes queued in memory.
    [[nodiscard]] std::uint64_t memory_bytes() const noexcept { return memory_bytes_; }
    /// @return spilled files queued: each holds a descriptor.
    [[nodiscard]] std::size_t files() const noexcept { return files_; }
    /// @return bytes queued since the start; what was queued before is out when done() reaches it.
    [[nodiscard]] std::uint64_t queued() const noexcept { return queued_; }
    /// @return bytes written since the start.
    [[nodiscard]] std::uint64_t done() const noexcept { return done_; }
    /// @return the errno value that ended it; 0 while it works.
    [[nodiscard]] int error() const noexcept { return error_; }
    /// @return whether nobody wants it: closed when we started, or by its reader.
    [[nodiscard]] bool unwanted() const noexcept { return error_ == EPIPE || error_ == EBADF; }
    [[nodiscard]] int fd() const noexcept { return fd_; }
    [[nodiscard]] bool is_terminal() const noexcept { return terminal_; }
    /// @return whether both lead to the same pipe, file or terminal.
    [[nodiscard]] bool same_target(const Sink& other) const noexcept;

  private:
    struct Chunk {
        std::string text;
        std::size_t at = 0;
        Captured file;              // spilled output still to be read, kept alive here
        std::uint64_t file_at = 0;  // of it has been read
        bool spilled = false;
    };
    [[nodiscard]] bool refill(Chunk& chunk);
    void give_up(int error);

    int fd_;
    base::Fd reopened_;  // the same pipe or terminal with O_NONBLOCK, where that is allowed
    std::deque<Chunk> chunks_;
    std::uint64_t memory_bytes_ = 0;
    std::size_t files_ = 0;
    std::uint64_t queued_ = 0;
    std::uint64_t done_ = 0;
    std::size_t write_max_;
    std::uint64_t device_ = 0;
    std::uint64_t inode_ = 0;
    int error_ = 0;
    bool polls_ = false;  // ask before each write, as the descriptor may block
    bool terminal_ = false;
};

}  // namespace repartir::cli
