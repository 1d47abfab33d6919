// SPDX-License-Identifier: MIT
// What becomes of tasks and calls.
#include <algorithm>
#include <exception>
#include <utility>

#include "core/retry.hpp"
#include "exec/remote/engine.hpp"
#include "exec/remote/link.hpp"
#include "repartir/codec.hpp"
#include "repartir/detail/remote_call.hpp"
#include "repartir/function.hpp"
#include "wire/dispatch.hpp"
#include "wire/limits.hpp"
#include "wire/task.hpp"

namespace repartir::exec {
namespace {

constexpr std::uint64_t output_bytes_default = 1ULL << 30U;

Stream stream_of(wire::Channel channel) {
    return channel == wire::Channel::out ? Stream::out : Stream::err;
}

bool streams(const Task& task) { return task.extras().on_output != nullptr; }

std::unique_ptr<base::Spool> spool_for(const Task& task, const std::string& folder, bool is_out,
                                       std::uint64_t capture_bytes) {
    const TaskExtras& extras = task.extras();
    const base::SpoolLimits limits{
        extras.capture_bytes != 0 ? extras.capture_bytes : capture_bytes,
        extras.output_bytes != 0 ? extras.output_bytes : output_bytes_default};
    return std::make_unique<base::Spool>(
        limits, extras.spill_dir.empty() ? folder : extras.spill_dir, is_out ? "stdout" : "stderr");
}

Captured captured(std::unique_ptr<base::Spool>& spool, client::Tail& tail) {
    if (!spool) {
        return Captured(std::move(tail.bytes), tail.lost);
    }
    if (tail.offset == 0) {
        spool->restart();
    }
    spool->append(tail.bytes);
    spool->lose(tail.lost);
    return spool->take();
}

core::Demand demand_of(const Task& task) {
    core::Demand demand = core::demand_of(task);
    demand.backend = Backend::any;  // at the worker it is a task like any other
    demand.affinity = Affinity::none;
    if (std::exchange(demand.shader, false)) {  // there it is the call of a function
        demand.cpu_fallback = false;
        demand.cores = 0;
    }
    return demand;
}

Attempt attempt_of(const client::Finished& finished, std::chrono::system_clock::time_point now) {
    Result<Attempt> attempt = wire::to_attempt(finished.report, now);
    if (attempt) {
        return *std::move(attempt);
    }
    Attempt broken;
    broken.error = attempt.error();
    return broken;
}

}  // namespace

void Engine::start(const AttemptId& id, const Task& task, std::string&& shader, AttemptSink& sink) {
    if (!ask(StartTask{id, &task, std::move(shader), &sink})) {
        AttemptResult over;
        over.attempt.ending = {repartir::End::cancelled, 0};
        sink.finished(id, std::move(over));
    }
}

void Engine::cancel(const AttemptId& id, bool force) { ask(CancelTask{id, force}); }

CallId Engine::call(std::string_view function, std::string_view arguments,
                    const CallOptions& options, std::shared_ptr<CallSink> sink) {
    const CallId id = ++last_call_;
    if (!ask(StartCall{id, std::string(function), std::string(arguments), options, sink})) {
        sink->returned(fail(Error(Domain::scheduler, Code::shut_down, Fault::user,
                                  "the pool is shut down and calls no more functions")));
    }
    return id;
}

void Engine::cancel(CallId id) { ask(CancelCall{id}); }

void Engine::handle(StartTask& request) {
    const Task& task = *request.task;
    Job& job = jobs_.emplace(request.id, Job{&task, request.sink, nullptr, nullptr, 0, {}, {}})
                   .first->second;
    ++at_workers_;
    client::Order order;
    order.demand = demand_of(task);
    order.priority = task.priority();
    if (task.extras().dispatch) {
        job.outputs.emplace(*task.extras().dispatch);
        order.function = reactor_.function_number(wire::shader_function);
        wire::append_shader(order.task, request.id, task, request.shader,
                            order.demand.memory_bytes);
    } else {
        wire::append_task(order.task, request.id, task, streams(task));
    }
    reactor_.start(request.id, std::move(order), loop_->now());
}

void Engine::handle(CancelTask& request) {
    reactor_.cancel(request.id, request.force, loop_->now(), outbox_);
}

/// Hands a task's callback what it has not had of a piece: over a new connection a worker sends all
/// of it again.
void Engine::pass_on(Job& job, std::uint64_t lease, Stream stream, std::uint64_t offset,
                     std::string_view bytes) {
    if (lease != std::exchange(job.lease, lease)) {
        job.heard = {};  // it runs anew
    }
    std::uint64_t& heard = job.heard[std::to_underlying(stream)];
    const std::uint64_t end = offset + bytes.size();
    if (end <= heard) {
        return;
    }
    bytes.remove_prefix(offset < heard ? heard - offset : 0);
    heard = end;
    try {
        job.task->extras().on_output(stream, bytes);
    } catch (...) {  // contract of OutputCallback
    }
}

void Engine::take_output(Job& job, wire::Channel channel, std::uint64_t offset,
                         std::string_view bytes) {
    const bool is_out = channel == wire::Channel::out;
    std::unique_ptr<base::Spool>& spool = is_out ? job.out : job.err;
    if (!spool) {
        spool = spool_for(*job.task, spill_dir_, is_out, limits_.capture_bytes);
    }
    if (offset == 0) {
        spool->restart();
    }
    spool->append(bytes);
}

Error Engine::too_large(const Call& call) const {
    return Error(Domain::function, Code::too_large, Fault::task,
                 "the function '" + call.request.function + "' gave more than " +
                     std::to_string(limits_.value_bytes_max) +
                     " bytes: have it write a file, or raise value_bytes_max");
}

void Engine::carry_out(client::Output& effect) {
    if (const auto job = jobs_.find(effect.attempt); job != jobs_.end()) {
        if (job->second.outputs) {
            job->second.outputs->take(effect.offset, effect.bytes);
            return;
        }
        if (streams(*job->second.task)) {
            pass_on(job->second, effect.lease, stream_of(effect.channel), effect.offset,
                    effect.bytes);
            return;
        }
        take_output(job->second, effect.channel, effect.offset, effect.bytes);
    } else if (const auto found = tries_.find(effect.attempt); found != tries_.end()) {
        const Call& call = calls_.find(found->second)->second;
        if (Result<void> kept = take(call, effect.offset, effect.total, effect.bytes); !kept) {
            reactor_.cancel(effect.attempt, true, loop_->now(), outbox_);  // the rest is for nobody
            end_call(found->second, std::move(kept));
        }
    }
}

/// Hands a piece of what a function gave to its caller. Errors: too_large, and the caller's
Result<void> Engine::take(const Call& call, std::uint64_t offset, std::uint64_t total,
                          std::string_view bytes) const {
    if (std::max(total, offset + bytes.size()) > limits_.value_bytes_max) {
        return fail(too_large(call));
    }
    return call.request.sink->take(offset, total, bytes);
}

void Engine::carry_out(client::Finished& effect) {
    if (const auto job = jobs_.find(effect.attempt); job != jobs_.end()) {
        end_task(job, effect);
    } else if (const auto found = tries_.find(effect.attempt); found != tries_.end()) {
        end_call_try(calls_.find(found->second)->second, effect);
    }
}

void Engine::carry_out(client::Returned& effect) {
    if (const auto job = jobs_.find(effect.attempt); job != jobs_.end()) {
        AttemptSink& sink = *job->second.sink;
        jobs_.erase(job);
        --at_workers_;
        sink.returned(effect.attempt);
    } else if (const auto found = tries_.find(effect.attempt); found != tries_.end()) {
        Call& call = calls_.find(found->second)->second;  // it can run nowhere else
        tries_.erase(found);
        call.state.withdraw();
        begin_call(call);
    }
}

void Engine::end_task(Jobs::iterator found, client::Finished& finished) {
    const AttemptId id = found->first;
    Job job = std::move(found->second);
    jobs_.erase(found);
    --at_workers_;
    AttemptResult result;
    result.attempt = attempt_of(finished, std::chrono::system_clock::now());
    if (job.outputs) {
        end_shader(*job.outputs, finished.value, result);
    } else if (streams(*job.task)) {
        pass_on(job, finished.lease, Stream::out, finished.out.offset, finished.out.bytes);
        pass_on(job, finished.lease, Stream::err, finished.err.offset, finished.err.bytes);
    } else {
        const std::optional<Error> loss = job.out && job.out->loss()   ? job.out->loss()
                                          : job.err && job.err->loss() ? job.err->loss()
                                                                       : std::nullopt;
        result.out = captured(job.out, finished.out);
        result.err = captured(job.err, finished.err);
        if (loss) {
            result.attempt.ending = {repartir::End::output_lost, 0};
            result.attempt.error = loss;
        }
    }
    job.sink->finished(id, std::move(result));
}

/// Has what a shader gave in the result.
void Engine::end_shader(ShaderOutputs& outputs, const client::Tail& value, AttemptResult& result) {
    if (!result.attempt.ending.ok()) {
        return;
    }
    Result<std::vector<gpu::Bytes>> buffers = outputs.finish(value.offset, value.bytes);
    if (buffers) {
        result.buffers = *std::move(buffers);
    } else {
        result.attempt.ending = {repartir::End::output_lost, 0};
        result.attempt.error = buffers.error();
    }
}

void Engine::handle(StartCall& request) {
    const CallId id = request.id;
    Call& call = calls_[id];
    call.request = std::move(request);
    call.task = TaskId{job_, element_};
    if (++element_ == 0) {
        job_ = JobId::random();
    }
    begin_call(call);
}

void Engine::begin_call(Call& call) {
    call.due = base::BootTime(0);
    const AttemptId attempt = call.state.begin(call.task, issuer_);
    tries_.emplace(attempt, call.request.id);
    client::Order order;
    wire::append_call(order.task, attempt, call.request.function, call.request.arguments,
                      call.request.options.timeout, call.request.options.priority);
    order.priority = call.request.options.priority;
    order.function = reactor_.function_number(call.request.function);
    reactor_.start(attempt, std::move(order), loop_->now());
}

void Engine::end_call_try(Call& call, client::Finished& finished) {
    const CallId id = call.request.id;
    tries_.erase(finished.attempt);
    const Attempt attempt = attempt_of(finished, {});  // nobody asks when it was
    if (attempt.error && attempt.error->fault() == Fault::node) {
        call.lost.push_back(attempt);
    }
    const auto delay = call.state.ended(attempt, call.request.options.retry, random_);
    if (delay) {
        wait_for_next_try(call, *delay);
        return;
    }
    const auto& name = call.request.function;
    if (attempt.ending.end == repartir::End::timed_out) {
        end_call(id, fail(detail::timed_out_error(name, call.request.options.timeout)));
    } else if (attempt.ending.end == repartir::End::cancelled) {
        end_call(id, fail(detail::cancelled_error()));
    } else if (call.state.poisoned()) {
        end_call(id, fail(core::poison(call.lost)));
    } else if (attempt.error) {
        end_call(id, fail(*attempt.error));
    } else if (finished.value.lost != 0) {
        end_call(id, fail(Error(Domain::function, Code::io_error, Fault::node,
                                "what the function '" + name + "' gave was lost by its worker")));
    } else {
        const auto& [offset, bytes, lost] = finished.value;
        end_call(id, take(call, offset, offset + bytes.size(), bytes));
    }
}

void Engine::wait_for_next_try(Call& call, base::BootTime delay) {
    call.due = base::later(loop_->now(), delay);
    retries_.emplace(call.due, call.request.id);
}

void Engine::handle(CancelCall& request) {
    const auto found = calls_.find(request.id);
    if (found == calls_.end()) {
        return;
    }
    // Its caller wants no result any more: what the worker says of it later is for nobody.
    const Call& call = found->second;
    const AttemptId attempt = call.state.id(call.task, issuer_);
    if (tries_.contains(attempt)) {
        reactor_.cancel(attempt, false, loop_->now(), outbox_);
    }
    end_call(request.id, fail(detail::cancelled_error()));
}

void Engine::end_call(CallId id, Result<void> how) {
    const auto found = calls_.find(id);
    const Call& call = found->second;
    if (call.due.count() != 0) {
        const auto [from, to] = retries_.equal_range(call.due);
        retries_.erase(std::find_if(from, to, [id](const auto& one) { return one.second == id; }));
    }
    tries_.erase(call.state.id(call.task, issuer_));
    call.request.sink->returned(std::move(how));
    calls_.erase(found);
}

}  // namespace repartir::exec
