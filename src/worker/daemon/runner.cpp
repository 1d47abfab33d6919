// SPDX-License-Identifier: MIT
#include "worker/daemon/runner.hpp"

#include <algorithm>
#include <utility>

#include "base/anonymous_file.hpp"
#include "repartir/function.hpp"
#include "wire/dispatch.hpp"
#include "wire/limits.hpp"
#include "wire/task.hpp"

namespace repartir::worker {
namespace {

/// Output beyond this goes to a file: thousands of results may wait for their client.
constexpr std::size_t memory_bytes = wire::inline_output_bytes_max;
constexpr std::uint64_t output_bytes_default = 1ULL << 30U;
/// Calls that take no longer are short: less than a thread needs to wake up.
constexpr base::BootTime short_max = std::chrono::microseconds(20);
/// So long may short calls keep the loop waiting, together.
constexpr base::BootTime short_time_max = std::chrono::microseconds(100);

/// @return what is kept of a stream, with the bytes themselves where they are few.
StreamEnd end_of(const Captured& captured) {
    StreamEnd end{captured.size(), captured.lost(), {}};
    if (captured.in_memory() && captured.size() <= wire::inline_output_bytes_max) {
        end.inline_bytes = captured.bytes();
    }
    return end;
}

StreamEnd end_of(const base::Spool& spool) { return {spool.size(), spool.lost(), {}}; }

std::string piece_of(const Captured& captured, std::uint64_t offset, std::uint64_t bytes) {
    std::string piece(bytes, '\0');
    const Result<std::size_t> got = captured.read_at(offset, piece);
    piece.resize(got ? *got : 0);
    return piece;
}

/// @return the same, for who does not know whose disk, limit or device it is.
Error at_worker(const std::string& worker, const Error& why) {
    return Error(why.domain(), why.code(), why.fault(),
                 "on worker '" + worker + "': " + why.sentence());
}

Error not_here(std::string_view what) {
    return Error(Domain::task, Code::invalid_task, Fault::user,
                 "a task that " + std::string(what) +
                     " cannot run on a worker: capture its output, give its input by bytes");
}

}  // namespace

struct Runner::Run final : loop::Timer {
    Run(Runner& owner, const AttemptId& attempt) : runner(owner), id(attempt) {}
    ~Run() override { runner.loop_.cancel(*this); }
    /// A function's time is up.
    void on_timer(base::BootTime /*now*/) noexcept override {
        stop.request_stop();
        runner.end_call(*this, {End::timed_out, 0}, std::nullopt, base::now() - began, true);
        runner.owner_.on_told();
    }

