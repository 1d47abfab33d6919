// SPDX-License-Identifier: MIT
#pragma once
/// @file tls_refusal.hpp Why two ends do not come together over TLS, as sentences for both of them.
#include <cstdint>
#include <string>

#include "repartir/error.hpp"
#include "trust/anchors.hpp"
#include "trust/facts.hpp"

namespace repartir::net {

/// Which end of a connection this one is.
enum class TlsSide : std::uint8_t { accepting, connecting };

/// Whom and what a sentence is about.
struct TlsParties {
    TlsSide side = TlsSide::accepting;
    std::string address;      ///< of the peer
    std::string host;         ///< that was dialled; empty: it dialled
    std::string own_name;     ///< of this end's certificate
    std::string own_role;     ///< such as "client"
    std::string authorities;  ///< file of the authorities trusted here
    std::string revocations;  ///< file of what is revoked
};

/// @return what this end says of a certificate that it does not accept.
[[nodiscard]] Error refusal(const TlsParties& parties, trust::Flaw flaw,
                            const trust::CertificateFacts& peer);
/// @return what this end says when the peer ended the handshake, or the connection, by an alert
/// (RFC 8446, 6.2).
[[nodiscard]] Error alerted(const TlsParties& parties, int alert);
/// @return the certificate error by which OpenSSL tells the peer of a flaw: each leads to an alert
/// of its own, as far as there are some.
[[nodiscard]] int alert_reason(trust::Flaw flaw) noexcept;

/// What the first bytes of a peer say that it speaks.
enum class Speech : std::uint8_t { tls, frames, other };
/// @param first up to 8 bytes, one at least
[[nodiscard]] Speech speech_of(std::string_view first) noexcept;

/// @return what this end says of a peer that speaks no TLS.
[[nodiscard]] Error not_tls(const TlsParties& parties, Speech speech);
/// @return that a peer speaks TLS, but no version that is safe enough.
[[nodiscard]] Error old_tls(const TlsParties& parties);
/// @return that a peer which dialled showed no certificate.
[[nodiscard]] Error no_certificate(const TlsParties& parties);
/// @return that the connection ended without a goodbye. @param in_handshake before it stood
/// @param os_error errno; 0: the peer closed it
[[nodiscard]] Error lost(const TlsParties& parties, bool in_handshake, int os_error);
/// @return anything else. @param reason OpenSSL's words
[[nodiscard]] Error broken(const TlsParties& parties, std::string_view reason);
/// @return the frame that tells a peer which speaks frames that this end speaks TLS: in words of
/// its own, since it knows itself by another address than this end does.
[[nodiscard]] std::string answer_in_frames();

}  // namespace repartir::net
