// SPDX-License-Identifier: MIT
#pragma once
/// @file task.hpp An attempt to run, as TaskSubmit carries it.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "repartir/codec.hpp"
#include "repartir/id.hpp"
#include "repartir/task.hpp"
#include "wire/forms.hpp"

namespace repartir::wire {

/// What an attempt runs.
enum class Work : std::uint8_t {
    programs,  ///< a program, or several joined by pipes
    function,  ///< one that the worker has by name: the program's path; its arguments are the input
};

/// How many arguments, and they, each ended by NUL, as Program::packed() has them.
using PackedArgs = std::pair<std::uint32_t, std::string_view>;
using TextPair = std::pair<std::string_view, std::string_view>;

/// Limits, by their numbers.
struct LimitsRecord {
    std::optional<std::uint64_t> cpu_seconds;
    std::optional<std::uint64_t> address_space_bytes;
    std::optional<std::uint64_t> file_bytes;
    std::optional<std::uint64_t> open_files;
    std::optional<std::uint64_t> resident_bytes;
    std::optional<std::uint64_t> processes;
    static constexpr auto codec_fields = std::tuple(
        &LimitsRecord::cpu_seconds, &LimitsRecord::address_space_bytes, &LimitsRecord::file_bytes,
        &LimitsRecord::open_files, &LimitsRecord::resident_bytes, &LimitsRecord::processes);
};

/// What few tasks have.
struct ExtrasView {
    codec::List<PackedArgs> stages;  ///< of a pipeline, after the first
    std::string_view cwd;
    std::string_view out_path;
    std::string_view err_path;
    LimitsRecord limits;
    codec::List<std::uint32_t> cores;  ///< CPUs that it may use, by number
    std::optional<std::uint32_t> numa_node;
    std::optional<std::int32_t> nice;
    std::string_view spill_dir;
    std::uint64_t capture_bytes = 0;
    std::uint64_t output_bytes = 0;
    codec::List<TextPair> labels;
    std::string_view traceparent;  ///< reserved: where the task stands in a trace
    std::string_view principal;    ///< reserved: for whom it runs
    std::string_view project;      ///< reserved: on whose account
    static constexpr auto codec_fields =
        std::tuple(&ExtrasView::stages, &ExtrasView::cwd, &ExtrasView::out_path,
                   &ExtrasView::err_path, &ExtrasView::limits, &ExtrasView::cores,
                   &ExtrasView::numa_node, &ExtrasView::nice, &ExtrasView::spill_dir,
                   &ExtrasView::capture_bytes, &ExtrasView::output_bytes, &ExtrasView::labels,
                   &ExtrasView::traceparent, &ExtrasView::principal, &ExtrasView::project);
};

/// An attempt as it stands in a message: views into it. Numbers of enums are as they came:
/// to_task() checks them.
struct TaskView {
    AttemptId attempt;
    Work work = Work::programs;
    Priority priority = Priority::normal;
    Affinity affinity = Affinity::none;
    EnvMode env_mode = EnvMode::overlay;
    Input input_kind = Input::nothing;
    Output out = Output::capture;
    Output err = Output::capture;
    bool stream = false;  ///< its output is wanted as it comes, not at its end
    std::uint32_t cores = 1;
    std::uint64_t memory_bytes = 0;
    std::chrono::milliseconds timeout{0};
    std::chrono::milliseconds kill_grace{0};
    PackedArgs program;
    codec::List<TextPair> env;
    std::string_view input;  ///< the bytes, or the file's path
    std::string_view name;
    std::optional<ExtrasView> extras;
    static constexpr auto codec_fields =
        std::tuple(&TaskView::attempt, &TaskView::work, &TaskView::priority, &TaskView::affinity,
                   &TaskView::env_mode, &TaskView::input_kind, &TaskView::out, &TaskView::err,
                   &TaskView::stream, &TaskView::cores, &TaskView::memory_bytes, &TaskView::timeout,
                   &TaskView::kill_grace, &TaskView::program, &TaskView::env, &TaskView::input,
                   &TaskView::name, &TaskView::extras);
};

/// Appends an attempt as TaskSubmit carries it. Of the task, its buffers, callback, key and retries
/// are left out: they are its submitter's.
/// @param stream whether its output is wanted as it comes
void append_task(std::string& out, const AttemptId& attempt, const Task& task, bool stream);

/// Appends the attempt of a function. @param arguments encoded
void append_call(std::string& out, const AttemptId& attempt, std::string_view function,
                 std::string_view arguments, std::chrono::milliseconds timeout, Priority priority);

/// Appends the attempt of a shader task. @param arguments as encode_dispatch() makes them
/// @param memory_bytes that it takes of the worker's
void append_shader(std::string& out, const AttemptId& attempt, const Task& task,
                   std::string_view arguments, std::uint64_t memory_bytes);

/// Changes the epoch of an attempt that append_task() or append_call() wrote: each time that it is
/// handed to a worker it has a lease of its own. Bytes that are no task stay as they are.
void set_epoch(std::string& task, std::uint64_t epoch);

/// @return the attempt that these bytes describe. Errors: malformed
[[nodiscard]] Result<TaskView> read_task(std::string_view bytes);
/// As above, into a view that is used again for task after task: half the time, since a view is
/// large to clear and to copy. After an error it holds nothing of use.
[[nodiscard]] Result<void> read_task(std::string_view bytes, TaskView& view);

/// @return a task of its own from the view: with no retries, since who sent it decides on them.
/// Errors: malformed, when a number names no enumerator or arguments are not packed as they should;
/// whatever Task::validate() finds
[[nodiscard]] Result<Task> to_task(const TaskView& view);

}  // namespace repartir::wire
