// SPDX-License-Identifier: MIT
#include "cli/commands/gpu_run.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands/gpu.hpp"
#include "cli/commands/gpu_shader.hpp"
#include "cli/exit_code.hpp"
#include "cli/gpu_buffers.hpp"
#include "cli/plain_output.hpp"
#include "cli/render.hpp"
#include "cli/security_options.hpp"
#include "cli/text.hpp"
#include "exec/gpu/kernel/fit.hpp"
#include "repartir/pool.hpp"
#include "repartir/remote_executor.hpp"
#include "repartir/task.hpp"

namespace repartir::cli {
namespace {

/// What the command line says, but the shader.
struct GpuRun {
    std::array<std::uint32_t, 3> workgroups{1, 1, 1};
    std::vector<BufferSpec> buffers;
    std::vector<std::byte> push;
    std::chrono::milliseconds timeout{0};
    GpuOptions gpu;
    RemoteOptions remote;  ///< with workers, where it is to run on one
    bool json = false;
};

int refuse(const Error& error) {
    complain(error.describe());
    switch (error.code()) {
        case Code::invalid_argument:
            return exit_usage;
        case Code::cannot_schedule:
        case Code::out_of_resources:
        case Code::too_large:
        case Code::unsupported:
            return exit_cannot_schedule;
        case Code::not_found:  // a device, or a file
            return error.domain() == Domain::gpu ? exit_cannot_schedule : exit_failed;
        default:
            return exit_failed;
    }
}

/// Reads X[,Y[,Z]].
Result<std::array<std::uint32_t, 3>> read_workgroups(std::string_view text) {
    std::array<std::uint32_t, 3> counts{1, 1, 1};
    for (std::size_t i = 0; i < counts.size(); ++i) {
        const std::size_t comma = std::min(text.find(','), text.size());
        const Result<std::uint64_t> count =
            parse_count("--workgroups", text.substr(0, comma), 0, UINT32_MAX);
        if (!count) {
            return fail(count.error());
        }
        counts[i] = static_cast<std::uint32_t>(*count);
        if (comma == text.size()) {
            return counts;
        }
        text.remove_prefix(comma + 1);
    }
    return fail(usage_error("--workgroups takes three numbers at most: X,Y,Z"));
}

Result<void> read_buffers(const Parsed& parsed, GpuRun& run) {
    std::size_t printed = 0;
    for (const auto& [option, text] :
         parsed.in_order({Opt::buffer_in, Opt::buffer_out, Opt::buffer_inout})) {
        const gpu::BufferUse use = option == Opt::buffer_in    ? gpu::BufferUse::in
                                   : option == Opt::buffer_out ? gpu::BufferUse::out
                                                               : gpu::BufferUse::in_out;
        Result<BufferSpec> spec = parse_buffer(use, text);
        if (!spec) {
            return fail(std::move(spec).error());
        }
        printed += use != gpu::BufferUse::in && spec->into.empty() ? 1 : 0;
        run.buffers.push_back(*std::move(spec));
    }
    if (std::ranges::count(run.buffers, "-", &BufferSpec::from) > 1) {
        return fail(usage_error("standard input can be one buffer only; give files for others"));
    }
    if (printed > (run.json ? 0U : 1U)) {
        return fail(usage_error(run.json ? "with --json no buffer goes to standard output; give"
                                           " each a FILE"
                                         : "only one buffer can go to standard output; give the"
                                           " others a FILE, as in --out 4096:a.bin"));
    }
    return {};
}

Result<GpuRun> read_run(const Parsed& parsed) {
    GpuRun run;
    run.json = parsed.on(Opt::json);
    if (const auto text = parsed.last(Opt::workgroups)) {
        const auto counts = read_workgroups(*text);
        if (!counts) {
            return fail(counts.error());
        }
        run.workgroups = *counts;
    }
    if (Result<void> read = read_buffers(parsed, run); !read) {
        return fail(std::move(read).error());
    }
    for (const std::string_view text : parsed.all(Opt::push)) {
        if (Result<void> read = append_push(text, run.push); !read) {
            return fail(std::move(read).error());
        }
    }
    if (const auto text = parsed.last(Opt::timeout)) {
        const Result<std::chrono::milliseconds> timeout = parse_duration("--timeout", *text);
        if (!timeout) {
            return fail(timeout.error());
        }
        run.timeout = *timeout;
    }
    OptionReader reader(parsed);
    run.remote.workers = read_remote(parsed, reader);
    reader.duration(Opt::reach, "--reach", run.remote.reach);
    read_security(reader, run.remote.security);
    if (!run.remote.workers.empty() && parsed.origin(Opt::gpu_device) != nullptr &&
        parsed.origin(Opt::gpu_device)->source == Source::flag) {
        reader.refuse("--device is for GPUs of this machine; leave it or --remote away");
    }
    if (reader.error()) {
        return fail(*reader.error());
    }
    run.gpu =
        gpu_named(parsed.last(Opt::gpu_device).value_or("any"), parsed.on(Opt::gpu_allow_cpu));
    return run;
}

/// Adds the buffers to the task, read from their files.
Result<void> load(GpuRun& run, Task& task) {
    for (BufferSpec& spec : run.buffers) {
        if (spec.use == gpu::BufferUse::out) {
            task.output_buffer(spec.bytes);
            continue;
        }
        Result<SharedBuffer> buffer = load_buffer(spec);
        if (!buffer) {
            return fail(std::move(buffer).error());
        }
        if (spec.use == gpu::BufferUse::in) {
            task.input_buffer(*std::move(buffer));
        } else {
            task.inout_buffer(*std::move(buffer));
        }
    }
    return {};
}

Result<Outcome> run_on_gpu(GpuRun& run, Task task) {
    PoolBuilder builder = Pool::builder().cpu_workers(1).local_programs(false);
    if (run.remote.workers.empty()) {
        builder.gpu(std::move(run.gpu));
    } else {
        if (run.remote.security.plaintext != Plaintext::no) {
            complain(plaintext_warning(run.remote.security.plaintext));
        }
        builder.remote(std::move(run.remote));
    }
    Result<Pool> pool = std::move(builder).build();
    if (!pool) {
        return fail(std::move(pool).error());
    }
    return pool->submit(std::move(task)).get();
}

/// Writes what came out, and says how it went. @return the exit code
int deliver(const GpuRun& run, std::string_view file, const Outcome& outcome) {
    TaskView view;
    view.sequence = 1;
    view.label = file;
    const std::vector<std::string> none;
    view.values = &none;
    const std::string argv = cat({file, std::string_view("\0", 1)});
    view.packed_argv = argv;
    int code = exit_code_of(outcome);
    std::size_t next = 0;
    for (const BufferSpec& spec : run.buffers) {
        if (!outcome.ok() || spec.use == gpu::BufferUse::in) {
            continue;
        }
        if (Result<void> stored = store_buffer(spec, outcome.buffers[next++].view()); !stored) {
            complain(stored.error().describe());
            code = exit_failed;
        }
    }
    if (!outcome.ok()) {
        const Error* const why = outcome.error();
        complain(cat({printable(file), ": ", outcome.ending.describe(),
                      why == nullptr ? "" : ": " + why->describe()}));
    }
    std::string json;
    if (run.json && (!append_json(view, outcome, json) || !print(json))) {
        return exit_failed;
    }
    return code;
}

}  // namespace

int gpu_run_command(const Parsed& parsed) {
    if (!names_one_file(parsed, "gpu run")) {
        return exit_usage;
    }
    Result<GpuRun> run = read_run(parsed);
    if (!run) {
        return refuse(run.error());
    }
    const Result<gpu::Compiled> shader = compile_named(parsed);
    if (!shader) {
        return refuse_shader(shader.error());
    }
    const std::string& file = parsed.rest.front();
    Task task = Task::shader(Shader::spirv(shader->words, file), shader->interface.entry)
                    .workgroups(run->workgroups[0], run->workgroups[1], run->workgroups[2])
                    .push_bytes(run->push)
                    .timeout(run->timeout)
                    .backend(Backend::gpu);
    if (Result<void> loaded = load(*run, task); !loaded) {
        return refuse(loaded.error());
    }
    if (Result<void> fits = gpu::check_arguments(shader->interface, *task.extras().dispatch);
        !fits) {
        complain(cat({printable(file), ": ", fits.error().describe()}));
        return exit_usage;
    }
    const Result<Outcome> outcome = run_on_gpu(*run, std::move(task));
    if (!outcome) {
        return refuse(outcome.error());
    }
    return deliver(*run, file, *outcome);
}

}  // namespace repartir::cli
