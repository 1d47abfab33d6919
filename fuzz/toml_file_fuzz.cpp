// SPDX-License-Identifier: MIT
// A configuration file is settings under known keys, in the order of their lines, or one sentence
// that begins with the file's name and a line.
#include <algorithm>
#include <array>
#include <string_view>

#include "check.hpp"
#include "cli/toml_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using repartir::fuzz::check;
    constexpr std::array<std::string_view, 4> keys{"a", "slots", "listen", "drain-timeout"};
    const std::string_view text = repartir::fuzz::text_of(data, size);
    const auto settings = repartir::cli::read_toml("f", text, keys);
    if (!settings) {
        check(settings.error().sentence().starts_with("f:"));
        check(!settings.error().sentence().contains('\n'));
        return 0;
    }
    std::uint32_t line = 1;
    for (const repartir::cli::FileSetting& setting : *settings) {
        check(std::ranges::find(keys, setting.key) != keys.end());
        check(setting.line >= line);
        line = setting.line;
    }
    return 0;
}
