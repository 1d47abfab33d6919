// SPDX-License-Identifier: MIT
#pragma once
/// @file task.hpp What to run, and how: a value with fluent setters, checked whole at submit.
#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "repartir/dispatch.hpp"
#include "repartir/policy.hpp"
#include "repartir/result.hpp"
#include "repartir/shared_buffer.hpp"

namespace repartir {

template <class F>
class FunctionTask;

/// Where a program's standard input comes from.
enum class Input : std::uint8_t {
    nothing,  ///< /dev/null
    bytes,    ///< a string, written without blocking; a program that closes early is no failure
    file,     ///< a file, opened and handed over, never copied
    inherit,  ///< ours
};

/// Where one of a program's output streams goes.
enum class Output : std::uint8_t {
    capture,   ///< into the Outcome: memory up to the capture limit, then a spill file
    file,      ///< a file, created or truncated, handed over
    callback,  ///< to a function as it arrives
    inherit,   ///< ours
    discard,   ///< /dev/null
};

/// What becomes of our environment.
enum class EnvMode : std::uint8_t {
    overlay,  ///< ours, with the task's variables over it (the default)
    replace,  ///< the task's variables only
};

/// Which stream a piece of output belongs to.
enum class Stream : std::uint8_t { out, err };

/// Called with output as it arrives, on an executor's thread or on one that waits in get() for a
/// function on a worker: keep it short, never block, take no lock that is held while waiting. What
/// it throws is caught and dropped; it is never called after the task's Outcome is there. Each
/// attempt's output comes once, also where a connection to a worker is made again; a task that is
/// tried again gives its output again, from the beginning.
using OutputCallback = std::function<void(Stream, std::span<const char>)>;

/// What a task is.
enum class Kind : std::uint8_t { binary, pipeline, shader };

/// A program with its arguments: one for a binary, several for a pipeline.
class Program {
  public:
    Program() = default;                      ///< no program yet
    explicit Program(std::string_view path);  ///< a path, or a name for PATH

    void add(std::string_view arg);  ///< one more argument, copied
    /// @return argument 0: a path, or a name for PATH.
    [[nodiscard]] std::string_view path() const noexcept;
    /// @return how many arguments, path included.
    [[nodiscard]] std::size_t size() const noexcept { return count_; }
    /// @return path and arguments, each ended by NUL, back to back: ready for execve.
    [[nodiscard]] const std::string& packed() const noexcept { return packed_; }
    /// @return path and arguments as strings.
    [[nodiscard]] std::vector<std::string> argv() const;
    /// @return whether an argument held a NUL, which Task::validate refuses.
    [[nodiscard]] bool has_nul() const noexcept { return nul_; }

