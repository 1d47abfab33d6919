// SPDX-License-Identifier: MIT
#pragma once
/// @file gpu_options.hpp What the one table (options.cpp) has of GPUs.
#include <array>

#include "cli/args.hpp"

namespace repartir::cli {

inline constexpr OptionSpec gpu_allow_cpu_option{
    Opt::gpu_allow_cpu,
    0,
    "gpu-allow-cpu",
    "",
    "REPARTIR_GPU_ALLOW_CPU",
    "no",
    "",
    "Vulkan drivers that compute on the CPU, too: slow, for tests, and some with known faults."};

inline constexpr std::array gpu_list_options{
    OptionSpec{Opt::json, 0, "json", "", "", "", "",
               "Print one JSON object with all that the drivers tell (docs/json-schema.md)."},
    gpu_allow_cpu_option,
    OptionSpec{Opt::help, 'h', "help", "", "", "", "", "Print this help."},
};
inline constexpr std::array gpu_list_examples{
    Example{"repartir gpu list", "the GPUs of this machine, or why there is none"},
    Example{"repartir gpu list --json", "with limits, features and UUIDs"},
};
inline constexpr std::array gpu_discovery_options{
    gpu_allow_cpu_option,
    OptionSpec{Opt::help, 'h', "help", "", "", "", "", "Print this help."},
};

inline constexpr std::array gpu_commands{
    CommandSpec{"gpu list", "repartir gpu list [--json] [--gpu-allow-cpu]",
                "show the GPUs of this machine",
                "Prints the Vulkan devices of this machine: discrete GPUs first, then integrated,"
                " virtual and other ones, of a kind those with more memory first. One that cannot"
                " be used is listed with the reason; that there is none is said with the reason,"
                " too. Drivers are asked in a process of its own, for 10 s at most: one that"
                " crashes or hangs is a sentence. VK_DRIVER_FILES names the drivers to ask, as for"
                " every Vulkan program (docs/gpu.md).\n"
                "\n"
                "Exit codes: 0 listed, also when there is none, 1 a driver crashed, hung or"
                " failed, 2 usage, 6 too little memory, files or processes.",
                gpu_list_options, gpu_list_examples},
    CommandSpec{"gpu-discovery",
                "repartir gpu-discovery [--gpu-allow-cpu]",
                "tell repartir gpu list, which starts it, of the GPUs",
                "",
                gpu_discovery_options,
                {},
                true},
};

}  // namespace repartir::cli
