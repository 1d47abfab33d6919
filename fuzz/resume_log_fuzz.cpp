// SPDX-License-Identifier: MIT
// What a resume log holds does not depend on the pieces in which it is read; its whole lines read
// again are whole; a record survives being written and read.
#include "check.hpp"
#include "cli/resume_log.hpp"

namespace {

/// Feeds the text in pieces. @return whether all of it was accepted.
bool feed(repartir::cli::ResumeReader& reader, std::string_view text, std::size_t piece) {
    for (std::size_t at = 0; at < text.size(); at += piece) {
        if (!reader.feed(text.substr(at, piece))) {
            return false;
        }
    }
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using repartir::fuzz::check;
    if (size == 0) {
        return 0;
    }
    const std::string_view text = repartir::fuzz::text_of(data + 1, size - 1);
    repartir::cli::ResumeReader whole;
    repartir::cli::ResumeReader pieces;
    const bool accepted = feed(whole, text, text.size() + 1);
    check(accepted == feed(pieces, text, 1U + data[0] % 16U));
    for (const auto& line : repartir::fuzz::split(text, '\n')) {
        const auto record = repartir::cli::parse_record(line);
        if (record) {
            std::string written = repartir::cli::format_record(*record);
            written.pop_back();
            const auto again = repartir::cli::parse_record(written);
            check(again && *again == *record);
        }
    }
    if (!accepted) {
        return 0;
    }
    check(whole.records() == pieces.records() && whole.valid_bytes() == pieces.valid_bytes());
    check(whole.valid_bytes() <= text.size());
    repartir::cli::ResumeReader again;
    check(feed(again, text.substr(0, whole.valid_bytes()), text.size() + 1));
    check(again.records() == whole.records() && again.valid_bytes() == whole.valid_bytes());
    return 0;
}
