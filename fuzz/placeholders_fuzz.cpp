// SPDX-License-Identifier: MIT
// A word without a brace stands for itself, and inputs are never read as templates.
#include "check.hpp"
#include "cli/placeholders.hpp"

namespace {

constexpr std::uint32_t lists_max = 64;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto parts = repartir::fuzz::split(repartir::fuzz::text_of(data, size), '\n');
    const repartir::cli::Template word(parts.front());
    if (word.list_max() > lists_max) {
        return 0;
    }
    const std::string input = parts.size() > 1 ? parts[1] : "dir/name.ext";
    const std::vector<std::string> inputs(word.list_max() + 1, input);
    std::string filled;
    word.fill(inputs, 7, filled);
    if (parts.front().find('{') == std::string::npos) {
        repartir::fuzz::check(!word.has_holes() && filled == parts.front());
    }
    if (parts.front() == "{1}") {
        repartir::fuzz::check(filled == input);
    }
    return 0;
}
