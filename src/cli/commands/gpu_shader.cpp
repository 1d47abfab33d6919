// SPDX-License-Identifier: MIT
#include "cli/commands/gpu_shader.hpp"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/os_error.hpp"
#include "cli/exit_code.hpp"
#include "cli/plain_output.hpp"
#include "cli/shader_report.hpp"
#include "cli/text.hpp"

namespace repartir::cli {
namespace {

int exit_code_of(const Error& error) {
    if (error.domain() == Domain::config || error.code() == Code::invalid_argument) {
        return exit_usage;
    }
    return error.code() == Code::out_of_resources ? exit_cannot_schedule : exit_failed;
}

/// Reads NAME=VALUE.
Result<gpu::NamedConstant> read_constant(std::string_view text) {
    const std::size_t equals = text.find('=');
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : text.substr(equals + 1);
    gpu::NamedConstant constant{std::string(text.substr(0, equals)), 0};
    if (value == "true" || value == "false") {
        constant.value = value == "true" ? 1 : 0;
        return constant;
    }
    const char* const end = value.data() + value.size();
    const auto read = std::from_chars(value.data(), end, constant.value);
    if (constant.name.empty() || read.ec != std::errc() || read.ptr != end) {
        return fail(usage_error(
            cat({"--constant is NAME=VALUE with a number, true or false, not ", printable(text)})));
    }
    return constant;
}

/// Writes the words to a file. @return 0, or the errno value that ended it.
int write_words(const std::string& path, std::span<const std::uint32_t> words) {
    std::FILE* const file = std::fopen(path.c_str(), "we");
    if (file == nullptr) {
        return errno;
    }
    const std::size_t put = std::fwrite(words.data(), sizeof words[0], words.size(), file);
    const int wrote = put == words.size() ? 0 : errno;
    const int closed = std::fclose(file) == 0 ? 0 : errno;
    return wrote != 0 ? wrote : closed;
}

}  // namespace

Result<gpu::Compiled> compile_named(const Parsed& parsed) {
    std::vector<gpu::NamedConstant> constants;
    for (const std::string_view text : parsed.all(Opt::shader_constant)) {
        Result<gpu::NamedConstant> constant = read_constant(text);
        if (!constant) {
            return fail(std::move(constant).error());
        }
        constants.push_back(*std::move(constant));
    }
    const Result<Shader> shader = Shader::from_file(parsed.rest.front());
    if (!shader) {
        return fail(shader.error());
    }
    return gpu::compile(*shader, parsed.last(Opt::shader_entry).value_or(""), constants);
}

int refuse_shader(const Error& error) {
    complain(error.describe());
    return exit_code_of(error);
}

bool names_one_file(const Parsed& parsed, std::string_view command) {
    if (parsed.rest.size() != 1) {
        complain(cat({"repartir ", command, " takes one file: .wgsl, .glsl, .comp or .spv"}));
    }
    return parsed.rest.size() == 1;
}

int gpu_validate_command(const Parsed& parsed) {
    if (!names_one_file(parsed, "gpu validate")) {
        return exit_usage;
    }
    const std::string& file = parsed.rest.front();
    const Result<gpu::Compiled> done = compile_named(parsed);
    if (parsed.on(Opt::json)) {
        const int code = done ? exit_ok : exit_code_of(done.error());
        return print(shader_json(file, done)) ? code : exit_failed;
    }
    if (!done) {
        return refuse_shader(done.error());
    }
    return print(shader_text(file, done->interface)) ? exit_ok : exit_failed;
}

int gpu_compile_command(const Parsed& parsed) {
    if (!names_one_file(parsed, "gpu compile")) {
        return exit_usage;
    }
    const auto out = parsed.last(Opt::shader_out);
    if (!out || out->empty()) {
        complain("repartir gpu compile needs -o FILE: where the SPIR-V goes");
        return exit_usage;
    }
    const Result<gpu::Compiled> done = compile_named(parsed);
    if (!done) {
        return refuse_shader(done.error());
    }
    if (const int error = write_words(std::string(*out), done->words); error != 0) {
        complain(cat({printable(*out), " cannot be written: ", base::words_of(error)}));
        return exit_failed;
    }
    return exit_ok;
}

}  // namespace repartir::cli
