// SPDX-License-Identifier: MIT
#include "repartir/remote_executor.hpp"

#include <utility>

#include "exec/gpu/kernel/fit.hpp"
#include "exec/gpu/kernel/kernels.hpp"
#include "exec/remote/engine.hpp"
#include "wire/dispatch.hpp"
#include "wire/limits.hpp"

namespace repartir {
namespace {

std::unexpected<Error> stays_here(const char* what, const char* instead) {
    return fail(
        Error(Domain::task, Code::invalid_task, Fault::user,
              std::string("a task that ") + what + " cannot leave this machine: " + instead));
}

}  // namespace

struct RemoteExecutor::Impl {
    /// Compiles a task's shader, and holds what it takes against the task.
    [[nodiscard]] Result<gpu::KernelPtr> check(const gpu::Dispatch& task);

    std::unique_ptr<exec::Engine> engine;
    gpu::Kernels kernels{};
};

Result<gpu::KernelPtr> RemoteExecutor::Impl::check(const gpu::Dispatch& task) {
    Result<gpu::KernelPtr> kernel = kernels.get(task.shader, task.entry, task.constants);
    if (!kernel) {
        return kernel;
    }
    if (Result<void> fits = gpu::check_arguments((*kernel)->interface, task); !fits) {
        return fail(fits.error());
    }
    const std::uint64_t inputs = wire::input_bytes(task);
    if (inputs > wire::input_bytes_max - (*kernel)->words.size() * sizeof(std::uint32_t)) {
        return stays_here("gives a shader more than 15 MiB", "give the pool a GPU of this machine");
    }
    return kernel;
}

RemoteExecutor::RemoteExecutor(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)), door_(std::make_shared<detail::CallDoor>(*this)) {}

RemoteExecutor::~RemoteExecutor() {
    impl_->engine->shutdown();  // who waits inside for a call is told
    door_->close();
}

bool detail::CallDoor::enter() noexcept {
    if ((word_.fetch_add(visitor) & closed) == 0) {
        return true;
    }
    leave();
    return false;
}

void detail::CallDoor::leave() noexcept {
    if (word_.fetch_sub(visitor) == (visitor | closed)) {
        word_.notify_all();
    }
}

void detail::CallDoor::close() noexcept {
    for (std::uint32_t now = word_.fetch_or(closed) | closed; now != closed; now = word_.load()) {
        word_.wait(now);
    }
}

void detail::CallDoor::cancel(CallId id) noexcept {
    if (enter()) {
        executor_.cancel(id);
        leave();
    }
}

bool detail::CallDoor::drive(const StateBase& state) noexcept {
    bool may_wait = true;
    if (enter()) {
        may_wait = executor_.drive(state);
        leave();
    }
    return may_wait;
}

Result<std::unique_ptr<RemoteExecutor>> RemoteExecutor::connect(RemoteOptions options) {
    Result<std::unique_ptr<exec::Engine>> engine = exec::Engine::create(std::move(options));
    if (!engine) {
        return fail(engine.error());
    }
    return std::unique_ptr<RemoteExecutor>(
        new RemoteExecutor(std::unique_ptr<Impl>(new Impl{std::move(*engine)})));
}

Capabilities RemoteExecutor::capabilities() const { return impl_->engine->capabilities(); }

Result<void> RemoteExecutor::accepts(const Task& task) const {
    if (task.extras().dispatch) {
        const Result<gpu::KernelPtr> kernel = impl_->check(*task.extras().dispatch);
        return kernel ? Result<void>() : fail(kernel.error());
    }
    if (!task.extras().buffers.empty()) {
        return stays_here("shares a buffer", "give the bytes as its input");
    }
    if (task.stdin_kind() == Input::inherit) {
        return stays_here("reads its submitter's input",
                          "give the bytes, or a file of the worker's");
    }
    if (task.stdout_kind() == Output::inherit || task.stderr_kind() == Output::inherit) {
        return stays_here("writes to its submitter's terminal", "capture its output");
    }
    if (task.extras().input.size() > wire::input_bytes_max) {
        return stays_here("has more than 15 MiB of input", "have it read a file of the worker's");
    }
    return {};
}

void RemoteExecutor::observe(AttemptSink& sink) { impl_->engine->observe(*this, sink); }

void RemoteExecutor::start(const AttemptId& id, const Task& task, AttemptSink& sink) {
    std::string shader;
    if (task.extras().dispatch) {
        const gpu::Dispatch& dispatch = *task.extras().dispatch;
        const Result<gpu::KernelPtr> kernel = impl_->check(dispatch);
        if (!kernel) {
            AttemptResult refused;
            refused.attempt.ending = {End::not_started, 0};
            refused.attempt.error = kernel.error();
            sink.finished(id, std::move(refused));
            return;
        }
        shader = wire::encode_dispatch(dispatch, (*kernel)->words, (*kernel)->interface.entry);
    }
    impl_->engine->start(id, task, std::move(shader), sink);
}

void RemoteExecutor::cancel(const AttemptId& id, CancelReason /*reason*/, bool force) {
    impl_->engine->cancel(id, force);
}

std::uint32_t RemoteExecutor::give_back(std::uint32_t most) {
    return impl_->engine->give_back(most);
}

void RemoteExecutor::shutdown() { impl_->engine->shutdown(); }

bool RemoteExecutor::on_own_thread() const noexcept { return impl_->engine->on_own_thread(); }

CallId RemoteExecutor::call(std::string_view function, std::string_view arguments,
                            const CallOptions& options, std::shared_ptr<CallSink> sink) {
    return impl_->engine->call(function, arguments, options, std::move(sink));
}

void RemoteExecutor::cancel(CallId id) { impl_->engine->cancel(id); }

bool RemoteExecutor::drive(const detail::StateBase& state) noexcept {
    return impl_->engine->drive(state);
}

}  // namespace repartir
