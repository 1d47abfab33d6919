// SPDX-License-Identifier: MIT
#include "cli/run_loop.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <ranges>
#include <system_error>

#include "base/os_error.hpp"
#include "cli/output_files.hpp"
#include "cli/render.hpp"
#include "cli/text.hpp"

namespace repartir::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t queued_ahead = 64;  // beyond 4 per worker: executors never wait for us
constexpr int feed_batch = 256;           // inputs between two looks at everything else
constexpr base::BootTime nap_time = 2ms;  // how long ends are gathered while there is plenty to do
constexpr base::BootTime bar_interval = 100ms;
constexpr base::BootTime plain_interval = 5s;

/// How many tasks are handed over at once. Where a failure may stop the run, or a task takes one of
/// our CPUs, only as many as run: nothing starts before the last end was looked at.
std::size_t window_of(const RunConfig& config, std::uint32_t workers) {
    if (config.pin || config.halt.when != Halt::When::never) {
        return std::max(1U, workers / config.cores);
    }
    return std::size_t{workers} * 4 + queued_ahead;
}

/// @return the columns of the terminal at standard error that may be written without wrapping.
std::size_t terminal_width() {
    constexpr std::size_t usual = 79;
    winsize size{};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
        return usual;
    }
    return std::size_t{size.ws_col} - 1;
}

ProgressMode choose_progress(const RunConfig& config) {
    if (config.quiet || config.passes_through() || config.progress == ProgressMode::none) {
        return ProgressMode::none;
    }
    if (config.progress == ProgressMode::automatic) {
        return ::isatty(STDERR_FILENO) == 1 ? ProgressMode::bar : ProgressMode::none;
    }
    return config.progress;
}

}  // namespace

Run::Run(RunParts parts)
    : parts_(std::move(parts)),
      delivery_(parts_.config, parts_.log),
      hub_(parts_.bell),
      window_(window_of(parts_.config, parts_.workers)),
      free_cpus_(parts_.cpus),
      started_(base::now()),
      next_progress_(started_ + bar_interval),
      progress_(choose_progress(parts_.config)) {
    if (progress_ == ProgressMode::plain) {
        next_progress_ = started_ + plain_interval;
    }
}

int Run::execute() {
    while (true) {
        hear_signals();
        const bool collected = collect();
        base::BootTime now = base::now();
        delivery_.pump(now);
        watch_output();
        const bool more = feed();
        if (in_flight_.empty() && (stopping_ || exhausted_)) {
            break;
        }
        if (progress_due(now)) {
            show_progress(now);
        }
        if (!more) {
            now = base::now();
            sleep(collected && in_flight_.size() > std::size_t{parts_.workers} * 2, now);
        }
    }
    finish();
    return code();
}

void Run::hear_signals() {
    for (const int number : parts_.signals.take()) {
        if (number == SIGCHLD) {
            foreground_.children_changed();
        } else if (number == SIGTSTP) {
            foreground_.stop_requested();
        } else if (number == SIGCONT) {
            foreground_.continued();
        } else {
            ++interrupts_;
            verdict_.cancelled = true;
            stop(true);
        }
    }
}

void Run::stop(bool cancel_running) {
    stopping_ = true;
    for (WatchedExecutor* const executor : parts_.executors) {
        executor->close();  // what is queued in the scheduler must not start either
    }
    if (!cancel_running) {
        return;
    }
    for (InFlight& task : std::ranges::reverse_view(in_flight_)) {
        task.pending.cancel();  // newest first: what waits must not take the place of what ends
    }
    if (interrupts_ > 1) {
        hub_.discard();  // first: what waits to be read would keep an executor
        for (WatchedExecutor* const executor : parts_.executors) {
            executor->shutdown();
        }
    }
}