    Runner& runner;
    const AttemptId id;
    std::optional<Task> task;                 // of programs, and of a shader
    bool shader = false;                      // it is one
    ShaderValue buffers;                      // that it gave
    std::unique_ptr<Streamed> streamed;       // of programs whose output is wanted as it comes
    std::array<std::uint64_t, 2> told{};      // of it, how much the owner knows of
    Captured out, err;                        // of other programs, once they ended
    std::stop_source stop{std::nostopstate};  // of a function
    base::BootTime began{0};                  // of a function
    detail::RemoteValue value;                // that a function gave
    bool ended = false;                       // and its owner knows
};

Runner::Runner(loop::Loop& loop, Owner& owner, std::string name)
    : loop_(loop), owner_(owner), name_(std::move(name)), spill_dir_(base::temporary_folder()) {}

Result<std::unique_ptr<Runner>> Runner::create(loop::Loop& loop, Owner& owner,
                                               FunctionTable functions,
                                               const WorkerOptions& options) {
    std::unique_ptr<Runner> runner(new Runner(loop, owner, options.name));
    for (auto& [name, call] : functions) {
        const auto one = runner->functions_.emplace(name, Function{std::move(call)}).first;
        one->second.name = one->first;
    }
    SchedulerOptions crew;
    crew.topology = CpuExecutor::this_machine();
    crew.workers = options.slots;
    if (!runner->functions_.empty()) {
        Result<Scheduler> made = Scheduler::create(crew);
        if (!made) {
            return fail(made.error());
        }
        runner->crew_.emplace(std::move(*made));
    }
    CpuExecutorOptions programs;
    programs.topology = crew.topology;
    programs.slots = options.slots;
    programs.open_files = options.open_files;
    programs.capture_bytes = memory_bytes;
    Result<std::unique_ptr<CpuExecutor>> made = CpuExecutor::create(std::move(programs));
    if (!made) {
        return fail(made.error());
    }
    runner->programs_ = std::move(*made);
    Result<Gpus> gpus = Gpus::open(options.gpus);
    if (!gpus) {
        return fail(gpus.error());
    }
    runner->gpus_ = std::move(*gpus);
    return runner;
}

Runner::~Runner() {
    stop_functions();
    crew_.reset();
    gpus_.shutdown();
    if (programs_ != nullptr) {  // it could be made
        programs_->shutdown();
    }
}

void Runner::start(const AttemptId& id, const std::string& bytes) {
    const auto [place, fresh] = runs_.try_emplace(id, std::make_unique<Run>(*this, id));
    Run& run = *place->second;
    ++running_;
    const Result<wire::TaskView> view = wire::read_task(bytes);
    if (!view) {
        refuse(run, view.error());
        return;
    }
    if (view->work == wire::Work::function) {
        view->program.second == wire::shader_function ? start_shader(run, *view) : call(run, *view);
        return;
    }
    Result<Task> task = wire::to_task(*view);
    if (!task) {
        refuse(run, task.error());
        return;
    }
    if (task->stdin_kind() == Input::inherit || task->stdout_kind() == Output::inherit ||
        task->stderr_kind() == Output::inherit) {
        refuse(run, not_here("uses its submitter's terminal"));
        return;
    }
    run.task = std::move(*task);
    if (view->stream) {
        const TaskExtras& extras = run.task->extras();
        const std::string& folder = extras.spill_dir.empty() ? spill_dir_ : extras.spill_dir;
        const base::SpoolLimits limits{
            memory_bytes, extras.output_bytes != 0 ? extras.output_bytes : output_bytes_default};
        run.streamed = std::make_unique<Streamed>(limits, folder);
        const Output out = run.task->stdout_kind();
        const Output err = run.task->stderr_kind();
        run.task->on_output([this, &run](Stream stream, std::span<const char> text) {
            if (run.streamed->append(stream, text)) {
                programs_->hold_output(run.id);
            }
            tell(Grew{run.id});
        });
        if (out != Output::capture) {
            static_cast<void>(out == Output::file ? run.task->stdout_file(extras.out_path)
                                                  : run.task->stdout_to(out));
        }
        if (err != Output::capture) {
            static_cast<void>(err == Output::file ? run.task->stderr_file(extras.err_path)
                                                  : run.task->stderr_to(err));
        }
    }
    programs_->start(id, *run.task, *this);
}

void Runner::start_shader(Run& run, const wire::TaskView& view) {
    run.shader = true;
    Result<Task> task = Gpus::task_of(view.input);
    if (!task) {
        refuse(run, task.error());
        return;
    }
    run.task = std::move(*task);
    run.task->timeout(view.timeout).priority(view.priority);
    if (Result<void> started = gpus_.start(run.id, *run.task, *this); !started) {
        refuse(run, started.error());
    }
}

void Runner::call(Run& run, const wire::TaskView& view) {
    run.began = loop_.now();
    run.stop = std::stop_source();
    if (view.timeout.count() > 0) {
        loop_.set(run, base::later(run.began, view.timeout));
    }
    Function& function = functions_.find(view.program.second)->second;
    Call call{run.id, &function, std::string(view.input), run.stop.get_token()};
    if (keeps_short_ && function.longest <= short_max &&
        short_time_ + function.longest <= short_time_max) {
        short_time_ += function.longest;
        short_.push_back(std::move(call));
        return;
    }
    call_elsewhere(std::move(call));
}

void Runner::call_elsewhere(Call&& call) {
    auto work = [this, call = std::move(call)] { tell(make(call, base::now())); };
    auto pending = detail::submit_function(crew_->crew(), std::move(work), Priority::normal);
    std::move(pending).detach();
}

void Runner::take_short(std::vector<Call>& calls) {
    calls.swap(short_);
    short_time_ = base::BootTime(0);
}

Runner::Called Runner::make(const Call& call, base::BootTime began) {
    Result<detail::RemoteValue> value = call.stop.stop_requested()
                                            ? fail(detail::cancelled_error())
                                            : call.function->call(call.arguments, call.stop);
    return {call.id, call.function, std::move(value), began, base::now()};
}

/// Ends it at once: whatever has not ended after start() is a program or a function that runs.
void Runner::refuse(Run& run, const Error& why) {
    AttemptResult result;
    result.attempt.ending = {End::not_started, 0};
    result.attempt.error = why;
    result.attempt.started = std::chrono::system_clock::now();
    run.shader ? end_shader(run, std::move(result)) : end_program(run, std::move(result));
}

void Runner::stop(const AttemptId& id, bool force) {
    const auto found = runs_.find(id);
    if (found == runs_.end() || found->second->ended) {
        return;
    }
    Run& run = *found->second;
    if (run.shader) {
        gpus_.cancel(id);
        return;
    }
    if (run.task) {
        programs_->cancel(id, CancelReason::cancelled, force);
        return;
    }
    run.stop.request_stop();
    end_call(run, {End::cancelled, 0}, std::nullopt, base::now() - run.began, true);
    owner_.on_told();
}

void Runner::stop_functions() noexcept {
    for (auto& [id, run] : runs_) {
        run->stop.request_stop();
    }
}

void Runner::forget(const AttemptId& id) { runs_.erase(id); }

detail::Piece Runner::read(const AttemptId& id, wire::Channel channel, std::uint64_t offset,
                           std::uint64_t bytes, std::string& room) {
    const auto found = runs_.find(id);
    if (found == runs_.end()) {
        return {};
    }
    Run& run = *found->second;
    if (channel == wire::Channel::value) {
        return run.shader ? run.buffers.read(offset, bytes, room)
                          : run.value.read(offset, bytes, room);
    }
    const bool is_out = channel == wire::Channel::out;
    if (!run.streamed) {
        room = piece_of(is_out ? run.out : run.err, offset, bytes);
        return {room, nullptr};
    }
    room = run.streamed->take(is_out ? Stream::out : Stream::err, offset, bytes);
    if (run.streamed->resumes()) {
        programs_->release_output(id);
    }
    return {room, nullptr};
}

void Runner::finished(const AttemptId& id, AttemptResult&& result) noexcept {
    tell(Ran{id, std::move(result)});
}

/// From any thread.
void Runner::tell(Event&& event) {
    bool first = false;
    {
        const std::scoped_lock lock(mutex_);
        first = events_.empty();
        events_.push_back(std::move(event));
    }
    if (first) {
        loop_.post([this]() noexcept { told(); });
    }
}

void Runner::told() {
    {
        const std::scoped_lock lock(mutex_);
        telling_.swap(events_);
    }
    for (Event& event : telling_) {
        std::visit([this](auto& one) { on(one); }, event);
    }
    telling_.clear();
    owner_.on_told();
}

void Runner::on(Called& called) {
    base::BootTime& longest = called.function->longest;
    longest = std::max(called.ended - called.began, longest - longest / 8);
    const auto found = runs_.find(called.id);
    if (found == runs_.end() || found->second->ended) {
        owner_.on_freed(called.id);  // it was cancelled, or its time was up: what it gave counts
        return;                      // no more, but its thread is free again
    }
    const base::BootTime took = called.ended - called.began;
    core::RunTimes& times = called.function->times;
    if (times.overdue(took)) {
        owner_.on_overdue(called.function->name, took, times.mean());
    }
    times.ran(took);
    if (called.value) {
        found->second->value = std::move(*called.value);
        end_call(*found->second, {End::exited, 0}, std::nullopt, took, false);
    } else {
        end_call(*found->second, {End::exited, 1}, called.value.error(), took, false);
    }
}

void Runner::end_call(Run& run, Ending ending, std::optional<Error> why, base::BootTime took,
                      bool busy) {
    loop_.cancel(run);
    run.ended = true;
    --running_;
    Ended ended;
    Attempt attempt;
    attempt.ending = ending;
    attempt.error = std::move(why);
    attempt.wall = took;
    attempt.where = name_ + "/function";
    ended.report = wire::to_record(attempt, attempt.wall);
    ended.value.bytes = run.value.size();
    if (run.value.size() <= wire::inline_output_bytes_max) {
        std::string room;
        ended.value.inline_bytes = run.value.read(0, run.value.size(), room).bytes;
    }
    owner_.on_finished(run.id, std::move(ended), busy);
}

void Runner::on(Ran& ran) {
    Run& run = *runs_.at(ran.id);
    run.shader ? end_shader(run, std::move(ran.result)) : end_program(run, std::move(ran.result));
}

void Runner::end_shader(Run& run, AttemptResult&& result) {
    run.ended = true;
    --running_;
    gpus_.ended(run.id);
    Attempt& attempt = result.attempt;
    attempt.where = attempt.where.empty() ? name_ + "/gpu" : name_ + "/" + attempt.where;
    if (attempt.error) {
        attempt.error = at_worker(name_, *attempt.error);
    }
    Ended ended;
    const auto age = std::chrono::system_clock::now() - attempt.started;
    ended.report = wire::to_record(attempt, std::max(age, std::chrono::nanoseconds(0)));
    run.buffers = ShaderValue(std::move(result.buffers));
    ended.value.bytes = run.buffers.size();
    if (ended.value.bytes <= wire::inline_output_bytes_max) {
        std::string room;
        ended.value.inline_bytes = run.buffers.read(0, ended.value.bytes, room).bytes;
    }
    run.task.reset();
    owner_.on_finished(run.id, std::move(ended), false);
}

void Runner::end_program(Run& run, AttemptResult&& result) {
    run.ended = true;
    --running_;
    Attempt& attempt = result.attempt;
    Ended ended;
    if (run.streamed) {
        ended.out = end_of(run.streamed->of(Stream::out));
        ended.err = end_of(run.streamed->of(Stream::err));
        if (const std::optional<Error> loss = run.streamed->loss()) {
            attempt.ending = {End::output_lost, 0};
            attempt.error = loss;
        }
    } else {
        run.out = std::move(result.out);
        run.err = std::move(result.err);
        ended.out = end_of(run.out);
        ended.err = end_of(run.err);
    }
    if (attempt.ending.end == End::output_lost && attempt.error &&
        attempt.error->code() != Code::too_large) {
        attempt.error = at_worker(name_, *attempt.error);
    }
    attempt.where = name_ + "/cpu";
    const auto age = std::chrono::system_clock::now() - attempt.started;
    ended.report = wire::to_record(attempt, std::max(age, std::chrono::nanoseconds(0)));
    run.task.reset();
    owner_.on_finished(run.id, std::move(ended), false);
}

void Runner::on(Grew& grew) {
    const auto found = runs_.find(grew.id);
    if (found == runs_.end() || found->second->ended) {
        return;
    }
    Run& run = *found->second;
    for (const Stream stream : {Stream::out, Stream::err}) {
        const std::uint64_t size = run.streamed->of(stream).size();
        if (size != std::exchange(run.told.at(std::to_underlying(stream)), size)) {
            owner_.on_grew(run.id, stream == Stream::out ? wire::Channel::out : wire::Channel::err,
                           size);
        }
    }
    if (run.streamed->loss()) {
        programs_->cancel(run.id, CancelReason::cancelled, false);
    }
}

}  // namespace repartir::worker
