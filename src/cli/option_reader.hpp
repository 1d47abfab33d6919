// SPDX-License-Identifier: MIT
#pragma once
/// @file option_reader.hpp Types the options of a command one by one.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "cli/args.hpp"
#include "cli/text.hpp"

namespace repartir::cli {

/// Types the options one by one; the first error sticks.
class OptionReader {
  public:
    explicit OptionReader(const Parsed& parsed) : parsed_(parsed) {}

    template <class T>
    void count(Opt id, std::string_view name, std::uint64_t min, std::uint64_t max, T& into) {
        take(id, [&](std::string_view text) { return parse_count(name, text, min, max); }, into);
    }
    template <class T>
    void duration(Opt id, std::string_view name, T& into) {
        take(id, [&](std::string_view text) { return parse_duration(name, text); }, into);
    }
    template <class T>
    void size(Opt id, std::string_view name, T& into) {
        take(id, [&](std::string_view text) { return parse_size(name, text); }, into);
    }
    void size_above_0(Opt id, std::string_view name, std::optional<std::uint64_t>& into) {
        size(id, name, into);
        if (into == 0) {
            refuse(id, cat({name, " must be above 0"}));
        }
    }
    void text(Opt id, std::string_view name, std::string& into) {
        const std::optional<std::string_view> value = parsed_.last(id);
        if (value && value->empty()) {
            refuse(id, cat({name, " needs a value that is not empty"}));
        } else if (value) {
            into = *value;
        }
    }
    template <class Parse, class T>
    void take(Opt id, Parse parse, T& into) {
        const std::optional<std::string_view> value = parsed_.last(id);
        if (!value || error_) {
            return;
        }
        const auto result = parse(*value);
        if (!result) {
            refuse(id, result.error().sentence());
        } else if constexpr (requires { into.emplace(); }) {
            using Held = typename T::value_type;
            into = static_cast<Held>(*result);
        } else {
            into = static_cast<T>(*result);
        }
    }
    /// Refuses what `parse` cannot read, of the values of an option that may be given often.
    template <class Parse>
    void check(Opt id, std::string_view name, Parse parse) {
        for (const std::string_view text : parsed_.all(id)) {
            if (const auto result = parse(text); !result) {
                refuse(id, cat({name, ": ", result.error().sentence()}));
            }
        }
    }
    /// Refuses the value of an option, and says who gave it.
    void refuse(Opt id, std::string_view sentence) {
        const Origin* const origin = parsed_.origin(id);
        const bool flag = origin == nullptr || origin->source == Source::flag;
        const bool file = !flag && origin->source == Source::file;
        refuse(flag ? std::string(sentence)
                    : cat({file ? "" : "the environment variable ", origin->where, " sets ",
                           sentence}));
    }
    void refuse(std::string sentence) {
        if (!error_) {
            error_ = usage_error(std::move(sentence));
        }
    }
    void refuse(const Result<void>& done) {
        if (!done && !error_) {
            error_ = done.error();
        }
    }
    [[nodiscard]] const std::optional<Error>& error() const noexcept { return error_; }

  private:
    const Parsed& parsed_;
    std::optional<Error> error_;
};

}  // namespace repartir::cli
