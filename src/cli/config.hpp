// SPDX-License-Identifier: MIT
#pragma once
/// @file config.hpp What `repartir run` was asked for, checked and typed.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/args.hpp"
#include "cli/inputs.hpp"
#include "repartir/network.hpp"
#include "repartir/policy.hpp"
#include "repartir/result.hpp"

namespace repartir::cli {

/// When a run stops because tasks fail.
struct Halt {
    enum class When : std::uint8_t { never, soon, now };
    static constexpr std::uint64_t percent_from = 10;  ///< ended tasks before a share counts

    When when = When::never;
    std::uint64_t failures = 0;  ///< stop at this many; or
    std::uint32_t percent = 0;   ///< at this share of the ended, when not 0

    /// @return whether the run is to stop.
    [[nodiscard]] bool reached(std::uint64_t failed, std::uint64_t ended) const noexcept;
};

/// Reads never, now,fail=N, soon,fail=N, now,fail=N%. Errors: invalid_argument.
[[nodiscard]] Result<Halt> parse_halt(std::string_view text);

/// What --explain asks for: the plan, without running anything; or, with each task, why it ran
/// where it ran.
enum class Explain : std::uint8_t { no, plan, choices };

/// How progress is shown.
enum class ProgressMode : std::uint8_t { automatic, bar, plain, none };

/// What a run is asked for. A value.
struct RunConfig {
    // Inputs.
    std::vector<std::string> command;  ///< program and arguments, placeholders unread
    std::vector<InputList> lists;      ///< ranges first, then ::: lists, as their product
    std::string each_line;             ///< file, "-", or empty
    bool null_separated = false;
    std::string from_json;  ///< file, "-", or empty

    // Output.
    bool keep_order = false;
    bool tag = false;
    bool stream = false;
    bool json = false;
    bool quiet = false;
    ProgressMode progress = ProgressMode::automatic;
    std::string output_dir;

    // Course of the run.
    std::uint32_t workers = 0;  ///< 0: as many as the machine grants
    std::string resume;
    bool rerun_failed = false;
    Halt halt;
    bool dry_run = false;
    Explain explain = Explain::no;

    // On other machines.
    std::vector<std::string> remote;          ///< addresses of workers
    NetworkSecurity security;                 ///< of the connections to them
    std::chrono::milliseconds reach{10'000};  ///< how long tasks wait while there is no connection

    // Each task.
    std::chrono::milliseconds timeout{0};  ///< 0: none
    std::chrono::milliseconds kill_grace{2000};
    std::uint32_t retries = 0;
    std::chrono::milliseconds retry_delay{100};
    Priority priority = Priority::normal;
    std::uint32_t cores = 1;
    bool pin = false;
    std::optional<int> nice;
    std::string cwd;
    std::vector<std::pair<std::string, std::string>> env;
    bool clean_env = false;
    std::string stdin_from;  ///< file, "-", or empty: nothing
    Limits limits;
    std::optional<std::uint64_t> output_bytes;  ///< captured per stream; nothing: the default

    /// @return whether it is one program without inputs, whose exit code is ours.
    [[nodiscard]] bool single() const noexcept {
        return lists.empty() && each_line.empty() && from_json.empty();
    }
    /// @return whether the one program gets our own standard streams.
    [[nodiscard]] bool passes_through() const noexcept {
        return single() && !json && !tag && !stream && output_dir.empty() && remote.empty();
    }
    /// @return whether tasks may run on this machine.
    [[nodiscard]] bool runs_here() const noexcept { return remote.empty() || workers > 0; }
};

/// Splits what follows the options at ":::". Errors: invalid_argument.
[[nodiscard]] Result<void> split_command(const std::vector<std::string>& words, RunConfig& config);
/// Checks and types a command line of `repartir run`. Errors: invalid_argument.
[[nodiscard]] Result<RunConfig> read_config(const Parsed& parsed);

}  // namespace repartir::cli
