// SPDX-License-Identifier: MIT
#pragma once
/// @file connection.hpp One connection: a socket, its stream, its frames, its queue.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/fd.hpp"
#include "loop/loop.hpp"
#include "net/dialer.hpp"
#include "net/security.hpp"
#include "net/send_queue.hpp"
#include "net/stream.hpp"
#include "wire/framer.hpp"

namespace repartir::net {

/// How patient a connection is, and how much it holds.
struct ConnectionOptions {
    base::BootTime patience = std::chrono::seconds(5);  ///< to connect and to shake hands
    base::BootTime linger = std::chrono::seconds(2);    ///< to send the last, once it is closed
    /// What waits to be sent beyond this ends the connection: the peer does not read.
    std::size_t queue_bytes_max = 256UL * 1024 * 1024;
    /// While so much waits to be sent, nothing more is read: who asks without listening waits.
    std::size_t pause_bytes = 16UL * 1024 * 1024;
};

/// Messages to and from one peer. Bytes that cannot be sent wait in a SendQueue; the loop reads
/// into a buffer that all connections share, so that an idle one holds little.
///
/// One thread: the loop's. send() only queues: flush() passes all that is queued to the kernel in
/// as few calls as it takes.
class Connection final : private loop::Handler, private loop::Timer, private Dialer::Owner {
  public:
    /// Who hears of it. Calls come from the loop only, never from inside a call of ours.
    class Owner {
      public:
        Owner() = default;
        Owner(const Owner&) = delete;
        Owner& operator=(const Owner&) = delete;
        /// The peer's machine took the connection that was dialled; nothing of it was heard yet.
        virtual void on_taken(Connection& /*connection*/) noexcept {}
        /// The peer is connected and authenticated: peer() says as whom.
        virtual void on_open(Connection& connection) noexcept = 0;
        /// A message came whole; its body is good during the call.
        virtual void on_message(Connection& connection, const wire::Message& message) noexcept = 0;
        /// All that had come is handed over: the time to answer in one go.
        virtual void on_drained(Connection& connection) noexcept = 0;
        /// It is over, and nothing more is called: it may be destroyed here. @param why nullptr
        /// when close() was called, else one sentence
        virtual void on_closed(Connection& connection, const Error* why) noexcept = 0;

      protected:
        ~Owner() = default;
    };

    /// @param scratch what is read lands here; shared by connections of one loop. @param owner
    /// both must outlive it
    Connection(loop::Loop& loop, std::span<char> scratch, Owner& owner,
               const ConnectionOptions& options);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    /// Closes it at once: what waits is lost.
    ~Connection() override;

    /// Connects. Once; on_open() or on_closed() follows. @param security outlives the connection
    void dial(const Address& address, const Security& security);
    /// Takes over a socket that was accepted. Once. Errors: what keeps it from being watched
    [[nodiscard]] Result<void> take(base::Fd socket, std::unique_ptr<Stream> stream);

    /// Queues a message. Ignored once it is closed. @param body of wire::message_bytes_max at most
    void send(wire::MessageType type, std::uint64_t correlation, std::string&& body,
              wire::Lent&& lent = {});
    /// Sends what is queued, as far as it goes; the loop sends the rest.
    void flush();
    /// As flush(), but only where as much waits as one call takes.
    void flush_batches();
    /// The peer is welcome: its frames may be large from here on.
    void admit(std::uint16_t version, bool compression);
    /// Sends what is queued, then ends; nothing more is read. on_closed() follows.
    void close();
    /// @return whether the peer may still be who it was let in as. Errors: why not
    [[nodiscard]] Result<void> recheck();
    /// Tells the peer, as far as it listens, and then the owner why it ends: on_closed() is called.
    /// Not from a call of the owner's.
    void refuse(Error why);

    /// @return who is at the other end; once it is open.
    [[nodiscard]] const Peer& peer() const noexcept { return stream_->peer(); }
    [[nodiscard]] bool is_open() const noexcept { return phase_ == Phase::open; }

  private:
    enum class Phase : std::uint8_t { idle, dialling, greeting, open, closing, closed };

    void on_event(std::uint32_t events) noexcept override;
    void on_timer(base::BootTime now) noexcept override;
    void on_dialled(Result<base::Fd> socket, const SocketAddress& peer) noexcept override;
    [[nodiscard]] Result<void> begin(base::Fd socket, std::unique_ptr<Stream> stream);
    void greet();
    void read();
    [[nodiscard]] bool take_messages();
    void discard();
    void write();
    void watch();
    void fail_later(Error why);
    void end_broken(Error why);
    void finish(std::optional<Error> why);

    loop::Loop& loop_;
    std::span<char> scratch_;
    Owner& owner_;
    ConnectionOptions options_;
    const Security* security_ = nullptr;  // while it dials
    Address address_;                     // as above
    std::unique_ptr<Dialer> dialer_;      // as above
    base::Fd socket_;
    std::unique_ptr<Stream> stream_;
    wire::Framer framer_;
    SendQueue queue_;
    std::optional<Error> why_;  // it ends because of this, as soon as the loop runs
    std::uint32_t watched_for_ = 0;
    Phase phase_ = Phase::idle;
    Wait greeting_waits_ = Wait::none;
    bool blocked_ = false;   // the kernel takes no more for now
    bool finished_ = false;  // we have said that nothing more comes
};

}  // namespace repartir::net
