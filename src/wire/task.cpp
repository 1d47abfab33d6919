// SPDX-License-Identifier: MIT
#include "wire/task.hpp"

#include <algorithm>
#include <span>
#include <vector>

#include "wire/dispatch.hpp"

namespace repartir::wire {
namespace {

using std::chrono::milliseconds;
using OwnedPair = std::pair<std::string, std::string>;

PackedArgs packed(const Program& program) {
    return {static_cast<std::uint32_t>(program.size()), program.packed()};
}

std::optional<std::uint64_t> seconds(const std::optional<std::chrono::seconds>& value) {
    return value ? std::optional(static_cast<std::uint64_t>(value->count())) : std::nullopt;
}

LimitsRecord to_record(const Limits& limits) {
    return {seconds(limits.cpu_time), limits.address_space_bytes, limits.file_bytes,
            limits.open_files,        limits.resident_bytes,      limits.processes};
}

/// @return whether something is set of what ExtrasView has.
bool has_extras(const TaskExtras& x) {
    return !x.stages.empty() || !x.cwd.empty() || !x.out_path.empty() || !x.err_path.empty() ||
           !x.limits.empty() || !x.cores.empty() || x.numa_node || x.nice || !x.spill_dir.empty() ||
           x.capture_bytes != 0 || x.output_bytes != 0 || !x.labels.empty();
}

auto extras_fields(const TaskExtras& x, const std::vector<PackedArgs>& stages) {
    return codec::fields(std::span<const PackedArgs>(stages), std::string_view(x.cwd),
                         std::string_view(x.out_path), std::string_view(x.err_path),
                         to_record(x.limits), std::span<const std::uint32_t>(x.cores), x.numa_node,
                         std::optional<std::int32_t>(x.nice), std::string_view(x.spill_dir),
                         x.capture_bytes, x.output_bytes, std::span<const OwnedPair>(x.labels),
                         std::string_view(), std::string_view(), std::string_view());
}

using ExtrasFields = decltype(extras_fields({}, {}));
static_assert(codec::same_wire<ExtrasFields, ExtrasView>);

auto task_fields(const AttemptId& attempt, const Task& task, bool stream,
                 std::optional<ExtrasFields> extras) {
    const TaskExtras& x = task.extras();
    return codec::fields(attempt, Work::programs, task.priority(), task.affinity(), task.env_mode(),
                         task.stdin_kind(), task.stdout_kind(), task.stderr_kind(), stream,
                         task.cores(), x.memory_bytes, task.timeout(), task.kill_grace(),
                         packed(task.program()), std::span<const OwnedPair>(x.env),
                         std::string_view(x.input), std::string_view(x.name), std::move(extras));
}

static_assert(
    codec::same_wire<decltype(task_fields({}, std::declval<Task>(), false, {})), TaskView>);

/// @return arguments as strings; nothing when they are not packed as Program packs them.
std::optional<std::vector<std::string>> unpack(const PackedArgs& args) {
    const auto& [count, bytes] = args;
    const auto ends = std::count(bytes.begin(), bytes.end(), '\0');
    if (count == 0 || static_cast<std::uint64_t>(ends) != count || bytes.back() != '\0') {
        return std::nullopt;
    }
    std::vector<std::string> all;
    all.reserve(count);
    for (std::string_view rest = bytes; !rest.empty();) {
        all.emplace_back(rest.substr(0, rest.find('\0')));
        rest.remove_prefix(all.back().size() + 1);
    }
    return all;
}

std::optional<Task> program_of(const PackedArgs& args) {
    auto words = unpack(args);
    if (!words) {
        return std::nullopt;
    }
    Task task = Task::binary(words->front());
    words->erase(words->begin());
    task.args(*words);
    return task;
}

/// @return the program, or the programs joined by pipes; nothing when one is not packed well.
std::optional<Task> programs_of(const TaskView& view) {
    std::optional<Task> first = program_of(view.program);
    if (!first || !view.extras || view.extras->stages.empty()) {
        return first;
    }
    std::vector<Task> stages;
    stages.push_back(std::move(*first));
    bool whole = true;
    const codec::Problem problem = view.extras->stages.each([&](const PackedArgs& args) {
        std::optional<Task> stage = program_of(args);
        whole = whole && stage.has_value();
        if (stage) {
            stages.push_back(std::move(*stage));
        }
    });
    if (!whole || problem != codec::Problem::none) {
        return std::nullopt;
    }
    return Task::pipeline(std::move(stages));
}

/// @return whether the value is one of its enum's, whose last one is `last`.
template <class Enum>
bool known(Enum value, Enum last) {
    return std::to_underlying(value) <= std::to_underlying(last);
}

bool enums_known(const TaskView& view) {
    return view.work == Work::programs && known(view.priority, Priority::low) &&
           known(view.affinity, Affinity::remote_allowed) &&
           known(view.env_mode, EnvMode::replace) && known(view.input_kind, Input::inherit) &&
           known(view.out, Output::discard) && known(view.err, Output::discard);
}

void set_input(Task& task, const TaskView& view) {
    switch (view.input_kind) {
        case Input::nothing:
            break;
        case Input::bytes:
            task.stdin_bytes(std::string(view.input));
            break;
        case Input::file:
            task.stdin_file(view.input);
            break;
        case Input::inherit:
            task.stdin_inherit();
            break;
    }
}

void set_output(Task& task, Output kind, std::string_view path,
                Task& (Task::*to_file)(std::string_view) &, Task& (Task::*to)(Output) &) {
    if (kind == Output::file) {
        (task.*to_file)(path);
    } else {
        (task.*to)(kind == Output::callback ? Output::capture : kind);
    }
}

Limits to_limits(const LimitsRecord& record) {
    Limits limits;
    if (record.cpu_seconds) {
        limits.cpu_time = std::chrono::seconds(static_cast<std::int64_t>(*record.cpu_seconds));
    }
    limits.address_space_bytes = record.address_space_bytes;
    limits.file_bytes = record.file_bytes;
    limits.open_files = record.open_files;
    limits.resident_bytes = record.resident_bytes;
    limits.processes = record.processes;
    return limits;
}

/// @return whether all lists of the extras could be read.
bool set_extras(Task& task, const ExtrasView& extras) {
    std::vector<std::uint32_t> cores;
    codec::Problem problem = extras.cores.each([&](std::uint32_t core) { cores.push_back(core); });
    if (problem == codec::Problem::none) {
        problem = extras.labels.each(
            [&](const TextPair& label) { task.label(label.first, label.second); });
    }
    if (!cores.empty()) {
        task.on_cores(std::move(cores));
    }
    if (!extras.cwd.empty()) {
        task.cwd(extras.cwd);
    }
    if (!extras.spill_dir.empty()) {
        task.spill_dir(extras.spill_dir);
    }
    if (extras.numa_node) {
        task.on_numa_node(*extras.numa_node);
    }
    if (extras.nice) {
        task.nice(*extras.nice);
    }
    if (extras.capture_bytes != 0) {
        task.capture_limit(extras.capture_bytes);
    }
    if (extras.output_bytes != 0) {
        task.output_limit(extras.output_bytes);
    }
    task.limits(to_limits(extras.limits));
    return problem == codec::Problem::none;
}

RetryPolicy no_retries() {
    RetryPolicy policy;
    policy.max_retries = 0;
    policy.max_start_retries = 0;
    return policy;
}

}  // namespace

void append_task(std::string& out, const AttemptId& attempt, const Task& task, bool stream) {
    const TaskExtras& x = task.extras();
    if (!has_extras(x)) {
        codec::append(out, task_fields(attempt, task, stream, std::nullopt));
        return;
    }
    std::vector<PackedArgs> stages;
    for (const Program& program : x.stages) {
        stages.push_back(packed(program));
    }
    codec::append(out, task_fields(attempt, task, stream, extras_fields(x, stages)));
}

void append_shader(std::string& out, const AttemptId& attempt, const Task& task,
                   std::string_view arguments, std::uint64_t memory_bytes) {
    TaskView view;
    view.attempt = attempt;
    view.work = Work::function;
    view.priority = task.priority();
    view.timeout = task.timeout();
    view.memory_bytes = memory_bytes;
    view.program = {1, shader_function};
    view.input_kind = Input::bytes;
    view.input = arguments;
    view.name = task.extras().name;
    codec::append(out, view);
}

void append_call(std::string& out, const AttemptId& attempt, std::string_view function,
                 std::string_view arguments, std::chrono::milliseconds timeout, Priority priority) {
    TaskView view;
    view.attempt = attempt;
    view.work = Work::function;
    view.priority = priority;
    view.timeout = timeout;
    view.program = {1, function};
    view.input_kind = Input::bytes;
    view.input = arguments;
    codec::append(out, view);
}

Result<void> read_task(std::string_view bytes, TaskView& view) {
    const codec::Problem problem = codec::decode(bytes, view);
    if (problem != codec::Problem::none) {
        return fail(codec::malformed("task", problem));
    }
    return {};
}

void set_epoch(std::string& task, std::uint64_t epoch) {
    constexpr std::size_t id_bytes = codec::Form<AttemptId>::bytes_min;
    constexpr std::size_t end = 4 + id_bytes;  // a struct's length, then its first field
    static_assert(id_bytes == 36 && codec::Form<AttemptId>::fixed);
    if (task.size() >= end) {
        codec::Writer(task.data() + end - sizeof epoch).number(epoch);
    }
}

Result<TaskView> read_task(std::string_view bytes) {
    TaskView view;
    if (Result<void> read = read_task(bytes, view); !read) {
        return fail(read.error());
    }
    return view;
}

Result<Task> to_task(const TaskView& view) {
    const Error bad = codec::malformed("task", codec::Problem::value);
    if (!enums_known(view)) {
        return fail(bad);
    }
    std::optional<Task> task = programs_of(view);
    if (!task) {
        return fail(bad);
    }
    if (view.extras && !set_extras(*task, *view.extras)) {
        return fail(bad);
    }
    const std::string_view out_path = view.extras ? view.extras->out_path : std::string_view();
    const std::string_view err_path = view.extras ? view.extras->err_path : std::string_view();
    set_output(*task, view.out, out_path, &Task::stdout_file, &Task::stdout_to);
    set_output(*task, view.err, err_path, &Task::stderr_file, &Task::stderr_to);
    set_input(*task, view);
    const codec::Problem problem =
        view.env.each([&](const TextPair& pair) { task->env(pair.first, pair.second); });
    if (problem != codec::Problem::none) {
        return fail(bad);
    }
    task->env_mode(view.env_mode).priority(view.priority).affinity(view.affinity);
    task->cores(view.cores).memory(view.memory_bytes);
    task->timeout(view.timeout).kill_grace(view.kill_grace);
    task->retry(no_retries()).name(view.name);
    if (Result<void> valid = task->validate(); !valid) {
        return fail(valid.error());
    }
    return std::move(*task);
}

}  // namespace repartir::wire
