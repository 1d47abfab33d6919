// SPDX-License-Identifier: MIT
#include "cli/sink.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/fd.hpp"
#include "cli/text.hpp"

namespace repartir::cli {
namespace {

constexpr std::size_t chunk_bytes = 64U << 10U;
constexpr std::size_t file_write_bytes = 1U << 20U;
constexpr std::size_t atomic_pipe_bytes = 4096;  // PIPE_BUF: never blocks once poll says POLLOUT

}  // namespace

Sink::Sink(int fd) : fd_(fd), write_max_(file_write_bytes) {
    struct stat status{};
    if (::fstat(fd, &status) != 0) {
        error_ = errno;
        return;
    }
    device_ = status.st_dev;
    inode_ = status.st_ino;
    terminal_ = ::isatty(fd) == 1;
    if (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode)) {
        return;
    }
    polls_ = true;
    write_max_ = atomic_pipe_bytes;
    if (S_ISFIFO(status.st_mode) || terminal_) {
        const std::string path = cat({"/proc/self/fd/", number(static_cast<std::uint64_t>(fd))});
        reopened_ = base::Fd(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
        if (reopened_) {
            polls_ = false;
            write_max_ = chunk_bytes;
        }
    }
}

bool Sink::same_target(const Sink& other) const noexcept {
    return error_ == 0 && other.error_ == 0 && device_ == other.device_ && inode_ == other.inode_;
}

void Sink::write(std::string_view text) {
    if (text.empty() || error_ != 0) {
        return;
    }
    if (chunks_.empty() || chunks_.back().spilled || chunks_.back().text.size() >= chunk_bytes) {
        chunks_.emplace_back();
    }
    chunks_.back().text += text;
    memory_bytes_ += text.size();
    queued_ += text.size();
}

void Sink::write(const Captured& captured) {
    if (captured.in_memory()) {
        write(captured.bytes());
        return;
    }
    if (captured.size() == 0 || error_ != 0) {
        return;
    }
    chunks_.push_back(Chunk{{}, 0, captured, 0, true});
    ++files_;
    queued_ += captured.size();
}

void Sink::give_up(int error) {
    error_ = error;
    chunks_.clear();
    memory_bytes_ = 0;
    files_ = 0;
}

bool Sink::refill(Chunk& chunk) {
    chunk.at = 0;
    chunk.text.resize(chunk.spilled ? chunk_bytes : 0);
    if (!chunk.spilled) {
        return false;
    }
    const Result<std::size_t> got = chunk.file.read_at(chunk.file_at, chunk.text);
    if (!got) {
        give_up(EIO);
        return false;
    }
    chunk.text.resize(*got);
    chunk.file_at += *got;
    memory_bytes_ += *got;
    return *got > 0;
}

void Sink::pump() {
    while (!chunks_.empty()) {
        Chunk& chunk = chunks_.front();
        if (chunk.at == chunk.text.size() && !refill(chunk)) {
            if (error_ == 0) {
                files_ -= chunk.spilled ? 1 : 0;
                chunks_.pop_front();
            }
            continue;
        }
        pollfd ready{fd_, POLLOUT, 0};
        if (polls_ && ::poll(&ready, 1, 0) == 0) {
            return;
        }
        const std::size_t size = std::min(chunk.text.size() - chunk.at, write_max_);
        const int fd = reopened_ ? reopened_.get() : fd_;
        const ssize_t put = ::write(fd, chunk.text.data() + chunk.at, size);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0 && errno == EAGAIN) {
            return;
        }
        if (put < 0) {
            give_up(errno);
            return;
        }
        chunk.at += static_cast<std::size_t>(put);
        done_ += static_cast<std::uint64_t>(put);
        memory_bytes_ -= static_cast<std::uint64_t>(put);
    }
}

}  // namespace repartir::cli