bool Run::collect() {
    if (delivery_.congested() && interrupts_ < 2) {
        return false;  // those rings stay unseen: we must not sleep on them once there is room
    }
    seen_rings_ = parts_.bell.rings();
    std::vector<InFlight> ready;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < in_flight_.size(); ++i) {
        if (in_flight_[i].pending.ready()) {
            ready.push_back(std::move(in_flight_[i]));
        } else if (kept++ != i) {
            in_flight_[kept - 1] = std::move(in_flight_[i]);
        }
    }
    in_flight_.erase(in_flight_.begin() + static_cast<std::ptrdiff_t>(kept), in_flight_.end());
    for (const InFlight& task : ready) {
        if (task.streamed) {
            task.streamed->finish();
        }
    }
    if (parts_.config.stream) {
        std::string out;
        std::string err;
        hub_.take(out, err);
        delivery_.stream(out, err);
    }
    for (InFlight& task : ready) {
        settle(task);
    }
    return !ready.empty();
}

void Run::settle(InFlight& task) {
    if (task.cpu) {
        free_cpus_.push_back(*task.cpu);
    }
    task.done.result = std::move(task.pending).get();
    if (Result<void> kept = keep_output(parts_.config, task.done); !kept) {
        fail_run(kept.error(), exit_failed);
        stop(false);
    }
    const Result<Outcome>& result = task.done.result;
    const bool cancelled = result && result->ending.end == End::cancelled;
    ended_ += cancelled ? 0 : 1;
    if (!result) {
        verdict_.add(result.error());
        ++failed_;
        const bool hopeless = result.error().code() == Code::cannot_schedule;
        stopping_ = stopping_ || (hopeless && parts_.config.from_json.empty());
    } else {
        verdict_.add(*result, halted_ || error_code_ != exit_ok);
        failed_ += (!result->ok() || !whole(*result)) && !cancelled ? 1 : 0;
        verdict_.failed = verdict_.failed || !whole(*result);
        for (const Attempt& attempt : result->attempts) {
            cpu_time_ += attempt.user + attempt.system;
        }
        if (parts_.config.single()) {
            single_code_ = result->ok() && !whole(*result) ? exit_failed : exit_code_of(*result);
        }
    }
    if (parts_.config.passes_through()) {
        foreground_.restore(!result || result->ending.end != End::exited);
    }
    delivery_.accept(std::move(task.done));
    if (!stopping_ && parts_.config.halt.reached(failed_, ended_)) {
        halted_ = true;
        stop(parts_.config.halt.when == Halt::When::now);
    }
}

bool Run::feed() {
    input_blocked_ = false;
    for (int i = 0; i < feed_batch; ++i) {
        if (stopping_ || exhausted_ || input_blocked_ || in_flight_.size() >= window_ ||
            delivery_.congested() || !feed_one()) {
            return false;
        }
    }
    return true;
}

bool Run::feed_one() {
    if (!delivery_.in_window(item_.sequence + 1)) {
        return false;
    }
    const Result<Pull> pull = parts_.source.next(item_);
    if (!pull) {
        fail_run(pull.error(), exit_usage);
        return false;
    }
    exhausted_ = *pull == Pull::end;
    input_blocked_ = *pull == Pull::blocked;
    if (*pull != Pull::item) {
        return false;
    }
    Result<MadeTask> made = parts_.maker.make(item_);
    if (!made) {
        fail_run(made.error(), exit_usage);
        return false;
    }
    Fingerprint key;
    std::optional<Ending> prior;
    if (parts_.log != nullptr) {
        key = parts_.maker.key(made->task, item_);
        prior = parts_.log->take(key, parts_.config.rerun_failed);
    }
    const bool rerun = prior && !prior->ok() && parts_.config.rerun_failed;
    if (prior && !rerun) {
        skip(*prior);
        delivery_.skip(item_.sequence);
        return true;
    }
    if (!made->out_path.empty() && !make_folder(made->out_path)) {
        return false;
    }
    submit(item_, std::move(*made), key, rerun);
    return true;
}

/// Counts a task that ended in an earlier run as if it had ended in this one.
void Run::skip(const Ending& prior) {
    ++skipped_;
    skipped_bad_ += prior.ok() ? 0 : 1;
    verdict_.add(prior, false);
    if (parts_.config.single()) {
        single_code_ = recorded_exit_code(prior);
    }
}

