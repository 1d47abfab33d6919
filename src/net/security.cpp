// SPDX-License-Identifier: MIT
#include "net/security.hpp"

namespace repartir::net {

Result<void> allowed(const Security& security, const SocketAddress& address) {
    if (address.family() == AF_UNIX || security.tls != nullptr ||
        security.plaintext == Plaintext::any) {
        return {};
    }
    if (security.plaintext == Plaintext::loopback) {
        if (address.is_loopback()) {
            return {};
        }
        return fail(Error(Domain::net, Code::permission_denied, Fault::policy,
                          address.text() +
                              " is not on this machine, and plaintext is allowed on loopback only: "
                              "use TLS (repartir pki), or write --insecure-plaintext=any where "
                              "everybody who can reach it may run programs"));
    }
    return fail(Error(Domain::net, Code::permission_denied, Fault::policy,
                      "TCP needs certificates, and none are given for " + address.text() +
                          ": make some (repartir pki), use a Unix socket (unix:/PATH), or write "
                          "--insecure-plaintext on one machine"));
}

Result<std::unique_ptr<Stream>> accepted_stream(const Security& security, int fd,
                                                const SocketAddress& peer) {
    if (Result<void> may = allowed(security, peer); !may) {
        return fail(may.error());
    }
    if (peer.family() == AF_UNIX) {
        return local_stream(fd, local_address(fd).text(), security.local);
    }
    return plain_stream(fd, peer.text());
}

Result<std::unique_ptr<Stream>> dialled_stream(const Security& security, int fd,
                                               const SocketAddress& peer, const Address& wanted) {
    if (Result<void> may = allowed(security, peer); !may) {
        return fail(may.error());
    }
    if (peer.family() == AF_UNIX) {
        return local_stream(fd, wanted.text(), security.local);
    }
    return plain_stream(fd, wanted.text());
}

}  // namespace repartir::net
