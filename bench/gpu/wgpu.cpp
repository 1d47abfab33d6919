// SPDX-License-Identifier: MIT
// wgpu's native library, by its C API: shaders in WGSL, buffers written by the queue and read by
// mapping, and a list of commands anew for each round, since a list can be submitted once.
#include <webgpu.h>
#include <wgpu.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/gpu/problem.hpp"

namespace {

using bench::gpu::Job;
using bench::gpu::Kind;

constexpr std::string_view nothing = "@compute @workgroup_size(64) fn main() {}";
constexpr std::string_view twice = R"(
@group(0) @binding(0) var<storage, read> given: array<f32>;
@group(0) @binding(1) var<storage, read_write> made: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u,
                                     @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 64 + id.x;
    if i < arrayLength(&given) { made[i] = given[i] * 2.0; }
})";
constexpr std::string_view ends = R"(
@group(0) @binding(0) var<storage, read> given: array<f32>;
@group(0) @binding(1) var<storage, read_write> made: array<f32>;
@compute @workgroup_size(1) fn main() { made[0] = given[0] + given[arrayLength(&given) - 1]; })";

WGPUStringView view(std::string_view text) { return {text.data(), text.size()}; }
std::string text(WGPUStringView view) { return {view.data, view.length}; }

class Wgpu final : public bench::gpu::Side {
  public:
    Wgpu() : instance_(wgpuCreateInstance(nullptr)) {
        WGPURequestAdapterOptions wish{};
        wish.powerPreference = WGPUPowerPreference_HighPerformance;
        wish.backendType = WGPUBackendType_Vulkan;
        WGPURequestAdapterCallbackInfo found{};
        found.mode = WGPUCallbackMode_AllowSpontaneous;
        found.callback = [](WGPURequestAdapterStatus, WGPUAdapter adapter, WGPUStringView, void* to,
                            void*) { *static_cast<WGPUAdapter*>(to) = adapter; };
        found.userdata1 = static_cast<void*>(&adapter_);
        wgpuInstanceRequestAdapter(instance_, &wish, found);
        if (adapter_ == nullptr) {
            bench::gpu::give_up("wgpu finds no Vulkan device");
        }
        open();
    }

    [[nodiscard]] std::string device() const override {
        WGPUAdapterInfo info{};
        wgpuAdapterGetInfo(adapter_, &info);
        return text(info.device);
    }

    void prepare(const Job& job) override {
        job_ = job;
        group_ = nullptr;
        mapped_ = false;
        in_memory_.assign(input_bytes(job) / sizeof(float), 0);
        if (is_product(job) || !job.variant.empty()) {
            bench::gpu::give_up("this is not measured with wgpu");
        }
        if (job.kind == Kind::empty || job.kind == Kind::many) {
            pipeline_ = pipeline(nothing);
            return;
        }
        constexpr WGPUBufferUsage storage = WGPUBufferUsage_Storage;
        if (job.kind != Kind::fresh) {
            in_ = buffer(input_bytes(job), storage | WGPUBufferUsage_CopyDst);
        }
        out_ = buffer(output_bytes(job), storage | WGPUBufferUsage_CopySrc);
        back_ = buffer(output_bytes(job), WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst);
        if (job.kind != Kind::fresh) {
            pipeline_ = pipeline(job.kind == Kind::trip ? twice : ends);
            group_ = group({in_, out_});
        }
    }

    std::span<float> input(std::size_t /*which*/) override { return in_memory_; }
    /// Where it is mapped: nothing is copied that need not be.
    std::span<const float> output() override {
        return {
            static_cast<const float*>(wgpuBufferGetConstMappedRange(back_, 0, output_bytes(job_))),
            output_bytes(job_) / sizeof(float)};
    }

    void round(std::uint32_t number) override {
        if (mapped_) {
            wgpuBufferUnmap(back_);
            mapped_ = false;
        }
        if (job_.kind == Kind::fresh) {
            const std::string source =
                "@group(0) @binding(0) var<storage, read_write> made: array<u32>;\n"
                "@compute @workgroup_size(1) fn main() { made[0] = " +
                std::to_string(number) + "u; }";
            pipeline_ = pipeline(source);
            group_ = group({out_});
        }
        if (!in_memory_.empty()) {
            wgpuQueueWriteBuffer(queue_, in_, 0, in_memory_.data(), input_bytes(job_));
        }
        submit();
        const bool result = output_bytes(job_) != 0;
        if (result) {
            map();
        }
        wgpuDevicePoll(device_, 1, nullptr);
        if (result && !mapped_) {
            bench::gpu::give_up("wgpu could not map the result");
        }
    }

