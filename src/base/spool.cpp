// SPDX-License-Identifier: MIT
#include "base/spool.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/anonymous_file.hpp"
#include "base/os_error.hpp"

namespace repartir::base {

bool Spool::append(std::span<const char> bytes) {
    const std::scoped_lock lock(mutex_);
    if (!why_) {
        const std::uint64_t room = bytes_max_ - std::min(bytes_max_, size_);
        const std::size_t fits = std::min<std::uint64_t>(bytes.size(), room);
        keep(bytes.first(fits));
        if (fits < bytes.size() && !why_) {
            why_ = Error(Domain::task, Code::too_large, Fault::task,
                         "its output limit is " + std::to_string(bytes_max_) +
                             " bytes; raise that, or let the task write to a file");
        }
        bytes = bytes.subspan(fits);
    }
    lost_ += bytes.size();
    return !why_;
}

void Spool::keep(std::span<const char> bytes) {
    if (!file_ && memory_.size() + bytes.size() <= memory_bytes_) {
        memory_.append(bytes.data(), bytes.size());
        size_ = memory_.size();
        return;
    }
    if (!file_) {
        auto made = anonymous_file(folder_);
        if (!made) {
            why_ = made.error();
            lost_ += bytes.size();
            return;
        }
        file_ = std::move(*made);
        size_ = 0;
        const std::size_t moved = write_out(memory_);
        if (moved < memory_.size()) {  // the file is of no use: memory keeps what it has
            file_.reset();
            size_ = memory_.size();
            lost_ += bytes.size();
            return;
        }
        std::string().swap(memory_);
    }
    lost_ += bytes.size() - write_out(bytes);
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
            why_ = os_error(Domain::io, "cannot write its spill file in " + folder_, errno);
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
    return why_;
}

void Spool::lose(std::uint64_t bytes) {
    const std::scoped_lock lock(mutex_);
    lost_ += bytes;
}

void Spool::restart() {
    const std::scoped_lock lock(mutex_);
    std::string().swap(memory_);
    file_.reset();
    size_ = 0;
    lost_ = 0;
    why_.reset();
}

Captured Spool::take() {
    const std::scoped_lock lock(mutex_);
    const std::uint64_t size = std::exchange(size_, 0);
    return file_ ? Captured::in_descriptor(file_.release(), size, lost_)
                 : Captured(std::exchange(memory_, {}), lost_);
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