  private:
    std::string packed_;
    std::uint32_t count_ = 0;
    bool nul_ = false;
};

/// What a submitter asks for, rarely all of it: kept out of line so that a queued task stays small.
struct TaskExtras {
    std::vector<Program> stages;  ///< of a pipeline, after the first
    std::vector<std::pair<std::string, std::string>> env;
    std::string cwd;
    std::string input;               ///< the bytes, or the file's path
    std::string out_path, err_path;  ///< for Output::file
    OutputCallback on_output;
    RetryPolicy retry;  ///< but for max_retries: Task::retry_policy
    Limits limits;
    std::vector<std::uint32_t> cores;  ///< CPUs that it may use, by number
    std::optional<std::uint32_t> numa_node;
    std::string idempotency_key;
    std::string name;
    std::vector<std::pair<std::string, std::string>> labels;
    std::vector<std::pair<std::string, SharedBuffer>> buffers;
    std::optional<int> nice;  ///< added to ours
    std::string spill_dir;
    std::uint64_t memory_bytes = 0;         ///< requested, for admission
    std::uint64_t capture_bytes = 0;        ///< 0: the pool's default
    std::uint64_t output_bytes = 0;         ///< 0: the executor's default, 1 GiB
    std::optional<gpu::Dispatch> dispatch;  ///< of a shader
};

/// One program, a pipeline of programs or a compute shader, with options. A value: copying is cheap
/// enough to keep a prototype and vary it. Setters come in two forms so that both a named Task and
/// a temporary chain. Nothing is checked until submit, which checks all of it and names what is
/// wrong.
///
/// Thread safety: as an int. Defaults: no timeout, no retries for its own failures, 3 for transient
/// failures to start, one core, inherited environment and directory, stdin from nothing, both
/// streams captured.
class Task {
  public:
    /// A program: a path, or a name that is looked up in the child's PATH.
    [[nodiscard]] static Task binary(std::string_view program);
    /// A program with its arguments.
    template <class... Args>
        requires(sizeof...(Args) > 0 && (std::convertible_to<Args, std::string_view> && ...))
    [[nodiscard]] static Task binary(std::string_view program, Args&&... args) {
        Task task = binary(program);
        (task.arg(std::string_view(args)), ...);
        return task;
    }
    /// Programs joined stdout to stdin, with one timeout and one Outcome. Every option is the first
    /// stage's or is set on the pipeline itself; a later stage that carries options is refused.
    /// The verdict is that of the last stage that did not exit with 0, as bash has it with
    /// pipefail: a stage that SIGPIPE ended because the next one stopped reading counts too.
    template <class... Tasks>
        requires(sizeof...(Tasks) > 0 && (std::same_as<std::remove_cvref_t<Tasks>, Task> && ...))
    [[nodiscard]] static Task pipeline(Task first, Tasks&&... rest) {
        std::vector<Task> stages;
        stages.reserve(sizeof...(rest) + 1);
        stages.push_back(std::move(first));
        (stages.push_back(std::forward<Tasks>(rest)), ...);
        return pipeline(std::move(stages));
    }
    /// As above; without stages it is a task without a program, which submit refuses.
    [[nodiscard]] static Task pipeline(std::vector<Task> stages);
    /// A C++ callable with options; include repartir/function.hpp (or pool.hpp) to use it. It is a
    /// type of its own, since only a Pool can run it: Pool::submit(Task::function(work)).
    template <class F>
    [[nodiscard]] static FunctionTask<std::decay_t<F>> function(F&& work) {
        return FunctionTask<std::decay_t<F>>(std::forward<F>(work));
    }

    /// A compute shader, for a GPU. Its buffers are those of its bindings, in the order of set and
    /// binding: the first call of input_buffer, output_buffer or inout_buffer is the first one's.
    /// @param entry its entry point; empty: the only one
    [[nodiscard]] static Task shader(Shader shader, std::string_view entry = {});
    /// As above, out of a file, read now (Shader::from_file); submit says what was wrong with it.
    [[nodiscard]] static Task shader(std::string_view path, std::string_view entry = {});

    /// As above, a kernel written in C++ (repartir/kernel.hpp). One that could not be recorded is
    /// refused at submit with its own error. Backend::cpu runs it on this machine's CPUs.
    [[nodiscard]] static Task shader(const gpu::Kernel& kernel);

    // What a shader is given.
    /// How many workgroups run, in x, y and z; default 1 of each. One that is 0: none.
    Task& workgroups(std::uint32_t x, std::uint32_t y = 1, std::uint32_t z = 1) &;
    Task& input_buffer(gpu::Bytes bytes) &;
    Task& input_buffer(SharedBuffer buffer) &;  ///< not copied: to stay as it is until the end
    /// Numbers, or other values without pointers, copied.
    template <gpu::detail::Values R>
    Task& input_buffer(const R& values) & {
        return input_buffer(gpu::Bytes::copy_of(gpu::detail::bytes_of(values)));
    }
    /// As many bytes, zeros at first; Outcome::buffers has what the shader made of them.
    Task& output_buffer(std::uint64_t bytes) &;
    Task& output_buffer(SharedBuffer into) &;   ///< the same, and it goes into this one
    Task& inout_buffer(gpu::Bytes bytes) &;     ///< given, and back in Outcome::buffers
    Task& inout_buffer(SharedBuffer buffer) &;  ///< given, and back into it
    template <gpu::detail::Values R>
    Task& inout_buffer(const R& values) & {
        return inout_buffer(gpu::Bytes::copy_of(gpu::detail::bytes_of(values)));
    }
    /// Another value for a constant: of WGSL an `override`, else one with a constant_id.
    /// @param name the shader's name for it, or the digits of its id
    /// @param value of a boolean, 0 or something else
    Task& constant(std::string_view name, double value) &;
    Task& push_bytes(std::span<const std::byte> bytes) &;  ///< all of its push constants, copied
    /// All of its push constants: one struct, or values that lie as its members would.
    template <gpu::detail::Value... T>
        requires(sizeof...(T) > 0)
    Task& push_constants(const T&... values) & {
        std::vector<std::byte> bytes;
        (gpu::detail::append_aligned(bytes, std::as_bytes(std::span(&values, 1)), alignof(T)), ...);
        return push_bytes(bytes);
    }
    /// Whether a pool none of whose GPUs can run it runs it on CPUs. For kernels written in C++.
    Task& cpu_fallback(bool allowed = true) &;

