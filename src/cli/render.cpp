// SPDX-License-Identifier: MIT
#include "cli/render.hpp"

#include <chrono>

#include "base/in_words.hpp"
#include "cli/json_text.hpp"
#include "cli/spill.hpp"
#include "cli/text.hpp"

namespace repartir::cli {
namespace {

constexpr std::int64_t schema_version = 1;

std::int64_t nanoseconds(std::chrono::nanoseconds value) { return value.count(); }

void write_view(JsonWriter& json, const TaskView& view) {
    json.key("v");
    json.integer(schema_version);
    json.key("type");
    json.text("task");
    json.key("seq");
    json.natural(view.sequence);
    json.key("input");
    json.begin_array();
    for (const std::string& value : *view.values) {
        json.text(value);
    }
    json.end_array();
    json.key("argv");
    json.begin_array();
    for (std::size_t at = 0; at < view.packed_argv.size();) {
        const std::size_t end = view.packed_argv.find('\0', at);
        json.text(view.packed_argv.substr(at, end - at));
        at = end + 1;
    }
    json.end_array();
}

void write_error(JsonWriter& json, const Error& error) {
    json.begin_object();
    json.key("domain");
    json.text(to_string(error.domain()));
    json.key("code");
    json.text(to_string(error.code()));
    json.key("fault");
    json.text(to_string(error.fault()));
    json.key("sentence");
    json.text(error.describe());
    json.end_object();
}

void write_candidate(JsonWriter& json, const Candidate& candidate) {
    json.begin_object();
    json.key("where");
    json.text(candidate.where);
    json.key("chosen");
    json.boolean(candidate.chosen);
    json.key("room");
    json.boolean(candidate.room);
    json.key("learnt");
    json.boolean(candidate.learnt);
    json.key("wait_ns");
    json.integer(nanoseconds(candidate.wait));
    json.key("transfer_ns");
    json.integer(nanoseconds(candidate.transfer));
    json.key("run_ns");
    json.integer(nanoseconds(candidate.run));
    json.end_object();
}

void write_attempt(JsonWriter& json, const Attempt& attempt) {
    json.begin_object();
    json.key("number");
    json.natural(attempt.number);
    json.key("ending");
    json.text(to_string(attempt.ending.end));
    json.key("code");
    json.integer(attempt.ending.code);
    json.key("started_unix_ns");
    json.integer(nanoseconds(attempt.started.time_since_epoch()));
    json.key("wall_ns");
    json.integer(nanoseconds(attempt.wall));
    json.key("user_ns");
    json.integer(nanoseconds(attempt.user));
    json.key("system_ns");
    json.integer(nanoseconds(attempt.system));
    json.key("peak_memory_bytes");
    json.natural(attempt.peak_memory.bytes);
    json.key("peak_memory_source");
    json.text(to_string(attempt.peak_memory.source));
    json.key("containment");
    json.text(to_string(attempt.containment));
    json.key("backend");
    json.text(to_string(attempt.backend));
    json.key("where");
    json.text(attempt.where);
    if (!attempt.notes.empty()) {
        json.key("notes");
        json.begin_array();
        for (const std::string& note : attempt.notes) {
            json.text(note);
        }
        json.end_array();
    }
    if (attempt.error) {
        json.key("error");
        write_error(json, *attempt.error);
    }
    if (!attempt.candidates.empty()) {
        json.key("candidates");
        json.begin_array();
        for (const Candidate& one : attempt.candidates) {
            write_candidate(json, one);
        }
        json.end_array();
    }
    json.end_object();
}

Result<void> write_stream(JsonWriter& json, const Captured& captured, std::string_view path) {
    json.begin_object();
    if (!path.empty()) {
        json.key("path");
        json.text(path);
        json.end_object();
        return {};
    }
    std::string from_file;
    if (!captured.in_memory()) {
        const Result<void> read =
            for_each_piece(captured, [&](std::string_view piece) { from_file.append(piece); });
        if (!read) {
            return fail(read.error());
        }
    }
    const std::string& bytes = captured.in_memory() ? captured.bytes() : from_file;
    json.key("bytes");
    json.natural(bytes.size());
    const bool utf8 = is_utf8(bytes);
    json.key("encoding");
    json.text(utf8 ? "utf-8" : "base64");
    json.key("data");
    if (utf8) {
        json.text(bytes);
    } else {
        std::string encoded;
        append_base64(bytes, encoded);
        json.text(encoded);
    }
    json.end_object();
    return {};
}

std::string who(const TaskView& view) {
    return cat({"repartir: task ", number(view.sequence), " (", printable(view.label), "): "});
}

}  // namespace

Result<void> append_json(const TaskView& view, const Outcome& outcome, std::string& into) {
    JsonWriter json(into);
    json.begin_object();
    write_view(json, view);
    json.key("id");
    json.text(to_string(outcome.id));
    if (!outcome.name.empty()) {
        json.key("name");
        json.text(outcome.name);
    }
    json.key("ok");
    json.boolean(outcome.ok());
    json.key("ending");
    json.text(to_string(outcome.ending.end));
    json.key("code");
    json.integer(outcome.ending.code);
    json.key("exit_code");
    json.integer(outcome.exit_code());
    json.key("attempts");
    json.begin_array();
    for (const Attempt& attempt : outcome.attempts) {
        write_attempt(json, attempt);
    }
    json.end_array();
    json.key("stdout");
    if (Result<void> done = write_stream(json, outcome.out, view.out_path); !done) {
        return done;
    }
    json.key("stderr");
    if (Result<void> done = write_stream(json, outcome.err, view.err_path); !done) {
        return done;
    }
    json.end_object();
    into += '\n';
    return {};
}

void append_json(const TaskView& view, const Error& refused, std::string& into) {
    JsonWriter json(into);
    json.begin_object();
    write_view(json, view);
    json.key("ok");
    json.boolean(false);
    json.key("refused");
    write_error(json, refused);
    json.end_object();
    into += '\n';
}

std::string failure_line(const TaskView& view, const Outcome& outcome) {
    std::string text = cat({who(view), outcome.ending.describe()});
    if (const Error* why = outcome.error(); why != nullptr) {
        text += cat({": ", printable(why->describe(), 400)});
    }
    if (outcome.attempts.size() > 1) {
        text += cat({" (", number(outcome.attempts.size()), " tries)"});
    }
    return text += '\n';
}

std::string choice_lines(const TaskView& view, const Outcome& outcome) {
    std::string text;
    for (const Attempt& attempt : outcome.attempts) {
        const std::string head = outcome.attempts.size() == 1
                                     ? who(view)
                                     : cat({who(view), "try ", number(attempt.number), ": "});
        const std::string choice = explain(attempt);
        for (std::string_view rest = choice; !rest.empty();) {
            const std::size_t end = rest.find('\n') + 1;
            text += cat({head, rest.substr(0, end)});
            rest.remove_prefix(end);
        }
        text += cat({head, attempt.ending.describe()});
        if (attempt.wall.count() > 0) {
            text += cat({", after ", base::in_words(attempt.wall)});
        }
        if (!attempt.where.empty()) {
            text += cat({", at ", printable(attempt.where)});
        }
        for (const std::string& note : attempt.notes) {
            text += cat({"; ", printable(note, 400)});
        }
        text += '\n';
    }
    return text;
}

bool whole(const Outcome& outcome) noexcept {
    return outcome.out.complete() && outcome.err.complete();
}

std::string loss_line(const TaskView& view, const Outcome& outcome) {
    std::string text =
        cat({who(view), "counts as failed: ", number(outcome.out.lost() + outcome.err.lost()),
             " bytes of its output could not be kept"});
    if (!outcome.attempts.empty()) {
        for (const std::string& note : outcome.last().notes) {
            text += cat({"; ", printable(note, 400)});
        }
    }
    return text += '\n';
}

std::string failure_line(const TaskView& view, const Error& refused) {
    return cat({who(view), "refused: ", printable(refused.describe(), 400), "\n"});
}

Tagger::Tagger(std::string_view label) : prefix_(cat({printable(label), "\t"})) {}

void Tagger::add(std::string_view piece, std::string& into) {
    while (!piece.empty()) {
        const std::size_t end = piece.find('\n');
        const std::size_t size = end == std::string_view::npos ? piece.size() : end + 1;
        if (line_start_) {
            into += prefix_;
        }
        into += piece.substr(0, size);
        line_start_ = end != std::string_view::npos;
        piece.remove_prefix(size);
    }
}

void Tagger::finish(std::string& into) {
    if (!line_start_) {
        into += '\n';
        line_start_ = true;
    }
}

}  // namespace repartir::cli
