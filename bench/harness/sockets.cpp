// SPDX-License-Identifier: MIT
#include "bench/harness/sockets.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace bench {
namespace {

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(port);
    return at;
}

/// What a call of recv is given: more makes a stream slower, as the caches hold less of it.
constexpr std::size_t piece_bytes = 256UL * 1024;

[[noreturn]] void give_up(const char* what) {
    std::perror(what);
    std::exit(1);
}

int without_delay(int fd) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

}  // namespace

Listener::Listener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at = loopback(0);
    // SAFETY: how sockets take addresses.
    if (fd_ < 0 || ::bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 ||
        ::listen(fd_, 1) != 0) {
        give_up("listen");
    }
}

Listener::~Listener() { ::close(fd_); }

std::string Listener::port() const {
    sockaddr_in at{};
    socklen_t size = sizeof at;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size);  // SAFETY: as above
    return std::to_string(ntohs(at.sin_port));
}

int Listener::accept() const {
    const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) {
        give_up("accept");
    }
    return without_delay(fd);
}

int connect_to(const std::string& port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in at = loopback(static_cast<std::uint16_t>(std::stoi(port)));
    // SAFETY: how sockets take addresses.
    if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) {
        give_up("connect");
    }
    return without_delay(fd);
}

Channel::Channel(int fd) : fd_(fd), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) {
        give_up("epoll_ctl");
    }
}

Channel::~Channel() {
    ::close(epoll_);
    ::close(fd_);
}

std::size_t Channel::read(std::span<char> into) const {
    while (true) {
        epoll_event event{};
        ::epoll_wait(epoll_, &event, 1, -1);
        const ssize_t got = ::recv(fd_, into.data(), into.size(), MSG_DONTWAIT);
        if (got >= 0) {
            return static_cast<std::size_t>(got);
        }
        if (errno != EAGAIN && errno != EINTR) {
            return 0;
        }
    }
}

bool Channel::fill(std::span<char> into) const {
    while (!into.empty()) {
        const std::size_t got = read(into);
        if (got == 0) {
            return false;
        }
        into = into.subspan(got);
    }
    return true;
}

bool Channel::stream(std::span<char> into) const {
    while (!into.empty()) {
        const ssize_t got = ::recv(fd_, into.data(), std::min(into.size(), piece_bytes), 0);
        if (got <= 0) {
            return false;
        }
        into = into.subspan(static_cast<std::size_t>(got));
    }
    return true;
}

bool Channel::write(std::span<const char> from) const {
    while (!from.empty()) {
        const ssize_t put = ::send(fd_, from.data(), from.size(), MSG_NOSIGNAL);
        if (put <= 0) {
            return false;
        }
        from = from.subspan(static_cast<std::size_t>(put));
    }
    return true;
}

}  // namespace bench