bool Run::make_folder(const std::string& path) {
    const std::string folder = path.substr(0, path.rfind('/'));
    if (folder == last_folder_) {
        return true;
    }
    std::error_code bad;
    std::filesystem::create_directories(folder, bad);
    if (bad) {
        fail_run(Error(Domain::io, Code::io_error, Fault::user,
                       cat({"--output-dir: the folder ", printable(folder),
                            " cannot be made: ", bad.message()})),
                 exit_usage);
        return false;
    }
    last_folder_ = folder;
    return true;
}

std::uint32_t Run::take_cpu() {
    const std::uint32_t cpu = free_cpus_.front();
    free_cpus_.erase(free_cpus_.begin());
    return cpu;
}

void Run::submit(Item& item, MadeTask made, const Fingerprint& key, bool rerun) {
    std::shared_ptr<StreamedTask> streamed;
    if (parts_.config.stream) {
        streamed = std::make_shared<StreamedTask>(hub_, made.label, parts_.config.tag);
        made.task.on_output([streamed](Stream stream, std::span<const char> piece) {
            streamed->add(stream, piece);
        });
    }
    std::optional<std::uint32_t> cpu;
    if (!free_cpus_.empty()) {
        cpu = take_cpu();
        made.task.on_cores({*cpu});
    }
    if (item.job && item.job->name.empty()) {
        item.values.clear();  // a task without a name has no input to show
    }
    Done done{item.sequence,
              std::move(made.label),
              std::move(item.values),
              parts_.config.json ? made.task.program().packed() : std::string(),
              std::move(made.out_path),
              std::move(made.err_path),
              key,
              rerun,
              fail(Error(Domain::task, Code::internal, Fault::system, "the task has no result"))};
    item.values.clear();
    item.job.reset();
    in_flight_.push_back(InFlight{parts_.scheduler.schedule(std::move(made.task)), std::move(done),
                                  std::move(streamed), cpu});
    in_flight_.back().pending.observe(parts_.bell);
}

void Run::watch_output() {
    lose_output("standard output", delivery_.out().error());
    if (!delivery_.err().unwanted()) {
        lose_output("standard error", delivery_.err().error());
    }
    if (delivery_.log_error() && !stopping_) {
        fail_run(*delivery_.log_error(), exit_failed);
        stop(false);
    }
}

/// Ends the run where an output failed, the first time. @param error errno value; 0: it did not
void Run::lose_output(std::string_view name, int error) {
    if (error == 0 || reader_gone_) {
        return;
    }
    reader_gone_ = true;
    hub_.discard();
    if (error == EPIPE || error == EIO) {
        verdict_.cancelled = true;
        stop(true);
        return;
    }
    fail_run(Error(Domain::io, Code::io_error, Fault::system,
                   cat({name, " cannot be written: ", base::words_of(error),
                        "; what ended since is not in any log and runs again"})),
             exit_failed);
    stop(false);
}

void Run::fail_run(const Error& error, int code) {
    error_code_ = code;
    stopping_ = true;
    delivery_.say(cat({"repartir: ", error.describe(), "\n"}));
}

bool Run::progress_due(base::BootTime now) const noexcept {
    return progress_ != ProgressMode::none && now >= next_progress_;
}

void Run::show_progress(base::BootTime now) {
    const bool bar = progress_ == ProgressMode::bar;
    next_progress_ = now + (bar ? bar_interval : plain_interval);
    ProgressState state;
    state.ended = ended_;
    state.failed = failed_ + skipped_bad_;
    state.skipped = skipped_;
    std::ranges::transform(parts_.executors, std::back_inserter(state.busy),
                           &WatchedExecutor::busy);
    state.total = parts_.source.total();
    state.elapsed = now - started_;
    rate_.update(ended_, state.elapsed);
    state.rate = rate_.rate();
    if (bar) {
        delivery_.show_bar(progress_bar(state, terminal_width()));
    } else {
        delivery_.say(cat({progress_line(state), "\n"}));
    }
}

