// SPDX-License-Identifier: MIT
// Vulkan by hand: all that can be is made and recorded before the rounds, and a round is one
// submission that is waited for by spinning on its fence.
//
// many:submits gives each dispatch by itself; trip:direct lets the kernel read what the host wrote
// into the device's memory, and write the host's, with no copies; trip:per_task makes buffers,
// descriptors and commands anew for each round, and copies from and to ordinary memory. kernel:dsl
// and kernel:plain run what repartir/kernel.hpp makes of kernels.cpp in place of product.comp.
#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/gpu/kernels.hpp"
#include "bench/gpu/problem.hpp"
#include "bench/gpu/vulkan_device.hpp"

namespace {

using bench::gpu::Bound;
using bench::gpu::Buffer;
using bench::gpu::Commands;
using bench::gpu::Job;
using bench::gpu::Kind;
using bench::gpu::Pipeline;
using bench::gpu::Place;
using bench::gpu::record_barrier;
using bench::gpu::record_copy;
using bench::gpu::record_dispatch;

class Vulkan final : public bench::gpu::Side {
  public:
    [[nodiscard]] std::string device() const override { return device_.name(); }
    [[nodiscard]] bool on_cpu() const override { return device_.on_cpu(); }

    void prepare(const Job& job) override {
        job_ = job;
        if (job.kind == Kind::empty || job.kind == Kind::many) {
            prepare_empty();
        } else if (job.kind == Kind::fresh) {
            host_out_ = device_.buffer(output_bytes(job), Place::host);
        } else if (job.variant == "per_task") {
            prepare_per_task();
        } else if (job.variant == "direct") {
            prepare_direct();
        } else {
            prepare_copies();
        }
    }

    std::span<float> input(std::size_t which) override {
        return job_.variant == "per_task" ? std::span(plain_in_) : host_in_[which].numbers();
    }

    std::span<const float> output() override {
        return job_.variant == "per_task" ? std::span<const float>(plain_out_)
                                          : host_out_.numbers();
    }

    void load() override {
        if (job_.kind == Kind::kernel) {
            device_.run(load_);
        }
    }

    void unload() override {
        if (job_.kind == Kind::kernel) {
            device_.run(unload_);
        }
    }

    void round(std::uint32_t number) override {
        if (job_.kind == Kind::fresh) {
            fresh(number);
        } else if (job_.variant == "per_task") {
            trip_of_its_own();
        } else if (job_.variant == "submits") {
            for (std::uint64_t i = 1; i <= job_.count; ++i) {
                device_.submit(round_, i == job_.count);
            }
            device_.wait();
        } else {
            device_.run(round_);
        }
    }

  private:
    void prepare_empty() {
        const Pipeline nothing = device_.pipeline(bench::gpu::spirv("nothing"), 0);
        const bool one = job_.kind == Kind::empty || job_.variant == "submits";
        round_ = device_.begin(job_.variant == "submits");
        for (std::uint64_t i = 0; i < (one ? 1 : job_.count); ++i) {
            record_dispatch(round_.list, nothing, {}, 1);
        }
        end(round_);
    }

    void prepare_per_task() {
        pipeline_ = device_.pipeline(bench::gpu::spirv("twice"), 2);
        plain_in_.resize(job_.count / sizeof(float));
        plain_out_.resize(job_.count / sizeof(float));
    }

    void prepare_direct() {
        pipeline_ = device_.pipeline(bench::gpu::spirv("twice"), 2);
        host_in_[0] = device_.buffer(job_.count, Place::window);
        host_out_ = device_.buffer(job_.count, Place::host);
        if (host_in_[0].handle == VK_NULL_HANDLE) {
            bench::gpu::give_up("the host cannot write this device's memory");
        }
        const Bound bound = device_.bind(pipeline_, {host_in_.data(), &host_out_});
        round_ = device_.begin();
        record_work(round_.list, bound);
        record_barrier(round_.list);
        end(round_);
    }

