// SPDX-License-Identifier: MIT
#pragma once
/// @file stream.hpp A non-blocking byte stream to a peer, encrypted or not: what a Connection reads
/// and writes through.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "repartir/result.hpp"
#include "wire/messages.hpp"

namespace repartir::net {

/// Who is at the other end, as far as the transport proved it.
struct Peer {
    std::uint32_t roles = 0;  ///< bits of wire::Role that it may play: 1 << role
    std::string name;         ///< of its certificate; "user 1000" over a Unix socket
    std::string address;      ///< for people: "10.0.0.2:40312", "unix:/run/x"

    [[nodiscard]] bool may_be(wire::Role role) const noexcept {
        return (roles >> static_cast<std::uint32_t>(role) & 1U) != 0;
    }
};

/// Every role: of a peer whose transport does not tell them apart.
inline constexpr std::uint32_t all_roles = 0b111;

/// What an operation that could not go on waits for.
enum class Wait : std::uint8_t {
    none,      ///< nothing: it is done
    readable,  ///< that the socket can be read
    writable,  ///< that the socket can be written
    ended,     ///< nothing more: the peer has closed its side in order
};

/// How far a read or write came.
struct Transfer {
    std::size_t bytes = 0;
    Wait wait = Wait::none;
};

/// A byte stream over one non-blocking socket that it does not own. Never blocks, never raises
/// SIGPIPE. An Error is one sentence for people and ends the stream. One owner at a time.
class Stream {
  public:
    Stream() = default;
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    virtual ~Stream() = default;

    /// Goes on with proving who both ends are. @return none: done, and peer() is known; readable or
    /// writable: call again then.
    [[nodiscard]] virtual Result<Wait> handshake() = 0;
    /// Reads what is there. @return readable or writable: there is no more for now, and it waits
    /// for that; ended: there never will be; none: there may be more
    [[nodiscard]] virtual Result<Transfer> read(std::span<char> into) = 0;
    /// Writes as much as goes: what is left is to be given again, from the same byte on and no
    /// shorter. @return wait other than none: not all of it went
    [[nodiscard]] virtual Result<Transfer> write(std::string_view bytes) = 0;
    /// Tells the peer that nothing more comes, as far as that goes without waiting.
    virtual void finish() noexcept = 0;
    /// @return whether the peer may still be who it was let in as: asked again when certificates
    /// were revoked. Errors: the sentence for it; this one does not end the stream, so that the
    /// peer can be told
    [[nodiscard]] virtual Result<void> recheck() { return {}; }
    /// @return who is at the other end. After the handshake.
    [[nodiscard]] const Peer& peer() const noexcept { return peer_; }

  protected:
    Peer peer_;
};

}  // namespace repartir::net
