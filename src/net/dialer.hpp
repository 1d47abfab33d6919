// SPDX-License-Identifier: MIT
#pragma once
/// @file dialer.hpp From an address to a connected socket.
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "base/fd.hpp"
#include "loop/loop.hpp"
#include "net/address.hpp"
#include "repartir/result.hpp"

namespace repartir::net {

/// Looks an address up and tries what it stands for, one after the other, each with its share of
/// the time. Names are looked up on a thread of their own, for that may take long. One thread: the
/// loop's. Destroying it gives up.
class Dialer final : private loop::Handler, private loop::Timer {
  public:
    /// Who gets the socket.
    class Owner {
      public:
        Owner() = default;
        Owner(const Owner&) = delete;
        Owner& operator=(const Owner&) = delete;
        /// Called exactly once, from the loop, never from inside start(); may destroy the dialer.
        /// @param socket connected, non-blocking, close-on-exec. Errors: unreachable, in one
        /// sentence
        virtual void on_dialled(Result<base::Fd> socket, const SocketAddress& peer) noexcept = 0;

      protected:
        ~Owner() = default;
    };

    /// @param owner outlives the dialer
    Dialer(loop::Loop& loop, Owner& owner) : loop_(loop), owner_(owner) {}
    Dialer(const Dialer&) = delete;
    Dialer& operator=(const Dialer&) = delete;
    ~Dialer() override;

    /// Begins. Once. @param deadline when it gives up
    void start(const Address& address, base::BootTime deadline);

  private:
    struct Lookup;

    void on_event(std::uint32_t events) noexcept override;
    void on_timer(base::BootTime now) noexcept override;
    void found(Result<std::vector<SocketAddress>> addresses);
    void try_next();
    void failed(int os_error);
    void end(Result<base::Fd> socket);

    loop::Loop& loop_;
    Owner& owner_;
    Address address_;
    base::BootTime deadline_{0};
    std::shared_ptr<Lookup> lookup_;  // shared with the thread that looks the name up
    std::vector<SocketAddress> candidates_;
    std::size_t next_ = 0;
    base::Fd socket_;
    std::optional<Error> first_;  // what went wrong with the candidate that was tried first
};

/// Sets what every TCP connection of ours has: no delay of small messages, and little that lies in
/// the kernel unsent, so that a message that is in a hurry overtakes in our own queue.
void tune(int fd) noexcept;

}  // namespace repartir::net
