// SPDX-License-Identifier: MIT
#include "cli/args.hpp"

#include <algorithm>
#include <cstddef>

#include "cli/text.hpp"

namespace repartir::cli {
namespace {

/// Edits (insert, delete, replace, swap of neighbours) between two words.
/// Source: F. J. Damerau, "A technique for computer detection and correction of spelling errors",
/// 1964.
std::size_t edits(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1);
    std::vector<std::size_t> above(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) {
        above[j] = j;
    }
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({above[j] + 1, row[j - 1] + 1, replaced});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = std::min(row[j], before[j - 2] + 1);
            }
        }
        std::swap(before, above);
        std::swap(above, row);
    }
    return above[b.size()];
}

class Parser {
  public:
    Parser(const CommandSpec& command, std::span<const std::string> words)
        : command_(command), words_(words) {}

    Result<void> run(Parsed& parsed) {
        while (next_ < words_.size()) {
            const std::string& word = words_[next_];
            if (word == "--") {
                ++next_;
                break;
            }
            if (word.size() < 2 || word.front() != '-') {
                if (!command_.mixed) {
                    break;
                }
                parsed.rest.push_back(word);
                ++next_;
                continue;
            }
            ++next_;
            Result<void> done = word[1] == '-' ? long_option(word, parsed) : letters(word, parsed);
            if (!done) {
                return done;
            }
        }
        parsed.rest.insert(parsed.rest.end(), words_.begin() + static_cast<std::ptrdiff_t>(next_),
                           words_.end());
        return {};
    }

  private:
    Result<void> long_option(std::string_view word, Parsed& parsed) {
        const std::size_t equals = word.find('=');
        const bool has_value = equals != std::string_view::npos;
        const std::string_view name = word.substr(2, has_value ? equals - 2 : equals);
        const auto by_name = [&](std::string_view wanted) {
            return std::ranges::find(command_.options, wanted, &OptionSpec::name);
        };
        auto found = by_name(name);
        if (found == command_.options.end() && name.starts_with("no-") && !has_value) {
            found = by_name(name.substr(3));
            if (found != command_.options.end() && (found->value.empty() || !found->bare.empty())) {
                parsed.add(found->id, found->value.empty() ? "0" : "no");
                return {};
            }
            found = command_.options.end();
        }
        if (found == command_.options.end()) {
            return fail(unknown(cat({"--", name})));
        }
        if (found->value.empty()) {
            if (has_value) {
                return fail(usage_error(cat({"--", name, " takes no value, leave \"",
                                             printable(word.substr(equals)), "\" away"})));
            }
            parsed.add(found->id, "1");
            return {};
        }
        if (has_value) {
            parsed.add(found->id, std::string(word.substr(equals + 1)));
            return {};
        }
        if (!found->bare.empty()) {
            parsed.add(found->id, std::string(found->bare));
            return {};
        }
        return value_from_next(*found, cat({"--", name}), parsed);
    }

    Result<void> letters(std::string_view word, Parsed& parsed) {
        for (std::size_t i = 1; i < word.size(); ++i) {
            const auto found = std::ranges::find(command_.options, word[i], &OptionSpec::letter);
            const std::string shown = cat({"-", word.substr(i, 1)});
            if (found == command_.options.end()) {
                return fail(unknown(shown));
            }
            if (found->value.empty()) {
                parsed.add(found->id, "1");
                continue;
            }
            if (i + 1 < word.size()) {
                const std::string_view value = word.substr(word[i + 1] == '=' ? i + 2 : i + 1);
                parsed.add(found->id, std::string(value));
                return {};
            }
            return value_from_next(*found, shown, parsed);
        }
        return {};
    }

    Result<void> value_from_next(const OptionSpec& option, std::string_view shown, Parsed& parsed) {
        if (next_ == words_.size() || words_[next_] == "--") {
            return fail(usage_error(cat({shown, " needs a value: ", shown, " ", option.value})));
        }
        parsed.add(option.id, words_[next_++]);
        return {};
    }