    // What to run.
    Task& arg(std::string_view value) &;  ///< one argument, after those that are there
    /// As many arguments.
    template <class... Args>
        requires((std::convertible_to<Args, std::string_view> && ...))
    Task& args(Args&&... values) & {
        (arg(std::string_view(values)), ...);
        return *this;
    }
    Task& args(const std::vector<std::string>& values) &;
    /// Sets a variable of its environment; of two values for one name the last counts.
    Task& env(std::string_view name, std::string_view value) &;
    Task& env_mode(EnvMode mode) &;             ///< over our environment (default), or instead
    Task& cwd(std::string_view directory) &;    ///< where it starts; default: our directory
    Task& stdin_bytes(std::string bytes) &;     ///< its input: these bytes
    Task& stdin_file(std::string_view path) &;  ///< its input: a file, handed over, not copied
    Task& stdin_inherit() &;                    ///< its input: ours
    /// Shares a buffer: the program finds it open for reading and writing at the path that the
    /// variable `name` holds in its environment. Zero copy.
    Task& buffer(std::string_view name, SharedBuffer buffer) &;

    // Where its output goes.
    Task& stdout_file(std::string_view path) &;  ///< created or truncated, handed over
    Task& stderr_file(std::string_view path) &;  ///< created or truncated, handed over
    Task& stdout_to(Output where) &;             ///< capture, inherit or discard
    Task& stderr_to(Output where) &;             ///< capture, inherit or discard
    Task& on_output(OutputCallback callback) &;  ///< both streams, as they arrive
    Task& capture_limit(std::uint64_t bytes) &;  ///< per stream, in memory; more spills to a file
    /// The most that is captured per stream, in memory and in the spill file together; default
    /// 1 GiB. A task that writes more, or more than the disk takes, is ended (SIGTERM, the grace,
    /// SIGKILL) as End::output_lost, and its Outcome has what was kept. 0: the default.
    Task& output_limit(std::uint64_t bytes) &;
    /// Where spill files, which have no name, take their room; default: TMPDIR or /tmp.
    Task& spill_dir(std::string_view directory) &;

    // How to run it.
    Task& backend(Backend value) &;                     ///< the kind of executor; default any
    Task& affinity(Affinity value) &;                   ///< beyond the backend; default none
    Task& cores(std::uint32_t count) &;                 ///< CPU slots that it takes; default 1
    Task& memory(std::uint64_t bytes) &;                ///< requested, for admission, not a limit
    Task& on_cores(std::vector<std::uint32_t> cpus) &;  ///< CPUs that it may run on
    Task& on_numa_node(std::uint32_t node) &;           ///< CPUs and memory of this node
    Task& priority(Priority value) &;                   ///< the lane it waits in; default normal
    Task& nice(int increment) &;                        ///< added to our niceness
    Task& timeout(std::chrono::milliseconds value) &;   ///< per attempt, from its start; 0: none
    /// From SIGTERM to SIGKILL when it must end; default 2 s.
    Task& kill_grace(std::chrono::milliseconds value) &;
    Task& retries(std::uint32_t count) &;  ///< for its own failures; default 0
    Task& retry(RetryPolicy policy) &;     ///< the same and all else about retries
    Task& limits(Limits value) &;          ///< ceilings that the kernel enforces
    /// A second submission with the same key joins the first, unless that was cancelled.
    Task& idempotency_key(std::string_view key) &;
    Task& name(std::string_view value) &;                         ///< for people and reports
    Task& label(std::string_view key, std::string_view value) &;  ///< one more, for reports

