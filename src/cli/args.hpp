// SPDX-License-Identifier: MIT
#pragma once
/// @file args.hpp Command lines by table: the table alone drives parsing, help, completion and
/// manual.
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "repartir/result.hpp"

namespace repartir::cli {

/// Names every option, so that no code repeats its spelling.
enum class Opt : std::uint8_t {
    help,
    version,
    json,
    each_line,
    null_separated,
    array,
    from_json,
    keep_order,
    tag,
    stream,
    output_dir,
    quiet,
    progress,
    resume,
    rerun_failed,
    halt,
    dry_run,
    explain,
    workers,
    pin,
    cores,
    nice,
    priority,
    timeout,
    kill_grace,
    retries,
    retry_delay,
    cwd,
    env,
    clean_env,
    stdin_from,
    limit_cpu_time,
    limit_address_space,
    limit_file_size,
    limit_open_files,
    limit_memory,
    limit_processes,
    limit_output,
    pki_dir,
    pki_name,
    pki_out,
    days,
    host,
    renew,
    listen,
    slots,
    memory,
    name,
    remote,
    reach,
    tls_ca,
    tls_cert,
    tls_key,
    tls_crl,
    insecure_plaintext,
    socket_group,
    drain_timeout,
    heartbeat,
    keep_work,
    supervise,
    config,
    print_address,
    origin,
    gpu_allow_cpu,
    shader_entry,
    shader_constant,
    shader_out,
    gpu_device,
    gpus,
    workgroups,
    buffer_in,
    buffer_out,
    buffer_inout,
    push,
};

/// One option. `value` is what help calls its value; empty for a switch, which takes none.
struct OptionSpec {
    Opt id;
    char letter;                 ///< 0: none
    std::string_view name;       ///< without the dashes
    std::string_view value;      ///< "N", "FILE"; empty: a switch, which --no-NAME turns off again
    std::string_view variable;   ///< environment name that gives its default; empty: none
    std::string_view fallback;   ///< the default, for people; empty: none
    std::string_view group;      ///< heading in help
    std::string_view help;       ///< one or more sentences
    bool repeats = false;        ///< may be given several times; its variable separates by commas
    std::string_view bare = {};  ///< what it means without =VALUE; empty: it needs a value
    bool in_file = false;        ///< is a key of the configuration file, by its name
};

/// A command line that works, and what it does.
struct Example {
    std::string_view line;
    std::string_view does;
};

/// One command of the program.
struct CommandSpec {
    std::string_view name;  ///< one word, or two: "pki init"
    std::string_view synopsis;
    std::string_view summary;
    std::string_view description;
    std::span<const OptionSpec> options;
    std::span<const Example> examples;
    bool hidden = false;  ///< left out of help and completion
    bool mixed = false;   ///< options may also stand between and after other words
};

/// Looks an environment variable up; nothing when it is unset.
using EnvLookup = std::function<std::optional<std::string>(std::string_view name)>;

/// The kinds of places that settings come from; a later one wins over those before it.
enum class Source : std::uint8_t { file, environment, flag };

/// Where a setting comes from.
struct Origin {
    Source source = Source::flag;
    std::string where;  ///< the variable, or FILE:LINE; empty for a flag
};

/// What a command line said, with the environment's and a file's settings behind it.
class Parsed {
  public:
    /// Records an option. Of one source, later ones win in last().
    void add(Opt id, std::string value, Origin origin = {}) {
        settings_.push_back(Setting{id, std::move(value), std::move(origin)});
    }
    /// @return whether a switch is on.
    [[nodiscard]] bool on(Opt id) const noexcept;
    /// @return whether an option was given at all, by any source.
    [[nodiscard]] bool given(Opt id) const noexcept { return last(id).has_value(); }
    /// @return the value given last; nothing when there is none.
    [[nodiscard]] std::optional<std::string_view> last(Opt id) const noexcept;
    /// @return where last() comes from; nullptr when there is none.
    [[nodiscard]] const Origin* origin(Opt id) const noexcept;
    /// @return every value of the source that wins, in order.
    [[nodiscard]] std::vector<std::string_view> all(Opt id) const;
    /// @return what flags say of any of these options, in the order of the command line.
    [[nodiscard]] std::vector<std::pair<Opt, std::string_view>> in_order(
        std::initializer_list<Opt> ids) const;

    /// What follows the options: from the first word that is none, or "--". Of a mixed command all
    /// words that are no option's.
    std::vector<std::string> rest;

  private:
    struct Setting {
        Opt id;
        std::string value;
        Origin origin;
    };
    [[nodiscard]] const Setting* find_last(Opt id) const noexcept;
    std::vector<Setting> settings_;
};

/// Reads a command's words (its name not among them): --name VALUE, --name=VALUE, -x VALUE,
/// -xVALUE, clustered switches, --no-name (also of one that has a bare meaning: "no"). Options end
/// at "--", which is dropped, or before the first other word, unless the command is mixed. Errors:
/// invalid_argument, one sentence that names the nearest option where a name is unknown.
[[nodiscard]] Result<Parsed> parse_args(const CommandSpec& command,
                                        std::span<const std::string> words, const EnvLookup& env);

/// @return the candidate with the fewest edits from `word`; empty when none is near enough.
[[nodiscard]] std::string_view nearest(std::string_view word,
                                       std::span<const std::string_view> candidates);

}  // namespace repartir::cli
