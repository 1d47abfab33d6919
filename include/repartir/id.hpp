// SPDX-License-Identifier: MIT
#pragma once
/// @file id.hpp 128-bit identities. No id is an index, and none outlives its meaning by reuse.
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace repartir {

/// One submission: 96 random bits.
struct JobId {
    std::array<std::uint32_t, 3> words{};  ///< random, most significant first

    /// @return a fresh id from this thread's generator, which the kernel seeds. Any thread.
    [[nodiscard]] static JobId random();
    auto operator<=>(const JobId&) const = default;  ///< order of the words
};

/// One task: an element of a job, so that an array of a million needs no million random ids.
struct TaskId {
    JobId job;                  ///< the submission
    std::uint32_t element = 0;  ///< its element, from 0

    auto operator<=>(const TaskId&) const = default;  ///< by job, then element
};

/// One try of a task. A result is accepted only from the attempt that is current.
struct AttemptId {
    TaskId task;               ///< what is tried
    std::uint32_t number = 0;  ///< 1 for the first try
    std::uint64_t issuer = 0;  ///< who handed it out: a random number per scheduler
    std::uint64_t epoch = 0;   ///< fencing: grows with every lease of this issuer

    auto operator<=>(const AttemptId&) const = default;  ///< by task, number, issuer, epoch
};

/// @return 24 hexadecimal digits.
[[nodiscard]] std::string to_string(const JobId& id);
/// @return the job's digits, a dash and the element in decimal: "9f…-17".
[[nodiscard]] std::string to_string(const TaskId& id);
/// @return the task's text, a dot and the attempt's number.
[[nodiscard]] std::string to_string(const AttemptId& id);
/// Reads what to_string(TaskId) wrote. @return nothing when the text is anything else.
[[nodiscard]] std::optional<TaskId> parse_task_id(std::string_view text) noexcept;

}  // namespace repartir

/// Hash for unordered containers; nothing that is visible may depend on its order. Elements of one
/// job follow each other, so that who goes through them in order goes through memory in order.
template <>
struct std::hash<repartir::TaskId> {
    std::size_t operator()(const repartir::TaskId& id) const noexcept {
        const std::uint64_t high = (std::uint64_t{id.job.words[0]} << 32U) | id.job.words[1];
        const std::uint64_t job = (high ^ id.job.words[2]) * 0x9E3779B97F4A7C15ULL;
        return static_cast<std::size_t>((job ^ (job >> 32U)) + id.element);
    }
};
/// As above; attempts of one task that differ in their number alone are rare.
template <>
struct std::hash<repartir::AttemptId> {
    std::size_t operator()(const repartir::AttemptId& id) const noexcept {
        return std::hash<repartir::TaskId>()(id.task) + (std::size_t{id.number} << 32U);
    }
};
