// SPDX-License-Identifier: MIT
// Shader tasks of a Pool's. --at local: the driver works in this process; --at process: in one of
// its own, which is the `repartir` program.
//
// product:glsl is product.comp, as the raw peer runs it; product is the same in C++.
#include "repartir/repartir.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <utility>

#include "bench/gpu/kernels.hpp"
#include "bench/gpu/problem.hpp"

namespace {

using bench::gpu::Job;
using bench::gpu::Kind;
using repartir::Outcome;
using repartir::Pending;
using repartir::SharedBuffer;
using repartir::Task;

repartir::Shader shader(std::string_view name, std::uint32_t number = 0) {
    return repartir::Shader::spirv(bench::gpu::spirv(name, number), name);
}

std::span<float> numbers(SharedBuffer& buffer) {
    const std::span<std::byte> bytes = buffer.writable();
    // SAFETY: such values may be made of bytes, and pages are aligned for any.
    return {reinterpret_cast<float*>(bytes.data()), bytes.size() / sizeof(float)};
}

class Repartir final : public bench::gpu::Side {
  public:
    explicit Repartir(repartir::Pool pool) : pool_(std::move(pool)) {}

    [[nodiscard]] std::string device() const override { return ran_on_; }

    void prepare(const Job& job) override {
        job_ = job;
        in_.clear();
        out_.reset();
        switch (job.kind) {
            case Kind::empty:
            case Kind::many:
                task_ = Task::shader(shader("nothing"));
                break;
            case Kind::trip:
                prepare_trip();
                break;
            case Kind::upload:
                task_ = Task::shader(shader("ends"));
                break;
            case Kind::product:
                prepare_product();
                break;
            case Kind::kernel:
                bench::gpu::give_up("buffers do not stay on the device");
            case Kind::fresh:
                break;
        }
        for (std::size_t i = 0; i < (is_product(job) ? 2U : 1U) && input_bytes(job) != 0; ++i) {
            in_.push_back(make(input_bytes(job)));
            task_.input_buffer(in_.back());
        }
        if (output_bytes(job) != 0) {
            out_ = make(output_bytes(job));
            task_.output_buffer(*out_);
        }
    }

    std::span<float> input(std::size_t which) override { return numbers(in_[which]); }
    std::span<const float> output() override { return numbers(*out_); }

    void round(std::uint32_t number) override {
        if (job_.kind == Kind::many) {
            many();
        } else if (job_.kind == Kind::fresh) {
            finish(pool_.submit(Task::shader(shader("stamp", number)).output_buffer(*out_)));
        } else {
            finish(pool_.submit(task_));
        }
    }

  private:
    static SharedBuffer make(std::uint64_t bytes) {
        auto made = SharedBuffer::create(bytes);
        if (!made) {
            bench::gpu::give_up(made.error().sentence());
        }
        return *std::move(made);
    }

    void prepare_trip() {
        const bench::gpu::Groups groups = bench::gpu::groups_for(job_);
        task_ = Task::shader(shader("twice")).workgroups(groups.x, groups.y);
    }

    void prepare_product() {
        const auto groups = static_cast<std::uint32_t>(job_.count / bench::gpu::product_square);
        task_ = job_.variant == "glsl" ? Task::shader(shader("product"))
                                       : Task::shader(bench::gpu::product());
        task_.workgroups(groups, groups).push_constants(static_cast<std::uint32_t>(job_.count));
    }

    void many() {
        waiting_.clear();
        for (std::uint64_t i = 0; i < job_.count; ++i) {
            waiting_.push_back(pool_.submit(task_));
        }
        for (Pending<Outcome>& each : waiting_) {
            finish(std::move(each));
        }
    }

    void finish(Pending<Outcome> pending) {
        const repartir::Result<Outcome> outcome = std::move(pending).get();
        if (!outcome) {
            bench::gpu::give_up(outcome.error().sentence());
        }
        if (!outcome->ok()) {
            bench::gpu::give_up(outcome->error() != nullptr ? outcome->error()->sentence()
                                                            : outcome->ending.describe());
        }
        if (ran_on_.empty()) {
            ran_on_ = outcome->last().where;
        }
    }

    repartir::Pool pool_;
    Job job_;
    Task task_ = Task::shader(repartir::Shader());
    std::vector<SharedBuffer> in_;
    std::optional<SharedBuffer> out_;
    std::vector<Pending<Outcome>> waiting_;
    std::string ran_on_;
};

std::unique_ptr<bench::gpu::Side> open(const bench::Options& options) {
    repartir::GpuOptions gpu;
    gpu.in_process = options.at == "local";
    gpu.allow_cpu = true;
    if (std::getenv("REPARTIR_GPU_HOST") == nullptr) {
        const auto here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
        gpu.host_program = (here.parent_path() / "bin" / "repartir").string();
    }
    auto pool = repartir::Pool::builder().cpu_workers(1).gpu(gpu).build();
    if (!pool) {
        bench::gpu::give_up(pool.error().sentence());
    }
    return std::make_unique<Repartir>(*std::move(pool));
}

}  // namespace

int main(int argc, char** argv) { return bench::gpu::run(argc, argv, "repartir", open); }
