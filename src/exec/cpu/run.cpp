// SPDX-License-Identifier: MIT
#include "exec/cpu/run.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <csignal>
#include <utility>

#include "base/os_error.hpp"

namespace repartir::exec {

bool HighWaterMark::below(std::uint64_t child_max_rss_bytes) noexcept {
    constexpr std::uint64_t kib = 1024;
    constexpr std::uint64_t slack = 512 * kib;  // the kernel's counters lag by a batch per CPU
    if (child_max_rss_bytes <= known_bytes_) {
        return false;
    }
    ::rusage own{};
    ::getrusage(RUSAGE_SELF, &own);
    known_bytes_ = static_cast<std::uint64_t>(own.ru_maxrss) * kib + slack;
    return child_max_rss_bytes > known_bytes_;
}

void Run::Collector::on_bytes(proc::PipeReader& /*reader*/,
                              std::span<const std::byte> bytes) noexcept {
    // SAFETY: char may alias std::byte.
    const std::span<const char> text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (kind_ == Output::capture) {
        if (!spool_.append(text)) {
            run_.output_lost();
        }
        return;
    }
    try {
        run_.task_->extras().on_output(stream_, text);
    } catch (...) {
        // The contract of OutputCallback: what it throws is dropped.
    }
}

void Run::Collector::on_end(proc::PipeReader& reader, int os_error) noexcept {
    if (os_error != 0) {
        run_.notes_.push_back(
            std::string(stream_ == Stream::out ? "stdout" : "stderr") +
            " is incomplete: reading its pipe failed: " + std::string(base::words_of(os_error)));
    }
    run_.group_.reader_ended(reader);
}

Run::Run(LaneContext& context, RunObserver& observer)
    : context_(context),
      observer_(observer),
      group_(context.loop, *this, linger),
      out_(*this, Stream::out),
      err_(*this, Stream::err),
      deadline_(*this) {
    if (auto slot = context.host.guardian->acquire()) {
        group_.set_guard(std::move(*slot));
        guarded_ = true;
    }
}

Run::~Run() { context_.loop.cancel(deadline_); }

void Run::start(const AttemptId& id, const Task& task, AttemptSink& sink) {
    id_ = id;
    task_ = &task;
    sink_ = &sink;
    started_ = std::chrono::system_clock::now();
    began_ = base::now();
    Result<void> begun = prepare();
    if (begun) {
        begun = heed_call_off(start_programs());
    }
    if (begun) {
        begun = watch();
    }
    if (begun) {
        return;
    }
    if (!reason_) {
        error_ = begun.error();
    }
    if (group_.running()) {
        group_.kill();  // on_ended gives the result
    } else {
        ended_ = base::now();
        finish();
    }
}

/// Its time may have been up, or somebody may have cancelled it, while it was being started. The
/// child that was stuck has been killed; what else runs of it gets the usual grace.
Result<void> Run::heed_call_off(Result<void> begun) {
    const std::optional<CancelReason> why = context_.spawning.reason();
    if (why && (begun || begun.error().code() == Code::cancelled)) {
        reason_ = why;
        group_.terminate(task_->kill_grace());
    }
    return begun;
}

void Run::cancel(CancelReason reason, bool force) noexcept {
    if (!group_.running()) {
        return;
    }
    if (running_ > 0 && !reason_ && !error_ && !output_lost_) {
        reason_ = reason;
    }
    release_output();  // so that it can end
    // With no program left, only a background child keeps the attempt from its end.
    if (force || running_ == 0) {
        group_.kill();
        if (cgroup_) {
            cgroup_->kill_all();
        }
    } else {
        group_.terminate(task_->kill_grace());
    }
}

/// More was written than can be kept. A program that writes without end would never be told, and
/// would keep its place for nothing: it is ended.
void Run::output_lost() noexcept {
    if (!std::exchange(output_lost_, true) && running_ > 0 && !reason_ && !error_) {
        group_.terminate(task_->kill_grace());
        release_output();
    }
}

void Run::hold_output() noexcept {
    if (running_ > 0 && !reason_ && !error_ && !output_lost_) {
        out_.reader_.pause();
        err_.reader_.pause();
    }
}

void Run::release_output() noexcept {
    for (Collector* collector : {&out_, &err_}) {
        if (Result<void> resumed = collector->reader_.resume(); !resumed) {
            notes_.push_back("what it writes can be read no more: " + resumed.error().sentence());
            group_.kill();
        }
    }
}

Result<void> Run::prepare() {
    const TaskExtras& extras = task_->extras();
    if (auto done = context_.launch.prepare(*task_); !done) {
        return done;
    }
    if (auto done = prepare_input(); !done) {
        return done;
    }
    if (auto done = prepare_output(out_, task_->stdout_kind(), extras.out_path, STDOUT_FILENO);
        !done) {
        return done;
    }
    const bool one_file = task_->stdout_kind() == Output::file &&
                          task_->stderr_kind() == Output::file &&
                          extras.out_path == extras.err_path;
    if (one_file) {  // one description, so that neither overwrites the other
        err_.kind_ = Output::file;
        err_.number_ = out_.number_;
    } else if (auto done =
                   prepare_output(err_, task_->stderr_kind(), extras.err_path, STDERR_FILENO);
               !done) {
        return done;
    }
    return prepare_cgroup();
}

Result<void> Run::prepare_input() {
    const std::string& input = task_->extras().input;
    if (task_->stdin_kind() == Input::inherit) {
        foreground_ = terminal_.prepare(*context_.host.guardian);
    } else if (task_->stdin_kind() == Input::file) {
        auto file = open_input(input);
        if (!file) {
            return fail(file.error());
        }
        input_ = std::move(*file);
    } else if (task_->stdin_kind() == Input::bytes) {
        auto pipe = proc::make_pipe(proc::OurEnd::writer);
        if (!pipe) {
            return fail(pipe.error());
        }
        input_ = std::move(pipe->reader);
        // What fits into the pipe is in it before the program starts: no event is needed for it.
        const ::ssize_t put =
            input.empty() ? 0 : ::write(pipe->writer.get(), input.data(), input.size());
        input_written_ = put > 0 ? static_cast<std::size_t>(put) : 0;
        if (input_written_ < input.size()) {
            input_writer_ = std::move(pipe->writer);
        }
    }
    return {};
}

Result<void> Run::prepare_output(Collector& collector, Output kind, const std::string& path,
                                 int ours) {
    const std::string_view name = collector.stream_ == Stream::out ? "stdout" : "stderr";
    collector.kind_ = kind;
    switch (kind) {
        case Output::inherit:
            collector.number_ = ours;
            return {};
        case Output::discard:
            collector.number_ = -1;
            return {};
        case Output::file: {
            auto file = open_output(path, name);
            if (!file) {
                return fail(file.error());
            }
            collector.theirs_ = std::move(*file);
            break;
        }
        case Output::capture: {
            const TaskExtras& extras = task_->extras();
            const Host& host = context_.host;
            collector.spool_.begin(
                {extras.capture_bytes != 0 ? extras.capture_bytes : host.capture_bytes,
                 extras.output_bytes != 0 ? extras.output_bytes : host.output_bytes},
                extras.spill_dir.empty() ? host.spill_dir : extras.spill_dir, name);
            [[fallthrough]];
        }
        case Output::callback: {
            auto pipe = proc::make_pipe(proc::OurEnd::reader);
            if (!pipe) {
                return fail(pipe.error());
            }
            collector.pipe_ = std::move(pipe->reader);
            collector.theirs_ = std::move(pipe->writer);
            break;
        }
    }
    collector.number_ = collector.theirs_.get();
    return {};
}

Result<void> Run::prepare_cgroup() {
    const Limits& limits = task_->extras().limits;
    if (!limits.needs_cgroup()) {
        return {};
    }
    Host& host = context_.host;
    const std::string name = host.cgroup_prefix + std::to_string(host.cgroup_serial.fetch_add(1));
    auto made = TaskCgroup::create(host.cgroups, limits, name);
    if (!made) {
        return fail(made.error());
    }
    cgroup_.emplace(std::move(*made));
    entrances_ = cgroup_->entrances();
    return {};
}

Result<void> Run::start_programs() {
    const std::size_t count = task_->stage_count();
    stages_.assign(count, Ending{});
    base::Fd from = std::move(input_);
    int in = task_->stdin_kind() == Input::inherit ? STDIN_FILENO : from.get();
    for (std::size_t i = 0; i < count; ++i) {
        proc::Pipe next;
        int out = out_.number_;
        if (i + 1 < count) {
            auto pipe = proc::make_pipe(proc::OurEnd::neither);
            if (!pipe) {
                return fail(pipe.error());
            }
            next = std::move(*pipe);
            out = next.writer.get();
        }
        if (auto done = start_stage(i, in, out); !done) {
            return done;
        }
        from = std::move(next.reader);
        in = from.get();
    }
    return {};
}

Result<void> Run::start_stage(std::size_t index, int in, int out) {
    proc::SpawnPlan plan = context_.launch.plan_for(task_->stage(index));
    plan.in = in;
    plan.out = out;
    plan.err = err_.number_;
    plan.group = index == 0 ? proc::Group::own : proc::Group::join;
    plan.group_id = group_.group_id();
    plan.guard = group_.guard_slot();
    plan.terminal = foreground_ && index == 0 ? STDIN_FILENO : -1;
    plan.cgroup_procs = entrances_;
    plan.memory_limit = task_->extras().limits.resident_bytes;
    auto spawned = context_.spawner.spawn(plan);
    if (!spawned) {
        return fail(spawned.error());
    }
    if (auto adopted = group_.adopt(std::move(*spawned)); !adopted) {
        return adopted;
    }
    ++running_;
    ran_ = true;
    return {};
}

Result<void> Run::watch() {
    for (Collector* collector : {&out_, &err_}) {
        if (collector->pipe_) {
            collector->theirs_.reset();  // else we would never see the end
            auto opened = collector->reader_.open(context_.loop, std::move(collector->pipe_),
                                                  context_.read_buffer, *collector);
            if (!opened) {
                return opened;
            }
            group_.attach(collector->reader_);
        }
    }
    if (input_writer_) {
        const std::span<const char> rest = std::span(task_->extras().input).subspan(input_written_);
        auto opened =
            feeder_.open(context_.loop, std::move(input_writer_), std::as_bytes(rest), nullptr);
        if (!opened) {
            return opened;
        }
    }
    if (task_->timeout().count() > 0) {
        context_.loop.set(deadline_, base::later(began_, task_->timeout()));
    }
    return {};
}

void Run::on_exit(proc::ChildGroup& /*group*/, std::size_t index, const proc::Exit& exit) noexcept {
    assert(index < stages_.size() && running_ > 0);
    stages_[index] = {exit.signaled ? End::signaled : End::exited, exit.code};
    --running_;
    if (running_ == 0) {
        release_output();  // a pipe that is full, or its end
    }
    ended_ = exit.at;
    if (exit.lost && !error_) {
        error_ = Error(Domain::process, Code::unsupported, Fault::user,
                       "the program ran, but how it ended is lost: another part of this process "
                       "waited for it, or set SIGCHLD to be ignored; let only the pool do that");
    }
    user_ += exit.user;
    system_ += exit.system;
    max_rss_ = std::max(max_rss_, exit.max_rss_bytes);
}

void Run::on_ended(proc::ChildGroup& /*group*/) noexcept { finish(); }

Ending Run::ending_of_programs() const {
    const auto failed = std::ranges::find_if(stages_.rbegin(), stages_.rend(),
                                             [](const Ending& stage) { return !stage.ok(); });
    return failed == stages_.rend() ? Ending{End::exited, 0} : *failed;
}

Ending Run::verdict() {
    if (error_) {
        return {End::not_started, 0};
    }
    if (reason_) {
        return {*reason_ == CancelReason::timed_out ? End::timed_out : End::cancelled, 0};
    }
    const Ending ending = ending_of_programs();
    if (!cgroup_) {
        return output_lost_ ? Ending{End::output_lost, 0} : ending;
    }
    if (const std::uint64_t refused = cgroup_->refused_processes(); refused > 0) {
        notes_.push_back("the limit of processes was met " + std::to_string(refused) + " times");
    }
    const std::uint64_t kills = cgroup_->oom_kills();
    if (kills > 0 && !ending.ok()) {
        return {End::out_of_memory, 0};
    }
    if (output_lost_) {
        return {End::output_lost, 0};
    }
    if (kills > 0) {
        notes_.push_back("the kernel ended " + std::to_string(kills) +
                         " processes of the task for lack of memory; the program went on");
    }
    return ending;
}

void Run::measure_memory(Attempt& attempt) {
    if (cgroup_) {
        if (const auto peak = cgroup_->peak_memory()) {
            attempt.peak_memory = {*peak, PeakMemory::Source::cgroup};
            return;
        }
    }
    if (max_rss_ > 0) {
        attempt.peak_memory = {max_rss_, context_.high_water.below(max_rss_)
                                             ? PeakMemory::Source::rusage
                                             : PeakMemory::Source::at_most};
    }
}

/// Puts a note for each stream that is incomplete. @return the first, as an error.
std::optional<Error> Run::name_losses() {
    std::optional<Error> first;
    for (const Collector* collector : {&out_, &err_}) {
        if (std::optional<Error> loss = collector->spool_.loss()) {
            notes_.push_back(loss->sentence());
            if (!first) {
                first = std::move(loss);
            }
        }
    }
    return first;
}

Captured Run::collected(Collector& collector) {
    if (collector.kind_ == Output::capture) {
        return collector.spool_.take();
    }
    struct ::stat status{};
    if (collector.kind_ == Output::file && collector.number_ >= 0 &&
        ::fstat(collector.number_, &status) == 0 && S_ISREG(status.st_mode)) {
        const TaskExtras& extras = task_->extras();
        return Captured::in_file(
            collector.stream_ == Stream::out ? extras.out_path : extras.err_path,
            static_cast<std::uint64_t>(status.st_size));
    }
    return {};
}

void Run::finish() noexcept {
    context_.loop.cancel(deadline_);
    const bool by_itself =
        std::ranges::all_of(stages_, [](const Ending& stage) { return stage.end == End::exited; });
    terminal_.take_back(*context_.host.guardian, ran_, by_itself);
    AttemptResult result;
    Attempt& attempt = result.attempt;
    if (cgroup_) {
        cgroup_->kill_all();  // who left the process group did not leave this one
    }
    attempt.ending = verdict();
    attempt.error = std::move(error_);
    if (std::optional<Error> loss = name_losses(); attempt.ending.end == End::output_lost) {
        attempt.error = std::move(loss);
    }
    if (task_->kind() == Kind::pipeline && ran_) {
        attempt.stages = stages_;
    }
    attempt.started = started_;
    attempt.wall = ended_ - began_;
    attempt.user = user_;
    attempt.system = system_;
    measure_memory(attempt);
    if (ran_) {
        attempt.containment = cgroup_ ? Containment::cgroup : Containment::process_group;
        if (!guarded_) {
            notes_.emplace_back(
                "not guarded: the guardian's table is full, so the task's programs "
                "would outlive a kill -9 of this process");
        }
    }
    attempt.where = context_.host.where;
    result.out = collected(out_);
    result.err = collected(err_);
    attempt.notes = std::move(notes_);
    clear();
    observer_.on_result(*this, std::move(result));
}

void Run::clear() noexcept {
    for (Collector* collector : {&out_, &err_}) {
        collector->reader_.close();
        collector->pipe_.reset();
        collector->theirs_.reset();
        collector->number_ = -1;
        collector->kind_ = Output::discard;
        collector->spool_.restart();
    }
    feeder_.close();
    input_.reset();
    input_writer_.reset();
    input_written_ = 0;
    cgroup_.reset();
    entrances_.clear();
    running_ = 0;
    error_.reset();
    output_lost_ = false;
    reason_.reset();
    notes_.clear();
    foreground_ = false;
    ran_ = false;
    user_ = system_ = std::chrono::nanoseconds(0);
    max_rss_ = 0;
}

}  // namespace repartir::exec
