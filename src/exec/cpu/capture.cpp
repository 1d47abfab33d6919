// SPDX-License-Identifier: MIT
#include "exec/cpu/capture.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/anonymous_file.hpp"
#include "base/os_error.hpp"

namespace repartir::exec {

void Capture::begin(CaptureLimits limits, std::string_view folder, std::string_view stream) {
    reset();
    limits_ = limits;
    folder_ = folder;
    stream_ = stream;
}

void Capture::reset() noexcept {
    memory_.clear();
    file_.reset();
    why_.reset();
    spilled_ = 0;
    lost_ = 0;
}

bool Capture::append(std::span<const char> bytes) {
    if (!why_) {
        const std::uint64_t room = limits_.bytes_max - std::min(limits_.bytes_max, kept());
        const std::size_t fits = std::min<std::uint64_t>(bytes.size(), room);
        keep(bytes.first(fits));
        if (fits < bytes.size() && !why_) {
            why_ = Error(Domain::task, Code::too_large, Fault::task,
                         "its output limit is " + std::to_string(limits_.bytes_max) +
                             " bytes; raise that, or let the task write to a file");
        }
        bytes = bytes.subspan(fits);
    }
    lost_ += bytes.size();
    return !why_;
}

void Capture::keep(std::span<const char> bytes) {
    if (!file_ && memory_.size() + bytes.size() <= limits_.memory_bytes) {
        memory_.append(bytes.data(), bytes.size());
        return;
    }
    const std::size_t written = file_ || move_to_file() ? write_out(bytes) : 0;
    lost_ += bytes.size() - written;
}

/// Where the file cannot take even what memory holds, memory keeps it: the file is of no use.
bool Capture::move_to_file() {
    auto file = base::anonymous_file(folder_);
    if (!file) {
        why_ = file.error();
        return false;
    }
    file_ = std::move(*file);
    if (write_out(memory_) < memory_.size()) {
        file_.reset();
        spilled_ = 0;
        return false;
    }
    memory_ = std::string();
    return true;
}

/// @return how many bytes the file took; fewer than given only together with why_.
std::size_t Capture::write_out(std::span<const char> bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ::ssize_t put = ::write(file_.get(), bytes.data() + done, bytes.size() - done);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            why_ = base::os_error(Domain::io, "cannot write its spill file in " + folder_, errno);
            break;
        }
        done += static_cast<std::size_t>(put);
    }
    spilled_ += done;
    return done;
}

std::optional<Error> Capture::loss() const {
    if (!why_) {
        return std::nullopt;
    }
    return Error(why_->domain(), why_->code(), why_->fault(),
                 stream_ + " is incomplete: the first " + std::to_string(kept()) +
                     " bytes are kept, " + std::to_string(lost_) + " are lost; " +
                     why_->sentence());
}

Captured Capture::take() {
    Captured result = file_ ? Captured::in_descriptor(file_.release(), spilled_, lost_)
                            : Captured(std::move(memory_), lost_);
    reset();
    return result;
}

}  // namespace repartir::exec
