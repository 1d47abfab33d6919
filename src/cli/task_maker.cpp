// SPDX-License-Identifier: MIT
#include "cli/task_maker.hpp"

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <ranges>

#include "cli/text.hpp"

namespace repartir::cli {
namespace {

/// Without inputs a command stands as it is written, braces and all.
Template read_template(const RunConfig& config, std::string_view text) {
    return config.single() ? Template::literal(text) : Template(text);
}

/// @return how many components of a path lead a folder up.
std::ptrdiff_t steps_up(std::string_view path) {
    return std::ranges::count_if(std::views::split(path, '/'), [](auto&& part) {
        return std::string_view(part.begin(), part.end()) == "..";
    });
}

bool sets(const JobSpec& job, const std::string& name) {
    return std::ranges::find(job.env, name, &std::pair<std::string, std::string>::first) !=
           job.env.end();
}

}  // namespace

TaskMaker::TaskMaker(const RunConfig& config, std::string stdin_path)
    : config_(config),
      stdin_path_(std::move(stdin_path)),
      cwd_(read_template(config, config.cwd)),
      output_dir_(read_template(config, config.output_dir)) {
    for (const std::string& word : config.command) {
        words_.push_back(read_template(config, word));
        append_inputs_ = append_inputs_ && !words_.back().has_holes();
    }
    for (const auto& [name, value] : config.env) {
        env_.emplace_back(name, read_template(config, value));
    }
}

void TaskMaker::add_words(std::optional<Task>& task, const Item& item) const {
    const auto add = [&](std::string_view word) {
        if (task) {
            task->arg(word);
        } else {
            task.emplace(Task::binary(word));
        }
    };
    std::string word;
    for (const Template& piece : words_) {
        if (piece.is_all_inputs()) {
            for (const std::string& value : item.values) {
                word.clear();
                piece.fill_one(value, word);
                add(word);
            }
            continue;
        }
        word.clear();
        piece.fill(item.values, item.sequence, word);
        add(word);
    }
    if (append_inputs_) {
        std::ranges::for_each(item.values, add);
    }
}

void TaskMaker::add_job(Task& task, const JobSpec& job) {
    task.args(job.args);
    for (const auto& [name, value] : job.env) {
        task.env(name, value);
    }
    if (!job.cwd.empty()) {
        task.cwd(job.cwd);
    }
    if (!job.stdin_path.empty()) {
        task.stdin_file(job.stdin_path);
    } else if (job.stdin_text) {
        task.stdin_bytes(*job.stdin_text);
    }
    if (!job.name.empty()) {
        task.name(job.name);
    }
}

void TaskMaker::set_options(Task& task, const Item& item) const {
    const JobSpec none;
    const JobSpec& job = item.job ? *item.job : none;
    task.timeout(job.timeout.value_or(config_.timeout)).kill_grace(config_.kill_grace);
    task.priority(job.priority.value_or(config_.priority));
    task.cores(job.cores.value_or(config_.cores));
    if (const std::uint32_t retries = job.retries.value_or(config_.retries); retries > 0) {
        RetryPolicy policy;
        policy.max_retries = retries;
        policy.backoff.initial = config_.retry_delay;
        policy.backoff.max = std::max(policy.backoff.max, policy.backoff.initial);
        task.retry(policy);
    }
    if (config_.nice) {
        task.nice(*config_.nice);
    }
    if (!config_.limits.empty()) {
        task.limits(config_.limits);
    }
    if (config_.output_bytes) {
        task.output_limit(*config_.output_bytes);
    }
    if (config_.clean_env) {
        task.env_mode(EnvMode::replace);
    }
}

/// A file of ours means nothing to a worker: it gets the bytes.
Result<void> TaskMaker::send_input(Task& task) const {
    constexpr std::size_t sent_bytes_max = 15U << 20U;
    if (config_.remote.empty() || task.stdin_kind() != Input::file) {
        return {};
    }
    const std::string path = task.extras().input;
    const std::string name = config_.stdin_from == "-" ? "standard input" : printable(path);
    std::string bytes(sent_bytes_max + 1, '\0');
    std::ifstream file(path, std::ios::binary);
    file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!file.is_open() || file.bad()) {
        return fail(usage_error(
            cat({"--stdin: ", name, " cannot be read here; name a file of this machine"})));
    }
    bytes.resize(static_cast<std::size_t>(file.gcount()));
    if (bytes.size() > sent_bytes_max) {
        return fail(usage_error(cat({"--stdin: ", name,
                                     " has more than 15 MiB, which is"
                                     " the most that is sent to a worker; have the program open a"
                                     " file that the worker can reach"})));
    }
    task.stdin_bytes(std::move(bytes));
    return {};
}

