// SPDX-License-Identifier: MIT
#include "worker/daemon/gpus.hpp"

#include <algorithm>
#include <utility>

#include "wire/dispatch.hpp"

namespace repartir::worker {

Result<Gpus> Gpus::open(const std::vector<GpuOptions>& options) {
    Gpus all;
    for (const GpuOptions& one : options) {
        Result<std::unique_ptr<GpuExecutor>> executor = GpuExecutor::create(one);
        if (executor) {
            all.gpus_.push_back({*std::move(executor), 0});
        } else if (one.required) {
            return fail(executor.error());
        } else {
            all.left_out_.push_back(executor.error());
        }
    }
    return all;
}

std::uint32_t Gpus::tasks_max() const noexcept {
    std::uint32_t all = 0;
    for (const Gpu& gpu : gpus_) {
        all += gpu.executor->capabilities().slots;
    }
    return all;
}

std::vector<std::string> Gpus::names() const {
    std::vector<std::string> all;
    for (const Gpu& gpu : gpus_) {
        all.push_back(gpu.executor->device().name);
    }
    return all;
}

Result<Task> Gpus::task_of(std::string_view arguments) {
    Result<gpu::Dispatch> dispatch = wire::read_dispatch(arguments);
    if (!dispatch) {
        return fail(dispatch.error());
    }
    Task task = Task::shader(dispatch->shader, dispatch->entry);
    task.workgroups(dispatch->workgroups[0], dispatch->workgroups[1], dispatch->workgroups[2]);
    task.push_bytes(dispatch->push);
    for (gpu::BufferArgument& buffer : dispatch->buffers) {
        switch (buffer.use) {
            case gpu::BufferUse::in:
                task.input_buffer(std::move(buffer.from));
                break;
            case gpu::BufferUse::out:
                task.output_buffer(buffer.bytes);
                break;
            case gpu::BufferUse::in_out:
                task.inout_buffer(std::move(buffer.from));
                break;
        }
    }
    return task;
}

Result<void> Gpus::start(const AttemptId& id, const Task& task, AttemptSink& sink) {
    std::vector<std::size_t> order(gpus_.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
        order[i] = i;
    }
    std::ranges::sort(order, {}, [&](std::size_t i) { return std::pair(gpus_[i].running, i); });
    std::optional<Error> why_not;
    for (const std::size_t i : order) {
        Gpu& gpu = gpus_[i];
        if (const Result<void> takes = gpu.executor->accepts(task); !takes) {
            why_not = why_not ? why_not : takes.error();
            continue;
        }
        ++gpu.running;
        where_.emplace(id, i);
        gpu.executor->start(id, task, sink);
        return {};
    }
    return fail(why_not.value_or(
        Error(Domain::gpu, Code::unsupported, Fault::user, "there is no GPU that runs shaders")));
}

void Gpus::cancel(const AttemptId& id) {
    if (const auto found = where_.find(id); found != where_.end()) {
        gpus_[found->second].executor->cancel(id, CancelReason::cancelled, true);
    }
}

void Gpus::ended(const AttemptId& id) {
    if (const auto found = where_.find(id); found != where_.end()) {
        --gpus_[found->second].running;
        where_.erase(found);
    }
}

void Gpus::shutdown() {
    for (const Gpu& gpu : gpus_) {
        gpu.executor->shutdown();
    }
}

}  // namespace repartir::worker
