// SPDX-License-Identifier: MIT
#pragma once
/// @file problem.hpp Many short programs, with both output streams read through pipes.
///
/// Modes: `true` runs /bin/true; `output` runs the `emit` program beside this one and must see all
/// its 64 KiB; `latency` runs /bin/true one after the other and times each. --workers is how many
/// run at once. --at runs ours on a worker of this machine, and nowhere else.
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

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

/// Runs the problem's children after a few to warm up. `many(count)` and `timed(count, samples)`
/// run so many, the latter one by one, and give how many ended well. @return whether all did.
template <class Many, class Timed>
[[nodiscard]] bool measure(const Options& options, Report& report, Many many, Timed timed) {
    constexpr std::uint64_t warm_up = 20;
    const std::uint64_t count = count_for(options);
    const bool latency = options.mode == "latency";
    std::vector<std::uint64_t> samples;
    samples.reserve(count);
    std::uint64_t well = many(warm_up);
    const std::uint64_t begin = now_ns();
    well += latency ? timed(count, samples) : many(count);
    const auto elapsed = static_cast<double>(now_ns() - begin);
    report.add("items", static_cast<double>(count));
    report.add("ns_per_item", elapsed / static_cast<double>(count));
    if (latency) {
        report.add_percentiles("latency", samples);
    }
    return well == count + warm_up;
}

}  // namespace bench::processes