Result<void> TaskMaker::set_output(MadeTask& made, const Item& item) const {
    Task& task = made.task;
    if (config_.passes_through()) {
        task.stdout_to(Output::inherit).stderr_to(Output::inherit);
        return {};
    }
    if (config_.output_dir.empty()) {
        return {};
    }
    constexpr std::size_t digits = 6;
    std::string stem;
    output_dir_.fill(item.values, item.sequence, stem);
    // Where the input is the beginning, it was asked to say where.
    if (!output_dir_.begins_with_hole() && steps_up(stem) > steps_up(config_.output_dir)) {
        return fail(usage_error(
            cat({"--output-dir: the input \"", printable(made.label), "\" would make it ",
                 printable(stem), ", and lead out of it; remove the .."})));
    }
    const std::string count = number(item.sequence);
    stem += cat({"/", std::string(digits - std::min(digits, count.size()), '0'), count, "-",
                 file_name_part(made.label)});
    made.out_path = cat({stem, ".out"});
    made.err_path = cat({stem, ".err"});
    if (config_.remote.empty()) {  // else it is captured, and written here when it is whole
        task.stdout_file(made.out_path).stderr_file(made.err_path);
    }
    return {};
}

Result<MadeTask> TaskMaker::make(const Item& item) const {
    std::optional<Task> task;
    std::string label;
    if (item.job) {
        task.emplace(Task::binary(item.job->program));
        label = item.job->name.empty() ? item.job->program : item.job->name;
    } else {
        add_words(task, item);
        for (const std::string& value : item.values) {
            label += cat({label.empty() ? "" : " ", value});
        }
        label = config_.single() ? config_.command.front() : label;
    }
    if (!task) {
        return fail(usage_error("the command is empty; name the program to run"));
    }
    for (const auto& [name, value] : env_) {
        if (item.job && sets(*item.job, name)) {
            continue;
        }
        std::string text;
        value.fill(item.values, item.sequence, text);
        task->env(name, text);
    }
    if (!config_.cwd.empty()) {
        std::string text;
        cwd_.fill(item.values, item.sequence, text);
        task->cwd(text);
    }
    if (!stdin_path_.empty()) {
        task->stdin_file(stdin_path_);
    } else if (config_.single() && config_.remote.empty()) {  // nothing or "-"
        task->stdin_inherit();
    }
    if (item.job) {
        add_job(*task, *item.job);
    }
    if (Result<void> input = send_input(*task); !input) {
        return fail(input.error());
    }
    set_options(*task, item);
    MadeTask made{std::move(*task), std::move(label), {}, {}};
    if (Result<void> done = set_output(made, item); !done) {
        return fail(done.error());
    }
    return made;
}

Fingerprint TaskMaker::command_fingerprint() const {
    Fingerprinter print;
    print.add("command");
    for (const std::string& word : config_.command) {
        print.add(word);
    }
    print.add("env");
    for (const auto& [name, value] : config_.env) {
        print.add(name);
        print.add(value);
    }
    print.add(config_.clean_env ? "clean" : "overlay");
    print.add(config_.cwd);
    print.add(config_.stdin_from);
    print.add(config_.from_json.empty() ? "" : "from-json");
    return print.finish();
}

Fingerprint TaskMaker::key(const Task& task, const Item& item) const {
    const TaskExtras& extras = task.extras();
    Fingerprinter print;
    print.add(task.program().packed());
    for (const auto& [name, value] : extras.env) {
        print.add(name);
        print.add(value);
    }
    print.add("cwd");
    print.add(extras.cwd);
    print.add(config_.stdin_from.empty() ? std::string_view(extras.input) : config_.stdin_from);
    for (const std::string& value : item.values) {
        print.add(value);
    }
    return print.finish();
}

std::string TaskMaker::shown() const {
    if (!config_.from_json.empty()) {
        return "--from-json";
    }
    std::string text;
    for (const std::string& word : config_.command) {
        text += cat({text.empty() ? "" : " ", shell_quote(word)});
    }
    return text;
}

std::string shell_command(const Task& task) {
    const TaskExtras& extras = task.extras();
    std::string text;
    if (task.stdin_kind() == Input::bytes) {
        text += cat({"printf %s ", shell_quote(extras.input), " | "});
    }
    if (!extras.cwd.empty()) {
        text += cat({"(cd -- ", shell_quote(extras.cwd), " && "});
    }
    if (task.env_mode() == EnvMode::replace) {
        text += "env -i ";
    }
    for (const auto& [name, value] : extras.env) {
        text += cat({name, "=", shell_quote(value), " "});
    }
    const std::string_view packed = task.program().packed();
    for (std::size_t at = 0; at < packed.size();) {
        const std::size_t end = packed.find('\0', at);
        text += cat({at == 0 ? "" : " ", shell_quote(packed.substr(at, end - at))});
        at = end + 1;
    }
    text += extras.cwd.empty() ? "" : ")";
    if (task.stdin_kind() == Input::file) {
        text += cat({" < ", shell_quote(extras.input)});  // outside: the path is relative to ours
    }
    return text;
}

std::string file_name_part(std::string_view text) {
    constexpr std::size_t bytes_max = 100;
    std::string name;
    for (const char c : text.substr(0, bytes_max)) {
        const bool kept = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
        name += kept ? c : '_';
    }
    return name;
}

}  // namespace repartir::cli
