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

inline constexpr std::array gpu_host_options{
    OptionSpec{Opt::help, 'h', "help", "", "", "", "", "Print this help."},
};

inline constexpr OptionSpec shader_entry_option{Opt::shader_entry,
                                                'e',
                                                "entry",
                                                "NAME",
                                                "",
                                                "the only one",
                                                "",
                                                "The entry point, where there are several."};
inline constexpr OptionSpec shader_constant_option{
    Opt::shader_constant,
    'c',
    "constant",
    "NAME=VALUE",
    "",
    "",
    "",
    "Give an override (WGSL) or a constant with an id (GLSL, SPIR-V) this value: a number, true or"
    " false. NAME is its name or its id.",
    true};
inline constexpr std::array gpu_validate_options{
    shader_entry_option,
    shader_constant_option,
    OptionSpec{Opt::json, 0, "json", "", "", "", "",
               "Print one JSON object (docs/json-schema.md)."},
    OptionSpec{Opt::help, 'h', "help", "", "", "", "", "Print this help."},
};
inline constexpr std::array gpu_validate_examples{
    Example{"repartir gpu validate shader.wgsl", "its buffers, sizes and needs, or its errors"},
    Example{"repartir gpu validate --entry sum --constant width=64 shader.comp",
            "of one entry point, with a constant's value"},
};
inline constexpr std::array gpu_compile_options{
    OptionSpec{Opt::shader_out, 'o', "out", "FILE", "", "", "", "Where the SPIR-V goes."},
    shader_entry_option,
    shader_constant_option,
    OptionSpec{Opt::help, 'h', "help", "", "", "", "", "Print this help."},
};
inline constexpr std::array gpu_compile_examples{
    Example{"repartir gpu compile shader.wgsl -o shader.spv", "for workers and other programs"},
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
    CommandSpec{
        "gpu validate", "repartir gpu validate FILE [options]",
        "check a compute shader and show what it asks for",
        "Compiles a shader in WGSL (.wgsl) or GLSL (.glsl, .comp), or takes SPIR-V (.spv),"
        " and checks it as before every run: Vulkan's rules, a list of what shaders may use,"
        " and limits. Prints the entry point's buffers and how it uses them, workgroup,"
        " constants, and what it needs of a device. No GPU is needed (docs/gpu.md).\n"
        "\n"
        "Exit codes: 0 valid, 1 not, or it cannot be read, 2 usage, 6 too little memory.",
        gpu_validate_options, gpu_validate_examples, false, true},
    CommandSpec{"gpu compile", "repartir gpu compile FILE -o FILE [options]",
                "compile a shader to SPIR-V",
                "Checks a shader as repartir gpu validate does and writes it as SPIR-V: of WGSL the"
                " one entry point, of the others the whole file, with the constants' values in it."
                "\n\n"
                "Exit codes: 0 written, 1 it is not valid, or a file cannot be read or written,"
                " 2 usage, 6 too little memory.",
                gpu_compile_options, gpu_compile_examples, false, true},
    CommandSpec{"gpu-discovery",
                "repartir gpu-discovery [--gpu-allow-cpu]",
                "tell repartir gpu list, which starts it, of the GPUs",
                "",
                gpu_discovery_options,
                {},
                true},
    CommandSpec{"gpu-host",
                "repartir gpu-host",
                "run shaders for the pool that starts it",
                "",
                gpu_host_options,
                {},
                true},
};

}  // namespace repartir::cli
