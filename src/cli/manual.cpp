// SPDX-License-Identifier: MIT
#include "cli/manual.hpp"

#include <algorithm>
#include <cstddef>

#include "cli/options.hpp"
#include "cli/text.hpp"

namespace repartir::cli {
namespace {

constexpr std::size_t columns = 80;

/// Appends `text` word by word, each line indented; lines that start with a space are kept as they
/// are.
void wrap(std::string& into, std::string_view text, std::size_t indent) {
    const std::string margin(indent, ' ');
    while (true) {
        const std::size_t end = text.find('\n');
        std::string_view line = text.substr(0, end);
        std::size_t column = 0;
        if (line.starts_with(' ')) {
            into += cat({margin, line});
            line = {};
        }
        while (!line.empty()) {
            const std::size_t space = line.find(' ');
            const std::string_view word = line.substr(0, space);
            if (column > 0 && column + 1 + word.size() > columns) {
                into += '\n';
                column = 0;
            }
            if (column == 0) {
                into += margin;
                column = indent + word.size();
            } else {
                into += ' ';
                column += 1 + word.size();
            }
            into += word;
            line = space == std::string_view::npos ? std::string_view{} : line.substr(space + 1);
        }
        into += '\n';
        if (end == std::string_view::npos) {
            return;
        }
        text.remove_prefix(end + 1);
    }
}

/// @return "-j, --workers N".
std::string spelling(const OptionSpec& option) {
    const std::string letter =
        option.letter == 0 ? std::string() : cat({"-", std::string_view(&option.letter, 1), ", "});
    if (!option.bare.empty()) {
        return cat({letter, "--", option.name, "[=", option.value, "]"});
    }
    return cat({letter, "--", option.name, option.value.empty() ? "" : " ", option.value});
}

/// @return the help of an option with its default and its environment name.
std::string meaning(const OptionSpec& option) {
    std::string text(option.help);
    if (!option.fallback.empty()) {
        text += cat({" Default: ", option.fallback, "."});
    }
    if (!option.variable.empty()) {
        text += cat({" [", option.variable, "]"});
    }
    return text;
}

/// @return `text` as roff takes it.
std::string roff(std::string_view text) {
    std::string escaped;
    bool line_start = true;
    for (const char c : text) {
        if (line_start && (c == '.' || c == '\'')) {
            escaped += "\\&";
        }
        line_start = c == '\n';
        if (c == '\\') {
            escaped += "\\e";
        } else if (c == '-') {
            escaped += "\\-";
        } else {
            escaped += c;
        }
    }
    return escaped;
}

/// @return the first word of a command's name.
std::string_view first_word(const CommandSpec& command) {
    return command.name.substr(0, command.name.find(' '));
}

/// @return the second word; empty: it has none.
std::string_view second_word(const CommandSpec& command) {
    const std::size_t space = command.name.find(' ');
    return space == std::string_view::npos ? "" : command.name.substr(space + 1);
}

/// @return whether the command before has the same first word.
bool goes_on(const CommandSpec& command) {
    return &command != &commands().front() && first_word(*(&command - 1)) == first_word(command);
}

/// @return whether the next command has another first word.
bool is_last(const CommandSpec& command) {
    return &command == &commands().back() || !goes_on(*(&command + 1));
}

std::string visible_commands() {
    std::string names;
    for (const CommandSpec& command : commands()) {
        if (!command.hidden && !goes_on(command)) {
            names += cat({names.empty() ? "" : " ", first_word(command)});
        }
    }
    return names;
}

std::string second_words(std::string_view first) {
    std::string names;
    for (const CommandSpec& command : commands()) {
        if (first_word(command) == first) {
            names += cat({names.empty() ? "" : " ", second_word(command)});
        }
    }
    return names;
}

bool takes_file(const OptionSpec& option) { return option.value == "FILE"; }
bool takes_directory(const OptionSpec& option) { return option.value == "DIR"; }

void man_command(std::string& page, const CommandSpec& command) {
    std::string heading(command.name);
    std::ranges::transform(heading, heading.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    page += cat({".SH ", heading, "\n", roff(command.synopsis), "\n.PP\n.nf\n"});
    std::string body;
    wrap(body, command.description, 0);
    page += cat({roff(body), ".fi\n"});
    std::string_view group;
    for (const OptionSpec& option : command.options) {
        if (option.group != group && !option.group.empty()) {
            group = option.group;
            page += cat({".SS ", roff(group), "\n"});
        }
        page += cat({".TP\n\\fB", roff(spelling(option)), "\\fR\n", roff(meaning(option)), "\n"});
    }
    page += ".SS Examples\n";
    for (const Example& example : command.examples) {
        page += cat({".TP\n\\fB", roff(example.line), "\\fR\n", roff(example.does), "\n"});
    }
}

// One option as an argument of _arguments.
std::string zsh_option(const OptionSpec& option) {
    std::string help(option.help.substr(0, option.help.find('.')));
    std::ranges::replace(help, '[', '(');
    std::ranges::replace(help, ']', ')');
    std::ranges::replace(help, ':', ',');
    const std::string_view act = takes_file(option)        ? ":_files"
                                 : takes_directory(option) ? ":_files -/"
                                                           : ":";
    const std::string value = option.value.empty()
                                  ? std::string()
                                  : cat({option.bare.empty() ? ":" : "::", option.name, act});
    return shell_quote(cat({option.repeats ? "*" : "", "--", option.name,
                            option.value.empty()  ? ""
                            : option.bare.empty() ? "="
                                                  : "=-",
                            "[", help, "]", value}));
}

/// The completion of one command's options.
void bash_options(std::string& script, const CommandSpec& command) {
    std::string names;
    std::string files;
    std::string directories;
    for (const OptionSpec& option : command.options) {
        names += cat({names.empty() ? "" : " ", "--", option.name});
        if (takes_file(option) || takes_directory(option)) {
            std::string& list = takes_file(option) ? files : directories;
            list += cat({list.empty() ? "" : "|", "--", option.name});
        }
    }
    script += "        case $previous in\n";
    if (!files.empty()) {
        script += cat({"        ", files,
                       ") mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); return ;;\n"});
    }
    if (!directories.empty()) {
        script += cat({"        ", directories,
                       ") mapfile -t COMPREPLY < <(compgen -d -- \"$current\"); return ;;\n"});
    }
    script += cat({"        esac\n        mapfile -t COMPREPLY < <(compgen -W \"", names,
                   "\" -- \"$current\")\n"});
}

/// The completion of one command's arguments.
void zsh_options(std::string& script, const CommandSpec& command) {
    script += "        _arguments -S \\\n";
    for (const OptionSpec& option : command.options) {
        script += cat({"            ", zsh_option(option), " \\\n"});
    }
    script += cat({"            '*:: :", command.mixed ? "_files" : "_normal", "'\n"});
}

}  // namespace

std::string overview_text() {
    std::string text =
        "Repartir runs work wherever there is hardware to run it.\n\n"
        "Usage: repartir COMMAND [options]\n\nCommands:\n";
    for (const CommandSpec& command : commands()) {
        if (!command.hidden) {
            const std::string gap(14 - command.name.size(), ' ');
            text += cat({"  ", command.name, gap, command.summary, "\n"});
        }
    }
    text += "\nExamples:\n";
    for (const Example& example : find_command("run")->examples) {
        text += cat({"  ", example.line, "\n"});
    }
    return text += "\nrepartir help COMMAND explains a command; --version prints the version.\n";
}

std::string group_text(std::string_view word) {
    std::string text = cat({"Usage: repartir ", word, " COMMAND\n\nCommands:\n"});
    for (const CommandSpec& command : commands()) {
        if (first_word(command) == word) {
            const std::string gap(14 - command.name.size(), ' ');
            text += cat({"  ", command.name, gap, command.summary, "\n"});
        }
    }
    text += "\nExamples:\n";
    for (const CommandSpec& command : commands()) {
        for (const Example& example : command.examples) {
            if (first_word(command) == word) {
                text += cat({"  ", example.line, "\n"});
            }
        }
    }
    return text += cat({"\nrepartir help ", word, " COMMAND explains one of them.\n"});
}

std::string help_text(const CommandSpec& command) {
    std::string text = cat({"Usage: ", command.synopsis, "\n\n"});
    wrap(text, command.description.empty() ? command.summary : command.description, 0);
    std::string_view group = "none";
    for (const OptionSpec& option : command.options) {
        if (option.group != group) {
            group = option.group;
            text += cat({"\n", group, group.empty() ? "" : ":\n"});
        }
        text += cat({"  ", spelling(option), "\n"});
        wrap(text, meaning(option), 8);
    }
    if (!command.examples.empty()) {
        text += "\nExamples:\n";
    }
    for (const Example& example : command.examples) {
        text += cat({"  ", example.line, "\n"});
        wrap(text, example.does, 8);
    }
    return text;
}

std::string bash_completion() {
    std::string script =
        "# bash completion for repartir\n"
        "_repartir() {\n"
        "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} word i\n"
        "    COMPREPLY=()\n"
        "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n";
    script +=
        cat({"        mapfile -t COMPREPLY < <(compgen -W \"", visible_commands(),
             " --help --version\" -- \"$current\")\n        return\n    fi\n"
             "    for ((i = 2; i < COMP_CWORD; i++)); do\n"
             "        word=${COMP_WORDS[i]}\n"
             "        if [ \"$word\" = -- ] || [ \"$word\" = ::: ]; then\n"
             "            mapfile -t COMPREPLY < <(compgen -A command -A file -- \"$current\")\n"
             "            return\n        fi\n    done\n"
             "    case ${COMP_WORDS[1]} in\n"});
    for (const CommandSpec& command : commands()) {
        const std::string_view first = first_word(command);
        const std::string_view second = second_word(command);
        if (!second.empty() && !goes_on(command)) {
            script += cat({"    ", first, ")\n        if [ \"$COMP_CWORD\" -eq 2 ]; then\n",
                           "            mapfile -t COMPREPLY < <(compgen -W \"",
                           second_words(first), "\" -- \"$current\")\n            return\n",
                           "        fi\n        case ${COMP_WORDS[2]} in\n"});
        }
        script += cat({"    ", second.empty() ? first : second, ")\n"});
        bash_options(script, command);
        script += "        ;;\n";
        if (!second.empty() && is_last(command)) {
            script += "        esac\n        ;;\n";
        }
    }
    return script += "    esac\n}\ncomplete -o default -F _repartir repartir\n";
}

std::string zsh_completion() {
    std::string script =
        "#compdef repartir\n_repartir() {\n    local -a names\n"
        "    if (( CURRENT == 2 )); then\n        names=(\n";
    for (const CommandSpec& command : commands()) {
        if (!command.hidden && !goes_on(command)) {
            const std::string_view first = first_word(command);
            script +=
                cat({"            ",
                     shell_quote(cat({first, ":",
                                      second_word(command).empty() ? std::string(command.summary)
                                                                   : second_words(first)})),
                     "\n"});
        }
    }
    script +=
        "        )\n        _describe command names\n        return\n    fi\n"
        "    case $words[2] in\n";
    for (const CommandSpec& command : commands()) {
        if (command.hidden || command.options.empty()) {
            continue;
        }
        const std::string_view first = first_word(command);
        const std::string_view second = second_word(command);
        if (!second.empty() && !goes_on(command)) {
            script += cat({"    ", first, ")\n        if (( CURRENT == 3 )); then\n",
                           "            compadd ", second_words(first), "\n            return\n",
                           "        fi\n        shift words\n        (( CURRENT-- ))\n",
                           "        case $words[2] in\n"});
        }
        script += cat({"    ", second.empty() ? first : second, ")\n"});
        zsh_options(script, command);
        script += "        ;;\n";
        if (!second.empty() && is_last(command)) {
            script += "        esac\n        ;;\n";
        }
    }
    return script += "    esac\n}\n_repartir \"$@\"\n";
}

std::string man_page() {
    std::string page =
        cat({".TH REPARTIR 1 \"\" \"repartir ", version(), "\" \"User commands\"\n",
             ".SH NAME\nrepartir \\- run work wherever there is hardware to run it\n",
             ".SH SYNOPSIS\n"});
    for (const CommandSpec& command : commands()) {
        if (!command.hidden) {
            page += cat({".B ", roff(command.synopsis), "\n.br\n"});
        }
    }
    page +=
        ".SH DESCRIPTION\nAn option given on the command line wins over its environment variable,"
        " shown in brackets, which wins over the default.\n";
    for (const CommandSpec& command : commands()) {
        if (!command.description.empty()) {
            man_command(page, command);
        }
    }
    return page;
}

}  // namespace repartir::cli
