// SPDX-License-Identifier: MIT
#pragma once
/// @file anchors.hpp Whom this end trusts: authorities and what they revoked. Judges certificates.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "repartir/result.hpp"
#include "trust/openssl.hpp"

namespace repartir::trust {

/// Why a certificate is not accepted.
enum class Flaw : std::uint8_t {
    none,               ///< it is
    unknown_authority,  ///< no authority that is trusted here signed it
    expired,            ///< its time is over
    not_yet_valid,      ///< its time has not come
    revoked,            ///< its authority took it back
    no_list,            ///< lists are in use here, and none that holds is its authority's
    role,               ///< it is not for the part that its holder plays
    host,               ///< it is for other hosts
    malformed,          ///< anything else
};

/// What a certificate must be good for.
struct Purpose {
    std::uint32_t roles = 0;  ///< bits of Role, of which it must have one
    std::string host;         ///< that it must be for; empty: its holder did not listen
};

/// Authorities that are trusted, and their revocation lists. Immutable; any thread.
class Anchors {
  public:
    /// @param authorities PEM, one or more certificates
    /// @param lists PEM, one or more revocation lists; empty: none is looked at
    /// @param where each came from: names it in errors
    /// Errors: malformed, too_large; permission_denied: a list that no authority here signed
    [[nodiscard]] static Result<Anchors> create(std::string_view authorities,
                                                std::string_view authorities_from,
                                                std::string_view lists,
                                                std::string_view lists_from);

    /// Judges a certificate as of now.
    /// @param chain further certificates that its holder showed; nullptr: none
    [[nodiscard]] Flaw judge(X509* certificate, STACK_OF(X509) * chain,
                             const Purpose& purpose) const;

  private:
    explicit Anchors(StoreHandle store) : store_(std::move(store)) {}
    StoreHandle store_;
};

}  // namespace repartir::trust
