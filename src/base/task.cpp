// SPDX-License-Identifier: MIT
#include "repartir/task.hpp"

#include <algorithm>
#include <utility>

namespace repartir {
namespace {

/// The default extras. Never destroyed: a Pool with static storage still reads them at exit.
union NoExtras {
    NoExtras() : extras() {}
    NoExtras(const NoExtras&) = delete;
    NoExtras& operator=(const NoExtras&) = delete;
    ~NoExtras() {}
    const TaskExtras extras;
};

const TaskExtras& no_extras() {
    static const NoExtras none;
    return none.extras;
}

std::unexpected<Error> invalid(const std::string& sentence) {
    return fail(Error(Domain::task, Code::invalid_task, Fault::user, sentence));
}

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

}  // namespace

Program::Program(std::string_view path) { add(path); }

void Program::add(std::string_view arg) {
    nul_ = nul_ || repartir::has_nul(arg);
    packed_.append(arg);
    packed_.push_back('\0');
    ++count_;
}

std::string_view Program::path() const noexcept {
    return std::string_view(packed_).substr(0, packed_.find('\0'));
}

std::vector<std::string> Program::argv() const {
    std::vector<std::string> arguments;
    arguments.reserve(count_);
    for (std::size_t at = 0; at < packed_.size(); at += arguments.back().size() + 1) {
        arguments.emplace_back(packed_.c_str() + at);
    }
    return arguments;
}

Task Task::binary(std::string_view program) {
    Task task;
    task.program_ = Program(program);
    return task;
}

Task Task::pipeline(std::vector<Task> stages) {
    if (stages.empty()) {
        return {};
    }
    Task task = std::move(stages.front());
    if (task.kind() == Kind::pipeline) {
        task.bad_stage_ = BadStage::nested;
    }
    for (auto stage = stages.begin() + 1; stage != stages.end(); ++stage) {
        if (task.bad_stage_ == BadStage::none) {
            task.bad_stage_ = stage->unfit_as_stage();
        }
        task.mutable_extras().stages.push_back(std::move(stage->program_));
    }
    return task;
}

Task::BadStage Task::unfit_as_stage() const noexcept {
    if (kind() == Kind::pipeline || bad_stage_ == BadStage::nested) {
        return BadStage::nested;
    }
    const Task plain;
    const bool same = !extras_ && timeout_ms_ == plain.timeout_ms_ &&
                      kill_grace_ms_ == plain.kill_grace_ms_ && cores_ == plain.cores_ &&
                      max_retries_ == plain.max_retries_ && env_mode_ == plain.env_mode_ &&
                      input_ == plain.input_ && out_ == plain.out_ && err_ == plain.err_ &&
                      backend_ == plain.backend_ && affinity_ == plain.affinity_ &&
                      priority_ == plain.priority_;
    return same ? BadStage::none : BadStage::options;
}

Task::Task(const Task& other)
    : program_(other.program_),
      extras_(other.extras_ ? std::make_unique<TaskExtras>(*other.extras_) : nullptr),
      timeout_ms_(other.timeout_ms_),
      kill_grace_ms_(other.kill_grace_ms_),
      cores_(other.cores_),
      max_retries_(other.max_retries_),
      env_mode_(other.env_mode_),
      input_(other.input_),
      out_(other.out_),
      err_(other.err_),
      backend_(other.backend_),
      affinity_(other.affinity_),
      priority_(other.priority_),
      bad_stage_(other.bad_stage_) {}

Task& Task::operator=(const Task& other) {
    if (this != &other) {
        *this = Task(other);
    }
    return *this;
}

TaskExtras& Task::mutable_extras() {
    if (!extras_) {
        extras_ = std::make_unique<TaskExtras>();
    }
    return *extras_;
}

Task& Task::arg(std::string_view value) & { return program_.add(value), *this; }

Task& Task::args(const std::vector<std::string>& values) & {
    for (const std::string& value : values) {
        program_.add(value);
    }
    return *this;
}

Task& Task::env(std::string_view name, std::string_view value) & {
    mutable_extras().env.emplace_back(name, value);
    return *this;
}

Task& Task::env_mode(EnvMode mode) & { return env_mode_ = mode, *this; }
Task& Task::cwd(std::string_view directory) & { return mutable_extras().cwd = directory, *this; }

Task& Task::stdin_bytes(std::string bytes) & {
    input_ = Input::bytes;
    mutable_extras().input = std::move(bytes);
    return *this;
}

Task& Task::stdin_file(std::string_view path) & {
    input_ = Input::file;
    mutable_extras().input = path;
    return *this;
}

Task& Task::stdin_inherit() & { return input_ = Input::inherit, *this; }

Task& Task::buffer(std::string_view name, SharedBuffer buffer) & {
    mutable_extras().buffers.emplace_back(name, std::move(buffer));
    return *this;
}

Task& Task::stdout_file(std::string_view path) & {
    out_ = Output::file;
    mutable_extras().out_path = path;
    return *this;
}

Task& Task::stderr_file(std::string_view path) & {
    err_ = Output::file;
    mutable_extras().err_path = path;
    return *this;
}

Task& Task::stdout_to(Output where) & { return out_ = where, *this; }
Task& Task::stderr_to(Output where) & { return err_ = where, *this; }

Task& Task::on_output(OutputCallback callback) & {
    out_ = Output::callback;
    err_ = Output::callback;
    mutable_extras().on_output = std::move(callback);
    return *this;
}

Task& Task::capture_limit(std::uint64_t bytes) & {
    return mutable_extras().capture_bytes = bytes, *this;
}

Task& Task::output_limit(std::uint64_t bytes) & {
    return mutable_extras().output_bytes = bytes, *this;
}

Task& Task::spill_dir(std::string_view directory) & {
    return mutable_extras().spill_dir = directory, *this;
}

Task& Task::backend(Backend value) & { return backend_ = value, *this; }
Task& Task::affinity(Affinity value) & { return affinity_ = value, *this; }
Task& Task::cores(std::uint32_t count) & { return cores_ = count, *this; }
Task& Task::memory(std::uint64_t bytes) & { return mutable_extras().memory_bytes = bytes, *this; }

Task& Task::on_cores(std::vector<std::uint32_t> cpus) & {
    return mutable_extras().cores = std::move(cpus), *this;
}

Task& Task::on_numa_node(std::uint32_t node) & { return mutable_extras().numa_node = node, *this; }
Task& Task::priority(Priority value) & { return priority_ = value, *this; }
Task& Task::nice(int increment) & { return mutable_extras().nice = increment, *this; }

Task& Task::timeout(std::chrono::milliseconds value) & {
    timeout_ms_ = value.count();
    return *this;
}

Task& Task::kill_grace(std::chrono::milliseconds value) & {
    kill_grace_ms_ = value.count();
    return *this;
}

Task& Task::retries(std::uint32_t count) & { return max_retries_ = count, *this; }

Task& Task::retry(RetryPolicy policy) & {
    max_retries_ = policy.max_retries;
    mutable_extras().retry = std::move(policy);
    return *this;
}

Task& Task::limits(Limits value) & { return mutable_extras().limits = value, *this; }

Task& Task::idempotency_key(std::string_view key) & {
    return mutable_extras().idempotency_key = key, *this;
}

Task& Task::name(std::string_view value) & { return mutable_extras().name = value, *this; }

Task& Task::label(std::string_view key, std::string_view value) & {
    mutable_extras().labels.emplace_back(key, value);
    return *this;
}

Kind Task::kind() const noexcept {
    return extras().dispatch         ? Kind::shader
           : extras().stages.empty() ? Kind::binary
                                     : Kind::pipeline;
}

std::size_t Task::stage_count() const noexcept { return extras().stages.size() + 1; }

const Program& Task::stage(std::size_t index) const noexcept {
    return index == 0 ? program_ : extras().stages[index - 1];
}

std::chrono::milliseconds Task::timeout() const noexcept {
    return std::chrono::milliseconds(timeout_ms_);
}

std::chrono::milliseconds Task::kill_grace() const noexcept {
    return std::chrono::milliseconds(kill_grace_ms_);
}

RetryPolicy Task::retry_policy() const {
    RetryPolicy policy = extras().retry;
    policy.max_retries = max_retries_;
    return policy;
}

const TaskExtras& Task::extras() const noexcept { return extras_ ? *extras_ : no_extras(); }

namespace {

/// @return what of a program's the task of a shader has; nothing when it has nothing.
const char* of_a_program(const Task& task) {
    const TaskExtras& extras = task.extras();
    const bool streams = task.stdin_kind() != Input::nothing ||
                         task.stdout_kind() != Output::capture ||
                         task.stderr_kind() != Output::capture;
    return task.program().size() != 0 || !extras.stages.empty() ? "a program or arguments"
           : !extras.env.empty() || !extras.cwd.empty()         ? "an environment or a directory"
           : streams                                            ? "standard streams"
           : !extras.buffers.empty()                            ? "a buffer with a variable's name"
           : !extras.limits.empty() || extras.nice              ? "limits of a process"
           : task.cores() != 1 || !extras.cores.empty() || extras.numa_node ? "cores"
                                                                            : nullptr;
}

Result<void> check_dispatch(const Task& task, const gpu::Dispatch& dispatch) {
    if (dispatch.error) {
        return fail(*dispatch.error);
    }
    if (const char* what = of_a_program(task)) {
        return invalid("the task of a shader has " + std::string(what) +
                       ", which shaders have not: leave it out, or make two tasks");
    }
    if (dispatch.shader.empty()) {
        return invalid("a task has no shader: give it SPIR-V, WGSL or GLSL");
    }
    if (has_nul(dispatch.entry)) {
        return invalid("the name of an entry point contains a NUL byte: remove it");
    }
    if (!dispatch.kernel && (dispatch.cpu_fallback || task.affinity() == Affinity::cpu_only ||
                             task.backend() == Backend::cpu)) {
        return invalid(
            "a shader is to run on CPUs, which run kernels written in C++ only "
            "(repartir/kernel.hpp): write it so, or let it run on GPUs");
    }
    for (const gpu::BufferArgument& one : dispatch.buffers) {
        if (one.into && one.into->sealed() && one.bytes != 0) {
            return invalid("a buffer that a shader is to write to is sealed: pass one that is not");
        }
    }
    return {};
}

Result<void> check_programs(const Task& task) {
    if (task.extras().dispatch) {
        return check_dispatch(task, *task.extras().dispatch);
    }
    for (std::size_t i = 0; i < task.stage_count(); ++i) {
        const Program& program = task.stage(i);
        if (program.path().empty()) {
            return invalid("a task has no program: name one with Task::binary");
        }
        if (program.has_nul()) {
            return invalid("an argument of " + std::string(program.path()) +
                           " contains a NUL byte, which no program can be given: pass such data "
                           "through standard input or a file");
        }
    }
    return {};
}

Result<void> check_environment(const TaskExtras& extras) {
    const auto bad_name = [](std::string_view name) {
        return name.empty() || name.find('=') != std::string_view::npos || has_nul(name);
    };
    for (const auto& [name, value] : extras.env) {
        if (bad_name(name) || has_nul(value)) {
            return invalid(
                "the environment variable '" + name +
                "' cannot be set: names need a character and neither '=' nor NUL, values "
                "no NUL");
        }
    }
    for (const auto& [name, buffer] : extras.buffers) {
        if (bad_name(name)) {
            return invalid("the buffer variable '" + name +
                           "' cannot be set: names need a character and neither '=' nor NUL");
        }
    }
    return {};
}

Result<void> check_streams(const Task& task) {
    const TaskExtras& extras = task.extras();
    if (task.stdin_kind() == Input::file && extras.input.empty()) {
        return invalid("the file for standard input has an empty name: give a path");
    }
    const auto bad_file = [](Output where, const std::string& path) {
        return where == Output::file && path.empty();
    };
    if (bad_file(task.stdout_kind(), extras.out_path) ||
        bad_file(task.stderr_kind(), extras.err_path)) {
        return invalid("an output goes to a file without a name: give a path");
    }
    const bool calls =
        task.stdout_kind() == Output::callback || task.stderr_kind() == Output::callback;
    if (calls && !extras.on_output) {
        return invalid("output goes to a callback, but there is none: set it with on_output");
    }
    for (const std::string* text :
         {&extras.cwd, &extras.out_path, &extras.err_path, &extras.spill_dir}) {
        if (has_nul(*text)) {
            return invalid("a path of the task contains a NUL byte: remove it");
        }
    }
    if (task.stdin_kind() == Input::file && has_nul(extras.input)) {
        return invalid("a path of the task contains a NUL byte: remove it");
    }
    return {};
}

Result<void> check_placement(const Task& task) {
    if (task.cores() == 0) {
        return invalid("a task asks for 0 cores: ask for at least 1");
    }
    if (task.affinity() == Affinity::cpu_only &&
        (task.backend() == Backend::gpu || task.backend() == Backend::remote)) {
        return invalid("a task is cpu_only but names the backend " +
                       std::string(to_string(task.backend())) + ": drop one of the two");
    }
    if (task.affinity() == Affinity::gpu_required && task.backend() == Backend::cpu) {
        return invalid("a task requires a GPU but names the backend cpu: drop one of the two");
    }
    if (task.priority() > Priority::low) {
        return invalid("a task has a priority that does not exist: use high, normal or low");
    }
    constexpr std::uint32_t cpu_max = 8192;  // the kernel's own bound on CONFIG_NR_CPUS
    const auto& cores = task.extras().cores;
    if (std::any_of(cores.begin(), cores.end(), [](std::uint32_t cpu) { return cpu >= cpu_max; })) {
        return invalid("a task names a CPU number of 8192 or more: no kernel has that many");
    }
    return {};
}

Result<void> check_times(const Task& task) {
    constexpr std::chrono::milliseconds zero(0);
    if (task.timeout() < zero || task.kill_grace() < zero) {
        return invalid("a timeout or kill grace is negative: use 0 for none");
    }
    const RetryPolicy& retry = task.extras().retry;
    if (retry.backoff.initial < zero || retry.backoff.max < zero) {
        return invalid("a backoff is negative: use 0 for none");
    }
    if (const auto& limits = task.extras().limits;
        (limits.cpu_time && limits.cpu_time->count() < 1) ||
        (limits.resident_bytes && *limits.resident_bytes == 0) ||
        (limits.processes && *limits.processes == 0)) {
        return invalid("a limit of zero CPU time, memory or processes lets nothing run: raise it");
    }
    return {};
}

}  // namespace

Result<void> Task::validate() const {
    if (bad_stage_ == BadStage::nested) {
        return invalid("a stage of a pipeline is itself a pipeline: list its programs instead");
    }
    if (bad_stage_ == BadStage::options) {
        return invalid(
            "a later stage of a pipeline has options of its own: set them on the pipeline");
    }
    for (auto* check : {+[](const Task& task) { return check_programs(task); },
                        +[](const Task& task) { return check_environment(task.extras()); },
                        +[](const Task& task) { return check_streams(task); },
                        +[](const Task& task) { return check_placement(task); },
                        +[](const Task& task) { return check_times(task); }}) {
        if (auto checked = check(*this); !checked) {
            return checked;
        }
    }
    return {};
}

}  // namespace repartir
