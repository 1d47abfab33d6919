// SPDX-License-Identifier: MIT
#pragma once
/// @file gpu_options.hpp What the one table (options.cpp) has of GPUs.
#include <array>

#include "cli/args.hpp"
#include "cli/option_groups.hpp"

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

inline constexpr std::string_view gpu_elsewhere = "On another machine";
inline constexpr std::array first_gpu_run_options{
    OptionSpec{Opt::workgroups, 'w', "workgroups", "X[,Y[,Z]]", "", "1", "Task",
               "How many workgroups run in each direction."},
    OptionSpec{Opt::buffer_in, 'i', "in", "FILE", "", "", "Task",
               "A buffer that the shader reads: the file's bytes, of a .npy file its values; -:"
               " standard input.",
               true},
    OptionSpec{Opt::buffer_out, 'o', "out", "SIZE[:FILE]", "", "", "Task",
               "A buffer that the shader writes, zeros before: so many bytes (4096, 64K), or a type"
               " and lengths (float32x1000, u32x64x64). It goes to the file, as .npy where its name"
               " ends so, or to standard output: as text where the type is told.",
               true},
    OptionSpec{Opt::buffer_inout, 0, "inout", "FILE[:FILE]", "", "", "Task",
               "A buffer that the shader reads and writes: from the first file, and to the second"
               " one or standard output.",
               true},
    OptionSpec{Opt::push, 'p', "push", "TYPE:VALUE", "", "", "Task",
               "The next member of the push constants, such as u32:1000 or f32:0.5.", true},
    OptionSpec{Opt::timeout, 0, "timeout", "TIME", "", "none", "Task",
               "End it when it takes longer: 500ms, 5s, 2m, 1h."},
    shader_entry_option,
    shader_constant_option,
    OptionSpec{Opt::gpu_device, 'd', "device", "WORD", "REPARTIR_GPU_DEVICE", "any", "",
               "The GPU: a position in repartir gpu list, a UUID, a name or a part of it, cpu (a"
               " driver that computes on the CPU), any."},
    gpu_allow_cpu_option,
    OptionSpec{Opt::remote, 0, "remote", "ADDRESS,...", "REPARTIR_REMOTE", "", gpu_elsewhere,
               "Run on a GPU of these workers (repartir worker): HOST:PORT, [IPV6]:PORT or"
               " unix:/PATH. --device is for GPUs of this machine.",
               true},
    reach_option(gpu_elsewhere),
};
inline constexpr std::array last_gpu_run_options{
    plaintext_option(gpu_elsewhere),
    OptionSpec{Opt::json, 0, "json", "", "", "", "",
               "Print one JSON object on how it went (docs/json-schema.md); all buffers need a"
               " FILE then."},
    OptionSpec{Opt::help, 'h', "help", "", "", "", "", "Print this help."},
};
inline constexpr auto gpu_run_options =
    joined(first_gpu_run_options, certificate_options(gpu_elsewhere, false), last_gpu_run_options);
inline constexpr std::array gpu_run_examples{
    Example{"repartir gpu run twice.wgsl -i x.npy -o float32x1000:y.npy -w 16",
            "from and to arrays of NumPy's"},
    Example{"repartir gpu run sum.comp -i data.bin -o u32x4 -p u32:1000 -w 4",
            "print four numbers"},
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
    CommandSpec{
        "gpu run", "repartir gpu run FILE [options]", "run a compute shader on a GPU",
        "Runs a shader in WGSL (.wgsl), GLSL (.glsl, .comp) or SPIR-V (.spv) once. --in, --out and"
        " --inout, in their order on the command line, are the buffers of its bindings, by set and"
        " binding; repartir gpu validate lists those. The driver works in a process of its own: a"
        " shader that hangs or crashes it is a sentence (docs/gpu.md).\n"
        "\n"
        "Exit codes: 0 it ran, 1 the shader is not valid, the device failed, or a file cannot be"
        " read or written, 2 usage, also where buffers do not fit the shader, 3 no worker of"
        " --remote can be reached, 4 the time is up, 6 there is no GPU that can run it, or too "
        "little memory.",
        gpu_run_options, gpu_run_examples, false, true},
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
