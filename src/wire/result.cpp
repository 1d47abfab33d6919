// SPDX-License-Identifier: MIT
#include "wire/result.hpp"

#include <algorithm>
#include <utility>

#include "wire/limits.hpp"

namespace repartir::wire {
namespace {

bool known(const Ending& ending) {
    return std::to_underlying(ending.end) <= std::to_underlying(End::device_failed);
}

bool enums_known(const AttemptRecord& record) {
    return known(record.ending) && std::ranges::all_of(record.stages, known) &&
           std::to_underlying(record.peak_source) <=
               std::to_underlying(PeakMemory::Source::at_most) &&
           std::to_underlying(record.containment) <= std::to_underlying(Containment::process_group);
}

}  // namespace

AttemptRecord to_record(const Attempt& attempt, std::chrono::nanoseconds age) {
    AttemptRecord record;
    record.ending = attempt.ending;
    if (attempt.error) {
        record.error = to_record(*attempt.error);
    }
    record.stages = attempt.stages;
    record.age = age;
    record.wall = attempt.wall;
    record.user = attempt.user;
    record.system = attempt.system;
    record.peak_bytes = attempt.peak_memory.bytes;
    record.peak_source = attempt.peak_memory.source;
    record.containment = attempt.containment;
    record.where = attempt.where;
    record.notes = attempt.notes;
    return record;
}

Result<Attempt> to_attempt(const AttemptRecord& record, std::chrono::system_clock::time_point now) {
    if (!enums_known(record)) {
        return fail(codec::malformed("task_result", codec::Problem::value));
    }
    Attempt attempt;
    attempt.ending = record.ending;
    if (record.error) {
        attempt.error = to_error(*record.error);
    }
    attempt.stages = record.stages;
    const std::chrono::nanoseconds zero{0};
    attempt.started = now - bounded(record.age, zero, duration_max);
    attempt.wall = bounded(record.wall, zero, duration_max);
    attempt.user = bounded(record.user, zero, duration_max);
    attempt.system = bounded(record.system, zero, duration_max);
    attempt.peak_memory = {record.peak_bytes, record.peak_source};
    attempt.containment = record.containment;
    attempt.where = record.where;
    attempt.notes = record.notes;
    return attempt;
}

}  // namespace repartir::wire
