// SPDX-License-Identifier: MIT
#pragma once
/// @file result.hpp How an attempt ended, as TaskResult carries it.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "repartir/codec.hpp"
#include "repartir/id.hpp"
#include "repartir/outcome.hpp"
#include "wire/forms.hpp"
#include "wire/messages.hpp"

namespace repartir::wire {

/// The end of a stream. What came before it in pieces (TaskOutput) is not said again.
struct OutputTail {
    std::uint64_t offset = 0;  ///< bytes that went before
    std::string_view bytes;    ///< the rest
    std::uint64_t lost = 0;    ///< further ones that could not be kept
    static constexpr auto codec_fields =
        std::tuple(&OutputTail::offset, &OutputTail::bytes, &OutputTail::lost);
};

/// An Attempt, but for its number and backend, which its submitter knows.
struct AttemptRecord {
    Ending ending;
    std::optional<ErrorRecord> error;
    std::vector<Ending> stages;
    std::chrono::nanoseconds age{0};  ///< since it started
    std::chrono::nanoseconds wall{0};
    std::chrono::nanoseconds user{0};
    std::chrono::nanoseconds system{0};
    std::uint64_t peak_bytes = 0;
    PeakMemory::Source peak_source = PeakMemory::Source::unknown;
    Containment containment = Containment::none;
    std::string where;
    std::vector<std::string> notes;
    static constexpr auto codec_fields =
        std::tuple(&AttemptRecord::ending, &AttemptRecord::error, &AttemptRecord::stages,
                   &AttemptRecord::age, &AttemptRecord::wall, &AttemptRecord::user,
                   &AttemptRecord::system, &AttemptRecord::peak_bytes, &AttemptRecord::peak_source,
                   &AttemptRecord::containment, &AttemptRecord::where, &AttemptRecord::notes);
};

/// How one attempt ended: sent again on every connection until it is acknowledged (Credit).
struct TaskResult {
    std::uint64_t sequence = 0;  ///< of the session's results, from 1
    AttemptId attempt;
    AttemptRecord report;
    OutputTail out;
    OutputTail err;
    OutputTail value;  ///< what a function returned, encoded
    static constexpr auto codec_fields =
        std::tuple(&TaskResult::sequence, &TaskResult::attempt, &TaskResult::report,
                   &TaskResult::out, &TaskResult::err, &TaskResult::value);
};

/// @param age how long ago it started
[[nodiscard]] AttemptRecord to_record(const Attempt& attempt, std::chrono::nanoseconds age);
/// @param now the wall clock, of which the time of the start is reckoned
/// @return the attempt, but for its number and backend; times that cannot be are brought between
/// zero and duration_max. Errors: malformed, when a number names no enumerator
[[nodiscard]] Result<Attempt> to_attempt(const AttemptRecord& record,
                                         std::chrono::system_clock::time_point now);

}  // namespace repartir::wire
