// SPDX-License-Identifier: MIT
#pragma once
/// @file render.hpp Outcomes as text: JSON lines, failures, tagged output.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "repartir/outcome.hpp"
#include "repartir/result.hpp"

namespace repartir::cli {

/// What is known of a task beside its outcome.
struct TaskView {
    std::uint64_t sequence = 0;
    std::string_view label;
    const std::vector<std::string>* values = nullptr;  ///< its inputs
    std::string_view packed_argv;                      ///< arguments, each ended by NUL
    std::string_view out_path;                         ///< files of --output-dir; empty: captured
    std::string_view err_path;
};

/// Appends one line of the schema in docs/json-schema.md, newline included. Errors: io_error, when
/// spilled output cannot be read back.
[[nodiscard]] Result<void> append_json(const TaskView& view, const Outcome& outcome,
                                       std::string& into);
/// Appends the line of a task that was refused.
void append_json(const TaskView& view, const Error& refused, std::string& into);

/// @return the sentence for a task that ended badly, with its newline: "repartir: task 3 (b.txt):
/// exited 2".
[[nodiscard]] std::string failure_line(const TaskView& view, const Outcome& outcome);
/// As above, for a task that was refused.
[[nodiscard]] std::string failure_line(const TaskView& view, const Error& refused);
/// @return why each try of a task ran where it ran, what came of it, and what was out of the
/// ordinary: some lines, for who asked for them.
[[nodiscard]] std::string choice_lines(const TaskView& view, const Outcome& outcome);
/// @return whether all of a task's output is there. What is not whole counts as failed.
[[nodiscard]] bool whole(const Outcome& outcome) noexcept;
/// @return a line for stderr about output that is not whole.
[[nodiscard]] std::string loss_line(const TaskView& view, const Outcome& outcome);

/// Puts "<label>\t" before every line of a stream that arrives in pieces. One thread.
class Tagger {
  public:
    explicit Tagger(std::string_view label);
    /// Appends a piece, tagged.
    void add(std::string_view piece, std::string& into);
    /// Ends a last line that lacks its newline.
    void finish(std::string& into);

  private:
    std::string prefix_;
    bool line_start_ = true;
};

}  // namespace repartir::cli
