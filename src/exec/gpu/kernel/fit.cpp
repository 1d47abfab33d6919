// SPDX-License-Identifier: MIT
#include "exec/gpu/kernel/fit.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace repartir::gpu {
namespace {

std::unexpected<Error> refuse(Code code, std::string sentence) {
    return fail(Error(Domain::gpu, code, Fault::user, std::move(sentence)));
}

/// @return such as "binding 2 of set 0, 'sums'".
std::string name_of(const Binding& binding) {
    std::string name =
        "binding " + std::to_string(binding.binding) + " of set " + std::to_string(binding.set);
    return binding.name.empty() ? name : name + ", '" + binding.name + "'";
}

std::string bytes(std::uint64_t count) {
    return std::to_string(count) + (count == 1 ? " byte" : " bytes");
}

Result<void> check_count(const Interface& shader, std::size_t given) {
    const std::size_t wanted = shader.bindings.size();
    if (given == wanted) {
        return {};
    }
    std::string sentence = "the entry point '" + shader.entry + "' uses " + std::to_string(wanted) +
                           (wanted == 1 ? " buffer" : " buffers") + ", and the task gives " +
                           std::to_string(given) + ": ";
    return refuse(Code::invalid_task,
                  sentence + (given < wanted ? "give one for " + name_of(shader.bindings[given])
                                             : "leave out the last ones"));
}

Result<void> check_argument(const Binding& binding, const BufferArgument& given) {
    if (binding.kind == BindingKind::uniform && given.use != BufferUse::in) {
        return refuse(Code::invalid_task, name_of(binding) +
                                              ", is a uniform buffer, which shaders only read:"
                                              " give it as an input buffer");
    }
    if (given.use == BufferUse::in && binding.writable) {
        return refuse(Code::invalid_task,
                      name_of(binding) +
                          ", is written by the shader, and what it writes would be"
                          " lost: give it as an output or inout buffer");
    }
    if (given.use != BufferUse::in && !binding.writable) {
        return refuse(Code::invalid_task, name_of(binding) +
                                              ", is never written by the shader, so that nothing"
                                              " comes out: give it as an input buffer");
    }
    if (given.bytes < binding.bytes_min) {
        return refuse(Code::invalid_task, name_of(binding) + ", takes at least " +
                                              bytes(binding.bytes_min) + ", and the task gives " +
                                              bytes(given.bytes));
    }
    return {};
}

constexpr std::array<std::string_view, 3> axes{"x", "y", "z"};

Result<void> check_grid(const Interface& shader, const Dispatch& task, const DeviceLimits& limits) {
    for (std::size_t i = 0; i < axes.size(); ++i) {
        if (task.workgroups[i] > limits.workgroup_count_max[i]) {
            return refuse(Code::too_large,
                          "the task has " + std::to_string(task.workgroups[i]) + " workgroups in " +
                              std::string(axes[i]) + ", and the device takes " +
                              std::to_string(limits.workgroup_count_max[i]) +
                              ": spread them over the other directions, or over several tasks");
        }
        if (shader.workgroup_size[i] > limits.workgroup_size_max[i]) {
            return refuse(Code::too_large, "the shader's workgroups are " +
                                               std::to_string(shader.workgroup_size[i]) + " in " +
                                               std::string(axes[i]) + ", and the device takes " +
                                               std::to_string(limits.workgroup_size_max[i]));
        }
    }
    const std::uint64_t invocations = std::uint64_t{shader.workgroup_size[0]} *
                                      shader.workgroup_size[1] * shader.workgroup_size[2];
    if (invocations > limits.workgroup_invocations_max) {
        return refuse(Code::too_large, "the shader's workgroups have " +
                                           std::to_string(invocations) +
                                           " invocations, and the device takes " +
                                           std::to_string(limits.workgroup_invocations_max));
    }
    if (shader.shared_bytes > limits.shared_memory_bytes) {
        return refuse(Code::too_large, "the shader uses " + bytes(shader.shared_bytes) +
                                           " of workgroup memory, and the device has " +
                                           bytes(limits.shared_memory_bytes));
    }
    return {};
}

Result<void> check_buffers(const Interface& shader, const Dispatch& task,
                           const DeviceInfo& device) {
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < task.buffers.size(); ++i) {
        const std::uint64_t size = task.buffers[i].bytes;
        const bool storage = shader.bindings[i].kind == BindingKind::storage;
        if (storage && size > device.limits.storage_buffer_bytes_max) {
            return refuse(Code::too_large, name_of(shader.bindings[i]) + ", would have " +
                                               bytes(size) + ", and the device takes " +
                                               bytes(device.limits.storage_buffer_bytes_max));
        }
        all += std::min(size, device.memory_bytes + 1);  // the sum of all cannot overflow
    }
    const auto storage_buffers =
        std::ranges::count(shader.bindings, BindingKind::storage, &Binding::kind);
    if (std::cmp_greater(storage_buffers, device.limits.storage_buffers_max)) {
        return refuse(Code::too_large, "the shader uses " + std::to_string(storage_buffers) +
                                           " storage buffers, and the device takes " +
                                           std::to_string(device.limits.storage_buffers_max));
    }
    if (all > device.memory_bytes) {
        return refuse(Code::too_large, "the task's buffers have " + bytes(all) +
                                           ", and the device has " + bytes(device.memory_bytes));
    }
    return {};
}

}  // namespace

Result<void> check_arguments(const Interface& shader, const Dispatch& task) {
    if (Result<void> counted = check_count(shader, task.buffers.size()); !counted) {
        return counted;
    }
    for (std::size_t i = 0; i < task.buffers.size(); ++i) {
        if (Result<void> checked = check_argument(shader.bindings[i], task.buffers[i]); !checked) {
            return checked;
        }
    }
    if (task.push.size() != shader.push_constant_bytes) {
        return refuse(Code::invalid_task, "the entry point '" + shader.entry + "' has " +
                                              bytes(shader.push_constant_bytes) +
                                              " of push constants, and the task gives " +
                                              bytes(task.push.size()));
    }
    return {};
}

Result<void> check_device(const Interface& shader, const Dispatch& task, const DeviceInfo& device,
                          const Features& features) {
    for (std::size_t i = 0; i < feature_count; ++i) {
        const auto feature = static_cast<Feature>(i);
        if (shader.needs.has(feature) && !features.has(feature)) {
            return refuse(Code::unsupported, "the shader uses " + std::string(to_string(feature)) +
                                                 ", which " + device.name + " lacks");
        }
    }
    if (shader.push_constant_bytes > device.limits.push_constant_bytes_max) {
        return refuse(Code::too_large, "the shader has " + bytes(shader.push_constant_bytes) +
                                           " of push constants, and the device takes " +
                                           bytes(device.limits.push_constant_bytes_max));
    }
    if (Result<void> checked = check_grid(shader, task, device.limits); !checked) {
        return checked;
    }
    return check_buffers(shader, task, device);
}

}  // namespace repartir::gpu
