// SPDX-License-Identifier: MIT
#include "net/tls_refusal.hpp"

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "base/os_error.hpp"
#include "repartir/codec.hpp"
#include "wire/framer.hpp"
#include "wire/messages.hpp"

namespace repartir::net {
namespace {

using trust::Flaw;

Error refused(std::string sentence) {
    return Error(Domain::trust, Code::permission_denied, Fault::policy, std::move(sentence));
}

/// @return "worker at 10.0.0.2:9000" of whom was dialled, "10.0.0.2:40312" of who dialled.
std::string whom(const TlsParties& parties) {
    return (parties.side == TlsSide::connecting ? "worker at " : "") + parties.address;
}

std::string joined(const std::vector<std::string>& words) {
    constexpr std::size_t shown_max = 5;
    std::string text;
    for (std::size_t i = 0; i < words.size() && i <= shown_max; ++i) {
        text += (i == 0 ? "" : ", ") + (i < shown_max ? words[i] : "...");
    }
    return text;
}

std::string roles_text(std::uint32_t roles) {
    std::vector<std::string> names;
    for (const trust::Role role : {trust::Role::client, trust::Role::worker, trust::Role::broker}) {
        if ((roles & trust::bit_of(role)) != 0) {
            names.emplace_back(to_string(role));
        }
    }
    return names.empty() ? "no role of Repartir's" : "the role " + joined(names);
}

/// @return what is wrong with the peer's certificate, and what to do: goes on from its name.
std::string reason_here(const TlsParties& parties, Flaw flaw, const trust::CertificateFacts& peer) {
    switch (flaw) {
        case Flaw::unknown_authority:
            return "was signed by no authority in " + parties.authorities +
                   "; use certificates of one \"repartir pki init\" on both sides";
        case Flaw::expired:
            return "expired at " + trust::date_text(peer.validity.until) +
                   "; issue a new one with \"repartir pki issue\"";
        case Flaw::not_yet_valid:
            return "is not valid before " + trust::date_text(peer.validity.from) +
                   "; check the clocks of both machines";
        case Flaw::revoked:
            return "is revoked in " + parties.revocations +
                   "; issue a new one with \"repartir pki issue\" if it is to come in";
        case Flaw::no_list:
            return "comes from an authority of which " + parties.revocations +
                   " holds no revocation list that is valid; copy its crl.pem there";
        case Flaw::role:
            return "is for " + roles_text(peer.roles) +
                   (parties.side == TlsSide::connecting
                        ? ", and who listens must be a worker or broker; issue it one with"
                          " \"repartir pki issue worker\""
                        : ", and who connects must be a client, worker or broker; issue it one"
                          " with \"repartir pki issue\"");
        case Flaw::host:
            return "is for " + (peer.hosts.empty() ? "no host" : joined(peer.hosts)) +
                   " and not for " + parties.host +
                   "; dial a name that it is for, or issue it a new one with --host " +
                   parties.host;
        case Flaw::none:
        case Flaw::malformed:
            break;
    }
    return "cannot be verified; issue a new one with \"repartir pki issue\"";
}

std::string issue_line(const TlsParties& parties) {
    return "repartir pki issue " + parties.own_role + " " + parties.own_name;
}

/// @return why the peer refused this end's certificate, and what to do.
std::string reason_there(const TlsParties& parties, int alert) {
    switch (alert) {
        case TLS1_AD_UNKNOWN_CA:
            return "its authority is not trusted there, or has no valid revocation list there; use"
                   " certificates of one authority on both sides";
        case SSL3_AD_CERTIFICATE_EXPIRED:
            return "it has expired; ask for a new one (" + issue_line(parties) + ")";
        case SSL3_AD_CERTIFICATE_REVOKED:
            return "it is revoked there; ask for a new one (" + issue_line(parties) + ")";
        case SSL3_AD_CERTIFICATE_UNKNOWN:
            return "it is not valid yet by the clock there; check the clocks of both machines";
        case SSL3_AD_UNSUPPORTED_CERTIFICATE:
            return "it is for the role " + parties.own_role +
                   ", which has no place at this end of a connection; use one that was issued for"
                   " the right role";
        case TLS13_AD_CERTIFICATE_REQUIRED:
            return "it wants one and got none; ask for one (repartir pki issue client NAME)";
        case SSL3_AD_BAD_CERTIFICATE:
            return parties.side == TlsSide::accepting
                       ? "it is not for the host name that was dialled; issue a new one that is"
                         " (" +
                             issue_line(parties) + " --host NAME)"
                       : "it cannot be used there; ask for a new one (" + issue_line(parties) + ")";
        default:
            return {};
    }
}

}  // namespace

Error refusal(const TlsParties& parties, Flaw flaw, const trust::CertificateFacts& peer) {
    return refused("refused " + whom(parties) + ": its certificate (\"" + peer.name +
                   "\", serial " + peer.serial + ") " + reason_here(parties, flaw, peer));
}

Error alerted(const TlsParties& parties, int alert) {
    const std::string reason = reason_there(parties, alert);
    if (!reason.empty()) {
        return refused(whom(parties) + " refused this " +
                       (parties.side == TlsSide::accepting ? parties.own_role + "'s " : "") +
                       "certificate (\"" + parties.own_name + "\"): " + reason);
    }
    if (alert == TLS1_AD_PROTOCOL_VERSION) {
        return old_tls(parties);
    }
    const char* words = SSL_alert_desc_string_long(alert);
    return broken(parties, std::string("the peer says \"") + words + "\"");
}

int alert_reason(Flaw flaw) noexcept {
    switch (flaw) {
        case Flaw::none:
            return X509_V_OK;
        case Flaw::unknown_authority:
            return X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;  // unknown_ca
        case Flaw::no_list:
            return X509_V_ERR_UNABLE_TO_GET_CRL;  // unknown_ca
        case Flaw::expired:
            return X509_V_ERR_CERT_HAS_EXPIRED;  // certificate_expired
        case Flaw::not_yet_valid:
            return X509_V_ERR_UNNESTED_RESOURCE;  // certificate_unknown, as all that is in no table
        case Flaw::revoked:
            return X509_V_ERR_CERT_REVOKED;  // certificate_revoked
        case Flaw::role:
            return X509_V_ERR_INVALID_PURPOSE;  // unsupported_certificate
        case Flaw::host:
            return X509_V_ERR_HOSTNAME_MISMATCH;  // bad_certificate
        case Flaw::malformed:
            break;
    }
    return X509_V_ERR_APPLICATION_VERIFICATION;  // handshake_failure
}

Speech speech_of(std::string_view first) noexcept {
    // A record: its type, then the version 3.x. Alerts and handshakes come first, nothing else.
    constexpr char alert = 0x15;
    constexpr char handshake = 0x16;
    constexpr char version = 3;
    if (first.size() < 2 ? first[0] == alert || first[0] == handshake
                         : (first[0] == alert || first[0] == handshake) && first[1] == version) {
        return Speech::tls;
    }
    if (first.size() < wire::length_bytes + sizeof wire::magic) {
        return Speech::other;
    }
    codec::Reader prefix(first.substr(wire::length_bytes));
    return prefix.number<std::uint32_t>() == wire::magic ? Speech::frames : Speech::other;
}

Error not_tls(const TlsParties& parties, Speech speech) {
    return Error(Domain::net, Code::incompatible, Fault::user,
                 whom(parties) + (speech == Speech::frames
                                      ? " speaks plaintext where this end speaks TLS: give both or"
                                        " neither the TLS options"
                                      : " does not speak TLS: check the address and the port"));
}

Error old_tls(const TlsParties& parties) {
    return Error(Domain::net, Code::incompatible, Fault::user,
                 whom(parties) +
                     " speaks no TLS 1.3, and nothing older is accepted: use a program"
                     " that does");
}

Error no_certificate(const TlsParties& parties) {
    return refused("refused " + whom(parties) +
                   ": it showed no certificate; give it one (repartir pki issue client NAME)");
}

Error lost(const TlsParties& parties, bool in_handshake, int os_error) {
    const std::string how =
        os_error == 0 ? " closed the connection"
                      : ": the connection broke (" + std::string(base::words_of(os_error)) + ")";
    return Error(Domain::net, Code::unreachable, Fault::node,
                 whom(parties) + how +
                     (in_handshake ? " before the TLS handshake was done; if this goes on, see"
                                     " whether it speaks TLS, and what it says in its log"
                                   : " without a goodbye; it will be dialled again"));
}

Error broken(const TlsParties& parties, std::string_view reason) {
    return Error(Domain::net, Code::malformed, Fault::node,
                 "the TLS connection with " + whom(parties) + " failed: " + std::string(reason) +
                     "; see what stands between the two machines");
}

std::string answer_in_frames() {
    std::string frame;
    wire::append_message(frame, wire::MessageType::goodbye, 0,
                         wire::Goodbye{wire::Parting::refused,
                                       "it speaks TLS, and was spoken to in plaintext: give both "
                                       "or neither the TLS options"},
                         {});
    return frame;
}

}  // namespace repartir::net
