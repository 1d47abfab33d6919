// SPDX-License-Identifier: MIT
#pragma once
/// @file tls_state.hpp What a TlsContext and its streams share. For the sources of TLS only.
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "net/tls.hpp"
#include "net/tls_refusal.hpp"
#include "trust/anchors.hpp"
#include "trust/openssl.hpp"

namespace repartir::net {

using SslHandle = std::unique_ptr<SSL, trust::Ended<SSL_free>>;
using SslContextHandle = std::unique_ptr<SSL_CTX, trust::Ended<SSL_CTX_free>>;
using SessionHandle = std::unique_ptr<SSL_SESSION, trust::Ended<SSL_SESSION_free>>;
using BioMethodHandle = std::unique_ptr<BIO_METHOD, trust::Ended<BIO_meth_free>>;

/// Sessions that are kept to be resumed, one a peer.
inline constexpr std::size_t sessions_max = 4096;
/// How long a session may be resumed.
inline constexpr long ticket_seconds = 600;

/// What tells one content of a file from another without reading it. Two equal ones may be told
/// apart only by a file that was written twice within a tick of the kernel's clock.
struct FileStamp {
    std::array<std::int64_t, 7> parts{};  ///< device, inode, size, two times; all 0: no file
    bool operator==(const FileStamp&) const = default;
};

/// What one end shows its peers.
struct OwnIdentity {
    SslContextHandle context;
    std::string name;
    std::string role;
};

/// Shared by a context and its streams, each of which may be with another thread.
struct TlsState {
    TlsFiles files;
    BioMethodHandle socket;  ///< how OpenSSL reads and writes a socket

    std::atomic<std::uint64_t> whole_handshakes{0};
    std::atomic<std::uint64_t> resumed_handshakes{0};

    std::mutex mutex;  ///< guards what follows
    std::shared_ptr<const trust::Anchors>
        anchors;  ///< shared with who judges while refresh() puts others in its place
    OwnIdentity own;
    std::map<std::string, SessionHandle> sessions;  ///< by address and host

    std::array<FileStamp, 2> own_stamps;      ///< as last read, well or not: refresh() alone
    std::array<FileStamp, 2> anchors_stamps;  ///< likewise

    /// @return whom this end trusts now.
    [[nodiscard]] std::shared_ptr<const trust::Anchors> trusted();
    /// @return a connection that has not begun; nullptr: memory is short
    [[nodiscard]] SslHandle begin(TlsParties& parties);
    /// @return the session of that peer that was begun last; nullptr: none, or it is over
    [[nodiscard]] SessionHandle session_for(const std::string& peer);
    /// Keeps a session, in the place of the one before.
    void remember(const std::string& peer, SessionHandle session);
    /// Drops the session of a peer.
    void forget(const std::string& peer);
};

/// Makes the BIO method of sockets. @return nullptr: memory is short
[[nodiscard]] BioMethodHandle make_socket_method();
/// Sets what belongs to every connection of a context. @return whether that went well
[[nodiscard]] bool configure(SSL_CTX* context);
/// Makes a stream. @param host empty: the peer dialled
[[nodiscard]] Result<std::unique_ptr<Stream>> make_tls_stream(std::shared_ptr<TlsState> state,
                                                              int fd, TlsSide side,
                                                              std::string address,
                                                              std::string host);

}  // namespace repartir::net
