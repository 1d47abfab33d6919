// SPDX-License-Identifier: MIT
#pragma once
/// @file openssl.hpp OpenSSL's objects, each with one owner; certificates read from text. For the
/// sources of trust and net: no other header shows OpenSSL.
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "repartir/result.hpp"

namespace repartir::trust {

/// Ends an object of OpenSSL with the function that is its end.
template <auto end>
struct Ended {
    template <class T>
    void operator()(T* object) const noexcept {
        end(object);
    }
};

using CertificateHandle = std::unique_ptr<X509, Ended<X509_free>>;
using KeyHandle = std::unique_ptr<EVP_PKEY, Ended<EVP_PKEY_free>>;
using CrlHandle = std::unique_ptr<X509_CRL, Ended<X509_CRL_free>>;
using StoreHandle = std::unique_ptr<X509_STORE, Ended<X509_STORE_free>>;
using NumberHandle = std::unique_ptr<BIGNUM, Ended<BN_free>>;
using IntegerHandle = std::unique_ptr<ASN1_INTEGER, Ended<ASN1_INTEGER_free>>;
using TimeHandle = std::unique_ptr<ASN1_TIME, Ended<ASN1_TIME_free>>;
using NameHandle = std::unique_ptr<GENERAL_NAME, Ended<GENERAL_NAME_free>>;
using NamesHandle = std::unique_ptr<GENERAL_NAMES, Ended<GENERAL_NAMES_free>>;
using BioHandle = std::unique_ptr<BIO, Ended<BIO_free>>;

/// A text longer than this is no certificate, key or list of ours: 16 MiB of a revocation list are
/// 400,000 certificates.
inline constexpr std::size_t pem_bytes_max = std::size_t{16} << 20U;
/// Certificates or lists in one text.
inline constexpr std::size_t pem_items_max = 64;

/// @return all certificates of a PEM text, at least one. Errors: malformed, too_large, naming
/// `what`
[[nodiscard]] Result<std::vector<CertificateHandle>> read_certificates(std::string_view pem,
                                                                       std::string_view what);
/// @return the private key of a PEM text. Errors as above; unsupported: it has a passphrase
[[nodiscard]] Result<KeyHandle> read_key(std::string_view pem, std::string_view what);
/// @return all revocation lists of a PEM text, at least one. Errors as read_certificates()
[[nodiscard]] Result<std::vector<CrlHandle>> read_revocation_lists(std::string_view pem,
                                                                   std::string_view what);

/// @return the name that a certificate is for, printable, at most 64 characters; empty: none
[[nodiscard]] std::string name_of(const X509_NAME* subject);
/// A name that a certificate is for. Its bytes lie in the certificate's names.
struct AlternativeName {
    int kind = 0;  ///< GEN_DNS, GEN_IPADD, GEN_URI, ...
    std::string_view bytes;
};
/// @return the names, of those three kinds, that a certificate is for, in order.
[[nodiscard]] std::vector<AlternativeName> names_in(const GENERAL_NAMES* names);
/// @return the alternative names of a certificate; nullptr: it has none
[[nodiscard]] NamesHandle names_of(const X509* certificate);
/// @return the roles that a certificate allows, as bits of Role.
[[nodiscard]] std::uint32_t roles_of(const X509* certificate);
/// @return a serial number as 32 lower-case hexadecimal digits or more.
[[nodiscard]] std::string serial_of(const ASN1_INTEGER* serial);
/// @return a time; the epoch when it is none.
[[nodiscard]] std::chrono::sys_seconds time_of(const ASN1_TIME* time);
/// @return an Error for a failure inside OpenSSL, with its reason; empties its queue.
[[nodiscard]] Error openssl_error(std::string_view what);

}  // namespace repartir::trust