    // The same on a temporary.
    Task&& workgroups(std::uint32_t x, std::uint32_t y = 1, std::uint32_t z = 1) && {
        return std::move(workgroups(x, y, z));
    }
    Task&& input_buffer(gpu::Bytes b) && { return std::move(input_buffer(std::move(b))); }
    Task&& input_buffer(SharedBuffer b) && { return std::move(input_buffer(std::move(b))); }
    template <gpu::detail::Values R>
    Task&& input_buffer(const R& values) && {
        return std::move(input_buffer(values));
    }
    Task&& output_buffer(std::uint64_t bytes) && { return std::move(output_buffer(bytes)); }
    Task&& output_buffer(SharedBuffer b) && { return std::move(output_buffer(std::move(b))); }
    Task&& inout_buffer(gpu::Bytes b) && { return std::move(inout_buffer(std::move(b))); }
    Task&& inout_buffer(SharedBuffer b) && { return std::move(inout_buffer(std::move(b))); }
    template <gpu::detail::Values R>
    Task&& inout_buffer(const R& values) && {
        return std::move(inout_buffer(values));
    }
    Task&& constant(std::string_view n, double v) && { return std::move(constant(n, v)); }
    Task&& push_bytes(std::span<const std::byte> b) && { return std::move(push_bytes(b)); }
    template <gpu::detail::Value... T>
        requires(sizeof...(T) > 0)
    Task&& push_constants(const T&... values) && {
        return std::move(push_constants(values...));
    }
    Task&& cpu_fallback(bool a = true) && { return std::move(cpu_fallback(a)); }
    Task&& arg(std::string_view v) && { return std::move(arg(v)); }
    template <class... Args>
        requires((std::convertible_to<Args, std::string_view> && ...))
    Task&& args(Args&&... v) && {
        return std::move(args(std::forward<Args>(v)...));
    }
    Task&& args(const std::vector<std::string>& v) && { return std::move(args(v)); }
    Task&& env(std::string_view n, std::string_view v) && { return std::move(env(n, v)); }
    Task&& env_mode(EnvMode m) && { return std::move(env_mode(m)); }
    Task&& cwd(std::string_view d) && { return std::move(cwd(d)); }
    Task&& stdin_bytes(std::string b) && { return std::move(stdin_bytes(std::move(b))); }
    Task&& stdin_file(std::string_view p) && { return std::move(stdin_file(p)); }
    Task&& stdin_inherit() && { return std::move(stdin_inherit()); }
    Task&& buffer(std::string_view n, SharedBuffer b) && {
        return std::move(buffer(n, std::move(b)));
    }
    Task&& stdout_file(std::string_view p) && { return std::move(stdout_file(p)); }
    Task&& stderr_file(std::string_view p) && { return std::move(stderr_file(p)); }
    Task&& stdout_to(Output w) && { return std::move(stdout_to(w)); }
    Task&& stderr_to(Output w) && { return std::move(stderr_to(w)); }
    Task&& on_output(OutputCallback c) && { return std::move(on_output(std::move(c))); }
    Task&& capture_limit(std::uint64_t b) && { return std::move(capture_limit(b)); }
    Task&& output_limit(std::uint64_t b) && { return std::move(output_limit(b)); }
    Task&& spill_dir(std::string_view d) && { return std::move(spill_dir(d)); }
    Task&& backend(Backend v) && { return std::move(backend(v)); }
    Task&& affinity(Affinity v) && { return std::move(affinity(v)); }
    Task&& cores(std::uint32_t n) && { return std::move(cores(n)); }
    Task&& memory(std::uint64_t b) && { return std::move(memory(b)); }
    Task&& on_cores(std::vector<std::uint32_t> c) && { return std::move(on_cores(std::move(c))); }
    Task&& on_numa_node(std::uint32_t n) && { return std::move(on_numa_node(n)); }
    Task&& priority(Priority v) && { return std::move(priority(v)); }
    Task&& nice(int i) && { return std::move(nice(i)); }
    Task&& timeout(std::chrono::milliseconds v) && { return std::move(timeout(v)); }
    Task&& kill_grace(std::chrono::milliseconds v) && { return std::move(kill_grace(v)); }
    Task&& retries(std::uint32_t n) && { return std::move(retries(n)); }
    Task&& retry(RetryPolicy p) && { return std::move(retry(std::move(p))); }
    Task&& limits(Limits v) && { return std::move(limits(v)); }
    Task&& idempotency_key(std::string_view k) && { return std::move(idempotency_key(k)); }
    Task&& name(std::string_view v) && { return std::move(name(v)); }
    Task&& label(std::string_view k, std::string_view v) && { return std::move(label(k, v)); }

