// SPDX-License-Identifier: MIT
#pragma once
/// @file server.hpp All connections of one end that others connect to.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include "net/connection.hpp"
#include "net/listener.hpp"

namespace repartir::net {

/// How many peers a server serves.
struct ServerOptions {
    ConnectionOptions connection;
    /// That have connected and are not authenticated: beyond, the one that has been so longest is
    /// closed for the new one.
    std::size_t strangers_max = 128;
    std::size_t connections_max = 8192;  ///< authenticated; beyond, new ones are told and closed
    /// How often certificates and revocations are read again, where their files have changed.
    std::chrono::milliseconds certificates_every{2000};
};

/// Accepts connections at any number of addresses, and names each by a number that is never given
/// twice. Until a connection is authenticated, its owner does not hear of it. One thread: the
/// loop's.
class Server final : private Listener::Owner, private Connection::Owner {
  public:
    using Id = std::uint64_t;

    /// Who hears of them. Calls come from the loop only.
    class Owner {
      public:
        Owner() = default;
        Owner(const Owner&) = delete;
        Owner& operator=(const Owner&) = delete;
        /// A peer is connected and authenticated.
        virtual void on_open(Id id, const Peer& peer) noexcept = 0;
        /// A message came whole; its body is good during the call.
        virtual void on_message(Id id, const wire::Message& message) noexcept = 0;
        /// All that had come on one connection is handed over: the time to flush().
        virtual void on_drained(Id id) noexcept = 0;
        /// A connection of which on_open() was called is over, whoever ended it. @param why nullptr
        /// when close() was called
        virtual void on_closed(Id id, const Error* why) noexcept = 0;
        /// Somebody was turned away, or cannot be let in; or certificates cannot be read again, and
        /// the old ones stay in force. @param why for the log
        virtual void on_refused(const Error& why) noexcept = 0;

      protected:
        ~Owner() = default;
    };

    /// @param security @param owner both outlive it
    Server(loop::Loop& loop, const Security& security, Owner& owner, const ServerOptions& options);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();

    /// Listens at one more address. @return where exactly. Errors: as Listener::create;
    /// invalid_argument: our certificate is none to listen with
    [[nodiscard]] Result<std::vector<SocketAddress>> listen(const Address& address);
    /// Listens no more; connections stay.
    void stop_listening() { listeners_.clear(); }

    /// As Connection's, of one connection; ignored where it is gone.
    void send(Id id, wire::MessageType type, std::uint64_t correlation, std::string&& body,
              wire::Lent&& lent = {});
    void admit(Id id, std::uint16_t version, bool compression);
    void close(Id id);
    /// Passes to the kernel what was sent since the last call, on all connections.
    void flush();
    /// See Connection::flush_batches(). Nothing where it has ended.
    void flush_batches(Id id);
    /// Closes connections of peers that may no longer be who they were let in as. Happens by itself
    /// when the files of certificates change.
    void recheck();

    [[nodiscard]] std::size_t connections() const noexcept { return guests_.size(); }

  private:
    /// Has the server look at the files of certificates again and again.
    class Watch final : public loop::Timer {
      public:
        explicit Watch(Server& server) : server_(server) {}
        void on_timer(base::BootTime now) noexcept override { server_.refresh(now); }

      private:
        Server& server_;
    };

    struct Guest {
        Id id = 0;
        bool open = false;
        bool unflushed = false;
        std::unique_ptr<Connection> connection;
        std::list<Id>::iterator stranger;  // while it is not open
    };

    void on_accept(base::Fd socket, const SocketAddress& peer) noexcept override;
    void on_accept_error(const Error& why) noexcept override { owner_.on_refused(why); }
    void on_open(Connection& connection) noexcept override;
    void on_message(Connection& connection, const wire::Message& message) noexcept override;
    void on_drained(Connection& connection) noexcept override;
    void on_closed(Connection& connection, const Error* why) noexcept override;
    void turn_away(Connection& connection);
    void refresh(base::BootTime now);
    void touch(Guest& guest);
    void forget(Guest& guest);

    loop::Loop& loop_;
    const Security& security_;
    Owner& owner_;
    ServerOptions options_;
    std::vector<char> scratch_;
    Id last_ = 0;
    std::size_t open_ = 0;
    std::unordered_map<Id, Guest> guests_;
    std::unordered_map<const Connection*, Id> ids_;
    std::list<Id> strangers_;    // not authenticated yet, oldest first
    std::vector<Id> unflushed_;  // something was sent on them
    std::vector<std::unique_ptr<Listener>> listeners_;
    Watch watch_{*this};
};

}  // namespace repartir::net
