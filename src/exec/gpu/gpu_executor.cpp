// SPDX-License-Identifier: MIT
#include "repartir/gpu_executor.hpp"

#include <cstdlib>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/clock.hpp"
#include "exec/gpu/child_host.hpp"
#include "exec/gpu/deadlines.hpp"
#include "exec/gpu/kept_pipelines.hpp"
#include "exec/gpu/kernel/fit.hpp"
#include "exec/gpu/kernel/kernels.hpp"
#include "exec/gpu/local_host.hpp"

namespace repartir {
namespace {

Error refusal(std::string sentence) {
    return Error(Domain::gpu, Code::unsupported, Fault::user, std::move(sentence));
}

/// @return how an attempt ended. @param how but not_begun
AttemptResult result_of(gpu::Ended&& how) {
    AttemptResult result;
    result.attempt.error = std::move(how.error);
    switch (how.how) {
        case gpu::Ended::How::done:
            result.attempt.ending = {End::exited, 0};
            result.buffers = std::move(how.buffers);
            break;
        case gpu::Ended::How::failed:
        case gpu::Ended::How::not_begun:
            result.attempt.ending = {End::not_started, 0};
            break;
        case gpu::Ended::How::lost:
            result.attempt.ending = {End::device_failed, 0};
            break;
        case gpu::Ended::How::hung:
            result.attempt.ending = {End::timed_out, 0};
            break;
    }
    return result;
}

}  // namespace

class GpuExecutor::Impl final : public gpu::HostSink {
  public:
    explicit Impl(GpuOptions options) : options_(std::move(options)) {}
    [[nodiscard]] Result<void> open();
    void ended(std::uint64_t id, gpu::Ended&& how) noexcept override;
    [[nodiscard]] Result<gpu::KernelPtr> check(const Task& task);
    void start(const AttemptId& id, const Task& task, AttemptSink& sink);
    void cancel(const AttemptId& id, CancelReason reason);
    void shutdown();

    [[nodiscard]] const GpuOptions& options() const noexcept { return options_; }
    [[nodiscard]] gpu::Host& host() noexcept { return *host_; }

  private:
    struct Running {
        AttemptId attempt;
        AttemptSink* sink = nullptr;
        std::chrono::system_clock::time_point started;
        base::BootTime since{};
        std::optional<gpu::Deadlines::Place> deadline{};
    };
    using RunningTasks = std::unordered_map<std::uint64_t, Running>;

    [[nodiscard]] Result<void> open_child();
    [[nodiscard]] std::string host_program() const;
    [[nodiscard]] Running leave(RunningTasks::iterator found);
    void finish(const Running& running, AttemptResult&& result) const noexcept;

