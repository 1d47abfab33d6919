// SPDX-License-Identifier: MIT
#include "exec/gpu/setup.hpp"

#include <algorithm>
#include <utility>

namespace repartir::gpu {
namespace {

bool goes_in(Use use) { return use != Use::out; }
bool comes_out(Use use) { return use != Use::in; }

void copy(const Device& device, VkCommandBuffer into, VkBuffer from, VkBuffer to,
          std::uint64_t bytes) {
    const VkBufferCopy all{0, 0, bytes};
    device.call.cmd_copy_buffer(into, from, to, 1, &all);
}

}  // namespace

Layout layout_of(const Ways& device, const Operand& operand, bool readable) noexcept {
    if (operand.resident) {
        return {.way = Way::resident};
    }
    if (device.unified && !device.copies) {
        return {.way = operand.imported == nullptr ? Way::direct : Way::in_place};
    }
    if (operand.imported != nullptr) {
        return {.way = Way::imported};
    }
    if (operand.bytes <= near_bytes_max && !device.copies) {
        if (operand.use == Use::in && device.near) {
            return {.way = Way::direct, .bound = Place::near};
        }
        if (operand.use == Use::out && !readable) {  // written by the kernel across the bus, once
            return {.way = Way::direct, .bound = Place::download};
        }
    }
    return {.way = Way::staged, .stage = comes_out(operand.use) ? Place::download : Place::upload};
}

Result<std::unique_ptr<Setup>> Setup::make(const Device& device, Memory& memory, const Ways& ways,
                                           const Job& job) {
    std::unique_ptr<Setup> setup(new Setup(device, job.pipeline));
    if (Result<void> taken = setup->take_regions(memory, ways, job); !taken) {
        return fail(taken.error());
    }
    if (Result<void> made = setup->make_sets(); !made) {
        return fail(made.error());
    }
    return setup;
}

Result<void> Setup::take_regions(Memory& memory, const Ways& ways, const Job& job) {
    for (std::size_t i = 0; i < job.operands.size(); ++i) {
        const Operand& operand = job.operands[i];
        Slot slot;
        slot.layout = layout_of(ways, operand, pipeline_->interface().bindings[i].readable);
        const Way way = slot.layout.way;
        if (way == Way::direct || way == Way::staged || way == Way::imported) {
            Result<RegionPtr> bound = memory.take(slot.layout.bound, operand.bytes);
            if (!bound) {
                return fail(bound.error());
            }
            slot.bound = *std::move(bound);
        }
        if (way == Way::staged) {
            Result<RegionPtr> stage = memory.take(slot.layout.stage, operand.bytes);
            if (!stage) {
                return fail(stage.error());
            }
            slot.stage = *std::move(stage);
        }
        const bool copied = way == Way::staged || way == Way::imported;
        uploads_ = uploads_ || (copied && operand.bytes != 0);
        downloads_ = downloads_ || (copied && comes_out(operand.use) && operand.bytes != 0);
        repeats_ = repeats_ && way != Way::resident;
        slots_.push_back(std::move(slot));
    }
    return {};
}

Result<void> Setup::make_sets() {
    const auto& layouts = pipeline_->set_layouts();
    if (layouts.empty()) {
        return {};
    }
    const auto& bindings = pipeline_->interface().bindings;
    const auto storage = static_cast<std::uint32_t>(
        std::ranges::count(bindings, BindingKind::storage, &Binding::kind));
    const auto all = static_cast<std::uint32_t>(bindings.size());
    // A pool must be asked for some of each kind that it names.
    const std::array sizes{
        VkDescriptorPoolSize{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, std::max(storage, 1U)},
        VkDescriptorPoolSize{VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, std::max(all - storage, 1U)}};
    VkDescriptorPoolCreateInfo wanted{};
    wanted.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO;
    wanted.maxSets = static_cast<std::uint32_t>(layouts.size());
    wanted.poolSizeCount = sizes.size();
    wanted.pPoolSizes = sizes.data();
    VkDescriptorPool pool = nullptr;
    if (const VkResult made =
            device_.call.create_descriptor_pool(device_.handle(), &wanted, nullptr, &pool);
        made != VK_SUCCESS) {
        return fail(driver_error("vkCreateDescriptorPool", made));
    }
    pool_ = device_.own(pool, device_.call.destroy_descriptor_pool);
    VkDescriptorSetAllocateInfo sets{};
    sets.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO;
    sets.descriptorPool = pool;
    sets.descriptorSetCount = wanted.maxSets;
    sets.pSetLayouts = layouts.data();
    sets_.resize(layouts.size());
    if (const VkResult made =
            device_.call.allocate_descriptor_sets(device_.handle(), &sets, sets_.data());
        made != VK_SUCCESS) {
        return fail(driver_error("vkAllocateDescriptorSets", made));
    }
    return {};
}

const Region& Setup::bound_of(const Slot& slot, const Operand& operand) noexcept {
    return slot.bound                         ? *slot.bound
           : slot.layout.way == Way::in_place ? *operand.imported
                                              : *operand.resident->region;
}

void Setup::load(const Job& job) {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        Slot& slot = slots_[i];
        const Operand& operand = job.operands[i];
        Region* const seen = slot.layout.way == Way::direct ? slot.bound.get() : slot.stage.get();
        if (seen != nullptr && goes_in(operand.use)) {
            std::ranges::copy(operand.from, seen->host());
        } else if (slot.layout.way == Way::direct) {
            std::fill_n(slot.bound->host(), operand.bytes, std::byte{0});
        } else if (slot.layout.way == Way::in_place && operand.use == Use::out) {
            std::ranges::fill(operand.to, std::byte{0});
        }
        if (const Region& bound = bound_of(slot, operand); bound.serial() != slot.written) {
            bind(i, bound, operand.bytes);
            slot.written = bound.serial();
            recorded.valid = false;
        }
        const std::uint64_t imported = operand.imported == nullptr ? 0 : operand.imported->serial();
        recorded.valid = recorded.valid && imported == slot.imported;
        slot.imported = imported;
    }
}

