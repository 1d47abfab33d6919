// SPDX-License-Identifier: MIT
#pragma once
/// @file problem.hpp What it costs to have a function of another process called over loopback TCP.
///
/// The server is a child process, made before the first thread. Modes: `latency` sends one request
/// at a time and waits for its answer; `throughput` has as many under way as the implementation
/// takes, and divides. A request of the raw peers has as many bytes as one of ours on the wire.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "bench/harness/harness.hpp"

namespace bench::remote_call {

inline constexpr std::uint64_t samples = 20'000;
inline constexpr std::uint64_t calls = 200'000;
inline constexpr std::uint64_t warm_up = 1'000;
/// A call of a function without arguments, framed; and the answer to it.
inline constexpr std::size_t request_bytes = 250;
inline constexpr std::size_t answer_bytes = 250;

[[nodiscard]] inline std::uint64_t count_for(const Options& options) noexcept {
    return options.count != 0 ? options.count : options.mode == "latency" ? samples : calls;
}

/// A child process that serves, and tells its port through a pipe.
class Server {
  public:
    /// @param serve told where to write the port; does not return before it is killed
    template <class Serve>
    explicit Server(Serve serve) {
        int ends[2] = {-1, -1};
        if (::pipe(ends) != 0) {
            std::abort();
        }
        child_ = ::fork();
        if (child_ == 0) {
            ::close(ends[0]);
            serve(ends[1]);
            ::_exit(1);
        }
        ::close(ends[1]);
        char text[128] = {};
        if (::read(ends[0], text, sizeof text - 1) <= 0) {
            std::abort();
        }
        ::close(ends[0]);
        address_ = text;
    }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server() {
        ::kill(child_, SIGKILL);
        ::waitpid(child_, nullptr, 0);
    }
    [[nodiscard]] const std::string& address() const noexcept { return address_; }

  private:
    pid_t child_ = -1;
    std::string address_;
};

/// Tells the port, in the child. @param text what address() gives
inline void tell(int fd, const std::string& text) {
    if (::write(fd, text.data(), text.size()) < 0) {
        ::_exit(1);
    }
    ::close(fd);
}

}  // namespace bench::remote_call
