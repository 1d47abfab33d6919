// SPDX-License-Identifier: MIT
#pragma once
/// @file engine_fixture.hpp An engine on a real driver, and kernels for it.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "exec/gpu/engine.hpp"
#include "exec/gpu/kernel/kernels.hpp"
#include "exec/gpu/swiftshader_fixture.hpp"

namespace repartir::gpu {

/// b[i] = 2 a[i]
inline constexpr std::string_view twice_glsl = R"(#version 450
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) readonly buffer A { float a[]; };
layout(set = 0, binding = 1) writeonly buffer B { float b[]; };
void main() {
    uint i = gl_GlobalInvocationID.x;
    if (i < uint(a.length())) b[i] = a[i] * 2.0;
})";

/// c[i] += by, for all i; so that what was there before counts.
inline constexpr std::string_view add_glsl = R"(#version 450
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) buffer C { uint c[]; };
layout(push_constant) uniform P { uint by; };
void main() {
    uint i = gl_GlobalInvocationID.x;
    if (i < uint(c.length())) c[i] += by;
})";

/// Never ends, as far as a compiler can see.
inline constexpr std::string_view endless_glsl = R"(#version 450
layout(local_size_x = 1) in;
layout(set = 0, binding = 0) buffer C { uint c[]; };
void main() { while (c[0] != 1u) { c[1] += 1u; } })";

inline KernelPtr kernel_of(std::string_view glsl) {
    Kernels kernels;
    Result<KernelPtr> kernel = kernels.get(Shader::glsl(glsl), "main");
    EXPECT_TRUE(kernel.has_value()) << kernel.error().sentence();
    return kernel.value_or(nullptr);
}

/// Keeps how jobs ended.
class KeptEnds final : public JobSink {
  public:
    struct End {
        bool ok = false;
        Code code = Code::internal;
        bool begun = false;
    };
    void done(std::uint64_t id, const Result<void>& how, bool begun) noexcept override {
        EXPECT_FALSE(ends.contains(id));
        ends[id] = {how.has_value(), how ? Code::internal : how.error().code(), begun};
        order.push_back(id);
    }
    std::map<std::uint64_t, End> ends;
    std::vector<std::uint64_t> order;
};

class OnDevice : public OnSwiftShader {
  protected:
    void SetUp() override {
        OnSwiftShader::SetUp();
        if (IsSkipped()) {
            return;
        }
        vulkan_ = Vulkan::open().value();
        device_ = Device::open(*vulkan_, vulkan_->devices().value().at(0)).value();
        make_engine({});
    }
    void make_engine(const EngineOptions& options) {
        engine_.reset();
        engine_ = Engine::make(*device_, ends_, options).value();
    }
    std::shared_ptr<const Pipeline> pipeline(std::string_view glsl) {
        const KernelPtr kernel = kernel_of(glsl);
        return engine_->pipelines().get(kernel->words, kernel->interface).value();
    }
    void finish() {
        while (engine_->advance()) {
            engine_->wait(engine_->awaited(), std::chrono::seconds(1));
        }
    }
    template <class T>
    static Operand in(const std::vector<T>& values) {
        Operand operand;
        operand.from = std::as_bytes(std::span(values));
        operand.bytes = operand.from.size();
        return operand;
    }
    template <class T>
    static Operand out(std::vector<T>& values) {
        Operand operand;
        operand.use = Use::out;
        operand.to = std::as_writable_bytes(std::span(values));
        operand.bytes = operand.to.size();
        return operand;
    }
    template <class T>
    static Operand in_out(std::vector<T>& values) {
        Operand operand = out(values);
        operand.use = Use::in_out;
        operand.from = operand.to;
        return operand;
    }
    static Operand resident(const std::shared_ptr<Resident>& buffer, Use use) {
        Operand operand;
        operand.use = use;
        operand.bytes = buffer->bytes;
        operand.resident = buffer;
        return operand;
    }
    Job job(std::uint64_t id, std::shared_ptr<const Pipeline> pipeline, std::uint32_t workgroups,
            std::vector<Operand> operands) {
        Job made;
        made.id = id;
        made.pipeline = std::move(pipeline);
        made.workgroups = {workgroups, 1, 1};
        made.operands = std::move(operands);
        return made;
    }
    static std::string push(std::uint32_t value) {
        return {reinterpret_cast<const char*>(&value), sizeof value};  // SAFETY: as characters
    }

    std::unique_ptr<Vulkan> vulkan_;
    std::unique_ptr<Device> device_;
    KeptEnds ends_;
    std::unique_ptr<Engine> engine_;
};

}  // namespace repartir::gpu
