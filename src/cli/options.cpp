// SPDX-License-Identifier: MIT
#include "cli/options.hpp"

#include <algorithm>
#include <array>

#include "cli/gpu_options.hpp"
#include "cli/option_groups.hpp"

namespace repartir::cli {
namespace {

constexpr std::string_view in = "Inputs";
constexpr std::string_view out = "Output";
constexpr std::string_view course = "Course of the run";
constexpr std::string_view each = "Each task";
constexpr std::string_view elsewhere = "On other machines";
constexpr std::string_view limit =
    "Limits on each task (a limit that cannot be enforced refuses the task)";

/// Of a run, what comes before the certificates.
constexpr std::array first_run_options{
    OptionSpec{Opt::each_line, 'a', "each-line", "FILE", "", "", in,
               "One task for each line of FILE, or of standard input when FILE is -."},
    OptionSpec{Opt::null_separated, '0', "null", "", "", "", in,
               "With --each-line: inputs end with a NUL byte, not a newline (find -print0)."},
    OptionSpec{
        Opt::array, 0, "array", "A-B[:STEP]", "", "", in,
        "One task for each number from A to B; 10-1:-1 counts down. Made as needed, so it may be"
        " large. Given"
        " several times, or with :::, it makes the product.",
        true},
    OptionSpec{
        Opt::from_json, 0, "from-json", "FILE", "", "", in,
        "One task for each object of the JSON array in FILE (- is standard input), with the"
        " keys program, args, env, cwd, stdin, stdin_text, timeout, retries, priority, cores"
        " and name. A mistake in a file is found before any task starts; what comes through a"
        " pipe is run as it comes."},
    OptionSpec{Opt::keep_order, 'k', "keep-order", "", "REPARTIR_KEEP_ORDER", "", out,
               "Print outputs in the order of the inputs, not as tasks end."},
    OptionSpec{Opt::tag, 't', "tag", "", "REPARTIR_TAG", "", out,
               "Start every line of output with the task's input and a tab."},
    OptionSpec{Opt::stream, 's', "stream", "", "REPARTIR_STREAM", "", out,
               "Print whole lines as they are written, not each task's output when it ends."},
    OptionSpec{
        Opt::output_dir, 'o', "output-dir", "DIR", "", "", out,
        "Write each task's output to files of its own in DIR, <number>-<input>.out and .err."
        " Placeholders in DIR are filled in; behind a name of yours no input may lead out of it"
        " with \"..\". The outputs are then not printed, unless"
        " --keep-order or --tag asks for that too."},
    OptionSpec{
        Opt::json, 0, "json", "", "", "", out,
        "Print one JSON object per task and line (docs/json-schema.md). A task's output is held in"
        " memory for that, several times; --output-dir or --limit-output bound it."},
    OptionSpec{Opt::quiet, 'q', "quiet", "", "REPARTIR_QUIET", "", out,
               "Print what the tasks print and nothing else: no progress, failures or summary."},
    OptionSpec{Opt::progress, 'p', "progress", "WHEN", "REPARTIR_PROGRESS", "auto", out,
               "auto (a bar on a terminal), bar, plain (a line every 5 s) or none."},
    OptionSpec{Opt::workers, 'j', "workers", "N", "REPARTIR_WORKERS", "the CPUs granted", course,
               "Tasks at once. The default is the CPUs that this process may use, or fewer where a"
               " cgroup grants less CPU time."},
    OptionSpec{
        Opt::resume, 'r', "resume", "FILE", "", "", course,
        "Note what ends in FILE, and skip what FILE says has ended, even where its results are gone"
        " since (docs/resume-log.md)."},
    OptionSpec{Opt::rerun_failed, 0, "rerun-failed", "", "", "", course,
               "With --resume: run those again that ended badly."},
    OptionSpec{Opt::halt, 0, "halt", "WHEN,fail=N", "REPARTIR_HALT", "never", course,
               "Stop after N failures, or N% of at least 10 ended tasks: soon lets running tasks"
               " end, now ends them."},
    OptionSpec{Opt::dry_run, 'n', "dry-run", "", "", "", course,
               "Print the commands as lines that a shell could run, and run nothing."},
    OptionSpec{Opt::explain, 0, "explain", "choices", "", "", course,
               "Print the plan (how many at once and why, in which order, under which limits) and"
               " run nothing. With =choices run, and tell of each task what was expected of each"
               " place where it could have run.",
               false, "plan"},
    OptionSpec{Opt::remote, 0, "remote", "ADDRESS,...", "REPARTIR_REMOTE", "", elsewhere,
               "Run on these workers (repartir worker): HOST:PORT, [IPV6]:PORT or unix:/PATH. With"
               " --workers N, N more at once here. Programs, their files and directories are the"
               " worker's; --stdin, --output-dir and what is printed stay ours.",
               true},
    reach_option(elsewhere),
};
/// Of a run, what comes after the certificates.
constexpr std::array later_run_options{
    plaintext_option(elsewhere),
    OptionSpec{Opt::timeout, 0, "timeout", "TIME", "REPARTIR_TIMEOUT", "none", each,
               "End a try after this long: 500ms, 5s, 2m, 1h."},
    OptionSpec{Opt::kill_grace, 0, "kill-grace", "TIME", "REPARTIR_KILL_GRACE", "2s", each,
               "How long a task that must end has between SIGTERM and SIGKILL."},
    OptionSpec{Opt::retries, 0, "retries", "N", "REPARTIR_RETRIES", "0", each,
               "Try a task that fails up to N times more."},
    OptionSpec{Opt::retry_delay, 0, "retry-delay", "TIME", "REPARTIR_RETRY_DELAY", "100ms", each,
               "Ceiling of the first wait before a retry; it doubles up to 30 s, with jitter."},
    OptionSpec{Opt::priority, 0, "priority", "P", "REPARTIR_PRIORITY", "normal", each,
               "high, normal or low."},
    OptionSpec{Opt::cores, 'c', "cores", "N", "", "1", each, "Worker slots that each task takes."},
    OptionSpec{Opt::pin, 0, "pin", "", "REPARTIR_PIN", "", each,
               "Bind each running task to a CPU of its own; where more run than there are CPUs, "
               "some share."},
    OptionSpec{Opt::nice, 0, "nice", "N", "REPARTIR_NICE", "0", each,
               "Add N (0 to 19) to the tasks' niceness."},
    OptionSpec{Opt::cwd, 'C', "cwd", "DIR", "", "", each,
               "Run in DIR. Placeholders in it are filled in."},
    OptionSpec{Opt::env, 'e', "env", "NAME=VALUE", "", "", each,
               "Set a variable. Placeholders in the value are filled in.", true},
    OptionSpec{Opt::clean_env, 0, "clean-env", "", "", "", each,
               "Start from an empty environment: only --env is set."},
    OptionSpec{
        Opt::stdin_from, 0, "stdin", "FILE", "", "nothing", each,
        "Standard input of each task: a file, or - for a copy of ours, all of it, in $TMPDIR."},
    OptionSpec{Opt::limit_cpu_time, 0, "limit-cpu-time", "TIME", "", "", limit,
               "CPU time, in whole seconds, of each process."},
    OptionSpec{Opt::limit_address_space, 0, "limit-address-space", "SIZE", "", "", limit,
               "Address space of each process."},
    OptionSpec{Opt::limit_file_size, 0, "limit-file-size", "SIZE", "", "", limit,
               "Size of each file written."},
    OptionSpec{Opt::limit_open_files, 0, "limit-open-files", "N", "", "", limit,
               "Open descriptors."},
    OptionSpec{Opt::limit_memory, 0, "limit-memory", "SIZE", "", "", limit,
               "Resident memory of all its processes; needs a cgroup."},
    OptionSpec{Opt::limit_processes, 0, "limit-processes", "N", "", "", limit,
               "Processes at once; needs a cgroup."},
    OptionSpec{Opt::limit_output, 0, "limit-output", "SIZE", "REPARTIR_LIMIT_OUTPUT", "1G", limit,
               "Output per stream that is kept for printing; a task that writes more is ended."},
    OptionSpec{Opt::help, 'h', "help", "", "", "", "", "Print this help."},
};
constexpr auto run_options =
    joined(first_run_options, certificate_options(elsewhere, false), later_run_options);

constexpr std::array run_examples{
    Example{"repartir run -- gzip -9 {} ::: *.log", "compress every log, one task per file"},
    Example{"find . -name '*.png' -print0 | repartir run --null --each-line - -- optipng {}",
            "inputs from a pipe, safe for any file name"},
    Example{"repartir run --array 1-1000 --resume sweep.log -- ./simulate --seed {1} --beta {2}"
            " ::: 0.1 0.2",
            "a sweep over 2,000 parameter sets that survives a crash of the machine"},
    Example{"repartir run --keep-order --tag -- sh -c 'wc -l < \"$1\"' sh ::: a.txt b.txt",
            "no shell is involved unless you name one; pass inputs as its arguments"},
    Example{"repartir run --timeout 10s --retries 2 --halt now,fail=10% -- ./test {} ::: t/*",
            "bounded, retried, and stopped early when it goes wrong"},
    Example{"repartir run --remote unix:/run/repartir/worker --workers 2 -- gzip -c {} ::: *.log",
            "on a worker and, two at once, here"},
};

constexpr std::array info_options{
    OptionSpec{Opt::json, 0, "json", "", "", "", out,
               "Print one JSON object (docs/json-schema.md)."},
    gpu_allow_cpu_option,
    OptionSpec{Opt::help, 'h', "help", "", "", "", "", "Print this help."},
};
constexpr std::array info_examples{
    Example{"repartir info", "what this machine offers and what limits us"},
};
constexpr OptionSpec help_option{Opt::help, 'h', "help", "", "", "", "", "Print this help."};

constexpr std::string_view place = "Where it listens";
constexpr std::string_view offer = "What it offers";
constexpr std::string_view trust = "Who may use it";
constexpr std::string_view settings = "Settings";

/// Of a worker, what comes before the certificates.
constexpr std::array first_worker_settings{
    OptionSpec{Opt::listen, 0, "listen", "ADDRESS", "REPARTIR_WORKER_LISTEN", "none", place,
               "Listen there: HOST:PORT, [IPV6]:PORT, :PORT for all addresses (port 0: any that is"
               " free), or unix:/PATH.",
               true, "", true},
    OptionSpec{Opt::slots, 0, "slots", "N", "REPARTIR_WORKER_SLOTS", "the CPUs granted", offer,
               "Cores' worth of tasks at once.", false, "", true},
    OptionSpec{Opt::memory, 0, "memory", "SIZE", "REPARTIR_WORKER_MEMORY", "not counted", offer,
               "Memory that tasks which say how much they need may have together.", false, "",
               true},
    OptionSpec{Opt::name, 0, "name", "NAME", "REPARTIR_WORKER_NAME", "the host's name", offer,
               "What people call this worker, in logs and reports.", false, "", true},
    OptionSpec{Opt::gpus, 0, "gpu", "WORD", "REPARTIR_WORKER_GPU", "all", offer,
               "A GPU for clients' shaders: a position in repartir gpu list, a UUID, a name or a"
               " part of it, any, cpu; or all, or none.",
               true, "", true},
    OptionSpec{Opt::gpu_allow_cpu, 0, "gpu-allow-cpu", "", "REPARTIR_GPU_ALLOW_CPU", "no", offer,
               "Vulkan drivers that compute on the CPU, too: slow, for tests, and some with known"
               " faults.",
               false, "", true},
};
/// Of a worker, what comes after the certificates.
constexpr std::array later_worker_settings{
    OptionSpec{Opt::insecure_plaintext, 0, "insecure-plaintext", "any",
               "REPARTIR_WORKER_INSECURE_PLAINTEXT", "no", trust,
               "Allow TCP without TLS on loopback addresses, or with =any on all: whoever can reach"
               " them may run programs here. Warns at every start.",
               false, "loopback", true},
    OptionSpec{Opt::socket_group, 0, "socket-group", "GROUP", "REPARTIR_WORKER_SOCKET_GROUP",
               "none", trust,
               "Let members of this group use Unix sockets, besides our own user and root.", true,
               "", true},
    OptionSpec{Opt::drain_timeout, 0, "drain-timeout", "TIME", "REPARTIR_WORKER_DRAIN_TIMEOUT",
               "30s", course,
               "How long running tasks have to finish after SIGTERM; what then still runs is ended"
               " and given back.",
               false, "", true},
    OptionSpec{Opt::heartbeat, 0, "heartbeat", "TIME", "REPARTIR_WORKER_HEARTBEAT", "1s", course,
               "How often clients hear that we are there, from 1s to 5s.", false, "", true},
    OptionSpec{Opt::keep_work, 0, "keep-work", "TIME", "REPARTIR_WORKER_KEEP_WORK", "1d", course,
               "How long the work of a client that is gone is kept for it to come back, where it"
               " asks for more than that.",
               false, "", true},
    OptionSpec{Opt::supervise, 0, "supervise", "", "REPARTIR_WORKER_SUPERVISE", "no", course,
               "Stay behind as a parent that starts the worker again when it crashes, after a wait"
               " that doubles up to 30 s, with jitter. For where systemd does not do that.",
               false, "", true},
};
/// What a worker can be told by flag, environment and file alike, in this order.
constexpr auto worker_settings =
    joined(first_worker_settings, certificate_options(trust, true), later_worker_settings);
constexpr OptionSpec config_option{
    Opt::config,
    0,
    "config",
    "FILE",
    "REPARTIR_CONFIG",
    "worker.toml in ~/.config/repartir, else in /etc/repartir, where there is one",
    settings,
    "Read settings from this TOML file."};
/// @return the worker's settings between a command's own options and --config and --help.
template <std::size_t N>
consteval auto with_worker_settings(const std::array<OptionSpec, N>& own) {
    return joined(own, worker_settings, std::array{config_option, help_option});
}

constexpr auto worker_options = with_worker_settings(std::array{
    OptionSpec{Opt::print_address, 0, "print-address", "", "", "", out,
               "Print the addresses that it listens at, one per line, at each start: with port 0,"
               " the port that was free."},
});
constexpr std::array worker_examples{
    Example{"repartir worker --listen unix:worker.sock",
            "a worker for the programs of this user on this machine"},
    Example{"repartir worker --listen :9000 --tls-ca a.pem --tls-cert w.pem --tls-key w.key",
            "a worker for clients with certificates of the same authority"},
    Example{"repartir worker --listen 127.0.0.1:0 --insecure-plaintext --print-address",
            "for a try on one machine: every user of it may run programs as us"},
};
constexpr auto config_options = with_worker_settings(std::array{
    OptionSpec{Opt::origin, 0, "origin", "", "", "", out,
               "Print beside each value where it comes from: the flag, the environment variable,"
               " file and line, or the default."},
    OptionSpec{Opt::json, 0, "json", "", "", "", out,
               "Print one JSON object (docs/json-schema.md)."},
});
constexpr std::array config_examples{
    Example{"repartir config show --origin", "what a worker would be set to, and by what"},
    Example{"repartir config show --slots 4 > worker.toml", "write a file to begin with"},
};
constexpr OptionSpec pki_dir_option{
    Opt::pki_dir,
    'd',
    "dir",
    "DIR",
    "REPARTIR_PKI_DIR",
    "~/.config/repartir/pki",
    "",
    "Folder of the authority. The default is below $XDG_CONFIG_HOME where that is set."};
constexpr std::array pki_init_options{
    pki_dir_option,
    OptionSpec{Opt::pki_name, 0, "name", "NAME", "", "repartir- and the date", "",
               "What the authority is called in sentences."},
    OptionSpec{Opt::days, 0, "days", "N", "", "3650", "", "For how many days it holds."},
    help_option,
};
constexpr std::array pki_init_examples{
    Example{"repartir pki init", "once for a cluster, on a machine that you keep"},
};
constexpr std::array pki_issue_options{
    pki_dir_option,
    OptionSpec{Opt::host, 0, "host", "HOST", "", "", "",
               "A further host name or IP address at which a worker or broker is dialled, besides"
               " NAME.",
               true},
    OptionSpec{Opt::days, 0, "days", "N", "", "365, or as long as the authority", "",
               "For how many days it holds."},
    OptionSpec{Opt::pki_out, 'o', "out", "PREFIX", "", "DIR/NAME", "",
               "Write PREFIX.crt and PREFIX.key."},
    OptionSpec{Opt::renew, 0, "renew", "", "", "", "",
               "Replace the two files where they are there. The certificate of before stays valid"
               " until it ends or is revoked; a running worker takes the new one by itself."},
    help_option,
};
constexpr std::array pki_issue_examples{
    Example{"repartir pki issue worker gpu1.example.org --host 10.0.0.7",
            "for a worker that is dialled by that address"},
    Example{"repartir pki issue client ada", "for a person or program that submits work"},
};
constexpr std::array pki_revoke_options{pki_dir_option, help_option};
constexpr std::array pki_revoke_examples{
    Example{"repartir pki revoke ada", "all certificates of that name"},
    Example{"repartir pki revoke old/gpu1.crt", "just this one"},
};
constexpr std::array pki_show_options{
    pki_dir_option,
    OptionSpec{Opt::json, 0, "json", "", "", "", "",
               "Print one JSON object (docs/json-schema.md)."},
    help_option,
};
constexpr std::array pki_show_examples{
    Example{"repartir pki show", "all that was issued, and what became of it"},
    Example{"repartir pki show gpu1.crt", "what stands in a certificate"},
};
constexpr std::array plain_options{help_option};

constexpr std::string_view run_description =
    "Runs the program once for each input, several at a time. Every ::: starts a list of inputs;"
    " several lists make their product, the last list varying fastest. Without inputs the program"
    " runs once, with our standard streams (a worker gets our input where --stdin - says so), and"
    " its exit code is ours.\n"
    "\n"
    "Placeholders, in the program, its arguments, --cwd, --env and --output-dir:\n"
    "  {}    the input                     {1}   the input from the first list\n"
    "  {.}   without its extension         {1.}  and so on for the others\n"
    "  {/}   without its directory         {//}  its directory\n"
    "  {/.}  without both                  {#}   the task's number, from 1\n"
    "{{} stands for a literal {}, {{1} for {1}. An argument that is just {} becomes one argument"
    " per list; inside a longer one the inputs are joined by a space. Without any placeholder in"
    " the program and its arguments the inputs are appended. No shell reads the inputs.\n"
    "\n"
    "Exit codes: 0 all well, 1 a task failed, 2 usage, 3 unreachable, 4 timed out, 5 cancelled or"
    " the reader of our output went away, 6 cannot be scheduled, or too little memory, files or"
    " processes for repartir itself; of several the first of 6, 3, 5, 4, 1. Without inputs the"
    " program's own: 128 + signal when a signal ended it, 4 when its time was up, 127 when it was"
    " not found, 126 when it cannot be executed.\n"
    "\n"
    "Ctrl-C ends the run gently (SIGTERM, then SIGKILL after --kill-grace), a second one at once. "
    "What"
    " was ignored when the run began (SIGHUP under nohup; SIGINT and SIGQUIT in the background of a"
    " script) stays ignored by it; the tasks always start with every signal as it is by default."
    " SIGQUIT ends repartir at once, without a summary, and its tasks with it. Ctrl-Z stops a "
    "single"
    " program with us; of several tasks those that run go on, and nothing more starts.\n"
    "\n"
    "A task ends with its program: what that leaves in the background has a moment to write, then "
    "it"
    " is killed (docs/limits.md). Tasks with inputs cannot read the terminal: one that opens "
    "/dev/tty"
    " is stopped by the kernel until its --timeout.";

constexpr std::string_view worker_description =
    "Runs tasks that clients send, until SIGTERM, SIGINT or SIGHUP: then it takes no more, gives"
    " back what has not begun, finishes the rest within --drain-timeout and says goodbye. A second"
    " signal ends everything at once; clients run elsewhere what that cost them.\n"
    "\n"
    "An option wins over its environment variable (in brackets; commas separate several values),"
    " which wins over the file. The file's keys are the long names of the options, without dashes"
    " in front; a key that is unknown is an error. repartir config show --origin prints what comes"
    " out of it. The tasks do not see the limit of open files that a worker raises for itself.\n"
    "\n"
    "The log goes to standard error, in logfmt: time, level, event and more, one line each."
    " docs/workers.md leads from a first worker to a service of systemd.\n"
    "\n"
    "Exit codes: 0 drained, 1 it could not go on, 2 a setting is wrong (an option, a key, an"
    " address that is in use, a file that cannot be read), 3 the name of a host could not be"
    " looked up, 5 ended by a second signal, 6 too little memory, files or processes.";
constexpr std::string_view config_description =
    "Prints every setting of a worker as it would start here and now, as a TOML file that"
    " --config can read: what is set as keys, what is left at its default as comments. Takes the"
    " options of repartir worker too, and refuses what that would refuse.";

constexpr std::array first_commands{
    CommandSpec{"run", "repartir run [options] [--] program [args] [::: inputs...]...",
                "run a program over many inputs", run_description, run_options, run_examples},
    CommandSpec{
        "info", "repartir info [--json] [--gpu-allow-cpu]", "show what this machine offers",
        "Prints CPUs, NUMA nodes, caches, memory, the limits of our cgroup (a CPU quota sets"
        " the default number of workers), the isolation features of the kernel and the GPUs"
        " (repartir gpu list).",
        info_options, info_examples},
};
constexpr std::array later_commands{
    CommandSpec{"worker", "repartir worker --listen ADDRESS [options]",
                "run tasks that clients elsewhere submit", worker_description, worker_options,
                worker_examples},
    CommandSpec{"config show", "repartir config show [--origin] [--json] [options of a worker]",
                "show the settings of a worker, and their origin", config_description,
                config_options, config_examples},
    CommandSpec{"pki init", "repartir pki init [--dir DIR] [--name NAME] [--days N]",
                "make an authority for certificates",
                "Makes a private authority: ca.crt, ca.key and crl.pem in DIR. Every machine gets"
                " ca.crt and crl.pem; who has ca.key can issue certificates. Nothing that is there"
                " is overwritten. docs/security.md leads through a cluster.\n"
                "\n"
                "Exit codes: 0 done, 1 a file cannot be read or written, 2 usage, or an authority"
                " is there already.",
                pki_init_options, pki_init_examples, false, true},
    CommandSpec{"pki issue", "repartir pki issue worker|client|broker NAME [options]",
                "issue a certificate with its key",
                "Issues a certificate (ed25519) that says what its holder may be: a worker and a"
                " broker are dialled, as NAME or at a --host; a client dials. NAME is 1 to 64 of"
                " a-z A-Z 0-9 . _ -.\n"
                "\n"
                "Exit codes: 0 done, 1 a file cannot be read or written, 2 usage, or the file is"
                " there already.",
                pki_issue_options, pki_issue_examples, false, true},
    CommandSpec{
        "pki revoke", "repartir pki revoke NAME|FILE.crt|SERIAL [--dir DIR]",
        "take certificates back",
        "Writes DIR/crl.pem anew. Copy it to every machine: a worker takes notice within"
        " seconds, and closes connections of who is revoked.\n"
        "\n"
        "Exit codes: 0 done, 1 a file cannot be read or written, 2 usage, or nothing of that"
        " name was issued.",
        pki_revoke_options, pki_revoke_examples, false, true},
    CommandSpec{"pki show", "repartir pki show [FILE|DIR] [--dir DIR] [--json]",
                "show an authority, a certificate or a list",
                "Prints what stands in an authority's folder, a certificate or a revocation list.\n"
                "\n"
                "Exit codes: 0 done, 1 the file cannot be read or is none of these, 2 usage.",
                pki_show_options, pki_show_examples, false, true},
    CommandSpec{"version", "repartir version", "print the version", "", plain_options, {}},
    CommandSpec{"help", "repartir help [command]", "explain a command", "", plain_options, {}},
    CommandSpec{"completion",
                "repartir completion bash|zsh",
                "print a completion script for a shell",
                "",
                plain_options,
                {},
                true},
    CommandSpec{"man", "repartir man", "print the manual page (roff)", "", plain_options, {}, true},
};
constexpr auto all_commands = joined(first_commands, gpu_commands, later_commands);

}  // namespace

std::span<const CommandSpec> commands() noexcept { return all_commands; }

const CommandSpec* find_command(std::string_view name) noexcept {
    const auto* const found = std::ranges::find(all_commands, name, &CommandSpec::name);
    return found == all_commands.end() ? nullptr : &*found;
}

const CommandSpec* command_of(std::span<const std::string> words, std::size_t& used) noexcept {
    for (const CommandSpec& command : all_commands) {
        const std::size_t space = command.name.find(' ');
        used = space == std::string_view::npos ? 1 : 2;
        if (words.size() >= used && words[0] == command.name.substr(0, space) &&
            (used == 1 || words[1] == command.name.substr(space + 1))) {
            return &command;
        }
    }
    used = 0;
    return nullptr;
}

std::string_view version() noexcept { return REPARTIR_VERSION; }

}  // namespace repartir::cli
