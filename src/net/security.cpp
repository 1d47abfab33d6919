// SPDX-License-Identifier: MIT
#include "net/security.hpp"

#include <grp.h>

#include <array>

namespace repartir::net {

Result<gid_t> group_id(std::string_view name) {
    std::array<char, 65'536> text{};
    group entry{};
    group* found = nullptr;
    if (::getgrnam_r(std::string(name).c_str(), &entry, text.data(), text.size(), &found) != 0 ||
        found == nullptr) {
        return fail(Error(
            Domain::config, Code::not_found, Fault::user,
            "the group '" + std::string(name) + "' is not known on this machine: check its name"));
    }
    return found->gr_gid;
}

Result<Security> make_security(const NetworkSecurity& wanted) {
    Security security;
    security.plaintext = wanted.plaintext;
    if (!wanted.tls.empty()) {
        Result<std::unique_ptr<TlsContext>> context = TlsContext::create(wanted.tls);
        if (!context) {
            return fail(context.error());
        }
        security.tls = std::move(*context);
    }
    for (const std::string& name : wanted.groups) {
        const Result<gid_t> group = group_id(name);
        if (!group) {
            return fail(group.error());
        }
        security.local.groups.push_back(*group);
    }
    return security;
}

Error plaintext_error(const std::string& whom) {
    return Error(Domain::net, Code::permission_denied, Fault::policy,
                 "TCP needs certificates, and none are given for " + whom +
                     ": make some (repartir pki), use a Unix socket (unix:/PATH), or write "
                     "--insecure-plaintext on one machine");
}

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
    return fail(plaintext_error(address.text()));
}

Result<std::unique_ptr<Stream>> accepted_stream(const Security& security, int fd,
                                                const SocketAddress& peer) {
    if (Result<void> may = allowed(security, peer); !may) {
        return fail(may.error());
    }
    if (peer.family() == AF_UNIX) {
        return local_stream(fd, local_address(fd).text(), security.local);
    }
    if (security.tls != nullptr) {
        return security.tls->accept(fd, peer.text());
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
    if (security.tls != nullptr) {
        return security.tls->connect(fd, wanted.text(),
                                     wanted.host.empty() ? "localhost" : wanted.host);
    }
    return plain_stream(fd, wanted.text());
}

}  // namespace repartir::net
