// SPDX-License-Identifier: MIT
// The tasks that a JSON array holds do not depend on the pieces in which it arrives.
#include <utility>

#include "check.hpp"
#include "cli/job_reader.hpp"

namespace {

struct Reading {
    std::vector<std::pair<std::string, std::vector<std::string>>> jobs;
    bool failed = false;
    bool ended = false;
    bool operator==(const Reading&) const = default;
};

/// Takes all tasks that are ready. @return false when there will be no more.
bool take(repartir::cli::JobReader& reader, Reading& into) {
    while (true) {
        auto job = reader.next();
        if (!job) {
            into.failed = true;
            return false;
        }
        if (!job->has_value()) {
            return true;
        }
        into.jobs.emplace_back((*job)->program, (*job)->args);
    }
}

Reading read_in_pieces(std::string_view text, std::size_t piece) {
    repartir::cli::JobReader reader;
    Reading reading;
    for (std::size_t at = 0; at < text.size(); at += piece) {
        reader.feed(text.substr(at, piece));
        if (!take(reader, reading)) {
            return reading;
        }
    }
    reader.finish();
    if (take(reader, reading)) {
        reading.ended = reader.ended();
    }
    return reading;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view text = repartir::fuzz::text_of(data + 1, size - 1);
    const Reading whole = read_in_pieces(text, text.size() + 1);
    const Reading pieces = read_in_pieces(text, 1U + data[0] % 16U);
    repartir::fuzz::check(whole == pieces);
    return 0;
}
