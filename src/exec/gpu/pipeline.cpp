// SPDX-License-Identifier: MIT
#include "exec/gpu/pipeline.hpp"

#include <utility>

namespace repartir::gpu {
namespace {

VkDescriptorSetLayoutBinding layout_of(const Binding& binding) {
    VkDescriptorSetLayoutBinding layout{};
    layout.binding = binding.binding;
    layout.descriptorType = binding.kind == BindingKind::storage
                                ? VK_DESCRIPTOR_TYPE_STORAGE_BUFFER
                                : VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER;
    layout.descriptorCount = 1;
    layout.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT;
    return layout;
}

std::string key_of(std::span<const std::uint32_t> words, const Interface& interface) {
    std::string key = interface.entry;
    key.push_back('\0');
    // SAFETY: any object may be read as characters.
    key.append(reinterpret_cast<const char*>(words.data()), words.size_bytes());
    return key;
}

}  // namespace

Result<std::shared_ptr<const Pipeline>> Pipeline::make(const Device& device,
                                                       std::span<const std::uint32_t> words,
                                                       const Interface& interface,
                                                       VkPipelineCache cache) {
    std::shared_ptr<Pipeline> made(new Pipeline(interface));
    if (Result<void> laid_out = made->lay_out(device); !laid_out) {
        return fail(laid_out.error());
    }
    VkShaderModuleCreateInfo module{};
    module.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO;
    module.codeSize = words.size_bytes();
    module.pCode = words.data();
    VkShaderModule shader = nullptr;
    if (const VkResult result =
            device.call.create_shader_module(device.handle(), &module, nullptr, &shader);
        result != VK_SUCCESS) {
        return fail(driver_error("vkCreateShaderModule", result));
    }
    const auto owned = device.own(shader, device.call.destroy_shader_module);
    VkComputePipelineCreateInfo wanted{};
    wanted.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO;
    wanted.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
    wanted.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
    wanted.stage.module = shader;
    wanted.stage.pName = interface.entry.c_str();
    wanted.layout = made->layout();
    VkPipeline pipeline = nullptr;
    if (const VkResult result = device.call.create_compute_pipelines(device.handle(), cache, 1,
                                                                     &wanted, nullptr, &pipeline);
        result != VK_SUCCESS) {
        return fail(driver_error("vkCreateComputePipelines", result));
    }
    made->pipeline_ = device.own(pipeline, device.call.destroy_pipeline);
    return made;
}

Result<void> Pipeline::lay_out(const Device& device) {
    std::vector<std::vector<VkDescriptorSetLayoutBinding>> sets;
    for (const Binding& binding : interface_.bindings) {
        if (sets.size() <= binding.set) {
            sets.resize(binding.set + 1);
        }
        sets[binding.set].push_back(layout_of(binding));
    }
    for (const auto& bindings : sets) {
        VkDescriptorSetLayoutCreateInfo wanted{};
        wanted.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO;
        wanted.bindingCount = static_cast<std::uint32_t>(bindings.size());
        wanted.pBindings = bindings.data();
        VkDescriptorSetLayout layout = nullptr;
        if (const VkResult made = device.call.create_descriptor_set_layout(device.handle(), &wanted,
                                                                           nullptr, &layout);
            made != VK_SUCCESS) {
            return fail(driver_error("vkCreateDescriptorSetLayout", made));
        }
        sets_.push_back(device.own(layout, device.call.destroy_descriptor_set_layout));
        set_handles_.push_back(layout);
    }
    const VkPushConstantRange push{VK_SHADER_STAGE_COMPUTE_BIT, 0, interface_.push_constant_bytes};
    VkPipelineLayoutCreateInfo wanted{};
    wanted.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO;
    wanted.setLayoutCount = static_cast<std::uint32_t>(set_handles_.size());
    wanted.pSetLayouts = set_handles_.data();
    wanted.pushConstantRangeCount = push.size == 0 ? 0 : 1;
    wanted.pPushConstantRanges = &push;
    VkPipelineLayout layout = nullptr;
    if (const VkResult made =
            device.call.create_pipeline_layout(device.handle(), &wanted, nullptr, &layout);
        made != VK_SUCCESS) {
        return fail(driver_error("vkCreatePipelineLayout", made));
    }
    layout_ = device.own(layout, device.call.destroy_pipeline_layout);
    return {};
}

Pipelines::Pipelines(const Device& device, std::span<const std::byte> kept)
    : device_(device), cache_(make_cache({})) {
    // Drivers are to look at it themselves; ours is the word of none of them.
    constexpr std::size_t head = sizeof(VkPipelineCacheHeaderVersionOne);
    const std::vector<std::byte> own = saved();
    if (kept.size() > head && own.size() >= head &&
        std::ranges::equal(kept.first(head), std::span(own).first(head))) {
        cache_ = make_cache(kept);
    }
}

Owned<VkPipelineCache> Pipelines::make_cache(std::span<const std::byte> kept) const {
    VkPipelineCacheCreateInfo wanted{};
    wanted.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO;
    wanted.initialDataSize = kept.size();
    wanted.pInitialData = kept.data();
    VkPipelineCache cache = nullptr;
    if (device_.call.create_pipeline_cache(device_.handle(), &wanted, nullptr, &cache) !=
        VK_SUCCESS) {
        return {};  // pipelines are compiled all the same
    }
    return device_.own(cache, device_.call.destroy_pipeline_cache);
}

Result<std::shared_ptr<const Pipeline>> Pipelines::get(std::span<const std::uint32_t> words,
                                                       const Interface& interface) {
    std::string key = key_of(words, interface);
    {
        const std::lock_guard lock(mutex_);
        if (const auto found = entries_.find(key); found != entries_.end()) {
            ages_.splice(ages_.end(), ages_, found->second.age);
            return found->second.pipeline;
        }
    }
    Result<Shared> made = Pipeline::make(device_, words, interface, cache_.get());
    if (!made) {
        return made;
    }
    const std::lock_guard lock(mutex_);
    ++compiled_;
    const auto [entry, fresh] = entries_.try_emplace(std::move(key));
    if (fresh) {  // nobody else was faster
        entry->second = {*made, ages_.insert(ages_.end(), &entry->first)};
        if (entries_.size() > entries_max) {
            const std::string* const oldest = ages_.front();
            ages_.pop_front();
            entries_.erase(entries_.find(*oldest));
        }
    }
    return entry->second.pipeline;
}

std::vector<std::byte> Pipelines::saved() const {
    std::size_t bytes = 0;
    std::vector<std::byte> data;
    if (cache_.get() != VkPipelineCache{} &&
        device_.call.get_pipeline_cache_data(device_.handle(), cache_.get(), &bytes, nullptr) ==
            VK_SUCCESS) {
        data.resize(bytes);
        const VkResult got = device_.call.get_pipeline_cache_data(device_.handle(), cache_.get(),
                                                                  &bytes, data.data());
        data.resize(got == VK_SUCCESS ? bytes : 0);
    }
    return data;
}

std::uint64_t Pipelines::compiled() const {
    const std::lock_guard lock(mutex_);
    return compiled_;
}

}  // namespace repartir::gpu
