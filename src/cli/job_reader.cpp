// SPDX-License-Identifier: MIT
#include "cli/job_reader.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "cli/text.hpp"

namespace repartir::cli {
namespace {

using Json = nlohmann::json;

/// Reads the members of one task object.
class JobParser {
  public:
    explicit JobParser(const JobPlace& place) : place_(place) {}

    Result<JobSpec> run(std::string_view text) {
        Json object;
        try {
            object = Json::parse(text, watch_keys());
        } catch (const Json::parse_error& error) {
            return fail(malformed(text, error.byte));
        } catch (const Json::exception&) {
            return fail(usage_error(cat({where(), " has a number that is too large"})));
        }
        if (!twice_.empty()) {
            return fail(usage_error(
                cat({where(), " has the key \"", printable(twice_), "\" twice; leave one"})));
        }
        if (!object.is_object()) {
            return fail(usage_error(cat({where(), " is no object; write {\"program\": \"...\"}"})));
        }
        for (const auto& [key, value] : object.items()) {
            if (Result<void> done = member(key, value); !done) {
                return fail(done.error());
            }
        }
        if (job_.program.empty()) {
            return fail(usage_error(cat({where(), " has no \"program\"; name the one to run"})));
        }
        if (!job_.stdin_path.empty() && job_.stdin_text) {
            return fail(
                usage_error(cat({where(), " has \"stdin\" and \"stdin_text\"; leave one"})));
        }
        return std::move(job_);
    }

  private:
    /// Notes the first key that stands twice in one object, where the parser would take the last.
    Json::parser_callback_t watch_keys() {
        return [this](int /*depth*/, Json::parse_event_t event, const Json& value) {
            if (event == Json::parse_event_t::object_start) {
                open_.emplace_back();
            } else if (event == Json::parse_event_t::object_end) {
                open_.pop_back();
            } else if (event == Json::parse_event_t::key) {
                const auto& key = value.get_ref<const std::string&>();
                if (!open_.back().insert(key).second && twice_.empty()) {
                    twice_ = key;
                }
            }
            return true;
        };
    }