    // What an executor reads.
    [[nodiscard]] Kind kind() const noexcept;  ///< one program, several, or a shader
    [[nodiscard]] const Program& program() const noexcept { return program_; }  ///< the first stage
    [[nodiscard]] std::size_t stage_count() const noexcept;  ///< programs; at least 1
    /// @return a program. @param index from 0, below stage_count()
    [[nodiscard]] const Program& stage(std::size_t index) const noexcept;
    // As they were set.
    [[nodiscard]] EnvMode env_mode() const noexcept { return env_mode_; }
    [[nodiscard]] Input stdin_kind() const noexcept { return input_; }
    [[nodiscard]] Output stdout_kind() const noexcept { return out_; }
    [[nodiscard]] Output stderr_kind() const noexcept { return err_; }
    [[nodiscard]] Backend backend() const noexcept { return backend_; }
    [[nodiscard]] Affinity affinity() const noexcept { return affinity_; }
    [[nodiscard]] Priority priority() const noexcept { return priority_; }
    [[nodiscard]] std::uint32_t cores() const noexcept { return cores_; }
    /// @return the time that an attempt may take; 0 ms: any.
    [[nodiscard]] std::chrono::milliseconds timeout() const noexcept;
    [[nodiscard]] std::chrono::milliseconds kill_grace() const noexcept;
    /// @return the policy for tries beyond the first, whole.
    [[nodiscard]] RetryPolicy retry_policy() const;
    /// @return the rest; a static default where nothing of it was set.
    [[nodiscard]] const TaskExtras& extras() const noexcept;

    /// Checks the task whole. @return the first contradiction, as a sentence that names it.
    [[nodiscard]] Result<void> validate() const;

    Task(const Task& other);
    Task& operator=(const Task& other);
    Task(Task&&) noexcept = default;
    Task& operator=(Task&&) noexcept = default;
    ~Task() = default;

  private:
    Task() = default;
    TaskExtras& mutable_extras();
    gpu::Dispatch& mutable_dispatch();
    Task& add_buffer(gpu::BufferArgument argument);

    Program program_;
    std::unique_ptr<TaskExtras> extras_;
    std::int64_t timeout_ms_ = 0;
    std::int64_t kill_grace_ms_ = 2000;
    std::uint32_t cores_ = 1;
    std::uint32_t max_retries_ = 0;  // inline: asked for often, and a queued task is to stay small
    EnvMode env_mode_ = EnvMode::overlay;
    Input input_ = Input::nothing;
    Output out_ = Output::capture;
    Output err_ = Output::capture;
    Backend backend_ = Backend::any;
    Affinity affinity_ = Affinity::none;
    Priority priority_ = Priority::normal;
    enum class BadStage : std::uint8_t { none, nested, options };
    BadStage bad_stage_ = BadStage::none;  // what validate() has to say of the stages

    [[nodiscard]] BadStage unfit_as_stage() const noexcept;
};

}  // namespace repartir
