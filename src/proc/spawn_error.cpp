// SPDX-License-Identifier: MIT
#include "proc/spawn_error.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "base/fd.hpp"
#include "base/os_error.hpp"

namespace repartir::proc {
namespace {

Error make(Code code, Fault fault, std::string sentence) {
    return Error(Domain::process, code, fault, std::move(sentence));
}

std::string quoted(const char* text) { return "'" + std::string(text) + "'"; }

// Opens the candidate as the child saw it: relative to the directory that the child was in.
base::Fd open_as_child(const SpawnPlan& plan, const char* path, int flags) {
    const base::Fd directory(
        plan.cwd != nullptr ? ::open(plan.cwd, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1);
    return base::Fd(::openat(directory ? directory.get() : AT_FDCWD, path,
                             flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

// @return the interpreter that a "#!" line names, or the dynamic loader of an ELF file; else
// nothing.
std::string interpreter_of(int fd) {
    std::array<char, 4096> head{};
    const ssize_t count = ::pread(fd, head.data(), head.size(), 0);
    const std::string_view text(head.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
    if (text.starts_with("#!")) {
        const std::size_t begin = std::min(text.find_first_not_of(" \t", 2), text.size());
        const std::size_t end = std::min(text.find_first_of(" \t\r\n", begin), text.size());
        return std::string(text.substr(begin, end - begin));
    }
    Elf64_Ehdr header{};
    if (text.size() < sizeof(header) || !text.starts_with(ELFMAG) || text[EI_CLASS] != ELFCLASS64) {
        return {};
    }
    std::memcpy(&header, text.data(), sizeof(header));
    for (std::size_t i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr segment{};
        const std::size_t at = header.e_phoff + i * sizeof(segment);
        if (at > text.size() || text.size() - at < sizeof(segment)) {
            break;
        }
        std::memcpy(&segment, text.data() + at, sizeof(segment));
        if (segment.p_type == PT_INTERP && segment.p_offset < text.size()) {
            const std::string_view rest = text.substr(segment.p_offset, segment.p_filesz);
            return std::string(rest.substr(0, std::min(rest.find('\0'), rest.size())));
        }
    }
    return {};
}

Error not_found(const SpawnPlan& plan, const char* path, int os_error) {
    const std::string_view name = plan.program;
    if (name.size() > NAME_MAX && !name.contains('/')) {
        return make(Code::too_large, Fault::user,
                    "cannot start " + quoted(plan.program) + ": its name is too long");
    }
    if (!name.empty() && !name.contains('/')) {
        return make(Code::not_found, Fault::user,
                    "cannot find the program " + quoted(plan.program) +
                        " in any directory of the task's PATH; give its path, or set PATH");
    }
    if (os_error == ENOENT && !name.empty()) {
        if (const base::Fd file = open_as_child(plan, path, O_RDONLY); file) {
            const std::string interpreter = interpreter_of(file.get());
            return make(Code::not_found, Fault::user,
                        "cannot start " + quoted(path) + ": its interpreter " +
                            (interpreter.empty() ? "" : "'" + interpreter + "' ") +
                            "does not exist on this machine");
        }
    }
    return make(Code::not_found, Fault::user,
                "cannot start " + quoted(path) + ": " +
                    (os_error == ENOTDIR ? "a part of its path is not a directory"
                                         : "no such file; check the path of the program") +
                    (plan.cwd != nullptr && !name.starts_with('/')
                         ? " (seen from the directory " + quoted(plan.cwd) + ")"
                         : ""));
}

// @return whether the file begins with "#!" and names nothing after it.
bool names_no_interpreter(const SpawnPlan& plan, const char* path) {
    const base::Fd file = open_as_child(plan, path, O_RDONLY);
    std::array<char, 2> head{};
    return file && ::pread(file.get(), head.data(), head.size(), 0) == 2 && head[0] == '#' &&
           head[1] == '!' && interpreter_of(file.get()).empty();
}

Error without_interpreter(const char* path) {
    return make(Code::not_executable, Fault::user,
                "cannot start " + quoted(path) +
                    ": its first line is #! and names no interpreter; write #!/bin/sh, say");
}

Error denied(const SpawnPlan& plan, const char* path) {
    struct stat status{};
    const base::Fd file = open_as_child(plan, path, O_PATH);
    if (file && ::fstat(file.get(), &status) == 0) {
        if (S_ISDIR(status.st_mode)) {
            return make(Code::not_executable, Fault::user,
                        "cannot start " + quoted(path) + ": it is a directory");
        }
        if ((status.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0) {
            return make(
                Code::permission_denied, Fault::user,
                "cannot start " + quoted(path) + ": it is not marked as executable; chmod +x it");
        }
    }
    if (names_no_interpreter(plan, path)) {
        return without_interpreter(path);
    }
    return make(
        Code::permission_denied, Fault::user,
        "cannot start " + quoted(path) +
            ": permission denied; check the file, its interpreter, the directories above it, "
            "and whether it lies on a noexec mount");
}

std::size_t bytes_of(const char* const* strings) noexcept {
    std::size_t bytes = 0;
    for (; *strings != nullptr; ++strings) {
        bytes += std::strlen(*strings) + 1 + sizeof(char*);
    }
    return bytes;
}

// Where a program cannot even begin in its cgroup's memory, the kernel's words mean something else:
// that the machine is short of memory (which would pass), or that the arguments are too long.
bool too_small_to_begin(const SpawnPlan& plan, int os_error) noexcept {
    constexpr std::uint64_t always_enough = 1U << 20U;  // here 32 KiB were, and /bin/true took 200
    return (os_error == ENOMEM || os_error == E2BIG) && plan.memory_limit &&
           *plan.memory_limit < always_enough;
}

Error exec_error(const SpawnPlan& plan, int os_error, const char* path) {
    const std::string what = "cannot start " + quoted(path);
    if (too_small_to_begin(plan, os_error)) {
        return make(Code::invalid_argument, Fault::user,
                    "cannot start " + quoted(plan.program) + ": its memory limit of " +
                        std::to_string(*plan.memory_limit) +
                        " bytes is too small for it to begin; raise it");
    }
    switch (os_error) {
        case ENOENT:
        case ENOTDIR:
            return not_found(plan, path, os_error);
        case EACCES:
            return denied(plan, path);
        case EPERM:
            return make(Code::permission_denied, Fault::user,
                        what + ": the kernel does not permit it (a security module, or nosuid)");
        case E2BIG:
            return make(
                Code::too_large, Fault::user,
                what + ": its arguments and environment take " +
                    std::to_string(bytes_of(plan.argv) + bytes_of(plan.envp)) +
                    " bytes, more than the kernel passes on; hand them over in a file or on "
                    "standard input");
        case ENOEXEC:
            if (names_no_interpreter(plan, path)) {
                return without_interpreter(path);
            }
            return make(Code::not_executable, Fault::user,
                        what +
                            ": it is no program for this machine; a script needs a #! line, a "
                            "binary the right architecture");
        case ETXTBSY:
            return make(Code::not_executable, Fault::system,
                        what + ": somebody has it open for writing just now");
        case EISDIR:
            return make(Code::not_executable, Fault::user,
                        what + ": its interpreter is a directory");
        case ELOOP:
            return make(Code::not_executable, Fault::user,
                        what + ": too many symbolic links or interpreters lead to it");
        case ENAMETOOLONG:
            return make(Code::too_large, Fault::user, what + ": its name is too long");
        default:
            return base::os_error(Domain::process, what, os_error);
    }
}

Error clone_error(const SpawnPlan& plan, int os_error) {
    const std::string what = "cannot start " + quoted(plan.program);
    switch (os_error) {
        case EAGAIN:
            return make(Code::out_of_resources, Fault::system,
                        what +
                            ": too many processes; raise the limit (ulimit -u, pids cgroup, "
                            "kernel.threads-max) or run fewer at once");
        case ENOMEM:
            return make(Code::out_of_resources, Fault::system,
                        what + ": the kernel has no memory for another process just now");
        case EMFILE:
            return make(Code::out_of_resources, Fault::system,
                        what +
                            ": this process has too many open files; raise the limit (ulimit -n) "
                            "or run fewer at once");
        case ENFILE:
            return make(Code::out_of_resources, Fault::system,
                        what + ": the machine has too many open files (fs.file-max)");
        default:
            return base::os_error(Domain::process,
                                  plan.cgroup >= 0 ? what + " in its cgroup" : what, os_error);
    }
}

std::string_view act_of(Step step) noexcept {
    switch (step) {
        case Step::group:
            return "enter its process group";
        case Step::terminal:
            return "take the foreground of its terminal";
        case Step::cgroup:
            return "enter its cgroup";
        case Step::descriptors:
            return "get its open files";
        case Step::nice:
            return "take on its nice value";
        case Step::affinity:
            return "run on the CPUs asked for, none of which this process may use";
        case Step::memory_policy:
            return "bind its memory to the NUMA nodes asked for";
        case Step::death_signal:
            return "be tied to this process";
        default:
            return "start";
    }
}

std::string limit_name(int resource) {
    switch (resource) {
        case RLIMIT_AS:
            return "RLIMIT_AS";
        case RLIMIT_CPU:
            return "RLIMIT_CPU";
        case RLIMIT_FSIZE:
            return "RLIMIT_FSIZE";
        case RLIMIT_NOFILE:
            return "RLIMIT_NOFILE";
        default:
            return "number " + std::to_string(resource);
    }
}

}  // namespace

Error spawn_error(const SpawnPlan& plan, Step step, int os_error, const char* path,
                  std::size_t detail) {
    const std::string what = "cannot start " + quoted(plan.program);
    switch (step) {
        case Step::exec:
            return exec_error(plan, os_error, path);
        case Step::clone:
            return clone_error(plan, os_error);
        case Step::directory:
            // Of another domain than the program's own: a missing directory is no missing program.
            return base::os_error(Domain::io, what + " in the directory " + quoted(plan.cwd),
                                  os_error);
        case Step::rlimit: {
            const RlimitSetting& setting = plan.rlimits[detail];
            return base::os_error(Domain::process,
                                  what + " with the limit " + limit_name(setting.resource) +
                                      " at " + std::to_string(setting.value.rlim_cur),
                                  os_error);
        }
        default:
            break;
    }
    if (step == Step::descriptors && os_error == EMFILE) {
        return clone_error(plan, os_error);
    }
    return base::os_error(Domain::process, what + ": it cannot " + std::string(act_of(step)),
                          os_error);
}

}  // namespace repartir::proc
