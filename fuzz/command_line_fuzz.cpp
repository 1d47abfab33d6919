// SPDX-License-Identifier: MIT
// Any words make a command line or an error with a sentence; what is accepted stays in its bounds.
#include <optional>

#include "check.hpp"
#include "cli/args.hpp"
#include "cli/config.hpp"
#include "cli/inputs.hpp"
#include "cli/options.hpp"

namespace {

void check_range(std::string_view word) {
    const auto range = repartir::cli::parse_range(word);
    if (!range) {
        return;
    }
    const std::uint64_t size = range->size();
    repartir::fuzz::check(size > 0 && range->at(0) == range->first);
    const std::int64_t end = range->at(size - 1);
    repartir::fuzz::check(range->step > 0 ? end <= range->last : end >= range->last);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    namespace cli = repartir::cli;
    const auto words = repartir::fuzz::split(repartir::fuzz::text_of(data, size), '\n');
    for (const std::string& word : words) {
        check_range(word);
    }
    const cli::CommandSpec* run = cli::find_command("run");
    const auto no_environment = [](std::string_view) { return std::optional<std::string>(); };
    const auto parsed = cli::parse_args(*run, words, no_environment);
    if (!parsed) {
        repartir::fuzz::check(!parsed.error().sentence().empty());
        return 0;
    }
    const auto config = cli::read_config(*parsed);
    if (config) {
        repartir::fuzz::check(config->kill_grace.count() >= 0 && config->timeout.count() >= 0);
    } else {
        repartir::fuzz::check(!config.error().sentence().empty());
    }
    return 0;
}
