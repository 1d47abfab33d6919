// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/args.hpp"
#include "cli/commands/config.hpp"
#include "cli/commands/gpu.hpp"
#include "cli/commands/gpu_run.hpp"
#include "cli/commands/gpu_shader.hpp"
#include "cli/commands/info.hpp"
#include "cli/commands/pki.hpp"
#include "cli/commands/run.hpp"
#include "cli/commands/worker.hpp"
#include "cli/exit_code.hpp"
#include "cli/manual.hpp"
#include "cli/options.hpp"
#include "cli/plain_output.hpp"
#include "cli/text.hpp"

namespace repartir::cli {
namespace {

std::optional<std::string> environment(std::string_view name) {
    const char* value = std::getenv(std::string(name).c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

/// A standard stream that was closed is opened on something that fails in its place, so that no
/// file of ours gets its number.
void occupy_standard_streams() {
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(fd, F_GETFD) == -1 && errno == EBADF) {
            [[maybe_unused]] const int opened =
                ::open("/dev/null", fd == STDIN_FILENO ? O_RDONLY : O_RDONLY | O_CLOEXEC);
        }
    }
}

int show(std::string_view text) { return print(text) ? exit_ok : exit_failed; }

int unknown_command(std::string_view name) {
    std::vector<std::string_view> names;
    for (const CommandSpec& command : commands()) {
        names.push_back(command.name);
    }
    const std::string_view near = nearest(name, names);
    complain(near.empty()
                 ? cat({"there is no command ", printable(name), "; see repartir --help"})
                 : cat({"there is no command ", printable(name), "; did you mean ", near, "?"}));
    return exit_usage;
}

/// @return whether commands of two words begin with this one.
bool is_group(std::string_view word) {
    return std::ranges::any_of(commands(), [&](const CommandSpec& command) {
        return command.name.starts_with(cat({word, " "}));
    });
}

/// No command begins with these words, of which there is one at least.
int unknown_words(std::span<const std::string> words) {
    const std::string& first = words.front();
    if (!is_group(first)) {
        return unknown_command(first);
    }
    if (words.size() == 1 || words[1].starts_with('-')) {
        const bool asked = words.size() > 1 && (words[1] == "--help" || words[1] == "-h");
        if (!asked) {
            complain(cat({"repartir ", first, " needs to know what to do\n", group_text(first)}));
        }
        return asked ? show(group_text(first)) : exit_usage;
    }
    return unknown_command(cat({first, " ", words[1]}));
}

int help_command(const Parsed& parsed) {
    if (parsed.rest.empty()) {
        return show(overview_text());
    }
    std::size_t used = 0;
    if (const CommandSpec* command = command_of(parsed.rest, used)) {
        return show(help_text(*command));
    }
    return parsed.rest.size() == 1 && is_group(parsed.rest.front())
               ? show(group_text(parsed.rest.front()))
               : unknown_words(parsed.rest);
}

int completion_command(const Parsed& parsed) {
    const std::string shell = parsed.rest.empty() ? std::string() : parsed.rest.front();
    if (shell == "bash") {
        return show(bash_completion());
    }
    if (shell == "zsh") {
        return show(zsh_completion());
    }
    complain("completion is there for bash and zsh; write: repartir completion bash");
    return exit_usage;
}

int dispatch(const CommandSpec& command, std::span<const std::string> words) {
    Result<Parsed> parsed = parse_args(command, words, environment);
    if (!parsed) {
        complain(parsed.error().describe());
        return exit_usage;
    }
    if (parsed->on(Opt::help)) {
        return show(help_text(command));
    }
    if (command.name == "run") {
        return run_command(*parsed);
    }
    if (command.name.starts_with("pki ")) {
        return pki_command(command.name, *parsed);
    }
    if (command.name == "help") {
        return help_command(*parsed);
    }
    if (command.name == "completion") {
        return completion_command(*parsed);
    }
    if (command.name == "gpu validate") {
        return gpu_validate_command(*parsed);
    }
    if (command.name == "gpu run") {
        return gpu_run_command(*parsed);
    }
    if (command.name == "gpu compile") {
        return gpu_compile_command(*parsed);
    }
    if (!parsed->rest.empty()) {
        complain(cat({"repartir ", command.name, " takes no arguments; leave \"",
                      printable(parsed->rest.front()), "\" away"}));
        return exit_usage;
    }
    if (command.name == "info") {
        return info_command(*parsed);
    }
    if (command.name == "gpu list") {
        return gpu_list_command(*parsed);
    }
    if (command.name == "gpu-discovery") {
        return gpu_discovery_command(*parsed);
    }
    if (command.name == "gpu-host") {
        return gpu_host_command();
    }
    if (command.name == "worker") {
        return worker_command(*std::move(parsed), environment);
    }
    if (command.name == "config show") {
        return config_show_command(*std::move(parsed), environment);
    }
    return show(command.name == "man" ? man_page() : cat({"repartir ", version(), "\n"}));
}

int run_main(std::span<const std::string> words) {
    occupy_standard_streams();
    if (words.empty()) {
        complain(cat({"there is no command\n", overview_text()}));
        return exit_usage;
    }
    const std::string& first = words.front();
    if (first == "--help" || first == "-h") {
        return show(overview_text());
    }
    if (first == "--version" || first == "-V") {
        return show(cat({"repartir ", version(), "\n"}));
    }
    std::size_t used = 0;
    const CommandSpec* command = command_of(words, used);
    return command == nullptr ? unknown_words(words) : dispatch(*command, words.subspan(used));
}

/// Memory may be too short for an exception even, and so may a library's. What runs is ended by the
/// guardian, what has ended is in the log.
[[noreturn]] void without_memory() {
    static constinit std::atomic_flag said;  // by one of the threads that find none
    while (said.test_and_set()) {
        ::pause();  // until the other one ends us all
    }
    constexpr std::string_view sentence =
        "repartir: there is too little memory for repartir itself; raise the limit (ulimit -v) or"
        " free some\n";
    [[maybe_unused]] const ssize_t put = ::write(STDERR_FILENO, sentence.data(), sentence.size());
    ::_exit(exit_cannot_schedule);
}

}  // namespace
}  // namespace repartir::cli

int main(int argc, char** argv) {
    std::set_new_handler(repartir::cli::without_memory);
    try {
        const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
        return repartir::cli::run_main(words);
    } catch (const std::exception& error) {  // of the system, which lacks something
        repartir::cli::complain(error.what());
        return repartir::cli::exit_cannot_schedule;
    }
}
