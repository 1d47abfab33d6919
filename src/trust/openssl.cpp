// SPDX-License-Identifier: MIT
#include "trust/openssl.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "trust/certificate.hpp"

namespace repartir::trust {
namespace {

constexpr std::size_t name_characters_max = 64;

Error malformed(std::string_view what, std::string_view expected) {
    ERR_clear_error();
    return Error(Domain::trust, Code::malformed, Fault::user,
                 std::string(what) + " holds no " + std::string(expected) +
                     " in PEM form; name a file that \"repartir pki\" made, or an equivalent");
}

Result<BioHandle> open(std::string_view pem, std::string_view what) {
    if (pem.size() > pem_bytes_max) {
        return fail(Error(Domain::trust, Code::too_large, Fault::user,
                          std::string(what) + " is longer than the 16 MiB that certificates, keys"
                                              " and revocation lists may have"));
    }
    BioHandle bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    if (bio == nullptr) {
        return fail(openssl_error("cannot read " + std::string(what)));
    }
    return bio;
}

/// Asks nobody for a passphrase, which OpenSSL otherwise does on the terminal.
int no_passphrase(char* /*into*/, int /*bytes*/, int /*writing*/, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
}

/// Reads items until there are no more. A text may have other lines before and between them.
template <class Handle, auto read>
Result<std::vector<Handle>> read_all(std::string_view pem, std::string_view what,
                                     std::string_view expected) {
    Result<BioHandle> bio = open(pem, what);
    if (!bio) {
        return fail(bio.error());
    }
    std::vector<Handle> items;
    ERR_clear_error();
    while (Handle item{read(bio->get(), nullptr, nullptr, nullptr)}) {
        if (items.size() == pem_items_max) {
            return fail(Error(Domain::trust, Code::too_large, Fault::user,
                              std::string(what) + " holds more than 64 items; split it"));
        }
        items.push_back(std::move(item));
    }
    const unsigned long error = ERR_peek_last_error();
    const bool at_end =
        ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    if (items.empty() || !at_end) {
        return fail(malformed(what, expected));
    }
    return items;
}

}  // namespace

Result<std::vector<CertificateHandle>> read_certificates(std::string_view pem,
                                                         std::string_view what) {
    return read_all<CertificateHandle, PEM_read_bio_X509>(pem, what, "certificate");
}

Result<std::vector<CrlHandle>> read_revocation_lists(std::string_view pem, std::string_view what) {
    return read_all<CrlHandle, PEM_read_bio_X509_CRL>(pem, what, "revocation list");
}

Result<KeyHandle> read_key(std::string_view pem, std::string_view what) {
    Result<BioHandle> bio = open(pem, what);
    if (!bio) {
        return fail(bio.error());
    }
    bool passphrase = false;
    KeyHandle key(PEM_read_bio_PrivateKey(bio->get(), nullptr, no_passphrase, &passphrase));
    ERR_clear_error();
    if (passphrase) {
        return fail(Error(Domain::trust, Code::unsupported, Fault::user,
                          std::string(what) + " is protected by a passphrase, which no daemon can"
                                              " type; store the key without one, mode 600"));
    }
    if (key == nullptr) {
        return fail(malformed(what, "private key"));
    }
    return key;
}

std::string name_of(const X509_NAME* subject) {
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0) {
        return {};
    }
    const ASN1_STRING* text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
    std::string name;
    for (int i = 0; i < ASN1_STRING_length(text); ++i) {
        const auto c = static_cast<char>(ASN1_STRING_get0_data(text)[i]);
        name += c > ' ' && c <= '~' ? c : '?';
        if (name.size() == name_characters_max) {
            break;
        }
    }
    return name;
}

NamesHandle names_of(const X509* certificate) {
    return NamesHandle(static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
}

std::vector<AlternativeName> names_in(const GENERAL_NAMES* names) {
    std::vector<AlternativeName> found;
    for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names); ++i) {
        int kind = 0;
        const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &kind);
        if (kind == GEN_DNS || kind == GEN_IPADD || kind == GEN_URI) {
            const auto* text = static_cast<const ASN1_STRING*>(value);
            // SAFETY: any object may be looked at as char.
            const auto* bytes = reinterpret_cast<const char*>(ASN1_STRING_get0_data(text));
            found.push_back({kind, {bytes, static_cast<std::size_t>(ASN1_STRING_length(text))}});
        }
    }
    return found;
}

std::uint32_t roles_of(const X509* certificate) {
    constexpr std::string_view prefix = "urn:repartir:role:";
    const NamesHandle names = names_of(certificate);
    std::uint32_t roles = 0;
    for (const AlternativeName& name : names_in(names.get())) {
        for (const Role role : {Role::client, Role::worker, Role::broker}) {
            if (name.kind == GEN_URI && name.bytes.starts_with(prefix) &&
                name.bytes.substr(prefix.size()) == to_string(role)) {
                roles |= bit_of(role);
            }
        }
    }
    return roles;
}

std::string serial_of(const ASN1_INTEGER* serial) {
    const NumberHandle number(ASN1_INTEGER_to_BN(serial, nullptr));
    constexpr std::string_view digits = "0123456789abcdef";
    constexpr std::size_t bytes_min = 16;
    std::vector<unsigned char> bytes(
        std::max(bytes_min, static_cast<std::size_t>(number ? BN_num_bytes(number.get()) : 0)));
    if (number != nullptr) {
        BN_bn2binpad(number.get(), bytes.data(), static_cast<int>(bytes.size()));
    }
    std::string text;
    for (const unsigned char byte : bytes) {
        text += digits[byte >> 4U];
        text += digits[byte & 15U];
    }
    return text;
}

std::chrono::sys_seconds time_of(const ASN1_TIME* time) {
    std::tm parts{};
    if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) {
        return {};
    }
    return std::chrono::sys_seconds(std::chrono::seconds(::timegm(&parts)));
}

Error openssl_error(std::string_view what) {
    const char* reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return Error(Domain::trust, Code::internal, Fault::system,
                 std::string(what) + ": OpenSSL says " +
                     (reason != nullptr ? reason : "nothing, perhaps memory is short"));
}

}  // namespace repartir::trust