    [[nodiscard]] Error unknown(std::string_view shown) const {
        std::vector<std::string> spelled;
        for (const OptionSpec& option : command_.options) {
            spelled.push_back(cat({"--", option.name}));
        }
        const std::vector<std::string_view> names(spelled.begin(), spelled.end());
        const std::string_view near = nearest(shown, names);
        if (near.empty()) {
            return usage_error(cat({"there is no option ", printable(shown), "; see repartir ",
                                    command_.name, " --help"}));
        }
        return usage_error(
            cat({"there is no option ", printable(shown), "; did you mean ", near, "?"}));
    }

    const CommandSpec& command_;
    std::span<const std::string> words_;
    std::size_t next_ = 0;
};

}  // namespace

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
    std::string_view best;
    std::size_t fewest = std::max<std::size_t>(2, word.size() / 3) + 1;
    constexpr std::size_t word_max = 64;
    if (word.size() > word_max) {
        return best;
    }
    for (const std::string_view candidate : candidates) {
        const std::size_t distance =
            candidate.starts_with(word) && word.size() > 3 ? 1 : edits(word, candidate);
        if (distance < fewest) {
            fewest = distance;
            best = candidate;
        }
    }
    return best;
}

bool Parsed::on(Opt id) const noexcept { return last(id) == "1"; }

const Parsed::Setting* Parsed::find_last(Opt id) const noexcept {
    const Setting* best = nullptr;
    for (const Setting& setting : settings_) {
        if (setting.id == id && (best == nullptr || setting.origin.source >= best->origin.source)) {
            best = &setting;
        }
    }
    return best;
}

std::optional<std::string_view> Parsed::last(Opt id) const noexcept {
    const Setting* const found = find_last(id);
    return found == nullptr ? std::nullopt : std::optional<std::string_view>(found->value);
}

const Origin* Parsed::origin(Opt id) const noexcept {
    const Setting* const found = find_last(id);
    return found == nullptr ? nullptr : &found->origin;
}

std::vector<std::string_view> Parsed::all(Opt id) const {
    std::vector<std::string_view> values;
    const Origin* const winner = origin(id);
    for (const Setting& setting : settings_) {
        if (setting.id == id && setting.origin.source == winner->source) {
            values.push_back(setting.value);
        }
    }
    return values;
}

std::vector<std::pair<Opt, std::string_view>> Parsed::in_order(
    std::initializer_list<Opt> ids) const {
    std::vector<std::pair<Opt, std::string_view>> values;
    for (const Setting& setting : settings_) {
        if (setting.origin.source == Source::flag &&
            std::ranges::find(ids, setting.id) != ids.end()) {
            values.emplace_back(setting.id, setting.value);
        }
    }
    return values;
}

namespace {

/// Records what an environment variable says. Errors: invalid_argument, for a switch
Result<void> add_variable(const OptionSpec& option, std::string_view value, Parsed& parsed) {
    const Origin origin{Source::environment, std::string(option.variable)};
    if (option.value.empty()) {
        const Result<bool> on = parse_bool(option.variable, value);
        if (!on) {
            return fail(on.error());
        }
        parsed.add(option.id, *on ? "1" : "0", origin);
        return {};
    }
    while (option.repeats && value.contains(',')) {
        const std::size_t comma = value.find(',');
        parsed.add(option.id, std::string(value.substr(0, comma)), origin);
        value.remove_prefix(comma + 1);
    }
    parsed.add(option.id, std::string(value), origin);
    return {};
}

}  // namespace

Result<Parsed> parse_args(const CommandSpec& command, std::span<const std::string> words,
                          const EnvLookup& env) {
    Parsed parsed;
    for (const OptionSpec& option : command.options) {
        const std::optional<std::string> value =
            option.variable.empty() ? std::nullopt : env(option.variable);
        if (!value || value->empty()) {
            continue;
        }
        if (Result<void> done = add_variable(option, *value, parsed); !done) {
            return fail(done.error());
        }
    }
    if (Result<void> done = Parser(command, words).run(parsed); !done) {
        return fail(done.error());
    }
    return parsed;
}

}  // namespace repartir::cli
