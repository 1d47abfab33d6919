// SPDX-License-Identifier: MIT
#include "trust/certificate.hpp"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "trust/openssl.hpp"

namespace repartir::trust {
namespace {

constexpr std::size_t name_characters_max = 64;
constexpr std::size_t host_characters_max = 253;
constexpr std::size_t label_characters_max = 63;
constexpr std::size_t hosts_max = 100;
constexpr std::size_t serial_digits_max = 40;  // 20 bytes: RFC 5280, 4.1.2.2
constexpr std::string_view role_uri = "urn:repartir:role:";

Error invalid(std::string sentence) {
    return Error(Domain::trust, Code::invalid_argument, Fault::user, std::move(sentence));
}

Error bad_name(std::string_view name) {
    return invalid("\"" + std::string(name.substr(0, name_characters_max)) +
                   "\" cannot name a certificate: take 1 to 64 of a-z A-Z 0-9 . _ -, beginning"
                   " with a letter or digit");
}

bool letter_or_digit(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool valid_host_name(std::string_view host) noexcept {
    std::size_t label = 0;
    for (std::size_t i = 0; i < host.size(); ++i) {
        const char c = host[i];
        const bool inside = label > 0 && (c == '-' || c == '_');
        if (c == '.' ? label == 0 || host[i - 1] == '-' : !letter_or_digit(c) && !inside) {
            return false;
        }
        label = c == '.' ? 0 : label + 1;
        if (label > label_characters_max) {
            return false;
        }
    }
    return label > 0 && host.size() <= host_characters_max && host.back() != '-';
}

using Octets = std::unique_ptr<ASN1_OCTET_STRING, Ended<ASN1_OCTET_STRING_free>>;

/// @return the bytes of an IP address; nullptr: it is none.
Octets address_of(const std::string& host) { return Octets(a2i_IPADDRESS(host.c_str())); }

KeyHandle new_key() { return KeyHandle(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")); }

/// Gives a certificate a serial number of 128 random bits.
bool set_serial(X509* certificate) {
    std::array<unsigned char, 16> bytes{};
    if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
        return false;
    }
    const NumberHandle number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
    return number != nullptr && BN_is_zero(number.get()) == 0 &&
           BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_name(X509_NAME* into, std::string_view name) {
    return X509_NAME_add_entry_by_NID(into, NID_commonName, MBSTRING_UTF8,
                                      // SAFETY: OpenSSL reads characters as unsigned ones.
                                      reinterpret_cast<const unsigned char*>(name.data()),
                                      static_cast<int>(name.size()), -1, 0) == 1;
}

bool set_times(X509* certificate, Validity validity) {
    return ASN1_TIME_set(X509_getm_notBefore(certificate),
                         validity.from.time_since_epoch().count()) != nullptr &&
           ASN1_TIME_set(X509_getm_notAfter(certificate),
                         validity.until.time_since_epoch().count()) != nullptr;
}

/// Adds an extension by what OpenSSL calls its value. Only for values that stand in this file.
bool add_extension(X509* certificate, X509* issuer, int kind, const char* value) {
    using Extension = std::unique_ptr<X509_EXTENSION, Ended<X509_EXTENSION_free>>;
    X509V3_CTX context{};
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value));
    return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

/// Adds one alternative name. @param kind GEN_DNS or GEN_URI
bool add_text(GENERAL_NAMES* names, int kind, std::string_view value) {
    using Text = std::unique_ptr<ASN1_IA5STRING, Ended<ASN1_IA5STRING_free>>;
    Text text(ASN1_IA5STRING_new());
    NameHandle name(GENERAL_NAME_new());
    if (text == nullptr || name == nullptr ||
        ASN1_STRING_set(text.get(), value.data(), static_cast<int>(value.size())) != 1) {
        return false;
    }
    GENERAL_NAME_set0_value(name.get(), kind, text.release());
    if (sk_GENERAL_NAME_push(names, name.get()) <= 0) {
        return false;
    }
    (void)name.release();  // the list's now
    return true;
}

bool add_address(GENERAL_NAMES* names, Octets address) {
    NameHandle name(GENERAL_NAME_new());
    if (name == nullptr) {
        return false;
    }
    GENERAL_NAME_set0_value(name.get(), GEN_IPADD, address.release());
    if (sk_GENERAL_NAME_push(names, name.get()) <= 0) {
        return false;
    }
    (void)name.release();  // the list's now
    return true;
}

/// Writes down the role and the hosts.
bool add_alternative_names(X509* certificate, const Request& request) {
    const NamesHandle names(GENERAL_NAMES_new());
    bool good =
        names != nullptr && add_text(names.get(), GEN_URI,
                                     std::string(role_uri) + std::string(to_string(request.role)));
    for (const std::string& host : request.hosts) {
        Octets address = address_of(host);
        good = good && (address != nullptr ? add_address(names.get(), std::move(address))
                                           : add_text(names.get(), GEN_DNS, host));
    }
    return good && X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0,
                                     X509V3_ADD_DEFAULT) == 1;
}

/// @return what `write` puts on a memory BIO, as text.
template <class Write>
Result<std::string> to_pem(Write write) {
    const BioHandle bio(BIO_new(BIO_s_mem()));
    char* bytes = nullptr;
    if (bio == nullptr || write(bio.get()) != 1) {
        return fail(openssl_error("cannot write a certificate or key"));
    }
    const long length = BIO_get_mem_data(bio.get(), &bytes);
    return std::string(bytes, static_cast<std::size_t>(length));
}

Result<Identity> to_identity(X509* certificate, EVP_PKEY* key) {
    Result<std::string> public_part =
        to_pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
    Result<std::string> private_part = to_pem([&](BIO* bio) {
        return PEM_write_bio_PKCS8PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
    });
    if (!public_part || !private_part) {
        return fail(public_part ? private_part.error() : public_part.error());
    }
    return Identity{std::move(*public_part), std::move(*private_part)};
}

struct Signer {
    CertificateHandle certificate;
    KeyHandle key;
};

Result<Signer> read_signer(const Identity& authority) {
    Result<std::vector<CertificateHandle>> certificates =
        read_certificates(authority.certificate, "the authority's certificate");
    Result<KeyHandle> key = read_key(authority.key, "the authority's key");
    if (!certificates || !key) {
        return fail(certificates ? key.error() : certificates.error());
    }
    X509* certificate = certificates->front().get();
    if (X509_check_ca(certificate) != 1 || X509_check_private_key(certificate, key->get()) != 1) {
        return fail(Error(Domain::trust, Code::malformed, Fault::user,
                          "the authority's certificate and key do not belong together or sign no"
                          " others; use ca.crt and ca.key of one \"repartir pki init\""));
    }
    return Signer{std::move(certificates->front()), std::move(*key)};
}

Result<void> check_validity(Validity validity) {
    // RFC 5280, 4.1.2.5: times without a year of four digits cannot be written.
    const auto last = std::chrono::sys_days{std::chrono::year{9999} / 12 / 31};
    if (validity.from > validity.until || validity.until > last) {
        return fail(invalid("a certificate must end after it begins, and before the year 10000"));
    }
    return {};
}

Result<void> check_request(const Request& request, const X509* authority) {
    if (!valid_name(request.name)) {
        return fail(bad_name(request.name));
    }
    if (request.hosts.size() > hosts_max) {
        return fail(invalid("a certificate is for 100 hosts at most; issue several"));
    }
    for (const std::string& host : request.hosts) {
        if (!valid_host(host)) {
            return fail(invalid("\"" + host.substr(0, host_characters_max) +
                                "\" is neither a host name nor an IP address; ports and wildcards"
                                " do not belong here"));
        }
    }
    if (request.validity.until > time_of(X509_get0_notAfter(authority))) {
        return fail(
            invalid("the certificate would outlive its authority; ask for fewer days, or"
                    " make a new authority"));
    }
    return check_validity(request.validity);
}

/// Takes a serial number from text. @return nullptr when it is none
IntegerHandle read_serial(const std::string& text) {
    const auto hex = [](char c) { return letter_or_digit(c) && (c | 0x20) <= 'f'; };
    if (text.empty() || text.size() > serial_digits_max || !std::ranges::all_of(text, hex)) {
        return nullptr;
    }
    BIGNUM* parsed = nullptr;
    BN_hex2bn(&parsed, text.c_str());
    const NumberHandle number(parsed);
    return IntegerHandle(number == nullptr ? nullptr : BN_to_ASN1_INTEGER(number.get(), nullptr));
}

bool add_revocation(X509_CRL* list, const ASN1_INTEGER* serial, std::chrono::sys_seconds when) {
    using Revoked = std::unique_ptr<X509_REVOKED, Ended<X509_REVOKED_free>>;
    Revoked revoked(X509_REVOKED_new());
    const TimeHandle time(ASN1_TIME_set(nullptr, when.time_since_epoch().count()));
    const IntegerHandle copy(ASN1_INTEGER_dup(serial));
    if (revoked == nullptr || time == nullptr || copy == nullptr ||
        X509_REVOKED_set_serialNumber(revoked.get(), copy.get()) != 1 ||
        X509_REVOKED_set_revocationDate(revoked.get(), time.get()) != 1 ||
        X509_CRL_add0_revoked(list, revoked.get()) != 1) {
        return false;
    }
    (void)revoked.release();  // the list's now
    return true;
}

/// Head and foot of a revocation list around its entries.
bool frame_list(X509_CRL* list, X509* authority, std::uint64_t number,
                std::chrono::sys_seconds now) {
    using Identifier = std::unique_ptr<AUTHORITY_KEYID, Ended<AUTHORITY_KEYID_free>>;
    const TimeHandle time(ASN1_TIME_set(nullptr, now.time_since_epoch().count()));
    const IntegerHandle counted(ASN1_INTEGER_new());
    const Identifier issuer(AUTHORITY_KEYID_new());
    const ASN1_OCTET_STRING* key = X509_get0_subject_key_id(authority);
    if (time == nullptr || counted == nullptr || issuer == nullptr || key == nullptr) {
        return false;
    }
    issuer->keyid = ASN1_OCTET_STRING_dup(key);
    return X509_CRL_set_version(list, X509_CRL_VERSION_2) == 1 &&
           X509_CRL_set_issuer_name(list, X509_get_subject_name(authority)) == 1 &&
           X509_CRL_set1_lastUpdate(list, time.get()) == 1 &&
           X509_CRL_set1_nextUpdate(list, X509_get0_notAfter(authority)) == 1 &&
           ASN1_INTEGER_set_uint64(counted.get(), number) == 1 &&
           X509_CRL_add1_ext_i2d(list, NID_crl_number, counted.get(), 0, 0) == 1 &&
           X509_CRL_add1_ext_i2d(list, NID_authority_key_identifier, issuer.get(), 0, 0) == 1;
}

}  // namespace

std::string_view to_string(Role role) noexcept {
    switch (role) {
        case Role::client:
            return "client";
        case Role::worker:
            return "worker";
        case Role::broker:
            return "broker";
    }
    return "unknown";
}

bool valid_name(std::string_view name) noexcept {
    const auto fits = [](char c) { return letter_or_digit(c) || c == '.' || c == '_' || c == '-'; };
    return !name.empty() && name.size() <= name_characters_max && letter_or_digit(name.front()) &&
           std::ranges::all_of(name, fits);
}

bool valid_host(std::string_view host) {
    const bool address = host.size() <= host_characters_max &&
                         host.find('\0') == std::string_view::npos &&
                         address_of(std::string(host)) != nullptr;
    ERR_clear_error();
    // What looks like an IPv4 address and is none would only be a name by mistake.
    const bool digits = host.find_first_not_of("0123456789.") == std::string_view::npos;
    return address || (!digits && valid_host_name(host));
}

Result<Identity> make_authority(std::string_view name, Validity validity) {
    if (!valid_name(name)) {
        return fail(bad_name(name));
    }
    if (Result<void> good = check_validity(validity); !good) {
        return fail(good.error());
    }
    const CertificateHandle certificate(X509_new());
    const KeyHandle key = new_key();
    X509* raw = certificate.get();
    const bool made =
        raw != nullptr && key != nullptr && X509_set_version(raw, X509_VERSION_3) == 1 &&
        set_serial(raw) && set_name(X509_get_subject_name(raw), name) &&
        X509_set_issuer_name(raw, X509_get_subject_name(raw)) == 1 && set_times(raw, validity) &&
        X509_set_pubkey(raw, key.get()) == 1 &&
        add_extension(raw, raw, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
        add_extension(raw, raw, NID_key_usage, "critical,keyCertSign,cRLSign") &&
        add_extension(raw, raw, NID_subject_key_identifier, "hash") &&
        X509_sign(raw, key.get(), nullptr) > 0;
    return made ? to_identity(raw, key.get())
                : fail(openssl_error("cannot make the authority's certificate"));
}

Result<Identity> issue(const Identity& authority, const Request& request) {
    Result<Signer> signer = read_signer(authority);
    if (!signer) {
        return fail(signer.error());
    }
    X509* issuer = signer->certificate.get();
    if (Result<void> good = check_request(request, issuer); !good) {
        return fail(good.error());
    }
    const CertificateHandle certificate(X509_new());
    const KeyHandle key = new_key();
    X509* raw = certificate.get();
    // Workers and brokers connect, too: a worker to its broker, a broker to its workers.
    const char* use = request.role == Role::client ? "clientAuth" : "serverAuth,clientAuth";
    const bool made =
        raw != nullptr && key != nullptr && X509_set_version(raw, X509_VERSION_3) == 1 &&
        set_serial(raw) && set_name(X509_get_subject_name(raw), request.name) &&
        X509_set_issuer_name(raw, X509_get_subject_name(issuer)) == 1 &&
        set_times(raw, request.validity) && X509_set_pubkey(raw, key.get()) == 1 &&
        add_extension(raw, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(raw, issuer, NID_key_usage, "critical,digitalSignature") &&
        add_extension(raw, issuer, NID_ext_key_usage, use) &&
        add_extension(raw, issuer, NID_subject_key_identifier, "hash") &&
        add_extension(raw, issuer, NID_authority_key_identifier, "keyid:always") &&
        add_alternative_names(raw, request) && X509_sign(raw, signer->key.get(), nullptr) > 0;
    return made ? to_identity(raw, key.get()) : fail(openssl_error("cannot issue a certificate"));
}

Result<std::string> make_revocation_list(const Identity& authority,
                                         std::span<const Revocation> revoked, std::uint64_t number,
                                         std::chrono::sys_seconds now) {
    Result<Signer> signer = read_signer(authority);
    if (!signer) {
        return fail(signer.error());
    }
    const CrlHandle list(X509_CRL_new());
    if (list == nullptr || !frame_list(list.get(), signer->certificate.get(), number, now)) {
        return fail(openssl_error("cannot make a revocation list"));
    }
    for (const Revocation& each : revoked) {
        const IntegerHandle serial = read_serial(each.serial);
        if (serial == nullptr) {
            return fail(invalid("\"" + each.serial.substr(0, serial_digits_max) +
                                "\" is no serial number: those are up to 40 hexadecimal digits"));
        }
        if (!add_revocation(list.get(), serial.get(), each.when)) {
            return fail(openssl_error("cannot revoke a certificate"));
        }
    }
    if (X509_CRL_sort(list.get()) != 1 ||
        X509_CRL_sign(list.get(), signer->key.get(), nullptr) <= 0) {
        return fail(openssl_error("cannot sign a revocation list"));
    }
    return to_pem([&](BIO* bio) { return PEM_write_bio_X509_CRL(bio, list.get()); });
}

}  // namespace repartir::trust
