// SPDX-License-Identifier: MIT
#pragma once
/// @file sockets.hpp Plain TCP over loopback, for what stands beside a remote problem as the least
/// that it can cost.
#include <cstddef>
#include <span>
#include <string>

namespace bench {

/// A listening socket at a free port of loopback.
class Listener {
  public:
    Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener();
    /// @return its port, in digits.
    [[nodiscard]] std::string port() const;
    /// Waits for a peer. @return its socket, which sends at once (TCP_NODELAY)
    [[nodiscard]] int accept() const;

  private:
    int fd_;
};

/// @return a connected socket, which sends at once. @param port in digits
[[nodiscard]] int connect_to(const std::string& port);

/// A connected socket whose owner sleeps in epoll_wait until there is something to read.
class Channel {
  public:
    /// @param fd a connected socket, closed with this
    explicit Channel(int fd);
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;
    ~Channel();
    /// @return bytes read, at least one; 0 when the peer is gone.
    [[nodiscard]] std::size_t read(std::span<char> into) const;
    /// Reads until it is full. @return whether so much came
    [[nodiscard]] bool fill(std::span<char> into) const;
    /// The same for a stream of many bytes: waits in recv instead, which is one call fewer.
    [[nodiscard]] bool stream(std::span<char> into) const;
    /// @return whether all was written.
    [[nodiscard]] bool write(std::span<const char> from) const;

  private:
    int fd_;
    int epoll_;
};

}  // namespace bench