    /// Inputs to the device, the dispatch, its output back: in one list, or in three for kernel.
    void prepare_copies() {
        const bool two = is_product(job_);
        const std::size_t inputs = two ? 2 : 1;
        for (std::size_t i = 0; i < inputs; ++i) {
            host_in_[i] = device_.buffer(input_bytes(job_), Place::host);
            in_[i] = device_.buffer(input_bytes(job_), Place::device);
        }
        host_out_ = device_.buffer(output_bytes(job_), Place::host);
        const Buffer out = device_.buffer(output_bytes(job_), Place::device);
        if (!two) {
            const char* name = job_.kind == Kind::trip ? "twice" : "ends";
            pipeline_ = device_.pipeline(bench::gpu::spirv(name), 2);
        } else {
            pipeline_ = device_.pipeline(product_words(), 3, sizeof(std::uint32_t));
        }
        const Bound bound = two ? device_.bind(pipeline_, {in_.data(), &in_[1], &out})
                                : device_.bind(pipeline_, {in_.data(), &out});
        const bool apart = job_.kind == Kind::kernel;
        load_ = device_.begin();
        for (std::size_t i = 0; i < inputs; ++i) {
            record_copy(load_.list, host_in_[i], in_[i]);
        }
        record_barrier(load_.list);
        round_ = apart ? device_.begin() : load_;
        for (std::uint64_t i = 0; i < (apart ? bench::gpu::products_of_a_kernel_round : 1); ++i) {
            record_work(round_.list, bound);
            record_barrier(round_.list);
        }
        unload_ = apart ? device_.begin() : load_;
        record_copy(unload_.list, out, host_out_);
        record_barrier(unload_.list);
        end(load_);
        if (apart) {
            end(round_);
            end(unload_);
        }
    }

    [[nodiscard]] std::vector<std::uint32_t> product_words() const {
        if (job_.variant.empty()) {
            return bench::gpu::spirv("product");
        }
        const repartir::gpu::Kernel kernel =
            job_.variant == "dsl" ? bench::gpu::product() : bench::gpu::plain_product();
        return {kernel.spirv().begin(), kernel.spirv().end()};
    }

    void record_work(VkCommandBuffer list, const Bound& bound) {
        if (!is_product(job_)) {
            const bench::gpu::Groups groups = bench::gpu::groups_for(job_);
            record_dispatch(list, pipeline_, bound, groups.x, groups.y);
            return;
        }
        const auto n = static_cast<std::uint32_t>(job_.count);
        vkCmdPushConstants(list, pipeline_.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof n, &n);
        const std::uint32_t square =
            job_.variant == "plain" ? bench::gpu::plain_product_square : bench::gpu::product_square;
        record_dispatch(list, pipeline_, bound, n / square, n / square);
    }

    void fresh(std::uint32_t number) {
        const Pipeline pipeline = device_.pipeline(bench::gpu::spirv("stamp", number), 1);
        const Bound bound = device_.bind(pipeline, {&host_out_});
        const Commands commands = device_.begin();
        record_dispatch(commands.list, pipeline, bound, 1);
        record_barrier(commands.list);
        end(commands);
        device_.run(commands);
        device_.free(commands);
        device_.free(bound);
        device_.free(pipeline);
    }

    void trip_of_its_own() {
        const Buffer host_in = device_.buffer(job_.count, Place::host);
        const Buffer host_out = device_.buffer(job_.count, Place::host);
        const Buffer in = device_.buffer(job_.count, Place::device);
        const Buffer out = device_.buffer(job_.count, Place::device);
        const Bound bound = device_.bind(pipeline_, {&in, &out});
        std::copy(plain_in_.begin(), plain_in_.end(), host_in.numbers().begin());
        const Commands commands = device_.begin();
        record_copy(commands.list, host_in, in);
        record_barrier(commands.list);
        record_work(commands.list, bound);
        record_barrier(commands.list);
        record_copy(commands.list, out, host_out);
        record_barrier(commands.list);
        end(commands);
        device_.run(commands);
        std::copy_n(host_out.numbers().begin(), plain_out_.size(), plain_out_.begin());
        device_.free(commands);
        device_.free(bound);
        for (const Buffer& each : {host_in, host_out, in, out}) {
            device_.free(each);
        }
    }

    bench::gpu::Device device_;
    Job job_;
    Pipeline pipeline_;
    std::array<Buffer, 2> host_in_;
    std::array<Buffer, 2> in_;
    Buffer host_out_;
    std::vector<float> plain_in_;  // ordinary memory, of trip:per_task
    std::vector<float> plain_out_;
    Commands load_;
    Commands round_;
    Commands unload_;
};

}  // namespace

int main(int argc, char** argv) {
    return bench::gpu::run(argc, argv, "vulkan",
                           [](const bench::Options&) -> std::unique_ptr<bench::gpu::Side> {
                               return std::make_unique<Vulkan>();
                           });
}
