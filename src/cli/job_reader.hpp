// SPDX-License-Identifier: MIT
#pragma once
/// @file job_reader.hpp Task objects from a JSON array, in pieces as they arrive.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "repartir/policy.hpp"
#include "repartir/result.hpp"

namespace repartir::cli {

/// One object of --from-json. What is not set is taken from the command line.
struct JobSpec {
    std::string program;
    std::vector<std::string> args;
    std::vector<std::pair<std::string, std::string>> env;
    std::string cwd;
    std::string stdin_path;
    std::optional<std::string> stdin_text;
    std::optional<std::chrono::milliseconds> timeout;
    std::optional<std::uint32_t> retries;
    std::optional<std::uint32_t> cores;
    std::optional<Priority> priority;
    std::string name;
};

/// Where an element of the array stands.
struct JobPlace {
    std::uint64_t element = 1;  ///< its number, from 1
    std::uint64_t line = 1;     ///< of its first character, from 1
    std::uint64_t byte = 0;     ///< its first one, from 0
};

/// Reads one task object. Strict: an unknown key, a wrong type or a missing program is an error
/// that names the element, its line and the key; one that is no JSON, the line and byte of the
/// mistake. Errors: invalid_argument.
[[nodiscard]] Result<JobSpec> parse_job(std::string_view json, const JobPlace& place);

/// Cuts the elements out of a JSON array that arrives in pieces. Bounded: an element may have up to
/// element_bytes_max bytes. One thread.
class JobReader {
  public:
    static constexpr std::size_t element_bytes_max = 16U << 20U;

    /// Gives it more text.
    void feed(std::string_view text);
    /// Says that there is no more.
    void finish() noexcept { finished_ = true; }
    /// @return the next task; nothing when it needs more text, or when ended() there are no more.
    /// Errors: invalid_argument, for what is no array of task objects.
    [[nodiscard]] Result<std::optional<JobSpec>> next();
    /// @return whether the array was closed and only white space followed, and no more will come.
    [[nodiscard]] bool ended() const noexcept { return finished_ && state_ == State::after; }

  private:
    enum class State : std::uint8_t { before, first, element, comma, value, after };
    [[nodiscard]] Result<std::optional<JobSpec>> take_element();
    [[nodiscard]] bool scan_element() noexcept;
    /// Moves on at a character between elements. @return false: it has no place there.
    [[nodiscard]] bool step(char c) noexcept;
    void consume(std::size_t end) noexcept;
    [[nodiscard]] Error malformed(std::string_view what) const;

    std::string buffer_;
    std::size_t at_ = 0;    // consumed up to here
    std::size_t scan_ = 0;  // looked at up to here, inside an element
    JobPlace place_{0};     // of the element taken last; line and byte of what comes next
    std::uint32_t depth_ = 0;
    State state_ = State::before;
    bool in_string_ = false;
    bool escaped_ = false;
    bool finished_ = false;
};

}  // namespace repartir::cli
