// SPDX-License-Identifier: MIT
// CUDA's runtime: launches into one stream and a wait for it, with pinned host memory.
//
// empty:graph and many:graph launch a graph that was captured before. Products are cuBLAS's, in
// plain float32 (no TensorFloat), where its library is found.
#include <cuda_runtime.h>
#include <dlfcn.h>

#include <array>
#include <memory>

#include "bench/gpu/problem.hpp"

namespace {

using bench::gpu::Job;
using bench::gpu::Kind;

__global__ void nothing() {}
__global__ void twice(const float* from, float* to, std::size_t count) {
    const std::size_t i = (blockIdx.y * gridDim.x + blockIdx.x) * std::size_t{64} + threadIdx.x;
    if (i < count) {
        to[i] = from[i] * 2;
    }
}
__global__ void ends(const float* from, float* to, std::size_t count) {
    to[0] = from[0] + from[count - 1];
}

void check(cudaError_t result) {
    if (result != cudaSuccess) {
        bench::gpu::give_up(std::string("CUDA: ") + cudaGetErrorString(result));
    }
}

/// The two functions of cuBLAS that are needed, as its header declares them.
class Blas {
  public:
    explicit Blas(cudaStream_t stream) {
        for (const char* name : {"libcublas.so.13", "libcublas.so.12", "libcublas.so.11"}) {
            library_ = library_ != nullptr ? library_ : dlopen(name, RTLD_NOW);
        }
        if (library_ == nullptr) {
            bench::gpu::give_up("cuBLAS is not installed");
        }
        multiply_ = reinterpret_cast<Multiply*>(dlsym(library_, "cublasSgemm_v2"));
        auto* create = reinterpret_cast<int (*)(void**)>(dlsym(library_, "cublasCreate_v2"));
        auto* set =
            reinterpret_cast<int (*)(void*, cudaStream_t)>(dlsym(library_, "cublasSetStream_v2"));
        if (create(&handle_) != 0 || set(handle_, stream) != 0) {
            bench::gpu::give_up("cuBLAS does not start");
        }
    }

    /// c = a * b, row by row: what is a column to cuBLAS is a row here, so b comes first.
    void multiply(const float* a, const float* b, float* c, int n) const {
        const float one = 1;
        const float zero = 0;
        if (multiply_(handle_, 0, 0, n, n, n, &one, b, n, a, n, &zero, c, n) != 0) {
            bench::gpu::give_up("cuBLAS could not multiply");
        }
    }

  private:
    using Multiply = int(void*, int, int, int, int, int, const float*, const float*, int,
                         const float*, int, const float*, float*, int);
    void* library_ = nullptr;
    void* handle_ = nullptr;
    Multiply* multiply_ = nullptr;
};

class Cuda final : public bench::gpu::Side {
  public:
    Cuda() {
        int count = 0;
        if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) {
            bench::gpu::give_up("there is no device for CUDA");
        }
        check(cudaStreamCreate(&stream_));
    }

    std::string device() const override {
        cudaDeviceProp properties{};
        check(cudaGetDeviceProperties(&properties, 0));
        return properties.name;
    }

    void prepare(const Job& job) override {
        job_ = job;
        if (job.kind == Kind::fresh) {
            bench::gpu::give_up("this is not measured with CUDA");
        }
        if (is_product(job) && blas_ == nullptr) {
            blas_ = std::make_unique<Blas>(stream_);
        }
        for (std::size_t i = 0; i < 2 && input_bytes(job) != 0; ++i) {
            check(cudaMallocHost(&host_in_[i], input_bytes(job)));
            check(cudaMalloc(&in_[i], input_bytes(job)));
        }
        if (output_bytes(job) != 0) {
            check(cudaMallocHost(&host_out_, output_bytes(job)));
            check(cudaMalloc(&out_, output_bytes(job)));
        }
        if (job.variant == "graph") {
            capture();
        }
    }

    std::span<float> input(std::size_t which) override {
        return {host_in_[which], input_bytes(job_) / sizeof(float)};
    }
    std::span<const float> output() override {
        return {host_out_, output_bytes(job_) / sizeof(float)};
    }

    void load() override {
        if (job_.kind == Kind::kernel) {
            copy_in();
            wait();
        }
    }
    void unload() override {
        if (job_.kind == Kind::kernel) {
            copy_out();
            wait();
        }
    }

    void round(std::uint32_t) override {
        if (graph_ != nullptr && job_.variant == "graph") {
            check(cudaGraphLaunch(graph_, stream_));
        } else if (job_.kind == Kind::empty || job_.kind == Kind::many) {
            launch_empty();
        } else if (job_.kind == Kind::kernel) {
            for (std::uint64_t i = 0; i < bench::gpu::products_of_a_kernel_round; ++i) {
                work();
            }
        } else {
            copy_in();
            work();
            copy_out();
        }
        wait();
    }

  private:
    void launch_empty() {
        for (std::uint64_t i = 0; i < (job_.kind == Kind::many ? job_.count : 1); ++i) {
            nothing<<<1, 64, 0, stream_>>>();
        }
    }

    void capture() {
        cudaGraph_t graph = nullptr;
        check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal));
        launch_empty();
        check(cudaStreamEndCapture(stream_, &graph));
        check(cudaGraphInstantiate(&graph_, graph, 0));
    }

    void copy_in() {
        for (std::size_t i = 0; i < (is_product(job_) ? 2U : 1U); ++i) {
            check(cudaMemcpyAsync(in_[i], host_in_[i], input_bytes(job_), cudaMemcpyHostToDevice,
                                  stream_));
        }
    }
    void copy_out() {
        check(
            cudaMemcpyAsync(host_out_, out_, output_bytes(job_), cudaMemcpyDeviceToHost, stream_));
    }

    void work() {
        const std::size_t count = input_bytes(job_) / sizeof(float);
        if (is_product(job_)) {
            blas_->multiply(in_[0], in_[1], out_, static_cast<int>(job_.count));
        } else if (job_.kind == Kind::trip) {
            const bench::gpu::Groups groups = bench::gpu::groups_for(job_);
            twice<<<dim3(groups.x, groups.y), 64, 0, stream_>>>(in_[0], out_, count);
        } else {
            ends<<<1, 1, 0, stream_>>>(in_[0], out_, count);
        }
    }

    void wait() const {
        check(cudaStreamSynchronize(stream_));
        check(cudaGetLastError());
    }

    cudaStream_t stream_ = nullptr;
    cudaGraphExec_t graph_ = nullptr;
    std::unique_ptr<Blas> blas_;
    Job job_;
    std::array<float*, 2> host_in_{};
    std::array<float*, 2> in_{};
    float* host_out_ = nullptr;
    float* out_ = nullptr;
};

}  // namespace

int main(int argc, char** argv) {
    return bench::gpu::run(argc, argv, "cuda",
                           [](const bench::Options&) -> std::unique_ptr<bench::gpu::Side> {
                               return std::make_unique<Cuda>();
                           });
}