void Setup::bind(std::size_t index, const Region& region, std::uint64_t bytes) {
    const Binding& binding = pipeline_->interface().bindings[index];
    // Vulkan knows no empty range. One byte holds no element, so that the length is 0.
    const VkDescriptorBufferInfo buffer{region.buffer(), 0, std::max<std::uint64_t>(bytes, 1)};
    VkWriteDescriptorSet write{};
    write.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET;
    write.dstSet = sets_[binding.set];
    write.dstBinding = binding.binding;
    write.descriptorCount = 1;
    write.descriptorType = binding.kind == BindingKind::storage ? VK_DESCRIPTOR_TYPE_STORAGE_BUFFER
                                                                : VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER;
    write.pBufferInfo = &buffer;
    device_.call.update_descriptor_sets(device_.handle(), 1, &write, 0, nullptr);
}

void Setup::unload(const Job& job) const {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        const Slot& slot = slots_[i];
        const Region* const seen =
            slot.layout.way == Way::direct ? slot.bound.get() : slot.stage.get();
        if (seen != nullptr && comes_out(job.operands[i].use)) {
            std::copy_n(seen->host(), job.operands[i].to.size(), job.operands[i].to.data());
        }
    }
}

void Setup::record_uploads(VkCommandBuffer into, const Job& job) const {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        const Slot& slot = slots_[i];
        const Operand& operand = job.operands[i];
        const bool copied = slot.layout.way == Way::staged || slot.layout.way == Way::imported;
        if (!copied || operand.bytes == 0) {
            continue;
        }
        if (goes_in(operand.use)) {
            const VkBuffer from = slot.stage ? slot.stage->buffer() : operand.imported->buffer();
            copy(device_, into, from, slot.bound->buffer(), operand.bytes);
        } else {
            device_.call.cmd_fill_buffer(into, slot.bound->buffer(), 0, VK_WHOLE_SIZE, 0);
        }
    }
}

void Setup::record_dispatch(VkCommandBuffer into, const Job& job) const {
    device_.call.cmd_bind_pipeline(into, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline_->handle());
    if (!sets_.empty()) {
        device_.call.cmd_bind_descriptor_sets(
            into, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline_->layout(), 0,
            static_cast<std::uint32_t>(sets_.size()), sets_.data(), 0, nullptr);
    }
    if (!job.push.empty()) {
        device_.call.cmd_push_constants(into, pipeline_->layout(), VK_SHADER_STAGE_COMPUTE_BIT, 0,
                                        static_cast<std::uint32_t>(job.push.size()),
                                        job.push.data());
    }
    device_.call.cmd_dispatch(into, job.workgroups[0], job.workgroups[1], job.workgroups[2]);
}

void Setup::record_downloads(VkCommandBuffer into, const Job& job) const {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        const Slot& slot = slots_[i];
        const Operand& operand = job.operands[i];
        const bool copied = slot.layout.way == Way::staged || slot.layout.way == Way::imported;
        if (copied && comes_out(operand.use) && operand.bytes != 0) {
            const VkBuffer to = slot.stage ? slot.stage->buffer() : operand.imported->buffer();
            copy(device_, into, slot.bound->buffer(), to, operand.bytes);
        }
    }
}

Setups::Key Setups::key_of(const Job& job) const {
    Key key;
    key.reserve(1 + 2 * job.operands.size());
    // SAFETY: the address only tells pipelines apart; the setup keeps its pipeline alive.
    key.push_back(reinterpret_cast<std::uintptr_t>(job.pipeline.get()));
    for (std::size_t i = 0; i < job.operands.size(); ++i) {
        const Operand& operand = job.operands[i];
        const bool readable = job.pipeline->interface().bindings[i].readable;
        const auto way = static_cast<std::uint64_t>(layout_of(ways_, operand, readable).way);
        key.push_back(static_cast<std::uint64_t>(operand.use) << 8U | way);
        key.push_back(operand.bytes);
    }
    return key;
}

Result<std::unique_ptr<Setup>> Setups::take(const Job& job) {
    if (const auto found = by_key_.find(key_of(job)); found != by_key_.end()) {
        std::unique_ptr<Setup> setup = std::move(found->second->setup);
        kept_.erase(found->second);
        by_key_.erase(found);
        return setup;
    }
    for (;;) {
        Result<std::unique_ptr<Setup>> made = Setup::make(device_, memory_, ways_, job);
        if (made || made.error().code() != Code::out_of_resources || kept_.empty()) {
            return made;
        }
        drop_oldest();
    }
}

void Setups::give_back(const Job& job, std::unique_ptr<Setup> setup) {
    kept_.push_back({key_of(job), std::move(setup)});
    by_key_.emplace(kept_.back().key, std::prev(kept_.end()));
    if (kept_.size() > kept_max) {
        drop_oldest();
    }
}

void Setups::drop_oldest() {
    const auto [first, last] = by_key_.equal_range(kept_.front().key);
    by_key_.erase(
        std::find_if(first, last, [&](const auto& one) { return one.second == kept_.begin(); }));
    if (kept_.front().setup->recorded.commands != nullptr) {
        spare_.push_back(kept_.front().setup->recorded.commands);
    }
    kept_.pop_front();
}

}  // namespace repartir::gpu
