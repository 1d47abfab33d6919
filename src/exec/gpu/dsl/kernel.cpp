// SPDX-License-Identifier: MIT
#include "repartir/kernel.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "exec/gpu/dsl/emit.hpp"
#include "exec/gpu/dsl/ir.hpp"
#include "exec/gpu/dsl/recorder.hpp"
#include "repartir/task.hpp"

namespace repartir::gpu {
namespace {

Kernel kernel_with(std::string name, Error error) {
    auto body = std::make_shared<Kernel::Body>();
    body->name = std::move(name);
    body->error.push_back(std::move(error));
    return Kernel(std::move(body));
}

Error mistake(std::string_view kernel, std::string_view sentence) {
    return Error(
        Domain::gpu, Code::invalid_task, Fault::user,
        "the kernel \"" + std::string(kernel) + "\" cannot be used: " + std::string(sentence));
}

}  // namespace

Kernel::Kernel()
    : Kernel(kernel_with("", Error(Domain::gpu, Code::invalid_task, Fault::user,
                                   "there is no kernel: make one with gpu::kernel"))) {}

const Error* Kernel::error() const noexcept {
    return body_->error.empty() ? nullptr : body_->error.data();
}
const std::string& Kernel::name() const noexcept { return body_->name; }
std::span<const std::uint32_t> Kernel::spirv() const noexcept { return body_->shader.words(); }
const Shader& Kernel::shader() const noexcept { return body_->shader; }
const KernelInterface& Kernel::interface() const noexcept { return body_->outline.interface; }
std::uint64_t Kernel::hash() const noexcept { return body_->hash; }

namespace dsl {

Kernel compiled(std::string name, Module module) {
    Result<Outline> found = outline(module);
    if (!found) {
        return kernel_with(
            name, Error(Domain::gpu, found.error().code(), Fault::user,
                        "the kernel \"" + name + "\" cannot be used: " + found.error().sentence()));
    }
    auto body = std::make_shared<Kernel::Body>();
    body->name = std::move(name);
    body->shader = Shader::spirv(emit(module, *found), body->name);
    body->hash = hash(module);
    body->outline = std::move(*found);
    body->module = std::move(module);
    return Kernel(std::move(body));
}

}  // namespace dsl

namespace detail {

Recording::Recording(std::string_view name, const KernelOptions& options) : name_(name) {
    dsl::Current& here = dsl::current();
    if (here.recorder != nullptr) {
        return;
    }
    // Two threads' tags differ by where their thread-local lies, one thread's by the count.
    const std::size_t where = std::hash<const void*>{}(&here);
    auto tag = static_cast<std::uint32_t>((where ^ (where >> 32U)) +
                                          std::size_t{++here.recorded} * 0x9E3779B9U);
    tag = tag == 0 ? 1 : tag;
    recorder_ = std::make_unique<dsl::Recorder>(tag, options);
    here.recorder = recorder_.get();
}

Recording::~Recording() {
    if (recorder_) {
        dsl::current().recorder = nullptr;
    }
}

void Recording::threw(std::string_view what) {
    recorder_->complain("its recording threw an exception: " + std::string(what));
}

Kernel Recording::finish() {
    if (!recorder_) {
        return kernel_with(name_, mistake(name_,
                                          "it is recorded inside of another kernel; record "
                                          "one after the other"));
    }
    dsl::Module module = recorder_->finish();
    if (const std::optional<std::string>& sentence = recorder_->mistake()) {
        return kernel_with(name_, mistake(name_, *sentence));
    }
    return dsl::compiled(name_, std::move(module));
}

}  // namespace detail
}  // namespace repartir::gpu

namespace repartir {

Task Task::shader(const gpu::Kernel& kernel) {
    Task task = shader(kernel.shader());
    gpu::Dispatch& dispatch = task.mutable_dispatch();
    if (const Error* wrong = kernel.error()) {
        dispatch.error = *wrong;
    } else {
        dispatch.kernel = std::make_shared<const gpu::Kernel>(kernel);
    }
    return task;
}

}  // namespace repartir
