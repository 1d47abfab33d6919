// SPDX-License-Identifier: MIT
#include "trust/anchors.hpp"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace repartir::trust {
namespace {

using Judgement = std::unique_ptr<X509_STORE_CTX, Ended<X509_STORE_CTX_free>>;

Flaw flaw_of(int error) noexcept {
    switch (error) {
        case X509_V_OK:
            return Flaw::none;
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return Flaw::expired;
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return Flaw::not_yet_valid;
        case X509_V_ERR_CERT_REVOKED:
            return Flaw::revoked;
        case X509_V_ERR_UNABLE_TO_GET_CRL:
        case X509_V_ERR_CRL_HAS_EXPIRED:
        case X509_V_ERR_CRL_NOT_YET_VALID:
        case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
        case X509_V_ERR_CRL_SIGNATURE_FAILURE:
        case X509_V_ERR_DIFFERENT_CRL_SCOPE:
            return Flaw::no_list;
        case X509_V_ERR_INVALID_PURPOSE:
            return Flaw::role;
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_INVALID_CA:
        case X509_V_ERR_CERT_UNTRUSTED:
        case X509_V_ERR_PATH_LENGTH_EXCEEDED:
            return Flaw::unknown_authority;
        default:
            return Flaw::malformed;
    }
}

/// @return whether one of the authorities signed a list.
bool signed_by_one(X509_CRL* list, const std::vector<CertificateHandle>& authorities) {
    return std::ranges::any_of(authorities, [&](const CertificateHandle& authority) {
        return X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_subject_name(authority.get())) ==
                   0 &&
               X509_CRL_verify(list, X509_get0_pubkey(authority.get())) == 1;
    });
}

bool is_for(X509* certificate, const std::string& host) {
    const std::unique_ptr<ASN1_OCTET_STRING, Ended<ASN1_OCTET_STRING_free>> address(
        a2i_IPADDRESS(host.c_str()));
    if (address != nullptr) {
        return X509_check_ip(certificate, ASN1_STRING_get0_data(address.get()),
                             static_cast<std::size_t>(ASN1_STRING_length(address.get())), 0) == 1;
    }
    return X509_check_host(certificate, host.data(), host.size(),
                           X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_WILDCARDS,
                           nullptr) == 1;
}

}  // namespace

Result<Anchors> Anchors::create(std::string_view authorities, std::string_view authorities_from,
                                std::string_view lists, std::string_view lists_from) {
    const Result<std::vector<CertificateHandle>> trusted =
        read_certificates(authorities, authorities_from);
    if (!trusted) {
        return fail(trusted.error());
    }
    StoreHandle store(X509_STORE_new());
    bool good = store != nullptr;
    for (const CertificateHandle& each : *trusted) {
        good = good && X509_STORE_add_cert(store.get(), each.get()) == 1;
    }
    if (!lists.empty()) {
        const Result<std::vector<CrlHandle>> read = read_revocation_lists(lists, lists_from);
        if (!read) {
            return fail(read.error());
        }
        for (const CrlHandle& each : *read) {
            if (!signed_by_one(each.get(), *trusted)) {
                ERR_clear_error();
                return fail(Error(Domain::trust, Code::permission_denied, Fault::policy,
                                  std::string(lists_from) + " was signed by no authority in " +
                                      std::string(authorities_from) +
                                      "; take crl.pem and ca.crt from the same place"));
            }
            good = good && X509_STORE_add_crl(store.get(), each.get()) == 1;
        }
        good = good && X509_STORE_set_flags(store.get(), X509_V_FLAG_CRL_CHECK) == 1;
    }
    if (!good) {
        return fail(openssl_error("cannot keep the authorities that are trusted"));
    }
    return Anchors(std::move(store));
}

Flaw Anchors::judge(X509* certificate, STACK_OF(X509) * chain, const Purpose& purpose) const {
    const Judgement judgement(X509_STORE_CTX_new());
    if (judgement == nullptr ||
        X509_STORE_CTX_init(judgement.get(), store_.get(), certificate, chain) != 1 ||
        X509_STORE_CTX_set_purpose(judgement.get(), purpose.host.empty()
                                                        ? X509_PURPOSE_SSL_CLIENT
                                                        : X509_PURPOSE_SSL_SERVER) != 1) {
        ERR_clear_error();
        return Flaw::malformed;
    }
    const bool verified = X509_verify_cert(judgement.get()) == 1;
    const int error = X509_STORE_CTX_get_error(judgement.get());
    ERR_clear_error();
    if (!verified) {
        return error == X509_V_OK ? Flaw::malformed : flaw_of(error);
    }
    if ((roles_of(certificate) & purpose.roles) == 0) {
        return Flaw::role;
    }
    if (!purpose.host.empty() && !is_for(certificate, purpose.host)) {
        return Flaw::host;
    }
    return Flaw::none;
}

}  // namespace repartir::trust
