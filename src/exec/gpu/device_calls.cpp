// SPDX-License-Identifier: MIT
#include "exec/gpu/device_calls.hpp"

#include <type_traits>

namespace repartir::gpu {

const char* DeviceCalls::load(PFN_vkGetDeviceProcAddr look_up, VkDevice device) {
    const char* missing = nullptr;
    const auto fill = [&](auto& function, const char* name) {
        // SAFETY: Vulkan promises that what it gives for a name has the type of that name.
        function =
            reinterpret_cast<std::remove_reference_t<decltype(function)>>(look_up(device, name));
        missing = function == nullptr ? name : missing;
    };
    fill(destroy_device, "vkDestroyDevice");
    fill(get_device_queue, "vkGetDeviceQueue");
    fill(device_wait_idle, "vkDeviceWaitIdle");
    fill(queue_submit, "vkQueueSubmit");
    fill(allocate_memory, "vkAllocateMemory");
    fill(free_memory, "vkFreeMemory");
    fill(map_memory, "vkMapMemory");
    fill(create_buffer, "vkCreateBuffer");
    fill(destroy_buffer, "vkDestroyBuffer");
    fill(get_buffer_memory_requirements, "vkGetBufferMemoryRequirements");
    fill(bind_buffer_memory, "vkBindBufferMemory");
    fill(create_shader_module, "vkCreateShaderModule");
    fill(destroy_shader_module, "vkDestroyShaderModule");
    fill(create_pipeline_cache, "vkCreatePipelineCache");
    fill(destroy_pipeline_cache, "vkDestroyPipelineCache");
    fill(get_pipeline_cache_data, "vkGetPipelineCacheData");
    fill(create_compute_pipelines, "vkCreateComputePipelines");
    fill(destroy_pipeline, "vkDestroyPipeline");
    fill(create_pipeline_layout, "vkCreatePipelineLayout");
    fill(destroy_pipeline_layout, "vkDestroyPipelineLayout");
    fill(create_descriptor_set_layout, "vkCreateDescriptorSetLayout");
    fill(destroy_descriptor_set_layout, "vkDestroyDescriptorSetLayout");
    fill(create_descriptor_pool, "vkCreateDescriptorPool");
    fill(destroy_descriptor_pool, "vkDestroyDescriptorPool");
    fill(allocate_descriptor_sets, "vkAllocateDescriptorSets");
    fill(update_descriptor_sets, "vkUpdateDescriptorSets");
    fill(create_command_pool, "vkCreateCommandPool");
    fill(destroy_command_pool, "vkDestroyCommandPool");
    fill(allocate_command_buffers, "vkAllocateCommandBuffers");
    fill(begin_command_buffer, "vkBeginCommandBuffer");
    fill(end_command_buffer, "vkEndCommandBuffer");
    fill(cmd_bind_pipeline, "vkCmdBindPipeline");
    fill(cmd_bind_descriptor_sets, "vkCmdBindDescriptorSets");
    fill(cmd_push_constants, "vkCmdPushConstants");
    fill(cmd_dispatch, "vkCmdDispatch");
    fill(cmd_copy_buffer, "vkCmdCopyBuffer");
    fill(cmd_fill_buffer, "vkCmdFillBuffer");
    fill(cmd_pipeline_barrier, "vkCmdPipelineBarrier");
    fill(create_semaphore, "vkCreateSemaphore");
    fill(destroy_semaphore, "vkDestroySemaphore");
    fill(get_semaphore_counter_value, "vkGetSemaphoreCounterValue");
    fill(wait_semaphores, "vkWaitSemaphores");
    const char* const needed = missing;
    fill(get_memory_host_pointer_properties, "vkGetMemoryHostPointerPropertiesEXT");
    return needed;
}

}  // namespace repartir::gpu
