// SPDX-License-Identifier: MIT
#pragma once
/// @file tls.hpp TLS 1.3 between two ends that both show certificates: what a Stream is over it.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "net/stream.hpp"
#include "repartir/network.hpp"
#include "repartir/result.hpp"

namespace repartir::net {

/// What looking at the files again led to.
struct Refreshed {
    bool changed = false;         ///< streams are to be rechecked
    std::vector<Error> problems;  ///< what could not be read: the old one holds. Told once a change
};

/// How the handshakes of a context's streams went.
struct TlsHandshakes {
    std::uint64_t whole = 0;    ///< both ends showed their certificates
    std::uint64_t resumed = 0;  ///< they had done so before
};

struct TlsState;

/// The certificates of one end of its connections. Both ends must show one, in TLS 1.3; sessions
/// are resumed for ten minutes, and each time the certificates are judged again; there is no early
/// data. Any thread, but for refresh().
class TlsContext {
  public:
    /// Reads the files. Errors: not_found, permission_denied: a file cannot be read, or others than
    /// its owner may read the key; malformed, too_large; invalid_argument: the key is another one's
    [[nodiscard]] static Result<std::unique_ptr<TlsContext>> create(TlsFiles files);

    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;
    ~TlsContext();

    /// A stream on a connection that was accepted. The peer may be a client, worker or broker:
    /// Stream::peer() tells. The stream may outlive the context. Errors: out_of_resources
    /// @param fd a connected non-blocking stream socket, which stays the caller's
    /// @param address of the peer, for people
    [[nodiscard]] Result<std::unique_ptr<Stream>> accept(int fd, std::string address);
    /// A stream on a connection that this end made. The peer must be a worker or broker whose
    /// certificate is for `host`. In TLS 1.3 this end's handshake is over before the peer has
    /// judged its certificate: a refusal comes from the first read or write.
    /// @param address of the peer, for people; sessions are resumed for the same address and host
    /// @param host the name or IP address that was dialled
    [[nodiscard]] Result<std::unique_ptr<Stream>> connect(int fd, std::string address,
                                                          std::string host);
    /// @return whether our certificate is one to listen with. Errors: invalid_argument
    [[nodiscard]] Result<void> may_listen() const;
    /// Reads those files again that have changed. One thread at a time.
    [[nodiscard]] Refreshed refresh();
    /// @return how many handshakes have succeeded.
    [[nodiscard]] TlsHandshakes handshakes() const noexcept;

  private:
    explicit TlsContext(std::shared_ptr<TlsState> state);
    std::shared_ptr<TlsState> state_;  // shared with the streams
};

}  // namespace repartir::net