  private:
    void open() {
        WGPULimits limits{};
        wgpuAdapterGetLimits(adapter_, &limits);
        limits.nextInChain = nullptr;
        WGPUDeviceDescriptor wish{};
        wish.requiredLimits = &limits;
        wish.uncapturedErrorCallbackInfo.callback = [](WGPUDevice const*, WGPUErrorType,
                                                       WGPUStringView why, void*, void*) {
            bench::gpu::give_up("wgpu: " + text(why));
        };
        WGPURequestDeviceCallbackInfo opened{};
        opened.mode = WGPUCallbackMode_AllowSpontaneous;
        opened.callback = [](WGPURequestDeviceStatus, WGPUDevice device, WGPUStringView, void* to,
                             void*) { *static_cast<WGPUDevice*>(to) = device; };
        opened.userdata1 = static_cast<void*>(&device_);
        wgpuAdapterRequestDevice(adapter_, &wish, opened);
        if (device_ == nullptr) {
            bench::gpu::give_up("wgpu could not open the device");
        }
        queue_ = wgpuDeviceGetQueue(device_);
    }

    [[nodiscard]] WGPUBuffer buffer(std::uint64_t bytes, WGPUBufferUsage usage) const {
        WGPUBufferDescriptor wish{};
        wish.usage = usage;
        wish.size = bytes;
        return wgpuDeviceCreateBuffer(device_, &wish);
    }

    [[nodiscard]] WGPUComputePipeline pipeline(std::string_view source) const {
        WGPUShaderSourceWGSL code{};
        code.chain.sType = WGPUSType_ShaderSourceWGSL;
        code.code = view(source);
        WGPUShaderModuleDescriptor module{};
        module.nextInChain = &code.chain;
        WGPUComputePipelineDescriptor wish{};
        wish.compute.module = wgpuDeviceCreateShaderModule(device_, &module);
        wish.compute.entryPoint = view("main");
        return wgpuDeviceCreateComputePipeline(device_, &wish);
    }

    [[nodiscard]] WGPUBindGroup group(const std::vector<WGPUBuffer>& buffers) const {
        std::vector<WGPUBindGroupEntry> entries(buffers.size());
        for (std::uint32_t i = 0; i < entries.size(); ++i) {
            entries[i].binding = i;
            entries[i].buffer = buffers[i];
            entries[i].size = WGPU_WHOLE_SIZE;
        }
        WGPUBindGroupDescriptor wish{};
        wish.layout = wgpuComputePipelineGetBindGroupLayout(pipeline_, 0);
        wish.entryCount = entries.size();
        wish.entries = entries.data();
        return wgpuDeviceCreateBindGroup(device_, &wish);
    }

    void submit() {
        WGPUCommandEncoder encoder = wgpuDeviceCreateCommandEncoder(device_, nullptr);
        WGPUComputePassEncoder pass = wgpuCommandEncoderBeginComputePass(encoder, nullptr);
        wgpuComputePassEncoderSetPipeline(pass, pipeline_);
        if (group_ != nullptr) {
            wgpuComputePassEncoderSetBindGroup(pass, 0, group_, 0, nullptr);
        }
        const bench::gpu::Groups groups = bench::gpu::groups_for(job_);
        for (std::uint64_t i = 0; i < (job_.kind == Kind::many ? job_.count : 1); ++i) {
            wgpuComputePassEncoderDispatchWorkgroups(pass, groups.x, groups.y, 1);
        }
        wgpuComputePassEncoderEnd(pass);
        wgpuComputePassEncoderRelease(pass);
        if (output_bytes(job_) != 0) {
            wgpuCommandEncoderCopyBufferToBuffer(encoder, out_, 0, back_, 0, output_bytes(job_));
        }
        WGPUCommandBuffer commands = wgpuCommandEncoderFinish(encoder, nullptr);
        wgpuQueueSubmit(queue_, 1, &commands);
        wgpuCommandBufferRelease(commands);
        wgpuCommandEncoderRelease(encoder);
    }

    void map() {
        WGPUBufferMapCallbackInfo done{};
        done.mode = WGPUCallbackMode_AllowSpontaneous;
        done.callback = [](WGPUMapAsyncStatus status, WGPUStringView, void* to, void*) {
            *static_cast<bool*>(to) = status == WGPUMapAsyncStatus_Success;
        };
        done.userdata1 = &mapped_;
        wgpuBufferMapAsync(back_, WGPUMapMode_Read, 0, output_bytes(job_), done);
    }

    WGPUInstance instance_;
    WGPUAdapter adapter_ = nullptr;
    WGPUDevice device_ = nullptr;
    WGPUQueue queue_ = nullptr;
    Job job_;
    WGPUComputePipeline pipeline_ = nullptr;
    WGPUBindGroup group_ = nullptr;
    WGPUBuffer in_ = nullptr;
    WGPUBuffer out_ = nullptr;
    WGPUBuffer back_ = nullptr;
    bool mapped_ = false;
    std::vector<float> in_memory_;
};

}  // namespace

int main(int argc, char** argv) {
    return bench::gpu::run(argc, argv, "wgpu",
                           [](const bench::Options&) -> std::unique_ptr<bench::gpu::Side> {
                               return std::make_unique<Wgpu>();
                           });
}
