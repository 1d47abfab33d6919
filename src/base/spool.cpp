// SPDX-License-Identifier: MIT
#include "base/spool.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/anonymous_file.hpp"
#include "base/os_error.hpp"

namespace repartir::base {
namespace {

Error not_written(const std::string& folder, int problem) {
    const Error why = os_error(Domain::io, "cannot write its spill file in " + folder, problem);
    if (problem != ENOSPC && problem != EDQUOT) {
        return why;
    }
    return Error(why.domain(), why.code(), why.fault(),
                 why.sentence() + "; make room there or use another folder (TMPDIR)");
}

}  // namespace

void Spool::begin(SpoolLimits limits, std::string_view folder, std::string_view stream) {
    const std::scoped_lock lock(mutex_);
    forget();
    limits_ = limits;
    folder_ = folder;
    stream_ = stream;
}

void Spool::restart() noexcept {
    const std::scoped_lock lock(mutex_);
    forget();
}

void Spool::forget() noexcept {
    memory_ = std::string();
    file_.reset();
    why_.reset();
    size_ = 0;
    lost_ = 0;
}

bool Spool::append(std::span<const char> bytes) {
    const std::scoped_lock lock(mutex_);
    if (!why_) {
        const std::uint64_t room = limits_.bytes_max - std::min(limits_.bytes_max, size_);
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

void Spool::keep(std::span<const char> bytes) {
    if (!file_ && memory_.size() + bytes.size() <= limits_.memory_bytes) {
        memory_.append(bytes.data(), bytes.size());
        size_ = memory_.size();
        return;
    }
    const std::size_t written = file_ || move_to_file() ? write_out(bytes) : 0;
    lost_ += bytes.size() - written;
}

/// Where the file cannot take even what memory holds, memory keeps it: the file is of no use.
bool Spool::move_to_file() {
    auto file = anonymous_file(folder_);
    if (!file) {
        why_ = file.error();
        return false;
    }
    file_ = std::move(*file);
    size_ = 0;
    if (write_out(memory_) < memory_.size()) {
        file_.reset();
        size_ = memory_.size();
        return false;
    }
    memory_ = std::string();
    return true;
}

/// @return how many bytes the file took; fewer than given only together with why_.
std::size_t Spool::write_out(std::span<const char> bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ::ssize_t put = ::write(file_.get(), bytes.data() + done, bytes.size() - done);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            why_ = not_written(folder_, errno);
            break;
        }
        done += static_cast<std::size_t>(put);
    }
    size_ += done;
    return done;
}

std::uint64_t Spool::size() const {
    const std::scoped_lock lock(mutex_);
    return size_;
}

std::uint64_t Spool::lost() const {
    const std::scoped_lock lock(mutex_);
    return lost_;
}

std::optional<Error> Spool::loss() const {
    const std::scoped_lock lock(mutex_);
    if (!why_) {
        return std::nullopt;
    }
    return Error(why_->domain(), why_->code(), why_->fault(),
                 stream_ + " is incomplete: the first " + std::to_string(size_) +
                     " bytes are kept, " + std::to_string(lost_) + " are lost; " +
                     why_->sentence());
}

void Spool::lose(std::uint64_t bytes) {
    const std::scoped_lock lock(mutex_);
    lost_ += bytes;
}

Captured Spool::take() {
    const std::scoped_lock lock(mutex_);
    Captured taken = file_ ? Captured::in_descriptor(file_.release(), size_, lost_)
                           : Captured(std::move(memory_), lost_);
    forget();
    return taken;
}

std::string Spool::read(std::uint64_t offset, std::size_t most) const {
    const std::scoped_lock lock(mutex_);
    if (offset >= size_) {
        return {};
    }
    if (!file_) {
        return memory_.substr(offset, most);
    }
    std::string bytes(std::min<std::uint64_t>(most, size_ - offset), '\0');
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ::ssize_t got = ::pread(file_.get(), bytes.data() + done, bytes.size() - done,
                                      static_cast<::off_t>(offset + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            break;
        }
        done += static_cast<std::size_t>(got);
    }
    bytes.resize(done);
    return bytes;
}

}  // namespace repartir::base
