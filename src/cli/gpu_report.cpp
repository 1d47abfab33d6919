// SPDX-License-Identifier: MIT
#include "cli/gpu_report.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "cli/text.hpp"

namespace repartir::cli {
namespace {

using gpu::DeviceFeatures;
using gpu::DeviceInfo;

constexpr std::size_t columns = 7;
using Row = std::array<std::string, columns>;

std::string driver_of(const DeviceInfo& device) {
    return printable(cat({device.driver, device.driver.empty() ? "" : " ", device.driver_version}));
}

std::string state_of(const DeviceInfo& device) {
    return device.usable() ? "usable" : cat({"unusable: ", printable(device.why_not)});
}

std::string none_because(const Gpus& gpus) {
    return cat({"none, because ", printable(gpus.error().describe(), 400)});
}

void put_text(JsonWriter& json, std::string_view key, std::string_view text) {
    json.key(key);
    json.text(text);
}

void put_number(JsonWriter& json, std::string_view key, std::uint64_t value) {
    json.key(key);
    json.natural(value);
}

void put_three(JsonWriter& json, std::string_view key, const std::array<std::uint32_t, 3>& xyz) {
    json.key(key);
    json.begin_array();
    for (const std::uint32_t one : xyz) {
        json.natural(one);
    }
    json.end_array();
}

void put_limits(JsonWriter& json, const gpu::DeviceLimits& limits) {
    json.key("limits");
    json.begin_object();
    put_three(json, "workgroup_count_max", limits.workgroup_count_max);
    put_three(json, "workgroup_size_max", limits.workgroup_size_max);
    put_number(json, "workgroup_invocations_max", limits.workgroup_invocations_max);
    put_number(json, "shared_memory_bytes", limits.shared_memory_bytes);
    put_number(json, "storage_buffer_bytes_max", limits.storage_buffer_bytes_max);
    put_number(json, "storage_buffer_alignment", limits.storage_buffer_alignment);
    put_number(json, "storage_buffers_max", limits.storage_buffers_max);
    put_number(json, "push_constant_bytes_max", limits.push_constant_bytes_max);
    put_number(json, "host_memory_alignment", limits.host_memory_alignment);
    json.end_object();
}

void put_features(JsonWriter& json, const DeviceFeatures& features) {
    struct Named {
        std::string_view name;
        bool DeviceFeatures::* on;
    };
    constexpr std::array all{
        Named{"float16", &DeviceFeatures::float16},
        Named{"float64", &DeviceFeatures::float64},
        Named{"int8", &DeviceFeatures::int8},
        Named{"int16", &DeviceFeatures::int16},
        Named{"int64", &DeviceFeatures::int64},
        Named{"buffer_atomics_int64", &DeviceFeatures::buffer_atomics_int64},
        Named{"shared_atomics_int64", &DeviceFeatures::shared_atomics_int64},
        Named{"memory_model", &DeviceFeatures::memory_model},
        Named{"memory_model_device_scope", &DeviceFeatures::memory_model_device_scope},
        Named{"robust_buffer_access", &DeviceFeatures::robust_buffer_access},
        Named{"robust_buffer_access2", &DeviceFeatures::robust_buffer_access2},
        Named{"pipeline_robustness", &DeviceFeatures::pipeline_robustness},
        Named{"timeline_semaphore", &DeviceFeatures::timeline_semaphore},
        Named{"buffer_device_address", &DeviceFeatures::buffer_device_address},
        Named{"external_memory_host", &DeviceFeatures::external_memory_host},
    };
    json.key("features");
    json.begin_object();
    for (const Named& one : all) {
        json.key(one.name);
        json.boolean(features.*one.on);
    }
    json.end_object();
}

void put_families(JsonWriter& json, const std::vector<gpu::QueueFamily>& families) {
    json.key("queue_families");
    json.begin_array();
    for (const gpu::QueueFamily& family : families) {
        json.begin_object();
        put_number(json, "count", family.count);
        json.key("compute");
        json.boolean(family.compute);
        json.key("transfer");
        json.boolean(family.transfer);
        json.key("graphics");
        json.boolean(family.graphics);
        json.end_object();
    }
    json.end_array();
}

void put_device(JsonWriter& json, std::size_t index, const DeviceInfo& device) {
    json.begin_object();
    put_number(json, "index", index);
    put_text(json, "name", device.name);
    put_text(json, "type", to_string(device.type));
    json.key("usable");
    json.boolean(device.usable());
    put_text(json, "why_not", device.why_not);
    json.key("faults");
    json.begin_array();
    for (const std::string& fault : device.faults) {
        json.text(fault);
    }
    json.end_array();
    put_text(json, "uuid", device.uuid);
    put_text(json, "vendor", device.vendor);
    put_number(json, "vendor_id", device.vendor_id);
    put_number(json, "device_id", device.device_id);
    put_text(json, "driver", device.driver);
    put_text(json, "driver_version", device.driver_version);
    put_text(json, "vulkan", to_string(device.vulkan));
    put_number(json, "memory_bytes", device.memory_bytes);
    json.key("memory_available_bytes");
    if (device.memory_available_bytes) {
        json.natural(*device.memory_available_bytes);
    } else {
        json.null();
    }
    put_number(json, "subgroup_size", device.subgroup_size);
    put_limits(json, device.limits);
    put_features(json, device.features);
    put_families(json, device.queue_families);
    json.end_object();
}

}  // namespace

std::string gpus_text(const Gpus& gpus) {
    if (!gpus) {
        return cat({"gpus: ", none_because(gpus), "\n"});
    }
    std::vector<Row> rows{{"#", "name", "type", "memory", "driver", "vulkan", "state"}};
    for (const DeviceInfo& device : *gpus) {
        rows.push_back({number(rows.size() - 1), printable(device.name),
                        std::string(to_string(device.type)), human_size(device.memory_bytes),
                        driver_of(device), to_string(device.vulkan), state_of(device)});
    }
    std::array<std::size_t, columns> widths{};
    for (const Row& row : rows) {
        for (std::size_t i = 0; i + 1 < columns; ++i) {
            widths.at(i) = std::max(widths.at(i), row.at(i).size() + 2);
        }
    }
    std::string text;
    for (std::size_t at = 0; at < rows.size(); ++at) {
        for (std::size_t i = 0; i < columns; ++i) {
            text += padded(rows[at].at(i), widths.at(i));
        }
        text += '\n';
        if (at > 0) {
            for (const std::string& fault : (*gpus)[at - 1].faults) {
                text += cat(
                    {std::string(widths[0], ' '), "known fault: ", printable(fault, 200), "\n"});
            }
        }
    }
    return text;
}

std::string gpu_lines(const Gpus& gpus) {
    if (!gpus) {
        return cat({"GPUs        ", none_because(gpus), "\n"});
    }
    std::string text;
    for (std::size_t at = 0; at < gpus->size(); ++at) {
        const DeviceInfo& device = (*gpus)[at];
        text += cat({padded(cat({"GPU ", number(at)}), 12), printable(device.name), ", ",
                     to_string(device.type), ", ", human_size(device.memory_bytes), ", Vulkan ",
                     to_string(device.vulkan), ", ", driver_of(device),
                     device.usable() ? "" : cat({", ", state_of(device)}),
                     device.faults.empty() ? "" : ", with known faults (repartir gpu list)", "\n"});
    }
    return text;
}

std::string gpus_json(const Gpus& gpus) {
    std::string text;
    JsonWriter json(text);
    json.begin_object();
    json.key("v");
    json.integer(1);
    put_text(json, "type", "gpus");
    put_gpus(json, gpus);
    json.end_object();
    return text += '\n';
}

void put_gpus(JsonWriter& json, const Gpus& gpus) {
    json.key("gpus");
    json.begin_array();
    for (std::size_t at = 0; gpus && at < gpus->size(); ++at) {
        put_device(json, at, (*gpus)[at]);
    }
    json.end_array();
    json.key("why_no_gpus");
    if (gpus) {
        json.null();
        return;
    }
    json.begin_object();
    put_text(json, "domain", to_string(gpus.error().domain()));
    put_text(json, "code", to_string(gpus.error().code()));
    put_text(json, "fault", to_string(gpus.error().fault()));
    put_text(json, "sentence", gpus.error().describe());
    json.end_object();
}

}  // namespace repartir::cli
