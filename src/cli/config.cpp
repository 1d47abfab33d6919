// SPDX-License-Identifier: MIT
#include "cli/config.hpp"

#include <algorithm>
#include <limits>

#include "cli/option_reader.hpp"
#include "cli/placeholders.hpp"
#include "cli/security_options.hpp"
#include "cli/text.hpp"
#include "net/address.hpp"

namespace repartir::cli {
namespace {

constexpr std::uint64_t no_bound = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t workers_max = 4096;

Result<ProgressMode> parse_progress(std::string_view text) {
    if (text == "auto") {
        return ProgressMode::automatic;
    }
    if (text == "bar") {
        return ProgressMode::bar;
    }
    if (text == "plain") {
        return ProgressMode::plain;
    }
    if (text == "none") {
        return ProgressMode::none;
    }
    return fail(usage_error(
        cat({"--progress: \"", printable(text), "\" is none of auto, bar, plain and none"})));
}

Result<Explain> parse_explain(std::string_view text) {
    if (text == "choices") {
        return Explain::choices;
    }
    if (text == "plan") {
        return Explain::plan;
    }
    const Result<bool> on = parse_bool("--explain", text);
    if (!on) {
        return fail(
            usage_error(cat({"--explain: \"", printable(text), "\" is none of plan and choices"})));
    }
    return *on ? Explain::plan : Explain::no;
}

Result<Priority> parse_priority(std::string_view text) {
    for (const Priority priority : {Priority::high, Priority::normal, Priority::low}) {
        if (text == to_string(priority)) {
            return priority;
        }
    }
    return fail(usage_error(
        cat({"--priority: \"", printable(text), "\" is none of high, normal and low"})));
}

/// The kernel counts whole seconds. Rounded up, 500ms would let twice as much pass as was asked
/// for.
Result<std::chrono::seconds> parse_cpu_time(std::string_view text) {
    const Result<std::chrono::milliseconds> time = parse_duration("--limit-cpu-time", text);
    if (!time) {
        return fail(time.error());
    }
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(*time);
    if (seconds != *time || seconds.count() == 0) {
        return fail(
            usage_error(cat({"--limit-cpu-time: \"", printable(text),
                             "\" is no whole number of seconds above 0, which is what the"
                             " kernel counts; write ",
                             std::to_string(std::max<std::int64_t>(seconds.count(), 1)), "s"})));
    }
    return seconds;
}

Result<void> read_env(const Parsed& parsed, RunConfig& config) {
    for (const std::string_view setting : parsed.all(Opt::env)) {
        const std::size_t equals = setting.find('=');
        if (equals == std::string_view::npos || equals == 0) {
            return fail(usage_error(
                cat({"--env: \"", printable(setting), "\" is no setting; write NAME=VALUE"})));
        }
        config.env.emplace_back(setting.substr(0, equals), setting.substr(equals + 1));
    }
    return {};
}

void read_task_options(const Parsed& parsed, OptionReader& reader, RunConfig& config) {
    reader.duration(Opt::timeout, "--timeout", config.timeout);
    reader.duration(Opt::kill_grace, "--kill-grace", config.kill_grace);
    reader.count(Opt::retries, "--retries", 0, 1'000'000, config.retries);
    reader.duration(Opt::retry_delay, "--retry-delay", config.retry_delay);
    reader.take(Opt::priority, parse_priority, config.priority);
    reader.count(Opt::cores, "--cores", 1, workers_max, config.cores);
    reader.count(Opt::nice, "--nice", 0, 19, config.nice);
    reader.text(Opt::cwd, "--cwd", config.cwd);
    reader.text(Opt::stdin_from, "--stdin", config.stdin_from);
    reader.take(Opt::limit_cpu_time, parse_cpu_time, config.limits.cpu_time);
    reader.size_above_0(Opt::limit_address_space, "--limit-address-space",
                        config.limits.address_space_bytes);
    reader.size(Opt::limit_file_size, "--limit-file-size", config.limits.file_bytes);
    reader.count(Opt::limit_open_files, "--limit-open-files", 1, no_bound,
                 config.limits.open_files);
    reader.size_above_0(Opt::limit_memory, "--limit-memory", config.limits.resident_bytes);
    reader.count(Opt::limit_processes, "--limit-processes", 1, no_bound, config.limits.processes);
    reader.size_above_0(Opt::limit_output, "--limit-output", config.output_bytes);
    reader.refuse(read_env(parsed, config));
    config.clean_env = parsed.on(Opt::clean_env);
    config.pin = parsed.on(Opt::pin);
}

/// What goes together and what does not.
void check_inputs(const Parsed& parsed, OptionReader& reader, const RunConfig& config) {
    const int kinds = (config.lists.empty() ? 0 : 1) + (config.each_line.empty() ? 0 : 1) +
                      (config.from_json.empty() ? 0 : 1);
    if (kinds > 1) {
        reader.refuse(
            "inputs come from ::: and --array, from --each-line or from --from-json;"
            " leave one of them");
    }
    for (const auto& [id, name] :
         {std::pair(Opt::each_line, "--each-line"), std::pair(Opt::from_json, "--from-json")}) {
        if (parsed.all(id).size() > 1) {
            reader.refuse(cat({name, " is given twice, and reads one file; join the files"}));
        }
    }
    if (config.null_separated && config.each_line.empty()) {
        reader.refuse("--null says how --each-line splits its file; add --each-line FILE");
    }
    if (config.command.empty() && config.from_json.empty()) {
        reader.refuse("there is no program to run; write: repartir run -- program {} ::: inputs");
    }
    if (!config.command.empty() && !config.from_json.empty()) {
        reader.refuse("--from-json names the programs itself; leave the command away");
    }
    if (config.stdin_from == "-" && (config.each_line == "-" || config.from_json == "-")) {
        reader.refuse("standard input cannot be both the inputs and --stdin -");
    }
    if (parsed.given(Opt::cwd) && !config.from_json.empty()) {
        reader.refuse("--from-json tasks name their directory with \"cwd\"; leave --cwd away");
    }
}

void check_placeholders(OptionReader& reader, const RunConfig& config) {
    if (config.single()) {
        return;
    }
    const std::uint32_t lists =
        config.lists.empty() ? 1 : static_cast<std::uint32_t>(config.lists.size());
    const auto check = [&](std::string_view text) {
        const std::uint32_t used = Template(text).list_max();
        if (used > lists) {
            reader.refuse(cat({"\"", printable(text), "\" asks for input ", number(used),
                               " where every task has ", number(lists)}));
        }
    };
    for (const std::string& word : config.command) {
        check(word);
    }
    for (const auto& [name, value] : config.env) {
        check(value);
    }
    check(config.cwd);
    check(config.output_dir);
}

void check_remote(OptionReader& reader, const RunConfig& config) {
    if (config.remote.empty()) {
        return;
    }
    if (config.pin) {
        reader.refuse("--pin binds tasks to CPUs of this machine; leave it or --remote away");
    }
}

void check_output(OptionReader& reader, const RunConfig& config) {
    if (config.stream && (config.keep_order || config.json || !config.output_dir.empty())) {
        reader.refuse(
            "--stream prints lines as they come and does not go with --keep-order,"
            " --json or --output-dir");
    }
    if (config.json && config.tag) {
        reader.refuse("--json names each task's input itself; leave --tag away");
    }
    if (config.rerun_failed && config.resume.empty()) {
        reader.refuse("--rerun-failed needs the log of the run that failed; add --resume FILE");
    }
}

}  // namespace

bool Halt::reached(std::uint64_t failed, std::uint64_t ended) const noexcept {
    if (when == When::never) {
        return false;
    }
    if (percent == 0) {
        return failed >= failures;
    }
    return ended >= percent_from && failed * 100 >= ended * percent;
}

Result<Halt> parse_halt(std::string_view text) {
    Halt halt;
    if (text == "never") {
        return halt;
    }
    constexpr std::string_view condition = ",fail=";
    const std::size_t comma = text.find(',');
    const std::string_view when = text.substr(0, comma);
    std::string_view rest = comma == std::string_view::npos ? "" : text.substr(comma);
    const bool known = (when == "now" || when == "soon") && rest.starts_with(condition);
    rest.remove_prefix(known ? condition.size() : 0);
    const bool share = rest.ends_with('%');
    rest.remove_suffix(share ? 1 : 0);
    const Result<std::uint64_t> count =
        parse_count("--halt", rest, 1, share ? 100 : std::uint64_t{1} << 62U);
    if (!known || !count) {
        return fail(usage_error(cat({"--halt: \"", printable(text),
                                     "\" is no condition; write"
                                     " never, now,fail=1, soon,fail=3 or now,fail=10%"})));
    }
    halt.when = when == "now" ? Halt::When::now : Halt::When::soon;
    (share ? halt.percent = static_cast<std::uint32_t>(*count) : halt.failures = *count);
    return halt;
}

Result<void> split_command(const std::vector<std::string>& words, RunConfig& config) {
    for (const std::string_view other : {"::::", ":::+", "::::+"}) {  // GNU Parallel's
        if (std::ranges::find(words, other) != words.end()) {
            return fail(usage_error(cat({"there is no ", other,
                                         "; write ::: before the inputs, or "
                                         "read them from a file with --each-line FILE"})));
        }
    }
    std::size_t i = 0;
    for (; i < words.size() && words[i] != ":::"; ++i) {
        config.command.push_back(words[i]);
    }
    for (; i < words.size(); ++i) {
        if (words[i] == ":::") {
            config.lists.emplace_back(std::vector<std::string>());
        } else {
            std::get<0>(config.lists.back()).push_back(words[i]);
        }
    }
    if (!config.command.empty() && config.command.front().empty()) {
        return fail(usage_error("the program's name is empty; name the program to run"));
    }
    return {};
}

Result<RunConfig> read_config(const Parsed& parsed) {
    RunConfig config;
    OptionReader reader(parsed);
    for (const std::string_view range : parsed.all(Opt::array)) {
        const Result<NumberRange> numbers = parse_range(range);
        if (!numbers) {
            return fail(numbers.error());
        }
        config.lists.emplace_back(*numbers);
    }
    reader.refuse(split_command(parsed.rest, config));
    reader.text(Opt::each_line, "--each-line", config.each_line);
    reader.text(Opt::from_json, "--from-json", config.from_json);
    config.null_separated = parsed.on(Opt::null_separated);

    config.keep_order = parsed.on(Opt::keep_order);
    config.tag = parsed.on(Opt::tag);
    config.stream = parsed.on(Opt::stream);
    config.json = parsed.on(Opt::json);
    config.quiet = parsed.on(Opt::quiet);
    reader.text(Opt::output_dir, "--output-dir", config.output_dir);
    reader.take(Opt::progress, parse_progress, config.progress);

    reader.count(Opt::workers, "--workers", 1, workers_max, config.workers);
    reader.text(Opt::resume, "--resume", config.resume);
    config.rerun_failed = parsed.on(Opt::rerun_failed);
    reader.take(Opt::halt, parse_halt, config.halt);
    config.dry_run = parsed.on(Opt::dry_run);
    reader.take(Opt::explain, parse_explain, config.explain);
    config.remote = read_remote(parsed, reader);
    reader.duration(Opt::reach, "--reach", config.reach);
    read_security(reader, config.security);
    read_task_options(parsed, reader, config);

    check_inputs(parsed, reader, config);
    check_placeholders(reader, config);
    check_output(reader, config);
    check_remote(reader, config);
    if (reader.error()) {
        return fail(*reader.error());
    }
    return config;
}

}  // namespace repartir::cli
