// SPDX-License-Identifier: MIT
#include "trust/facts.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>

#include <array>
#include <ctime>

#include "trust/openssl.hpp"

namespace repartir::trust {
namespace {

/// @return "10.0.0.1", "::1"; what is no address as its bytes in hexadecimal.
std::string address_text(std::string_view bytes) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const int family = bytes.size() == sizeof(in_addr) ? AF_INET : AF_INET6;
    if (bytes.size() != sizeof(in_addr) && bytes.size() != sizeof(in6_addr)) {
        return "an address of " + std::to_string(bytes.size()) + " bytes";
    }
    return ::inet_ntop(family, bytes.data(), text.data(), text.size()) != nullptr ? text.data()
                                                                                  : "";
}

std::string printable(std::string_view bytes) {
    std::string text(bytes);
    for (char& c : text) {
        c = c > ' ' && c <= '~' ? c : '?';
    }
    return text;
}

std::string fingerprint_of(const X509* certificate) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int length = 0;
    if (X509_digest(certificate, EVP_sha256(), digest.data(), &length) != 1) {
        return {};
    }
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (unsigned int i = 0; i < length; ++i) {
        text += digits[digest.at(i) >> 4U];
        text += digits[digest.at(i) & 15U];
    }
    return text;
}

}  // namespace

std::string date_text(std::chrono::sys_seconds time) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
    std::tm parts{};
    std::array<char, 40> text{};
    if (::gmtime_r(&seconds, &parts) == nullptr) {
        return "a time without a date";
    }
    return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts)};
}

Result<CertificateFacts> describe_certificate(std::string_view pem, std::string_view what) {
    const Result<std::vector<CertificateHandle>> certificates = read_certificates(pem, what);
    if (!certificates) {
        return fail(certificates.error());
    }
    return facts_of(certificates->front().get());
}

CertificateFacts facts_of(X509* certificate) {
    CertificateFacts facts;
    facts.name = name_of(X509_get_subject_name(certificate));
    facts.issuer = name_of(X509_get_issuer_name(certificate));
    facts.authority = X509_check_ca(certificate) == 1;
    facts.roles = roles_of(certificate);
    const NamesHandle names = names_of(certificate);
    for (const AlternativeName& name : names_in(names.get())) {
        if (name.kind != GEN_URI) {
            facts.hosts.push_back(name.kind == GEN_DNS ? printable(name.bytes)
                                                       : address_text(name.bytes));
        }
    }
    facts.validity = {time_of(X509_get0_notBefore(certificate)),
                      time_of(X509_get0_notAfter(certificate))};
    facts.serial = serial_of(X509_get0_serialNumber(certificate));
    facts.fingerprint = fingerprint_of(certificate);
    ERR_clear_error();
    return facts;
}

Result<RevocationFacts> describe_revocation_list(std::string_view pem, std::string_view what) {
    const Result<std::vector<CrlHandle>> lists = read_revocation_lists(pem, what);
    if (!lists) {
        return fail(lists.error());
    }
    X509_CRL* list = lists->front().get();
    RevocationFacts facts;
    facts.issuer = name_of(X509_CRL_get_issuer(list));
    facts.validity = {time_of(X509_CRL_get0_lastUpdate(list)),
                      time_of(X509_CRL_get0_nextUpdate(list))};
    const IntegerHandle number(
        static_cast<ASN1_INTEGER*>(X509_CRL_get_ext_d2i(list, NID_crl_number, nullptr, nullptr)));
    if (number != nullptr) {
        ASN1_INTEGER_get_uint64(&facts.number, number.get());
    }
    const STACK_OF(X509_REVOKED)* entries = X509_CRL_get_REVOKED(list);
    for (int i = 0; i < sk_X509_REVOKED_num(entries); ++i) {
        const X509_REVOKED* entry = sk_X509_REVOKED_value(entries, i);
        facts.revoked.push_back({serial_of(X509_REVOKED_get0_serialNumber(entry)),
                                 time_of(X509_REVOKED_get0_revocationDate(entry))});
    }
    ERR_clear_error();
    return facts;
}

}  // namespace repartir::trust
