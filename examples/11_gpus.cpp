// SPDX-License-Identifier: MIT
// Which GPUs there are, and which one is meant by a word: a position, a UUID, a part of a name,
// "any" or "cpu". That there is none is an answer, with its reason.
#include <cstdio>
#include <repartir/repartir.hpp>

int main(int argc, char** argv) {
    const auto devices = repartir::gpu::devices();
    if (!devices) {
        std::printf("no GPU, because %s\n", devices.error().sentence().c_str());
        return 0;
    }
    for (const repartir::gpu::DeviceInfo& device : *devices) {
        std::printf("%s, %.1f GiB%s%s\n", device.name.c_str(),
                    static_cast<double>(device.memory_bytes) / (1ULL << 30U),
                    device.usable() ? "" : ": ", device.why_not.c_str());
    }
    const auto chosen = repartir::gpu::select(*devices, argc > 1 ? argv[1] : "any");
    if (!chosen) {
        std::fprintf(stderr, "%s\n", chosen.error().sentence().c_str());
        return 1;
    }
    std::printf("chosen: %s\n", (*devices)[*chosen].name.c_str());
    return 0;
}