    const GpuOptions options_;
    gpu::Kernels kernels_;
    std::unique_ptr<gpu::Host> host_;
    std::mutex mutex_;  ///< guards what follows
    RunningTasks running_;
    std::uint64_t last_ = 0;
    gpu::Deadlines deadlines_{[this](const AttemptId& id) { cancel(id, CancelReason::timed_out); }};
};

Result<void> GpuExecutor::Impl::open() {
    if (!options_.in_process) {
        return open_child();
    }
    gpu::LocalHostOptions local;
    local.discovery.allow_cpu = options_.allow_cpu;
    local.device = options_.device;
    local.dispatch_time_max = options_.dispatch_time_max;
    local.cache_folder = options_.cache_folder.value_or(gpu::default_cache_folder());
    Result<std::unique_ptr<gpu::LocalHost>> host = gpu::LocalHost::open(local, *this);
    if (!host) {
        return fail(host.error());
    }
    host_ = *std::move(host);
    return {};
}

Result<void> GpuExecutor::Impl::open_child() {
    constexpr std::chrono::milliseconds grace{5'000};  // for the child to say it itself
    gpu::ChildHostOptions child;
    child.program = host_program();
    child.arguments = {"repartir", "gpu-host"};
    child.open = {options_.device, options_.allow_cpu, options_.dispatch_time_max,
                  options_.cache_folder.value_or(gpu::default_cache_folder())};
    child.silence_max = options_.dispatch_time_max + grace;
    Result<std::unique_ptr<gpu::ChildHost>> host = gpu::ChildHost::open(child, *this);
    if (!host && host.error().code() == Code::not_found && host.error().domain() != Domain::gpu) {
        return fail(Error(Domain::gpu, Code::not_found, Fault::user,
                          "the program that hosts GPUs, " + child.program +
                              ", is not there: name the repartir program with"
                              " GpuOptions::host_program or REPARTIR_GPU_HOST, or have the driver"
                              " work in this process with in_process",
                          host.error()));
    }
    if (!host) {
        return fail(host.error());
    }
    host_ = *std::move(host);
    return {};
}

std::string GpuExecutor::Impl::host_program() const {
    if (!options_.host_program.empty()) {
        return options_.host_program;
    }
    const char* named = std::getenv("REPARTIR_GPU_HOST");
    return named != nullptr && *named != '\0' ? named : "repartir";
}

Result<gpu::KernelPtr> GpuExecutor::Impl::check(const Task& task) {
    if (!task.extras().dispatch) {
        return fail(refusal("a GPU runs shaders, not programs"));
    }
    const gpu::Dispatch& dispatch = *task.extras().dispatch;
    Result<gpu::KernelPtr> kernel =
        kernels_.get(dispatch.shader, dispatch.entry, dispatch.constants);
    if (!kernel) {
        return kernel;
    }
    const gpu::Interface& interface = (*kernel)->interface;
    if (Result<void> fits = gpu::check_arguments(interface, dispatch); !fits) {
        return fail(fits.error());
    }
    if (Result<void> fits =
            gpu::check_device(interface, dispatch, host_->info(), host_->features());
        !fits) {
        return fail(fits.error());
    }
    return kernel;
}

void GpuExecutor::Impl::start(const AttemptId& id, const Task& task, AttemptSink& sink) {
    Running running{id, &sink, std::chrono::system_clock::now(), base::now()};
    Result<gpu::KernelPtr> kernel = check(task);
    if (!kernel) {
        finish(running, result_of({.how = gpu::Ended::How::failed, .error = kernel.error()}));
        return;
    }
    const gpu::Dispatch& dispatch = *task.extras().dispatch;
    gpu::Work work;
    work.priority = task.priority();
    work.kernel = *std::move(kernel);
    work.workgroups = dispatch.workgroups;
    work.buffers = dispatch.buffers;
    work.push = dispatch.push;
    {
        const std::lock_guard lock(mutex_);
        work.id = ++last_;
        Running& kept = running_.emplace(work.id, running).first->second;
        if (task.timeout().count() > 0) {
            kept.deadline =
                deadlines_.add(base::later(running.since, task.timeout()), running.attempt);
        }
    }
    host_->start(std::move(work));
}

GpuExecutor::Impl::Running GpuExecutor::Impl::leave(RunningTasks::iterator found) {
    const Running running = found->second;
    if (running.deadline) {
        deadlines_.remove(*running.deadline);
    }
    running_.erase(found);
    return running;
}

void GpuExecutor::Impl::ended(std::uint64_t id, gpu::Ended&& how) noexcept {
    std::unique_lock lock(mutex_);
    const auto found = running_.find(id);
    if (found == running_.end()) {
        return;  // its end was told before the device's
    }
    const Running running = leave(found);
    lock.unlock();
    finish(running, result_of(std::move(how)));
}

void GpuExecutor::Impl::finish(const Running& running, AttemptResult&& result) const noexcept {
    result.attempt.started = running.started;
    result.attempt.wall = base::now() - running.since;
    if (host_) {
        result.attempt.where = host_->info().name;
    }
    running.sink->finished(running.attempt, std::move(result));
}

void GpuExecutor::Impl::cancel(const AttemptId& id, CancelReason reason) {
    std::unique_lock lock(mutex_);
    const auto found =
        std::ranges::find_if(running_, [&](const auto& one) { return one.second.attempt == id; });
    if (found == running_.end()) {
        return;
    }
    const std::uint64_t work = found->first;
    const Running running = leave(found);  // what the device makes of it, nobody waits for
    lock.unlock();
    AttemptResult result;
    result.attempt.ending = {reason == CancelReason::cancelled ? End::cancelled : End::timed_out,
                             0};
    if (!host_->withdraw(work)) {
        result.attempt.notes.emplace_back("the GPU goes on with it");
    }
    finish(running, std::move(result));
}

void GpuExecutor::Impl::shutdown() {
    if (host_) {
        host_->close();
    }
    deadlines_.stop();
}

Result<std::unique_ptr<GpuExecutor>> GpuExecutor::create(GpuOptions options) {
    auto impl = std::make_unique<Impl>(std::move(options));
    if (Result<void> opened = impl->open(); !opened) {
        return fail(opened.error());
    }
    return std::unique_ptr<GpuExecutor>(new GpuExecutor(std::move(impl)));
}

GpuExecutor::GpuExecutor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

GpuExecutor::~GpuExecutor() { impl_->shutdown(); }

const gpu::DeviceInfo& GpuExecutor::device() const noexcept { return impl_->host().info(); }

Capabilities GpuExecutor::capabilities() const {
    Capabilities can;
    can.backend = Backend::gpu;
    can.slots = impl_->options().tasks_max;
    can.memory_bytes = device().memory_bytes;
    can.description = device().name;
    return can;
}

Result<void> GpuExecutor::accepts(const Task& task) const {
    const Result<gpu::KernelPtr> kernel = impl_->check(task);
    return kernel ? Result<void>() : fail(kernel.error());
}

void GpuExecutor::start(const AttemptId& id, const Task& task, AttemptSink& sink) {
    impl_->start(id, task, sink);
}

void GpuExecutor::cancel(const AttemptId& id, CancelReason reason, bool /*force*/) {
    impl_->cancel(id, reason);
}

void GpuExecutor::help(const Awaited& until) { impl_->host().help(until); }

void GpuExecutor::shutdown() { impl_->shutdown(); }

}  // namespace repartir
