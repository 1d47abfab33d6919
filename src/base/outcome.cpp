// SPDX-License-Identifier: MIT
#include "repartir/outcome.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>

namespace repartir {

std::string_view to_string(End end) noexcept {
    switch (end) {
        case End::exited:
            return "exited";
        case End::signaled:
            return "signaled";
        case End::timed_out:
            return "timed_out";
        case End::cancelled:
            return "cancelled";
        case End::out_of_memory:
            return "out_of_memory";
        case End::not_started:
            return "not_started";
    }
    return "unknown";
}

std::string_view to_string(PeakMemory::Source source) noexcept {
    switch (source) {
        case PeakMemory::Source::unknown:
            return "unknown";
        case PeakMemory::Source::cgroup:
            return "cgroup";
        case PeakMemory::Source::rusage:
            return "rusage";
        case PeakMemory::Source::at_most:
            return "at_most";
    }
    return "unknown";
}

std::string_view to_string(Containment containment) noexcept {
    switch (containment) {
        case Containment::none:
            return "none";
        case Containment::pid_namespace:
            return "pid_namespace";
        case Containment::cgroup:
            return "cgroup";
        case Containment::process_group:
            return "process_group";
    }
    return "unknown";
}

std::string Ending::describe() const {
    switch (end) {
        case End::exited:
            return "exited " + std::to_string(code);
        case End::signaled: {
            std::string text = "killed by signal " + std::to_string(code);
            if (const char* name = sigabbrev_np(code); name != nullptr) {
                text += " (SIG" + std::string(name) + ")";
            }
            return text;
        }
        case End::timed_out:
            return "timed out";
        case End::cancelled:
            return "cancelled";
        case End::out_of_memory:
            return "ran out of memory";
        case End::not_started:
            return "could not be started";
    }
    return "unknown";
}

struct Captured::SpillFile {
    explicit SpillFile(std::string path) : path_(std::move(path)) {}
    SpillFile(const SpillFile&) = delete;
    SpillFile& operator=(const SpillFile&) = delete;
    ~SpillFile() { unlink(path_.c_str()); }

  private:
    std::string path_;
};

Captured::Captured(std::string bytes, std::uint64_t lost)
    : bytes_(std::move(bytes)), size_(bytes_.size()), lost_(lost) {}

Captured::Captured(std::string path, std::uint64_t size, bool owned, std::uint64_t lost)
    : path_(std::move(path)), size_(size), lost_(lost) {
    if (owned) {
        spill_ = std::make_shared<const SpillFile>(path_);
    }
}

Result<std::string> Captured::read() const {
    if (lost_ != 0) {
        return fail(Error(Domain::io, Code::io_error, Fault::system,
                          "the captured output is incomplete: " + std::to_string(size_) +
                              " bytes were kept and " + std::to_string(lost_) +
                              " were lost, as the attempt's notes say; take what is left from " +
                              (in_memory() ? std::string("bytes()") : path_)));
    }
    if (in_memory()) {
        return bytes_;
    }
    const auto broken = [this](int error) {
        return fail(Error(Domain::io, Code::io_error, Fault::system,
                          "cannot read back the captured output in " + path_ + ": " +
                              std::generic_category().message(error)));
    };
    const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return broken(errno);
    }
    std::string bytes(size_, '\0');
    std::size_t have = 0;
    int error = 0;
    while (have < bytes.size() && error == 0) {
        const ssize_t got = ::read(fd, bytes.data() + have, bytes.size() - have);
        if (got > 0) {
            have += static_cast<std::size_t>(got);
        } else if (got == 0) {
            error = EIO;  // shorter than what was written: somebody truncated it
        } else if (errno != EINTR) {
            error = errno;
        }
    }
    close(fd);
    if (error != 0) {
        return broken(error);
    }
    return bytes;
}

const Error* Outcome::error() const noexcept {
    if (attempts.empty() || !attempts.back().error) {
        return nullptr;
    }
    return &*attempts.back().error;
}

const Attempt& Outcome::last() const noexcept {
    static const Attempt none;
    return attempts.empty() ? none : attempts.back();
}

int Outcome::exit_code() const noexcept {
    constexpr int failed = 1;
    constexpr int timed_out = 4;
    constexpr int cancelled = 5;
    constexpr int not_executable = 126;
    constexpr int not_found = 127;
    constexpr int signal_base = 128;
    switch (ending.end) {
        case End::exited:
            return ending.code;
        case End::signaled:
            return signal_base + ending.code;
        case End::timed_out:
            return timed_out;
        case End::cancelled:
            return cancelled;
        case End::out_of_memory:
            return signal_base + SIGKILL;
        case End::not_started:
            break;
    }
    const Error* why = error();
    if (why == nullptr || why->domain() != Domain::process) {
        return failed;  // an input or output file, say: not the program itself
    }
    switch (why->code()) {
        case Code::not_found:
            return not_found;
        case Code::permission_denied:
        case Code::not_executable:
        case Code::too_large:  // its name, or its arguments
            return not_executable;
        default:
            return failed;
    }
}

}  // namespace repartir
