// SPDX-License-Identifier: MIT
// The least that a request and its answer cost over TCP: both ends wait in epoll, and do nothing.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "bench/remote_call/problem.hpp"

namespace {

using bench::remote_call::answer_bytes;
using bench::remote_call::request_bytes;
static_assert(request_bytes == answer_bytes);

/// A connected socket that is waited for in epoll.
class End {
  public:
    explicit End(int fd) : fd_(fd), epoll_(::epoll_create1(0)) {
        const int on = 1;
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_event event{};
        event.events = EPOLLIN;
        ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
    }
    /// @return bytes read; 0 at the end.
    std::size_t read(std::vector<char>& into) {
        while (true) {
            epoll_event event{};
            ::epoll_wait(epoll_, &event, 1, -1);
            const ssize_t got = ::recv(fd_, into.data(), into.size(), MSG_DONTWAIT);
            if (got >= 0) {
                return static_cast<std::size_t>(got);
            }
            if (errno != EAGAIN) {
                return 0;
            }
        }
    }
    void write(const char* from, std::size_t bytes) {
        while (bytes != 0) {
            const ssize_t put = ::send(fd_, from, bytes, MSG_NOSIGNAL);
            if (put <= 0) {
                return;
            }
            from += put;
            bytes -= static_cast<std::size_t>(put);
        }
    }

  private:
    int fd_;
    int epoll_;
};

void serve(int told) {
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    ::bind(listener, reinterpret_cast<sockaddr*>(&at), sizeof at);  // SAFETY: how sockets take it
    ::listen(listener, 1);
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size);  // SAFETY: as above
    bench::remote_call::tell(told, std::to_string(ntohs(at.sin_port)));
    End end(::accept(listener, nullptr, nullptr));
    std::vector<char> buffer(256UL * 1024);
    while (const std::size_t got = end.read(buffer)) {
        end.write(buffer.data(), got);
    }
}

}  // namespace

int main(int argc, char** argv) {
    const bench::Options options = bench::parse(argc, argv);
    const bench::remote_call::Server server(serve);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(static_cast<std::uint16_t>(std::stoi(server.address())));
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    // SAFETY: how sockets take addresses.
    if (::connect(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) {
        return 1;
    }
    End end(fd);
    const std::uint64_t count = bench::remote_call::count_for(options);
    std::vector<char> buffer(256UL * 1024);
    const std::array<char, request_bytes> request{};
    std::vector<std::uint64_t> times;
    bench::Report report("remote_call", "raw_tcp", options);
    std::uint64_t begin = bench::now_ns();
    if (options.mode == "latency") {
        for (std::uint64_t i = 0; i < bench::remote_call::warm_up + count; ++i) {
            begin = i == bench::remote_call::warm_up ? bench::now_ns() : begin;
            const std::uint64_t sent = bench::now_ns();
            end.write(request.data(), request.size());
            for (std::size_t got = 0; got < answer_bytes;) {
                got += end.read(buffer);
            }
            if (i >= bench::remote_call::warm_up) {
                times.push_back(bench::now_ns() - sent);
            }
        }
    } else {
        const std::uint64_t window = 256;  // requests under way, sent at once
        const std::vector<char> batch(window * request_bytes);
        for (std::uint64_t done = 0; done < count; done += window) {
            end.write(batch.data(), batch.size());
            for (std::size_t got = 0; got < batch.size();) {
                got += end.read(buffer);
            }
        }
    }
    report.add("items", static_cast<double>(count));
    report.add("ns_per_item",
               static_cast<double>(bench::now_ns() - begin) / static_cast<double>(count));
    if (!times.empty()) {
        report.add_percentiles("call", times);
    }
    return report.finish(true);
}
