// SPDX-License-Identifier: MIT
#include "cli/commands/gpu.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>

#include "cli/exit_code.hpp"
#include "cli/plain_output.hpp"
#include "exec/gpu/child_discovery.hpp"
#include "exec/gpu/serve.hpp"

namespace repartir::cli {
namespace {

int exit_code_of(const Gpus& gpus) {
    if (gpus || gpus.error().code() == Code::unsupported) {  // that there is none is an answer
        return exit_ok;
    }
    return gpus.error().code() == Code::out_of_resources ? exit_cannot_schedule : exit_failed;
}

}  // namespace

Gpus find_gpus(bool allow_cpu) {
    gpu::DiscoveryChild child;
    child.program = "/proc/self/exe";
    child.arguments = {"repartir", "gpu-discovery",
                       allow_cpu ? "--gpu-allow-cpu" : "--no-gpu-allow-cpu"};
    return gpu::devices_by_child(child);
}

GpuOptions gpu_named(std::string_view word, bool allow_cpu) {
    GpuOptions options;
    options.device = word;
    options.allow_cpu = allow_cpu || word == "cpu";
    options.host_program = "/proc/self/exe";
    return options;
}

int gpu_list_command(const Parsed& parsed) {
    const Gpus gpus = find_gpus(parsed.on(Opt::gpu_allow_cpu));
    return print(parsed.on(Opt::json) ? gpus_json(gpus) : gpus_text(gpus)) ? exit_code_of(gpus)
                                                                           : exit_failed;
}

int gpu_discovery_command(const Parsed& parsed) {
    if (::fcntl(gpu::report_descriptor, F_GETFD) == -1) {
        complain("gpu-discovery is what repartir gpu list starts; run that");
        return exit_usage;
    }
    gpu::DiscoveryOptions options;
    options.allow_cpu = parsed.on(Opt::gpu_allow_cpu);
    ::_exit(gpu::report_devices(options));
}

int gpu_host_command() {
    if (::fcntl(gpu::host_descriptor, F_GETFD) == -1) {
        complain("gpu-host is what a pool with a GPU starts; it is of no use by hand");
        return exit_usage;
    }
    // Whoever stops us all means the pool: it ends us once it needs us no more.
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        static_cast<void>(std::signal(number, SIG_IGN));
    }
    ::_exit(gpu::serve_gpu());
}

}  // namespace repartir::cli
