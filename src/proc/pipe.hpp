// SPDX-License-Identifier: MIT
#pragma once
/// @file pipe.hpp Reading what a program writes, and feeding what it reads, without blocking.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/fd.hpp"
#include "loop/loop.hpp"
#include "repartir/result.hpp"

namespace repartir::proc {

/// Both ends of a pipe, both close-on-exec.
struct Pipe {
    base::Fd reader;
    base::Fd writer;
};

/// Which end of a pipe is ours, and therefore does not block.
enum class OurEnd : std::uint8_t { reader, writer, neither };

/// Makes a pipe. Only our end is non-blocking: the program's end must not be.
/// Errors: out_of_resources.
[[nodiscard]] Result<Pipe> make_pipe(OurEnd ours);

/// Reads a pipe to its end inside a loop. One thread: the loop's.
class PipeReader final : private loop::Handler {
  public:
    /// Who gets the bytes.
    class Sink {
      public:
        Sink() = default;
        Sink(const Sink&) = delete;
        Sink& operator=(const Sink&) = delete;
        /// @param bytes valid during the call only. May call close() and pause().
        virtual void on_bytes(PipeReader& reader, std::span<const std::byte> bytes) noexcept = 0;
        /// The end was reached, or reading failed; the pipe is closed already. Not called after
        /// close(). May destroy or open the reader again. @param os_error 0 at a normal end
        virtual void on_end(PipeReader& reader, int os_error) noexcept = 0;

      protected:
        ~Sink() = default;
    };

    PipeReader() = default;
    ~PipeReader() override { close(); }
    PipeReader(const PipeReader&) = delete;
    PipeReader& operator=(const PipeReader&) = delete;

    /// Starts reading. @param fd non-blocking, taken over. @param buffer where reads go; shared
    /// with other readers of the same loop, must outlive the reading. @param sink must outlive it
    /// too. Errors: as Loop::add.
    [[nodiscard]] Result<void> open(loop::Loop& loop, base::Fd fd, std::span<std::byte> buffer,
                                    Sink& sink);
    /// Reads now what is there, until it would block or the end, 256 reads at most; may call the
    /// sink. For what a program left behind. Works while paused.
    void drain() noexcept;
    /// Stops asking for bytes, so that the program blocks when the pipe is full; resume() goes on.
    void pause() noexcept;
    /// Ends a pause. Errors: as Loop::add; it stays paused then.
    [[nodiscard]] Result<void> resume();
    /// Closes it and tells the sink that this was the end; nothing when it is closed already.
    void finish() noexcept;
    /// Stops and closes, without a word to the sink.
    void close() noexcept;
    [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(fd_); }

  private:
    void on_event(std::uint32_t events) noexcept override;
    bool read_some(bool hung_up) noexcept;
    void end(int reason) noexcept;

    loop::Loop* loop_ = nullptr;
    Sink* sink_ = nullptr;
    std::span<std::byte> buffer_;
    base::Fd fd_;
    bool paused_ = false;
};

/// Writes bytes into a pipe inside a loop, then closes it. A program that stops reading early is no
/// error. SIGPIPE must be blocked in the loop's thread (block_signals_in_this_thread). One thread.
class PipeWriter final : private loop::Handler {
  public:
    /// Who is told.
    class Sink {
      public:
        Sink() = default;
        Sink(const Sink&) = delete;
        Sink& operator=(const Sink&) = delete;
        /// The pipe is closed. Not called after close(), never from inside open().
        /// @param os_error 0: all was written; EPIPE: the program closed it early
        virtual void on_fed(PipeWriter& writer, int os_error) noexcept = 0;

      protected:
        ~Sink() = default;
    };

    PipeWriter() = default;
    ~PipeWriter() override { close(); }
    PipeWriter(const PipeWriter&) = delete;
    PipeWriter& operator=(const PipeWriter&) = delete;

    /// Starts feeding. @param fd non-blocking, taken over. @param bytes must outlive the writing.
    /// @param sink nullptr, or must outlive the writing.
    /// Errors: as Loop::add; invalid_argument when SIGPIPE is not blocked in this thread.
    [[nodiscard]] Result<void> open(loop::Loop& loop, base::Fd fd, std::span<const std::byte> bytes,
                                    Sink* sink);
    /// Stops and closes, without a word to the sink.
    void close() noexcept;
    [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(fd_); }

  private:
    void on_event(std::uint32_t events) noexcept override;

    loop::Loop* loop_ = nullptr;
    Sink* sink_ = nullptr;
    std::span<const std::byte> bytes_;
    base::Fd fd_;
};

}  // namespace repartir::proc
