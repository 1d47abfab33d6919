// SPDX-License-Identifier: MIT
#pragma once
/// @file task_maker.hpp Makes tasks from a run's configuration and one input after another.
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/config.hpp"
#include "cli/fingerprint.hpp"
#include "cli/inputs.hpp"
#include "cli/placeholders.hpp"
#include "repartir/result.hpp"
#include "repartir/task.hpp"

namespace repartir::cli {

/// A task that is ready to submit, and what its output is told apart by.
struct MadeTask {
    Task task;
    std::string label;     ///< the inputs joined by spaces; the program where there are none
    std::string out_path;  ///< with --output-dir
    std::string err_path;  ///< with --output-dir
};

/// Makes tasks. One thread.
class TaskMaker {
  public:
    /// @param stdin_path what --stdin gives each task; empty: nothing. @param config outlives this.
    TaskMaker(const RunConfig& config, std::string stdin_path);

    /// Fills the placeholders in. Touches no file. Errors: invalid_argument, also where an
    /// input would lead out of --output-dir.
    [[nodiscard]] Result<MadeTask> make(const Item& item) const;
    /// @return what the log of a run is recognised by: the command and all that its tasks share.
    [[nodiscard]] Fingerprint command_fingerprint() const;
    /// @return what a task is recognised by: its arguments, environment, directory, standard input
    /// and input.
    [[nodiscard]] Fingerprint key(const Task& task, const Item& item) const;
    /// @return the command as people wrote it, quoted for a shell.
    [[nodiscard]] std::string shown() const;

  private:
    void add_words(std::optional<Task>& task, const Item& item) const;
    static void add_job(Task& task, const JobSpec& job);
    void set_options(Task& task, const Item& item) const;
    [[nodiscard]] Result<void> send_input(Task& task) const;
    [[nodiscard]] Result<void> set_output(MadeTask& made, const Item& item) const;

    const RunConfig& config_;
    std::string stdin_path_;
    std::vector<Template> words_;
    std::vector<std::pair<std::string, Template>> env_;
    Template cwd_;
    Template output_dir_;
    bool append_inputs_ = true;  // no placeholder in the command
};

/// @return the command of a task with its directory, variables and standard input, as a line that a
/// shell runs in any place of a script; pipelines not expected.
[[nodiscard]] std::string shell_command(const Task& task);
/// @return `text` as a part of a file name: letters, digits and ._- kept, the rest '_', at most 100
/// bytes.
[[nodiscard]] std::string file_name_part(std::string_view text);

}  // namespace repartir::cli
