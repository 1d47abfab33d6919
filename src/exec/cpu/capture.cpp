// SPDX-License-Identifier: MIT
#include "exec/cpu/capture.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace repartir::exec {

void Capture::begin(std::uint64_t limit, std::string_view folder, std::string_view stream) {
    reset();
    limit_ = limit;
    folder_ = folder;
    stream_ = stream;
}

void Capture::reset() noexcept {
    if (fd_ >= 0) {
        ::close(std::exchange(fd_, -1));
    }
    if (!path_.empty()) {
        ::unlink(path_.c_str());
    }
    memory_.clear();
    path_.clear();
    why_.clear();
    spilled_ = 0;
    lost_ = 0;
}

void Capture::append(std::span<const char> bytes) {
    const bool in_memory = path_.empty() && why_.empty();
    if (in_memory && memory_.size() + bytes.size() <= limit_) {
        memory_.append(bytes.data(), bytes.size());
    } else {
        spill(bytes);
    }
}

void Capture::spill(std::span<const char> bytes) {
    if (path_.empty() && why_.empty() && open_spill()) {
        const std::size_t moved = write_out(memory_);
        if (moved == memory_.size()) {
            memory_ = std::string();  // the file holds all of it now
        } else {
            // No room even for what memory holds: memory keeps it, the file is of no use.
            ::close(std::exchange(fd_, -1));
            ::unlink(path_.c_str());
            path_.clear();
            spilled_ = 0;
        }
    }
    if (!why_.empty()) {
        lost_ += bytes.size();
        return;
    }
    const std::size_t written = write_out(bytes);
    lost_ += bytes.size() - written;
}

bool Capture::open_spill() {
    std::string name = folder_ + "/repartir-" + stream_ + "-XXXXXX";
    fd_ = ::mkostemp(name.data(), O_CLOEXEC);
    if (fd_ < 0) {
        why_ = "no spill file in " + folder_ + ": " + std::generic_category().message(errno);
        return false;
    }
    path_ = std::move(name);
    return true;
}

/// @return how many bytes the file took; fewer than given only together with why_.
std::size_t Capture::write_out(std::span<const char> bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ::ssize_t put = ::write(fd_, bytes.data() + done, bytes.size() - done);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            why_ = "cannot write " + path_ + ": " + std::generic_category().message(errno);
            break;
        }
        done += static_cast<std::size_t>(put);
    }
    spilled_ += done;
    return done;
}

Captured Capture::take(std::vector<std::string>& notes) {
    if (lost_ > 0) {
        const std::uint64_t kept = path_.empty() ? memory_.size() : spilled_;
        notes.push_back(stream_ + " is incomplete: the first " + std::to_string(kept) +
                        " bytes are kept, " + std::to_string(lost_) + " are lost; " + why_);
    }
    if (path_.empty()) {
        Captured result(std::move(memory_), lost_);
        reset();
        return result;
    }
    Captured result(std::exchange(path_, {}), spilled_, true, lost_);
    reset();
    return result;
}

}  // namespace repartir::exec
