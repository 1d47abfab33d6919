// SPDX-License-Identifier: MIT
#include "proc/pipe.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cassert>
#include <cerrno>
#include <csignal>
#include <utility>

#include "base/os_error.hpp"

namespace repartir::proc {
namespace {

constexpr int reads_per_event = 4;  // then the others have their turn; epoll reports the rest again
constexpr int reads_per_drain = 256;  // a program that escaped and keeps writing must not hold us

}  // namespace

Result<Pipe> make_pipe(OurEnd ours) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return fail(base::os_error(Domain::process, "cannot make a pipe", errno));
    }
    Pipe pipe{.reader = base::Fd(ends[0]), .writer = base::Fd(ends[1])};
    if (ours != OurEnd::neither) {
        const int fd = ours == OurEnd::reader ? ends[0] : ends[1];
        const int access = ours == OurEnd::reader ? O_RDONLY : O_WRONLY;
        ::fcntl(fd, F_SETFL, access | O_NONBLOCK);
    }
    return pipe;
}

Result<void> PipeReader::open(loop::Loop& loop, base::Fd fd, std::span<std::byte> buffer,
                              Sink& sink) {
    assert(!is_open() && !buffer.empty());
    if (Result<void> added = loop.add(fd.get(), EPOLLIN, *this); !added) {
        return added;
    }
    loop_ = &loop;
    sink_ = &sink;
    buffer_ = buffer;
    fd_ = std::move(fd);
    paused_ = false;
    return {};
}

// @param hung_up the writers are gone: after a short read the end is there
// @return whether more may be there. After false *this may be closed, or gone.
bool PipeReader::read_some(bool hung_up) noexcept {
    const ssize_t count = ::read(fd_.get(), buffer_.data(), buffer_.size());
    if (count > 0) {
        const bool filled = static_cast<std::size_t>(count) == buffer_.size();
        sink_->on_bytes(*this, buffer_.first(static_cast<std::size_t>(count)));
        return (filled || hung_up) && is_open();
    }
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return errno == EINTR;
    }
    end(count < 0 ? errno : 0);
    return false;
}

void PipeReader::end(int reason) noexcept {
    Sink& sink = *sink_;
    close();
    sink.on_end(*this, reason);
}

void PipeReader::finish() noexcept {
    if (is_open()) {
        end(0);
    }
}

void PipeReader::on_event(std::uint32_t events) noexcept {
    const bool hung_up = (events & EPOLLHUP) != 0;
    for (int i = 0; i < reads_per_event && !paused_ && read_some(hung_up); ++i) {}
}

void PipeReader::drain() noexcept {
    for (int i = 0; i < reads_per_drain && is_open() && read_some(true); ++i) {}
}

void PipeReader::pause() noexcept {
    if (is_open() && !paused_) {
        paused_ = true;
        loop_->remove(*this);
    }
}

Result<void> PipeReader::resume() {
    if (is_open() && paused_) {
        if (Result<void> added = loop_->add(fd_.get(), EPOLLIN, *this); !added) {
            return added;
        }
        paused_ = false;
    }
    return {};
}

void PipeReader::close() noexcept {
    if (is_open()) {
        loop_->remove(*this);
        fd_.reset();
    }
}

Result<void> PipeWriter::open(loop::Loop& loop, base::Fd fd, std::span<const std::byte> bytes,
                              Sink* sink) {
    assert(!is_open());
    sigset_t blocked;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    if (::sigismember(&blocked, SIGPIPE) == 0) {
        return fail(Error(Domain::process, Code::invalid_argument, Fault::user,
                          "cannot feed a pipe from a thread in which SIGPIPE is not blocked"));
    }
    if (Result<void> added = loop.add(fd.get(), EPOLLOUT, *this); !added) {
        return added;
    }
    loop_ = &loop;
    sink_ = sink;
    bytes_ = bytes;
    fd_ = std::move(fd);
    return {};
}

void PipeWriter::on_event(std::uint32_t events) noexcept {
    int reason = 0;
    if ((events & EPOLLERR) != 0) {
        reason = EPIPE;  // no reader is left
    }
    while (reason == 0 && !bytes_.empty()) {
        const ssize_t count = ::write(fd_.get(), bytes_.data(), bytes_.size());
        if (count >= 0) {
            bytes_ = bytes_.subspan(static_cast<std::size_t>(count));
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR) {
            reason = errno;
        }
    }
    Sink* const sink = sink_;
    close();
    if (sink != nullptr) {
        sink->on_fed(*this, reason);
    }
}

void PipeWriter::close() noexcept {
    if (is_open()) {
        loop_->remove(*this);
        fd_.reset();
    }
}

}  // namespace repartir::proc
