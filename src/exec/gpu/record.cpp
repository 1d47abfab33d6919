// SPDX-License-Identifier: MIT
/// @file record.cpp How the jobs of an engine become commands.
#include <algorithm>
#include <array>
#include <utility>

#include "exec/gpu/engine.hpp"

namespace repartir::gpu {
namespace {

constexpr VkPipelineStageFlags compute = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT;
constexpr VkPipelineStageFlags transfer = VK_PIPELINE_STAGE_TRANSFER_BIT;
constexpr VkPipelineStageFlags host = VK_PIPELINE_STAGE_HOST_BIT;

/// What a stage does with memory.
struct Accesses {
    VkPipelineStageFlags stage;
    VkAccessFlags reads, writes;
};
constexpr std::array all_accesses{
    Accesses{compute, VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_UNIFORM_READ_BIT,
             VK_ACCESS_SHADER_WRITE_BIT},
    Accesses{transfer, VK_ACCESS_TRANSFER_READ_BIT, VK_ACCESS_TRANSFER_WRITE_BIT},
    Accesses{host, VK_ACCESS_HOST_READ_BIT, VK_ACCESS_HOST_WRITE_BIT},
};

VkMemoryBarrier memory_barrier(VkPipelineStageFlags before, VkPipelineStageFlags after) {
    VkMemoryBarrier barrier{};
    barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
    for (const Accesses& one : all_accesses) {
        barrier.srcAccessMask |= (before & one.stage) != 0 ? one.writes : 0;
        barrier.dstAccessMask |= (after & one.stage) != 0 ? one.reads | one.writes : 0;
    }
    return barrier;
}

}  // namespace

Result<VkCommandBuffer> Engine::spare_commands() {
    std::vector<VkCommandBuffer>& spare = setups_.spare_commands();
    if (!spare.empty()) {
        VkCommandBuffer commands = spare.back();
        spare.pop_back();
        return commands;
    }
    VkCommandBufferAllocateInfo wanted{};
    wanted.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
    wanted.commandPool = pool_.get();
    wanted.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    wanted.commandBufferCount = 1;
    VkCommandBuffer commands = nullptr;
    if (const VkResult made =
            device_.call.allocate_command_buffers(device_.handle(), &wanted, &commands);
        made != VK_SUCCESS) {
        return fail(driver_error("vkAllocateCommandBuffers", made));
    }
    return commands;
}

Result<VkCommandBuffer> Engine::commands_for(Batch& batch) {
    Running& first = batch.jobs.front();
    Setup::Recorded& kept = first.setup->recorded;
    const bool alone = batch.jobs.size() == 1 && first.setup->repeats();
    if (alone && kept.valid && kept.workgroups == first.job.workgroups &&
        kept.push == first.job.push) {
        return kept.commands;
    }
    const bool again = alone && ++kept.times > 1;  // commands are kept for what comes again
    VkCommandBuffer commands = again ? kept.commands : nullptr;
    if (commands == nullptr) {
        Result<VkCommandBuffer> spare = spare_commands();
        if (!spare) {
            return spare;
        }
        commands = *spare;
        (again ? kept.commands : batch.commands) = commands;
    }
    kept.valid = false;
    if (Result<void> recorded = record(commands, batch.jobs); !recorded) {
        return fail(recorded.error());
    }
    if (again) {
        kept.workgroups = first.job.workgroups;
        kept.push = first.job.push;
        kept.valid = true;
    }
    return commands;
}

Result<void> Engine::record(VkCommandBuffer into, const std::vector<Running>& jobs) {
    VkCommandBufferBeginInfo begin{};
    begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    if (const VkResult begun = device_.call.begin_command_buffer(into, &begin);
        begun != VK_SUCCESS) {
        return fail(driver_error("vkBeginCommandBuffer", begun));
    }
    for (const Running& one : jobs) {  // what the host wrote is there from the submission on
        one.setup->record_uploads(into, one.job);
    }
    if (std::ranges::any_of(jobs, [](const Running& one) { return one.setup->uploads(); })) {
        barrier(into, transfer, compute);
    }
    record_dispatches(into, jobs);
    if (std::ranges::any_of(jobs, [](const Running& one) { return one.setup->downloads(); })) {
        barrier(into, compute, transfer | host);
        for (const Running& one : jobs) {
            one.setup->record_downloads(into, one.job);
        }
        barrier(into, transfer, host);
    } else {
        barrier(into, compute, host);
    }
    if (const VkResult ended = device_.call.end_command_buffer(into); ended != VK_SUCCESS) {
        return fail(driver_error("vkEndCommandBuffer", ended));
    }
    return {};
}

void Engine::fill_fresh(VkCommandBuffer into, const Job& job) {
    bool any = false;
    for (const Operand& operand : job.operands) {
        if (operand.resident && std::exchange(operand.resident->fresh, false)) {
            device_.call.cmd_fill_buffer(into, operand.resident->region->buffer(), 0, VK_WHOLE_SIZE,
                                         0);
            any = true;
        }
    }
    if (any) {
        barrier(into, transfer, compute);
    }
}

void Engine::record_dispatches(VkCommandBuffer into, const std::vector<Running>& jobs) {
    for (const Running& one : jobs) {
        fill_fresh(into, one.job);
        if (hazard(one.job)) {
            barrier(into, compute, compute);
            ++barriers_;
        }
        if (std::ranges::find(one.job.workgroups, 0U) == one.job.workgroups.end()) {
            one.setup->record_dispatch(into, one.job);
        }
        mark(one.job);
    }
}

bool Engine::hazard(const Job& job) const noexcept {
    return std::ranges::any_of(job.operands, [&](const Operand& operand) {
        if (!operand.resident) {
            return false;
        }
        return operand.resident->written_at == barriers_ ||
               (operand.use != Use::in && operand.resident->read_at == barriers_);
    });
}

void Engine::mark(const Job& job) const noexcept {
    for (const Operand& operand : job.operands) {
        if (operand.resident && operand.use != Use::out) {
            operand.resident->read_at = barriers_;
        }
        if (operand.resident && operand.use != Use::in) {
            operand.resident->written_at = barriers_;
        }
    }
}

void Engine::barrier(VkCommandBuffer into, VkPipelineStageFlags before,
                     VkPipelineStageFlags after) {
    const VkMemoryBarrier all = memory_barrier(before, after);
    device_.call.cmd_pipeline_barrier(into, before, after, 0, 1, &all, 0, nullptr, 0, nullptr);
}

}  // namespace repartir::gpu