    Result<void> member(const std::string& key, const Json& value) {
        if (key == "program") {
            return string(key, value, job_.program);
        }
        if (key == "name") {
            return string(key, value, job_.name);
        }
        if (key == "cwd") {
            return string(key, value, job_.cwd);
        }
        if (key == "stdin") {
            return string(key, value, job_.stdin_path);
        }
        if (key == "stdin_text") {
            return string(key, value, job_.stdin_text.emplace(), true);
        }
        if (key == "args") {
            return args(value);
        }
        if (key == "env") {
            return env(value);
        }
        if (key == "timeout") {
            return timeout(value);
        }
        if (key == "retries") {
            return count(key, value, 0, 1'000'000, job_.retries);
        }
        if (key == "cores") {
            return count(key, value, 1, 65'536, job_.cores);
        }
        if (key == "priority") {
            return priority(value);
        }
        return fail(usage_error(cat({where(), " has the unknown key \"", printable(key),
                                     "\"; known are program, args, env, cwd, stdin, stdin_text,"
                                     " timeout, retries, cores, priority and name"})));
    }

    Result<void> string(std::string_view key, const Json& value, std::string& into,
                        bool nul_allowed = false) {
        if (!value.is_string()) {
            return wrong(key, "a string");
        }
        into = value.get<std::string>();
        if (!nul_allowed && into.find('\0') != std::string::npos) {
            return wrong(key, "a string without NUL");
        }
        return {};
    }

    Result<void> args(const Json& value) {
        if (!value.is_array()) {
            return wrong("args", "an array of strings");
        }
        for (const Json& arg : value) {
            if (!arg.is_string() ||
                arg.get_ref<const std::string&>().find('\0') != std::string::npos) {
                return wrong("args", "an array of strings without NUL");
            }
            job_.args.push_back(arg.get<std::string>());
        }
        return {};
    }

    Result<void> env(const Json& value) {
        if (!value.is_object()) {
            return wrong("env", "an object of strings");
        }
        for (const auto& [name, text] : value.items()) {
            if (!text.is_string() || name.empty() || name.find('=') != std::string::npos ||
                name.find('\0') != std::string::npos ||
                text.get_ref<const std::string&>().find('\0') != std::string::npos) {
                return wrong("env", "an object of names (without =) and strings without NUL");
            }
            job_.env.emplace_back(name, text.get<std::string>());
        }
        return {};
    }

    Result<void> timeout(const Json& value) {
        constexpr double seconds_max = 1e9;
        if (value.is_number() && value.get<double>() >= 0 && value.get<double>() <= seconds_max) {
            job_.timeout =
                std::chrono::milliseconds(static_cast<std::int64_t>(value.get<double>() * 1000.0));
            return {};
        }
        if (!value.is_string()) {
            return wrong("timeout", "a number of seconds or a string like \"5s\"");
        }
        const Result<std::chrono::milliseconds> read =
            parse_duration(cat({where(), ", \"timeout\""}), value.get_ref<const std::string&>());
        if (!read) {
            return fail(read.error());
        }
        job_.timeout = *read;
        return {};
    }

    Result<void> count(std::string_view key, const Json& value, std::uint64_t min,
                       std::uint64_t max, std::optional<std::uint32_t>& into) {
        if (!value.is_number_unsigned() || value.get<std::uint64_t>() < min ||
            value.get<std::uint64_t>() > max) {
            return wrong(key, cat({"a whole number from ", number(min), " to ", number(max)}));
        }
        into = static_cast<std::uint32_t>(value.get<std::uint64_t>());
        return {};
    }

    Result<void> priority(const Json& value) {
        for (const Priority priority : {Priority::high, Priority::normal, Priority::low}) {
            if (value.is_string() && value.get_ref<const std::string&>() == to_string(priority)) {
                job_.priority = priority;
                return {};
            }
        }
        return wrong("priority", "\"high\", \"normal\" or \"low\"");
    }

    [[nodiscard]] Result<void> wrong(std::string_view key, std::string_view wanted) const {
        return fail(usage_error(cat({where(), ": \"", key, "\" must be ", wanted})));
    }

    /// @param count how many bytes of the text were read, the wrong one included.
    [[nodiscard]] Error malformed(std::string_view text, std::size_t count) const {
        const std::size_t good = std::min(count == 0 ? 0 : count - 1, text.size());
        const auto lines = std::ranges::count(text.substr(0, good), '\n');
        return usage_error(cat({where(),
                                " is no well-formed JSON (strings must be UTF-8): look at"
                                " line ",
                                number(place_.line + static_cast<std::uint64_t>(lines)), ", byte ",
                                number(place_.byte + good + 1), " of the input"}));
    }

    [[nodiscard]] std::string where() const {
        return cat(
            {"--from-json: element ", number(place_.element), " (line ", number(place_.line), ")"});
    }

    JobPlace place_;
    JobSpec job_;
    std::vector<std::set<std::string>> open_;  // the keys of each object that is being read
    std::string twice_;
};

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

Result<JobSpec> parse_job(std::string_view json, const JobPlace& place) {
    return JobParser(place).run(json);
}

void JobReader::feed(std::string_view text) {
    buffer_.erase(0, at_);
    scan_ -= at_ > scan_ ? scan_ : at_;
    at_ = 0;
    buffer_ += text;
}

void JobReader::consume(std::size_t end) noexcept {
    const std::string_view text = std::string_view(buffer_).substr(at_, end - at_);
    place_.line += static_cast<std::uint64_t>(std::ranges::count(text, '\n'));
    place_.byte += text.size();
    at_ = end;
}

Error JobReader::malformed(std::string_view what) const {
    return usage_error(cat({"--from-json: after element ", number(place_.element), ", at line ",
                            number(place_.line), ", byte ", number(place_.byte + 1),
                            " of the input: ", what, "; write an array of task objects"}));
}

bool JobReader::scan_element() noexcept {
    for (; scan_ < buffer_.size(); ++scan_) {
        const char c = buffer_[scan_];
        if (in_string_) {
            in_string_ = escaped_ || c != '"';
            escaped_ = !escaped_ && c == '\\';
        } else if (c == '"') {
            in_string_ = true;
        } else if (c == '{' || c == '[') {
            ++depth_;
        } else if (depth_ == 0 && (c == ',' || c == ']')) {
            return true;
        } else if (c == '}' || c == ']') {
            depth_ -= depth_ > 0 ? 1 : 0;
        }
    }
    return false;
}

Result<std::optional<JobSpec>> JobReader::take_element() {
    const std::string_view text = std::string_view(buffer_).substr(at_, scan_ - at_);
    ++place_.element;
    Result<JobSpec> job = parse_job(text, place_);
    consume(scan_);
    state_ = State::comma;
    if (!job) {
        return fail(job.error());
    }
    return std::move(*job);
}

bool JobReader::step(char c) noexcept {
    if ((state_ == State::first || state_ == State::value) && c == '{') {
        state_ = State::element;
        scan_ = at_;
        depth_ = 0;
        in_string_ = false;
        escaped_ = false;
        return true;
    }
    constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";  // as some editors write
    if (state_ == State::before && place_.byte < byte_order_mark.size() &&
        c == byte_order_mark[place_.byte]) {
        // It means nothing, and comes byte by byte where a pipe tears it.
    } else if (state_ == State::before && c == '[') {
        state_ = State::first;
    } else if ((state_ == State::first || state_ == State::comma) && c == ']') {
        state_ = State::after;
    } else if (state_ == State::comma && c == ',') {
        state_ = State::value;
    } else {
        return false;
    }
    consume(at_ + 1);
    return true;
}

Result<std::optional<JobSpec>> JobReader::next() {
    while (true) {
        while (at_ < buffer_.size() && state_ != State::element && is_space(buffer_[at_])) {
            consume(at_ + 1);
        }
        if (state_ == State::element) {
            if (scan_element()) {
                return take_element();
            }
            if (buffer_.size() - at_ > element_bytes_max) {
                return fail(malformed(
                    cat({"the next element is larger than ", human_size(element_bytes_max)})));
            }
        }
        if (at_ == buffer_.size() || state_ == State::element) {
            if (finished_ && state_ != State::after) {
                return fail(malformed("the text ends before the array does"));
            }
            return std::optional<JobSpec>();
        }
        if (const char c = buffer_[at_]; !step(c)) {
            return fail(malformed(cat({"unexpected ", shell_quote(printable({&c, 1}))})));
        }
    }
}

}  // namespace repartir::cli
