// SPDX-License-Identifier: MIT
#pragma once
/// @file child.hpp The other end of a remote problem: a process of its own, and the way to it.
#include <unistd.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "bench/harness/harness.hpp"
#include "repartir/network.hpp"

namespace bench {

/// A process that serves, and is killed with this.
class Child {
  public:
    /// Runs `serve` in a copy of this process, which must have one thread still, and waits until it
    /// tells where it serves. @param serve takes the descriptor to write that to; does not return
    /// before it is killed
    template <class Serve>
    explicit Child(Serve serve) : Child() {
        if (in_child()) {
            serve(told_);
            ::_exit(1);
        }
        listen();
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child();

    /// @return what it told: where it serves. Several lines where it serves at several addresses.
    [[nodiscard]] const std::string& address() const noexcept { return address_; }
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }

  private:
    Child();
    [[nodiscard]] bool in_child() const noexcept { return pid_ == 0; }
    void listen();

    pid_t pid_ = -1;
    int told_ = -1;  // a pipe: the child's end of it in the child, ours here
    std::string address_;
};

/// Tells where one serves, in the child. @param fd closed
void tell(int fd, std::string_view address);

/// Becomes the program `repartir worker`, with --workers slots and reached as --at says, in the
/// child. @param fd as above
[[noreturn]] void become_worker(const Options& options, int fd);

/// How a worker or a client is let in: with certificates of --pki where --at is tls, in plaintext
/// where it is tcp. @param name of the certificate: "worker" or "client"
[[nodiscard]] repartir::NetworkSecurity security(const Options& options, std::string_view name);

/// @return where a worker is to listen for --at: an address of loopback, or a Unix socket.
[[nodiscard]] std::string listen_address(const Options& options);

}  // namespace bench
