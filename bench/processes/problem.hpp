// SPDX-License-Identifier: MIT
#pragma once
/// @file problem.hpp Many short programs, with both output streams read through pipes.
///
/// Modes: `true` runs /bin/true; `output` runs the `emit` program beside this one and must see all
/// its 64 KiB; `latency` runs /bin/true one after the other and times each. --workers is how many
/// run at once.
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "bench/harness/harness.hpp"

namespace bench::processes {

inline constexpr std::uint64_t output_bytes = 65536;

/// What the mode runs, without arguments.
struct Command {
    std::string program;
    std::uint64_t bytes = 0;  ///< that it writes to its standard output
};

[[nodiscard]] inline Command command_for(std::string_view mode) {
    if (mode == "output") {
        return {std::filesystem::read_symlink("/proc/self/exe").replace_filename("emit"),
                output_bytes};
    }
    return {"/bin/true", 0};
}

[[nodiscard]] inline std::uint64_t count_for(const Options& options) noexcept {
    return options.count == 0 ? 2000 : options.count;
}

}  // namespace bench::processes
