// SPDX-License-Identifier: MIT
#pragma once
/// @file stream_hub.hpp Whole lines from many running tasks, for --stream.
#include <array>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "cli/render.hpp"
#include "cli/watched_executor.hpp"
#include "repartir/task.hpp"

namespace repartir::cli {

class StreamHub;

/// What one task has written of a line that is not whole yet. Shared by the task's callback and the
/// main loop, which ends it; guarded by the hub's mutex.
class StreamedTask {
  public:
    StreamedTask(StreamHub& hub, std::string_view label, bool tag);
    /// Takes a piece of output; waits while the main loop is far behind. Any thread.
    void add(Stream stream, std::span<const char> piece);
    /// Hands a last line without a newline over, newline added, after the task has ended.
    void finish();

  private:
    struct Side {
        std::string partial;  // since the last newline
        Tagger tagger;
        bool cut = false;  // the beginning of that line was handed over already
    };
    void emit(Side& side, std::string_view text, std::string& into) const;

    StreamHub& hub_;
    std::array<Side, 2> sides_;
    bool tag_;
};

/// Collects whole lines for the main loop: what it has not taken is bounded, past that tasks wait.
/// Lines up to line_bytes_max stay whole; longer ones are handed over in pieces.
class StreamHub {
  public:
    static constexpr std::size_t bytes_max = 8U << 20U;
    static constexpr std::size_t line_bytes_max = 1U << 20U;

    /// @param bell outlives this; rings when there is something to take
    explicit StreamHub(Bell& bell) : bell_(bell) {}
    /// Appends what has come to `out` and `err`. The main loop.
    void take(std::string& out, std::string& err);
    /// Drops all that comes from now on, so that nobody waits for a reader that is gone.
    void discard();

  private:
    friend class StreamedTask;
    Bell& bell_;
    std::mutex mutex_;
    std::condition_variable taken_;
    std::array<std::string, 2> ready_;
    bool discarding_ = false;
};

}  // namespace repartir::cli
