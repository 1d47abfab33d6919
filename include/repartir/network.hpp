// SPDX-License-Identifier: MIT
#pragma once
/// @file network.hpp How connections between machines are secured: values, for workers and clients.
#include <cstdint>
#include <string>
#include <vector>

namespace repartir {

/// How far TCP without TLS is allowed: whoever reaches such a port may run programs.
enum class Plaintext : std::uint8_t {
    no,        ///< not at all
    loopback,  ///< to and from this machine
    any,       ///< from everywhere
};

/// Files that say who this end is and whom it trusts, in PEM: `repartir pki` makes them. All empty:
/// no TLS.
struct TlsFiles {
    std::string ca;           ///< the authority's certificate, which all peers' must come from
    std::string certificate;  ///< of this end
    std::string key;          ///< of this end: its owner's only to read
    std::string crl;          ///< certificates that are revoked; empty: none are

    [[nodiscard]] bool empty() const noexcept {
        return ca.empty() && certificate.empty() && key.empty() && crl.empty();
    }
};

/// How the connections of one process are secured. TCP needs TLS, or `plaintext`; over a Unix
/// socket (an address "unix:/path") the kernel names the peer's user, who must be this one, root or
/// in a group that is listed.
struct NetworkSecurity {
    TlsFiles tls;
    Plaintext plaintext = Plaintext::no;
    std::vector<std::string> groups;  ///< by name
};

}  // namespace repartir
