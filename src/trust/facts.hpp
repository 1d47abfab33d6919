// SPDX-License-Identifier: MIT
#pragma once
/// @file facts.hpp What stands in certificates and revocation lists, for people. Pure; any thread.
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "repartir/result.hpp"
#include "trust/certificate.hpp"

struct x509_st;  // OpenSSL's certificate

namespace repartir::trust {

/// What stands in a certificate.
struct CertificateFacts {
    std::string name;
    std::string issuer;       ///< the name of who signed it
    bool authority = false;   ///< it may sign others
    std::uint32_t roles = 0;  ///< bits of Role
    std::vector<std::string> hosts;
    Validity validity;
    std::string serial;       ///< hexadecimal digits, lower-case, 32 or more
    std::string fingerprint;  ///< SHA-256 of it, hexadecimal
};

/// What stands in a revocation list.
struct RevocationFacts {
    std::string issuer;
    Validity validity;
    std::uint64_t number = 0;  ///< one more with each list
    std::vector<Revocation> revoked;
};

/// @return "2026-11-22 14:05:00 UTC".
[[nodiscard]] std::string date_text(std::chrono::sys_seconds time);

/// @return what stands in a certificate. It is not changed, but for what OpenSSL remembers of it.
[[nodiscard]] CertificateFacts facts_of(x509_st* certificate);
/// Reads the first certificate of a text. Errors: malformed, too_large
/// @param what names the text in the error's sentence, such as "the file x.crt"
[[nodiscard]] Result<CertificateFacts> describe_certificate(std::string_view pem,
                                                            std::string_view what);
/// Reads the first revocation list of a text. Errors as above.
[[nodiscard]] Result<RevocationFacts> describe_revocation_list(std::string_view pem,
                                                               std::string_view what);

}  // namespace repartir::trust
