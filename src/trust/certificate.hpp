// SPDX-License-Identifier: MIT
#pragma once
/// @file certificate.hpp A private authority: makes it, issues and revokes certificates. Texts
/// in PEM form in and out; no files and no clock. Any thread.
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "repartir/result.hpp"

namespace repartir::trust {

/// What the holder of a certificate may be. The numbers are those of wire::Role.
enum class Role : std::uint8_t { client, worker, broker };

/// @return "client", "worker" or "broker".
[[nodiscard]] std::string_view to_string(Role role) noexcept;
/// @return the bit of a role in a set of roles.
[[nodiscard]] constexpr std::uint32_t bit_of(Role role) noexcept {
    return 1U << static_cast<std::uint32_t>(role);
}

/// From when until when a certificate holds, both included.
struct Validity {
    std::chrono::sys_seconds from;
    std::chrono::sys_seconds until;
};

/// A certificate and its private key (ed25519), each as PEM.
struct Identity {
    std::string certificate;
    std::string key;
};

/// What a certificate is to say.
struct Request {
    std::string name;  ///< 1 to 64 of a-z A-Z 0-9 . _ -, the first a letter or digit
    Role role = Role::client;
    std::vector<std::string> hosts;  ///< names and IP addresses at which it listens; 100 at most
    Validity validity;
};

/// A certificate that no longer holds.
struct Revocation {
    std::string serial;  ///< hexadecimal digits
    std::chrono::sys_seconds when;
};

/// @return whether `name` may be a certificate's: see Request::name. It is then a safe file name.
[[nodiscard]] bool valid_name(std::string_view name) noexcept;
/// @return whether `host` is an IP address, or a host name without wildcards.
[[nodiscard]] bool valid_host(std::string_view host);

/// Makes an authority: a certificate that signs others, and itself. Errors: invalid_argument, a bad
/// name or validity; internal
[[nodiscard]] Result<Identity> make_authority(std::string_view name, Validity validity);
/// Issues a certificate with a new key. Errors: malformed, the authority is none;
/// invalid_argument: the name, a host or a validity beyond the authority's own; internal
[[nodiscard]] Result<Identity> issue(const Identity& authority, const Request& request);
/// Lists what is revoked. It holds as long as its authority. Errors: malformed, invalid_argument: a
/// serial that is none; internal
/// @param number more than that of the list before
[[nodiscard]] Result<std::string> make_revocation_list(const Identity& authority,
                                                       std::span<const Revocation> revoked,
                                                       std::uint64_t number,
                                                       std::chrono::sys_seconds now);

}  // namespace repartir::trust
