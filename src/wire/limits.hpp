// SPDX-License-Identifier: MIT
#pragma once
/// @file limits.hpp What a peer can make us hold, each with its reason. Checked before allocation.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace repartir::wire {

/// A frame's body, on the wire and plain: so long waits whatever comes behind it on the connection
/// (64 KiB: 0.1 ms at 5 Gbit/s), and so much of a frame is held before its checksum is known.
inline constexpr std::size_t frame_body_bytes_max = 64UL * 1024;
/// A whole message: a command line may have 2 MiB, a task's inline input and a function's arguments
/// the rest. What is larger travels as pieces of output or by a blob.
inline constexpr std::size_t message_bytes_max = 16UL * 1024 * 1024;
/// A task or a call, encoded: the rest of its message is for what goes around it.
inline constexpr std::size_t task_bytes_max = message_bytes_max - 64UL * 1024;
/// A task's inline input: the rest is for its arguments and environment.
inline constexpr std::size_t input_bytes_max = 15UL * 1024 * 1024;
/// All messages of one connection that have begun and not ended, together.
inline constexpr std::size_t unfinished_bytes_max = 2 * message_bytes_max;
/// Messages of one connection that have begun and not ended.
inline constexpr std::size_t unfinished_messages_max = 64;
/// Before a peer is authenticated: a Hello and nothing more.
inline constexpr std::size_t greeting_bytes_max = 4096;
/// The answer, which comes from whom we dialled: a Welcome with the names of its functions.
inline constexpr std::size_t welcome_bytes_max = frame_body_bytes_max;
/// The names of a worker and of its functions, in a Welcome: the rest is for its other fields.
inline constexpr std::size_t names_bytes_max = welcome_bytes_max - 4096;
/// Bodies from this size are worth compressing: below, LZ4 costs more than the bytes it saves.
inline constexpr std::size_t compress_bytes_min = 1024;
/// A result's inline output, per stream; more travels as pieces before it.
inline constexpr std::size_t inline_output_bytes_max = 64UL * 1024;
/// A piece of output in one message: a small one never waits for more than this. One that is as
/// long as this has more behind it, most often.
inline constexpr std::size_t output_piece_bytes_max = 32UL * 1024;
/// Tasks in one TaskSubmit, and ids in one list.
inline constexpr std::uint32_t batch_max = 4096;
/// How often both ends of a connection may be asked to speak.
inline constexpr std::chrono::milliseconds heartbeat_min{100};
inline constexpr std::chrono::milliseconds heartbeat_max{60'000};
/// A peer that says that something took longer is believed as far as this: a sum of such times
/// still is a time.
inline constexpr std::chrono::hours duration_max{24 * 366};

/// @return a time that a peer named, within the bounds: compared without conversion, since there
/// are more milliseconds in a number than nanoseconds.
template <class Rep, class Period>
[[nodiscard]] constexpr std::chrono::nanoseconds bounded(std::chrono::duration<Rep, Period> said,
                                                         std::chrono::nanoseconds low,
                                                         std::chrono::nanoseconds high) noexcept {
    using Said = std::chrono::duration<Rep, Period>;
    if (said <= std::chrono::duration_cast<Said>(low)) {
        return low;
    }
    return said >= std::chrono::duration_cast<Said>(high) ? high : said;
}

}  // namespace repartir::wire
