// SPDX-License-Identifier: MIT
#include "repartir/id.hpp"

#include <array>
#include <charconv>

#include "base/prng.hpp"

namespace repartir {

JobId JobId::random() {
    thread_local base::Prng generator(base::random_seed());
    const std::uint64_t high = generator.next();
    const std::uint64_t low = generator.next();
    return JobId{{static_cast<std::uint32_t>(high >> 32U), static_cast<std::uint32_t>(high),
                  static_cast<std::uint32_t>(low)}};
}

std::string to_string(const JobId& id) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    text.reserve(24);
    for (const std::uint32_t word : id.words) {
        for (unsigned shift = 32; shift > 0; shift -= 4) {
            text += digits[(word >> (shift - 4)) & 0xFU];
        }
    }
    return text;
}

std::string to_string(const TaskId& id) {
    return to_string(id.job) + '-' + std::to_string(id.element);
}

std::string to_string(const AttemptId& id) {
    return to_string(id.task) + '.' + std::to_string(id.number);
}

std::optional<TaskId> parse_task_id(std::string_view text) noexcept {
    constexpr std::size_t job_digits = 24;
    if (text.size() < job_digits + 2 || text[job_digits] != '-') {
        return std::nullopt;
    }
    // One text per id: from_chars would also take upper case and leading zeros.
    const bool padded = text[job_digits + 1] == '0' && text.size() > job_digits + 2;
    if (padded || text.find_first_of("ABCDEF") != std::string_view::npos) {
        return std::nullopt;
    }
    TaskId id;
    for (std::size_t word = 0; word < id.job.words.size(); ++word) {
        const char* first = text.data() + (word * 8);
        const auto [end, error] = std::from_chars(first, first + 8, id.job.words[word], 16);
        if (error != std::errc{} || end != first + 8) {
            return std::nullopt;
        }
    }
    const char* last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data() + job_digits + 1, last, id.element);
    if (error != std::errc{} || end != last) {
        return std::nullopt;
    }
    return id;
}

}  // namespace repartir
