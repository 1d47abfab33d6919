// SPDX-License-Identifier: MIT
#include "cli/delivery.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "cli/render.hpp"
#include "cli/spill.hpp"
#include "cli/text.hpp"

namespace repartir::cli {
namespace {

constexpr std::uint64_t congested_bytes = 4U << 20U;
constexpr std::uint64_t held_bytes_max = 64U << 20U;
constexpr std::uint64_t spill_from_bytes = 4U << 10U;
constexpr std::uint64_t reorder_window = 16'384;
constexpr std::string_view clear_line = "\r\x1b[K";

TaskView view_of(const Done& done) {
    return TaskView{done.sequence,    done.label,    &done.values,
                    done.packed_argv, done.out_path, done.err_path};
}

/// Moves bytes to a file where that saves memory; leaves them where it cannot be done.
Captured spilled(Captured captured) {
    if (!captured.in_memory() || captured.size() < spill_from_bytes || !captured.complete()) {
        return captured;
    }
    Result<SpillFile> spill = SpillFile::create();
    if (!spill || !spill->write(captured.bytes())) {
        return captured;
    }
    return spill->take();
}

/// Files that may wait: a quarter of the descriptors, as running tasks need some too.
std::size_t waiting_files_max() noexcept {
    rlimit limit{};
    constexpr rlim_t most = 4096;
    const bool known = ::getrlimit(RLIMIT_NOFILE, &limit) == 0;
    return known ? std::min(limit.rlim_cur, most) / 4 : 1;
}

std::size_t files_of(const Done& done) noexcept {
    return done.result
               ? (done.result->out.in_memory() ? 0U : 1U) + (done.result->err.in_memory() ? 0U : 1U)
               : 0U;
}

std::uint64_t memory_of(const Done& done) {
    return done.result ? done.result->out.bytes().size() + done.result->err.bytes().size() : 0;
}

}  // namespace

Delivery::Delivery(const RunConfig& config, ResumeLog* log)
    : config_(config),
      log_(log),
      out_(STDOUT_FILENO),
      err_(STDERR_FILENO),
      shared_(out_.same_target(err_)),
      files_max_(waiting_files_max()) {}

void Delivery::accept(Done&& done) {
    if (!config_.keep_order) {
        deliver(done);
        return;
    }
    hold(std::move(done));
    release();
}

void Delivery::skip(std::uint64_t sequence) {
    if (config_.keep_order) {
        held_.emplace(sequence, std::nullopt);
        release();
    }
}

void Delivery::hold(Done&& done) {
    const std::uint64_t sequence = done.sequence;
    if (sequence != next_ && held_bytes_ + memory_of(done) > held_bytes_max && done.result &&
        held_files_ < files_max_) {
        done.result->out = spilled(std::move(done.result->out));
        done.result->err = spilled(std::move(done.result->err));
    }
    held_bytes_ += memory_of(done);
    held_files_ += files_of(done);
    held_.emplace(sequence, std::move(done));
}

void Delivery::release() {
    while (!held_.empty() && held_.begin()->first == next_ && !congested()) {
        std::optional<Done> done = std::move(held_.begin()->second);
        held_.erase(held_.begin());
        ++next_;
        if (done) {
            held_bytes_ -= memory_of(*done);
            held_files_ -= files_of(*done);
            deliver(*done);
        }
    }
}

void Delivery::clear_bar() {
    if (bar_shown_) {
        err_sink().write(clear_line);
        bar_shown_ = false;
    }
}

Captured Delivery::tagged(const Captured& captured, std::string_view label) {
    Tagger tagger(label);
    std::string text;
    if (captured.in_memory()) {
        tagger.add(captured.bytes(), text);
        tagger.finish(text);
        return Captured(std::move(text));
    }
    Result<SpillFile> spill = SpillFile::create();
    if (!spill) {
        return captured;
    }
    bool good = true;
    const auto flush = [&] {
        good = good && spill->write(text).has_value();
        text.clear();
    };
    const Result<void> read = for_each_piece(captured, [&](std::string_view piece) {
        tagger.add(piece, text);
        flush();
    });
    tagger.finish(text);
    flush();
    return read && good ? spill->take() : captured;
}

void Delivery::print(Sink& sink, const Captured& captured, std::string_view label) {
    if (captured.size() == 0) {
        return;
    }
    clear_bar();
    if (config_.tag) {
        sink.write(tagged(captured, label));
    } else {
        sink.write(captured);
    }
}

bool Delivery::deliver_json(const Done& done) {
    std::string line;
    if (!done.result) {
        append_json(view_of(done), done.result.error(), line);
    } else if (const Result<void> written = append_json(view_of(done), *done.result, line);
               !written) {
        say(cat({"repartir: task ", number(done.sequence), " (", printable(done.label),
                 "): counts as failed: its output is lost: ", written.error().sentence(), "\n"}));
        ++unreadable_;
        return false;
    }
    clear_bar();
    out_.write(line);
    return true;
}

void Delivery::announce(const Done& done) {
    if (config_.quiet || config_.json) {
        return;
    }
    if (!config_.passes_through()) {
        if (!done.result) {
            say(failure_line(view_of(done), done.result.error()));
        } else if (!done.result->ok() && done.result->ending.end != End::cancelled) {
            say(failure_line(view_of(done), *done.result));
        }
        return;
    }
    if (!done.result) {
        say(cat({"repartir: ", done.result.error().describe(), "\n"}));
    } else if (const Error* why = done.result->error(); why != nullptr) {
        say(cat({"repartir: ", why->describe(), "\n"}));
    } else if (const End end = done.result->ending.end;
               end == End::timed_out || end == End::out_of_memory) {
        // The exit code alone could be the program's own.
        say(cat({"repartir: the program ", done.result->ending.describe(), "\n"}));
    }
}

void Delivery::deliver(Done& done) {
    const bool files_only = !config_.output_dir.empty() && !config_.tag && !config_.keep_order;
    if (config_.json) {
        if (!deliver_json(done)) {
            return;  // not in the log: it runs again
        }
    } else if (done.result && !files_only) {
        print(out_, done.result->out, done.label);
        print(err_sink(), done.result->err, done.label);
    }
    announce(done);
    if (config_.explain == Explain::choices && !config_.json && done.result) {
        say(choice_lines(view_of(done), *done.result));
    }
    if (done.result && !whole(*done.result)) {
        const bool told = !config_.quiet && !config_.json && !config_.passes_through() &&
                          done.result->ending.end == End::output_lost;
        if (!told) {
            say(loss_line(view_of(done), *done.result));  // also with --quiet: data was lost
        }
        return;  // not in the log: it runs again
    }
    if (log_ != nullptr && done.result && done.result->ending.end != End::cancelled) {
        notes_.push_back(Note{out_.queued(), err_sink().queued(),
                              ResumeRecord{done.key, done.rerun, recorded_ending(*done.result)}});
    }
}

void Delivery::stream(std::string_view out, std::string_view err) {
    if (!out.empty() || !err.empty()) {
        clear_bar();
        out_.write(out);
        err_sink().write(err);
    }
}

void Delivery::say(std::string_view line) {
    clear_bar();
    err_sink().write(line);
}

void Delivery::show_bar(const std::string& bar) {
    if (waiting()) {
        return;  // output first; the next redraw is never far
    }
    if (bar.empty()) {
        clear_bar();
    } else {
        err_sink().write(cat({clear_line, bar}));
        bar_shown_ = true;
    }
    err_sink().pump();
}

void Delivery::settle_notes() {
    const auto out_of_the_way = [](const Sink& sink, std::uint64_t end) {
        return sink.done() >= end;
    };
    while (!notes_.empty()) {
        const Note& note = notes_.front();
        const Sink& err = err_sink();
        const bool err_done = err.unwanted() || out_of_the_way(err, note.err_end);
        if (!out_of_the_way(out_, note.out_end) || !(shared_ || err_done)) {
            return;
        }
        log_->append(note.record);
        notes_.pop_front();
    }
}

void Delivery::pump(base::BootTime now) {
    out_.pump();
    err_.pump();
    if (config_.keep_order) {
        release();
    }
    settle_notes();
    if (log_ != nullptr && now >= log_->sync_due()) {
        sync(now);
    }
}

bool Delivery::sync(base::BootTime now) {
    if (log_ == nullptr) {
        return true;
    }
    settle_notes();
    if (Result<void> done = log_->sync(now); !done && !log_error_) {
        log_error_ = done.error();
    }
    return log_->unsynced() == 0;
}

bool Delivery::congested() const noexcept {
    return out_.memory_bytes() + err_.memory_bytes() > congested_bytes ||
           out_.files() + err_.files() > files_max_;
}

bool Delivery::in_window(std::uint64_t sequence) const noexcept {
    // The one that all wait for has a smaller number, and therefore runs already.
    return !config_.keep_order || (sequence < next_ + reorder_window && held_files_ < files_max_);
}

base::BootTime Delivery::log_due() const noexcept {
    return log_ == nullptr ? base::never : log_->sync_due();
}

}  // namespace repartir::cli
