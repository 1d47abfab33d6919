// SPDX-License-Identifier: MIT
#pragma once
/// @file listener.hpp Sockets that others connect to.
#include <sys/stat.h>

#include <memory>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "loop/loop.hpp"
#include "net/address.hpp"
#include "net/security.hpp"

namespace repartir::net {

/// Listens at all that one address stands for. Accepts sockets; whoever connects is not
/// authenticated yet. One thread: the loop's.
class Listener final : private loop::Timer {
  public:
    /// Who gets the sockets.
    class Owner {
      public:
        Owner() = default;
        Owner(const Owner&) = delete;
        Owner& operator=(const Owner&) = delete;
        /// @param socket non-blocking, close-on-exec
        virtual void on_accept(base::Fd socket, const SocketAddress& peer) noexcept = 0;
        /// Accepting fails just now, and is tried again soon: descriptors are short, mostly.
        virtual void on_accept_error(const Error& why) noexcept = 0;

      protected:
        ~Owner() = default;
    };

    /// A Unix socket replaces one that nobody listens at any more; only its user can reach it, or
    /// everybody where groups are let in, and is asked for credentials.
    /// @param security which addresses may be listened at at all @param owner outlives it
    /// @param accepts_max connections taken before others have their turn. Errors:
    /// permission_denied (see allowed()), invalid_argument, io_error (in use, no such address, ...)
    [[nodiscard]] static Result<std::unique_ptr<Listener>> create(loop::Loop& loop,
                                                                  const Address& address,
                                                                  const Security& security,
                                                                  Owner& owner,
                                                                  std::size_t accepts_max);
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    /// Closes the sockets, and removes the file of a Unix socket, unless it is another's by now.
    ~Listener() override;

    /// @return where it listens, with the port that was free: the same for all of them.
    [[nodiscard]] const std::vector<SocketAddress>& addresses() const noexcept { return bound_; }

  private:
    class Socket final : public loop::Handler {
      public:
        Socket(Listener& listener, base::Fd fd) : fd_(std::move(fd)), listener_(listener) {}
        void on_event(std::uint32_t /*events*/) noexcept override { listener_.accept(*this); }
        [[nodiscard]] int fd() const noexcept { return fd_.get(); }

      private:
        base::Fd fd_;
        Listener& listener_;
    };

    Listener(loop::Loop& loop, Owner& owner, std::size_t accepts_max)
        : loop_(loop), owner_(owner), accepts_max_(accepts_max) {}
    [[nodiscard]] Result<void> listen(const Address& address, SocketAddress at,
                                      const Security& security);
    void accept(Socket& socket);
    void on_timer(base::BootTime now) noexcept override;

    loop::Loop& loop_;
    Owner& owner_;
    std::size_t accepts_max_;
    std::vector<std::unique_ptr<Socket>> sockets_;
    std::vector<SocketAddress> bound_;
    std::string path_;    // of the Unix socket that is ours to remove
    struct stat file_{};  // which one that is
};

}  // namespace repartir::net