int Run::sleep_ms(base::BootTime now) const noexcept {
    base::BootTime until = delivery_.log_due();
    if (progress_ != ProgressMode::none) {
        until = std::min(until, next_progress_);
    }
    if (until == base::never) {
        return -1;
    }
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
    return static_cast<int>(std::clamp<std::int64_t>(wait, 0, 60'000));
}

void Run::sleep(bool nap, base::BootTime now) {
    std::array<pollfd, 5> fds{};
    nfds_t count = 0;
    const auto add = [&](int fd, short events) { fds.at(count++) = pollfd{fd, events, 0}; };
    add(parts_.signals.fd(), POLLIN);
    if (delivery_.out().waiting()) {
        add(delivery_.out().fd(), POLLOUT);
    }
    if (delivery_.err().waiting()) {
        add(delivery_.err().fd(), POLLOUT);
    }
    if (nap) {
        ::poll(fds.data(), count, static_cast<int>(nap_time / 1ms));
        return;
    }
    if (input_blocked_ && parts_.source.wait_fd() >= 0) {
        add(parts_.source.wait_fd(), POLLIN);
    }
    if (delivery_.congested()) {
        ::poll(fds.data(), count, sleep_ms(now));  // ends have to wait, the reader is slow
        return;
    }
    if (parts_.bell.about_to_sleep(seen_rings_)) {
        add(parts_.bell.fd(), POLLIN);
        ::poll(fds.data(), count, sleep_ms(now));
        parts_.bell.awake();
    }
}

void Run::finish() {
    if (progress_ == ProgressMode::bar) {
        delivery_.show_bar({});
    }
    delivery_.pump(base::now());
    while (delivery_.waiting() && interrupts_ < 2) {
        std::array<pollfd, 3> fds{
            pollfd{parts_.signals.fd(), POLLIN, 0},
            pollfd{delivery_.out().waiting() ? STDOUT_FILENO : -1, POLLOUT, 0},
            pollfd{delivery_.err().waiting() ? STDERR_FILENO : -1, POLLOUT, 0}};
        ::poll(fds.data(), fds.size(), -1);
        hear_signals();
        delivery_.pump(base::now());
    }
    watch_output();
    const base::BootTime now = base::now();
    const bool logged = delivery_.sync(now);
    if (!logged && parts_.log != nullptr) {
        error_code_ = exit_failed;
        const std::string why =
            delivery_.log_error() ? delivery_.log_error()->sentence() : "the resume log is behind";
        delivery_.say(
            cat({"repartir: ", number(parts_.log->unsynced()),
                 " of the ended tasks are not in the log and will run again: ", why, "\n"}));
    }
    if (!parts_.config.quiet && !parts_.config.passes_through() && !reader_gone_) {
        summarise(now);
    }
    delivery_.pump(base::now());
}

void Run::summarise(base::BootTime now) {
    const std::uint64_t tasks = ended_ + skipped_;
    std::string text = cat({"repartir: ", number(tasks), tasks == 1 ? " task, " : " tasks, ",
                            number(failed_ + skipped_bad_), " failed"});
    if (skipped_ > 0) {
        text += cat({", ", number(skipped_), " of them ended before"});
    }
    text += verdict_.cancelled ? ", cancelled" : halted_ ? ", halted" : "";
    text +=
        cat({", ", human_duration(now - started_), " wall, ", human_duration(cpu_time_), " CPU"});
    delivery_.say(cat({text, advice(), "\n"}));
}

std::string Run::advice() const {
    const bool failures = failed_ + skipped_bad_ > 0;
    if (parts_.log != nullptr && (verdict_.cancelled || halted_ || stopping_)) {
        return "; the same command goes on from here";
    }
    if (parts_.log != nullptr && failures) {
        return "; add --rerun-failed to run the failed ones again";
    }
    if (failures && !parts_.config.single()) {
        return "; with --resume FILE only the failed ones could be run again";
    }
    return {};
}

int Run::code() const noexcept {
    if (error_code_ == exit_usage) {
        return exit_usage;
    }
    if (single_code_ && (*single_code_ != exit_ok || error_code_ == exit_ok)) {
        return *single_code_;
    }
    Verdict verdict = verdict_;
    verdict.failed = verdict.failed || error_code_ != exit_ok || delivery_.unreadable() > 0;
    return exit_code(verdict);
}

}  // namespace repartir::cli
