// SPDX-License-Identifier: MIT
#pragma once
/// @file security.hpp Which peers are let in, and which stream a socket gets for it.
#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>

#include "net/address.hpp"
#include "net/plain_stream.hpp"
#include "net/stream.hpp"
#include "net/tls.hpp"
#include "repartir/network.hpp"

namespace repartir::net {

/// How the connections of one process are secured. Must outlive what uses it.
struct Security {
    std::unique_ptr<TlsContext> tls;  ///< for TCP; none: no TLS
    Plaintext plaintext = Plaintext::no;
    LocalAccess local;  ///< for Unix sockets

    /// @return whether TCP is allowed to somewhere.
    [[nodiscard]] bool allows_tcp() const noexcept {
        return tls != nullptr || plaintext != Plaintext::no;
    }
};

/// @return the number of a group of users. Errors: not_found, naming it
[[nodiscard]] Result<gid_t> group_id(std::string_view name);

/// @return what a user asked for, with files read and groups looked up. Errors: not_found,
/// permission_denied, invalid_argument, naming the file or group
[[nodiscard]] Result<Security> make_security(const NetworkSecurity& wanted);

/// @return that TCP with `whom` needs certificates, and what to do.
[[nodiscard]] Error plaintext_error(const std::string& whom);

/// @return whether one may listen at, or connect to, this address. Errors: permission_denied, with
/// what to do
[[nodiscard]] Result<void> allowed(const Security& security, const SocketAddress& address);
/// @return the stream for a socket that was accepted from `peer`. Errors: as allowed()
[[nodiscard]] Result<std::unique_ptr<Stream>> accepted_stream(const Security& security, int fd,
                                                              const SocketAddress& peer);
/// @return the stream for a socket that is connected to `peer`, which was asked for as `wanted`.
/// Errors: as allowed()
[[nodiscard]] Result<std::unique_ptr<Stream>> dialled_stream(const Security& security, int fd,
                                                             const SocketAddress& peer,
                                                             const Address& wanted);

}  // namespace repartir::net
