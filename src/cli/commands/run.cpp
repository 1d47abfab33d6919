// SPDX-License-Identifier: MIT
#include "cli/commands/run.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/os_error.hpp"
#include "cli/config.hpp"
#include "cli/exit_code.hpp"
#include "cli/inputs.hpp"
#include "cli/plain_output.hpp"
#include "cli/resume_log.hpp"
#include "cli/run_loop.hpp"
#include "cli/security_options.hpp"
#include "cli/signals.hpp"
#include "cli/spill.hpp"
#include "cli/task_maker.hpp"
#include "cli/text.hpp"
#include "repartir/cpu_executor.hpp"
#include "repartir/remote_executor.hpp"
#include "repartir/scheduler.hpp"

namespace repartir::cli {
namespace {

constexpr std::uint64_t capture_bytes = 1U << 20U;  // per stream and task in memory; more spills

Result<std::unique_ptr<InputSource>> open_source(const RunConfig& config) {
    if (!config.each_line.empty()) {
        return line_source(config.each_line, config.null_separated ? '\0' : '\n');
    }
    if (!config.from_json.empty()) {
        return job_source(config.from_json);
    }
    if (!config.lists.empty()) {
        return product_source(config.lists);
    }
    return single_source();
}

/// What --stdin gives to each task: a file as it is, our own standard input as a copy in a file
/// that `spool` keeps. Empty: nothing.
Result<std::string> stdin_path(const RunConfig& config, std::optional<SpillFile>& spool) {
    const bool passed_on = config.single() && config.remote.empty();
    if (config.stdin_from != "-" || passed_on || config.dry_run) {
        return config.stdin_from == "-" ? "" : config.stdin_from;
    }
    Result<SpillFile> copy = SpillFile::create();
    if (!copy) {
        return fail(copy.error());
    }
    std::string buffer(std::size_t{256} << 10U, '\0');
    while (true) {
        const ssize_t got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return fail(Error(Domain::io, Code::io_error, Fault::user,
                              cat({"standard input cannot be read: ", base::words_of(errno)})));
        }
        if (got == 0) {
            break;
        }
        const std::string_view piece(buffer.data(), static_cast<std::size_t>(got));
        if (Result<void> done = copy->write(piece); !done) {
            return fail(done.error());
        }
    }
    spool.emplace(std::move(*copy));
    return spool->path();
}

int refuse(const Error& error, int code) {
    complain(error.describe());
    return code;
}

int dry_run(const TaskMaker& maker, InputSource& source) {
    Item item;
    std::string text;
    constexpr std::size_t flush_bytes = 64U << 10U;
    while (true) {
        const Result<Pull> pull = source.next(item);
        if (!pull) {
            return refuse(pull.error(), exit_usage);
        }
        if (*pull == Pull::end) {
            return print(text) ? exit_ok : exit_failed;
        }
        if (*pull == Pull::blocked) {
            ::usleep(1000);
            continue;
        }
        const Result<MadeTask> made = maker.make(item);
        if (!made) {
            return refuse(made.error(), exit_usage);
        }
        text += cat({shell_command(made->task), "\n"});
        if (text.size() > flush_bytes) {
            if (!print(text)) {
                return exit_failed;
            }
            text.clear();
        }
    }
}

/// How many tasks run at once, and why.
struct Width {
    std::uint32_t workers = 1;
    std::string why;
};

Width choose_width(const RunConfig& config, const Topology& machine) {
    if (config.workers > 0) {
        return {config.workers, "as --workers or REPARTIR_WORKERS says"};
    }
    const std::uint32_t count = machine.default_workers();
    if (machine.quota_centi_cpus > 0 && count < machine.cpus.size()) {
        return {count, cat({"a cgroup grants CPU time for ", number(count), " of the ",
                            number(machine.cpus.size()), " CPUs"})};
    }
    return {count, "one for each CPU that this process may use"};
}

std::string limits_text(const Limits& limits) {
    std::string text;
    const auto add = [&](std::string_view name, const std::string& value) {
        text += cat({text.empty() ? "" : ", ", name, " ", value});
    };
    if (limits.cpu_time) {
        add("CPU time", human_duration(*limits.cpu_time));
    }
    if (limits.address_space_bytes) {
        add("address space", human_size(*limits.address_space_bytes));
    }
    if (limits.file_bytes) {
        add("file size", human_size(*limits.file_bytes));
    }
    if (limits.open_files) {
        add("open files", number(*limits.open_files));
    }
    if (limits.resident_bytes) {
        add("memory", human_size(*limits.resident_bytes));
    }
    if (limits.processes) {
        add("processes", number(*limits.processes));
    }
    return text.empty() ? "none" : text;
}

std::string halt_text(const Halt& halt) {
    if (halt.when == Halt::When::never) {
        return "never: all tasks are run, whatever fails";
    }
    return cat({halt.percent > 0 ? cat({"after ", number(halt.percent), "% of at least ",
                                        number(Halt::percent_from), " ended tasks failed"})
                                 : cat({"after ", number(halt.failures), " failed"}),
                halt.when == Halt::When::now ? ", ending what runs" : ", letting end what runs"});
}

std::string_view printed_text(const RunConfig& config) {
    if (!config.output_dir.empty() && !config.keep_order && !config.tag && !config.json) {
        return "written to files, not printed";
    }
    if (config.keep_order) {
        return "printed in that order too";
    }
    return config.stream ? "printed line by line" : "printed as they end";
}

std::string plan(const RunConfig& config, const Width& width,
                 const std::vector<std::unique_ptr<Executor>>& executors, const Topology& machine,
                 const InputSource& source) {
    const std::optional<std::uint64_t> total = source.total();
    const Capabilities can = executors.front()->capabilities();
    std::string text = cat(
        {"tasks      ", total ? number(*total) : "as many as the input has", "\n", "at once    ",
         config.runs_here() ? cat({number(width.workers / config.cores), ": ", width.why})
                            : "as many as the workers have slots for"});
    if (config.cores > 1) {
        text += cat({", each task taking ", number(config.cores)});
    }
    const bool enough = width.workers <= machine.cpus.size();
    text += cat({"\nwhere      ", can.description,
                 !config.pin ? ""
                 : enough    ? ", each on a CPU of its own"
                             : ", each on one CPU, which some must share",
                 executors.size() > 1
                     ? cat({"; and ", executors.back()->capabilities().description,
                            ", where each task goes to where it is expected to be done first"})
                     : "",
                 "\norder      started in the order of the inputs (the last list varies fastest), ",
                 printed_text(config), "\n"});
    text += cat({"priority   ", to_string(config.priority),
                 config.nice ? cat({", niceness ", number(static_cast<std::uint64_t>(*config.nice)),
                                    " more than ours"})
                             : "",
                 "\nhalt       ", halt_text(config.halt), "\ntimeout    ",
                 config.timeout.count() == 0 ? "none" : human_duration(config.timeout),
                 ", then SIGTERM, and SIGKILL after ", human_duration(config.kill_grace), "\n"});
    text += cat({"retries    ", number(config.retries),
                 config.retries == 0
                     ? ": a failure is final; transient failures to start are tried 3"
                       " times more"
                     : cat({", the first after at most ", human_duration(config.retry_delay),
                            ", doubling, with jitter"}),
                 "\nlimits     ", limits_text(config.limits), "\n"});
    const bool grouped = can.cgroup_limits && config.limits.needs_cgroup();
    text +=
        cat({"held by    ",
             grouped ? "a cgroup: nothing escapes"
                     : "its process group: a program that calls setsid escapes",
             "\nresume     ",
             config.resume.empty() ? "no log; --resume FILE would keep one"
                                   : cat({"what ends is noted in ", config.resume,
                                          config.rerun_failed ? "; what failed is run again" : ""}),
             "\n"});
    return text;
}

/// @return what runs tasks: this machine first, then workers.
Result<std::vector<std::unique_ptr<Executor>>> make_executors(const RunConfig& config,
                                                              const Width& width,
                                                              const Topology& machine) {
    std::vector<std::unique_ptr<Executor>> all;
    if (config.runs_here()) {
        CpuExecutorOptions options;
        options.slots = config.single() ? std::min(config.cores, width.workers) : width.workers;
        options.topology = machine;
        options.capture_bytes = capture_bytes;
        Result<std::unique_ptr<CpuExecutor>> cpu = CpuExecutor::create(options);
        if (!cpu) {
            return fail(cpu.error());
        }
        all.push_back(std::move(*cpu));
    }
    if (!config.remote.empty()) {
        RemoteOptions options;
        options.workers = config.remote;
        options.security = config.security;
        options.reach = config.reach;
        Result<std::unique_ptr<RemoteExecutor>> remote = RemoteExecutor::connect(options);
        if (!remote) {
            return fail(remote.error());
        }
        if (config.security.plaintext != Plaintext::no) {
            complain(plaintext_warning(config.security.plaintext));
        }
        all.push_back(std::move(*remote));
    }
    return all;
}

/// @return how many tasks to hand over at once: workers take some hundreds each.
std::uint32_t at_once(const RunConfig& config, const Width& width) {
    constexpr std::size_t of_each = 256;
    constexpr std::size_t most = 4096;
    const auto remote = static_cast<std::uint32_t>(std::min(most, of_each * config.remote.size()));
    return remote + (config.runs_here() ? width.workers : 0);
}

/// Everything that lives as long as the run, made in this order.
int run_all(const RunConfig& config) {
    std::optional<SpillFile> spool;
    const Result<std::string> input = stdin_path(config, spool);
    if (!input) {
        return refuse(input.error(), exit_failed);
    }
    const TaskMaker maker(config, *input);
    Result<std::unique_ptr<InputSource>> source = open_source(config);
    if (!source) {
        return refuse(source.error(), exit_usage);
    }
    if (config.dry_run) {
        return dry_run(maker, **source);
    }
    std::optional<ResumeLog> log;
    if (!config.resume.empty() && config.explain != Explain::plan) {
        Result<ResumeLog> opened = ResumeLog::open(
            config.resume, ResumeHeader{maker.command_fingerprint(), maker.shown()});
        if (!opened) {
            return refuse(opened.error(), exit_usage);
        }
        log.emplace(std::move(*opened));
    }
    Result<Signals> signals = Signals::create(config.passes_through());  // before any thread
    if (!signals) {
        return refuse(signals.error(), exit_cannot_schedule);
    }
    const Topology machine = CpuExecutor::this_machine();
    const Width width = choose_width(config, machine);

    Bell bell;  // outlives the scheduler, whose results ring it
    // First of what has threads: it registers for membarrier, which is slow in a process with some.
    SchedulerOptions scheduler_options;
    scheduler_options.workers = 1;
    scheduler_options.topology = machine;
    scheduler_options.explain = config.explain == Explain::choices;
    Result<Scheduler> scheduler = Scheduler::create(scheduler_options);
    if (!scheduler) {
        return refuse(scheduler.error(), exit_cannot_schedule);
    }
    Result<std::vector<std::unique_ptr<Executor>>> executors =
        make_executors(config, width, machine);
    if (!executors) {
        return refuse(executors.error(), executors.error().fault() == Fault::user ||
                                                 executors.error().fault() == Fault::policy
                                             ? exit_usage
                                             : exit_cannot_schedule);
    }
    if (config.explain == Explain::plan) {
        return print(plan(config, width, *executors, machine, **source)) ? exit_ok : exit_failed;
    }
    std::vector<WatchedExecutor*> watching;
    for (std::unique_ptr<Executor>& one : *executors) {
        const Backend backend = one->capabilities().backend;
        auto watched = std::make_unique<WatchedExecutor>(std::move(one));
        watching.push_back(watched.get());
        if (Result<void> done = scheduler->register_backend(backend, std::move(watched)); !done) {
            return refuse(done.error(), exit_cannot_schedule);
        }
    }
    std::vector<std::uint32_t> cpus;
    for (std::uint32_t i = 0; config.pin && i < width.workers && !machine.cpus.empty(); ++i) {
        cpus.push_back(machine.cpus[i % machine.cpus.size()].number);
    }
    Run run(RunParts{config, maker, **source, log ? &*log : nullptr, *signals, *scheduler,
                     std::move(watching), bell, at_once(config, width), std::move(cpus)});
    return run.execute();
}

}  // namespace

int run_command(const Parsed& parsed) {
    const Result<RunConfig> config = read_config(parsed);
    if (!config) {
        return refuse(config.error(), exit_usage);
    }
    return run_all(*config);
}

}  // namespace repartir::cli
