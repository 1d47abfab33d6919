// SPDX-License-Identifier: MIT
#include "repartir/outcome.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "base/anonymous_file.hpp"
#include "base/fd.hpp"
#include "base/in_words.hpp"
#include "base/os_error.hpp"

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
        case End::output_lost:
            return "output_lost";
        case End::not_started:
            return "not_started";
        case End::device_failed:
            return "device_failed";
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
        case End::output_lost:
            return "wrote more than could be kept";
        case End::not_started:
            return "could not be started";
        case End::device_failed:
            return "lost its GPU";
    }
    return "unknown";
}

class Captured::OpenFile {
  public:
    explicit OpenFile(int fd) noexcept : fd_(fd) {}
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

  private:
    base::Fd fd_;
};

Captured::Captured(std::string bytes, std::uint64_t lost)
    : bytes_(std::move(bytes)), size_(bytes_.size()), lost_(lost) {}

Captured Captured::in_file(std::string path, std::uint64_t size) {
    Captured captured;
    captured.path_ = std::move(path);
    captured.size_ = size;
    return captured;
}

Captured Captured::in_descriptor(int fd, std::uint64_t size, std::uint64_t lost) {
    Captured captured = in_file(base::path_of_descriptor(fd), size);
    captured.lost_ = lost;
    captured.file_ = std::make_shared<const OpenFile>(fd);
    return captured;
}

Result<std::string> Captured::read() const {
    if (lost_ != 0) {
        return fail(Error(Domain::io, Code::io_error, Fault::system,
                          "the captured output is incomplete: " + std::to_string(size_) +
                              " bytes were kept and " + std::to_string(lost_) +
                              " were lost; take what is left by read_at()"));
    }
    if (in_memory()) {
        return bytes_;
    }
    std::string all(size_, '\0');
    const Result<std::size_t> got = read_at(0, all);
    if (!got) {
        return fail(got.error());
    }
    if (*got < all.size()) {
        return fail(Error(Domain::io, Code::io_error, Fault::system,
                          "cannot read back the captured output in " + path_ + ": only " +
                              std::to_string(*got) + " of its " + std::to_string(size_) +
                              " bytes are there; somebody truncated it"));
    }
    return all;
}

Result<std::size_t> Captured::read_at(std::uint64_t offset, std::span<char> into) const {
    if (offset >= size_) {
        return 0;
    }
    const std::size_t wanted = std::min<std::uint64_t>(into.size(), size_ - offset);
    if (in_memory()) {
        return bytes_.copy(into.data(), wanted, offset);
    }
    const auto broken = [this](int error) {
        return fail(Error(Domain::io, Code::io_error, Fault::system,
                          "cannot read back the captured output in " + path_ + ": " +
                              std::string(base::words_of(error))));
    };
    const base::Fd opened(file_ ? -1 : ::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file_ && !opened) {
        return broken(errno);
    }
    const int fd = file_ ? file_->fd() : opened.get();
    std::size_t have = 0;
    while (have < wanted) {
        const ::ssize_t got =
            ::pread(fd, into.data() + have, wanted - have, static_cast<::off_t>(offset + have));
        if (got > 0) {
            have += static_cast<std::size_t>(got);
        } else if (got == 0) {
            break;
        } else if (errno != EINTR) {
            return broken(errno);
        }
    }
    return have;
}

std::string explain(const Attempt& attempt) {
    std::string text;
    for (const Candidate& one : attempt.candidates) {
        text += one.chosen ? "chosen  " : "        ";
        text += one.where + ": ";
        if (one.learnt) {
            text += "done in " + base::in_words(one.finish()) + " = " + base::in_words(one.wait) +
                    " of waiting + " + base::in_words(one.transfer) + " on the way + " +
                    base::in_words(one.run) + " of running";
        } else {
            text += "how long such tasks run is not known yet";
        }
        text += one.room ? "; has room\n" : "; is full\n";
    }
    return text;
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
        case End::output_lost:
        case End::device_failed:
            return failed;
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
