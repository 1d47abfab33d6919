// SPDX-License-Identifier: MIT
#include <openssl/ssl.h>

#include <string_view>
#include <utility>

#include "net/tls_state.hpp"
#include "net/tls_stream.hpp"

namespace repartir::net {
namespace {

constexpr long certificate_bytes_max = 32768;  // of all that an unknown peer shows

int receive_by(BIO* bio, char* into, int bytes) noexcept {
    BIO_clear_retry_flags(bio);
    return static_cast<TlsStream*>(BIO_get_data(bio))->receive(bio, into, bytes);
}

int send_by(BIO* bio, const char* from, int bytes) noexcept {
    BIO_clear_retry_flags(bio);
    return static_cast<TlsStream*>(BIO_get_data(bio))->send(bio, from, bytes);
}

long control(BIO* bio, int command, long /*number*/, void* /*argument*/) noexcept {
    if (command == BIO_CTRL_EOF) {
        return static_cast<TlsStream*>(BIO_get_data(bio))->at_end() ? 1 : 0;
    }
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

int judge_shown(X509_STORE_CTX* shown, void* /*argument*/) noexcept {
    const auto* ssl = static_cast<const SSL*>(
        X509_STORE_CTX_get_ex_data(shown, SSL_get_ex_data_X509_STORE_CTX_idx()));
    return TlsStream::of(ssl).judge_shown(shown);
}

int keep_session(SSL* ssl, SSL_SESSION* session) noexcept {
    TlsStream::of(ssl).remember(SessionHandle(session));
    return 1;
}

/// A ticket counts only as long as who it was given to would still be let in.
SSL_TICKET_RETURN judge_ticket(SSL* ssl, SSL_SESSION* session, const unsigned char* /*name*/,
                               std::size_t /*bytes*/, SSL_TICKET_STATUS status,
                               void* /*argument*/) noexcept {
    const bool whole = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW;
    return whole && TlsStream::of(ssl).may_resume(session) ? SSL_TICKET_RETURN_USE_RENEW
                                                           : SSL_TICKET_RETURN_IGNORE_RENEW;
}

}  // namespace

BioMethodHandle make_socket_method() {
    BioMethodHandle method(BIO_meth_new(BIO_TYPE_SOURCE_SINK, "repartir socket"));
    const bool good = method != nullptr && BIO_meth_set_read(method.get(), receive_by) == 1 &&
                      BIO_meth_set_write(method.get(), send_by) == 1 &&
                      BIO_meth_set_ctrl(method.get(), control) == 1;
    return good ? std::move(method) : nullptr;
}

bool configure(SSL_CTX* context) {
    constexpr std::string_view part = "repartir";
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_read_ahead(context, 1);  // one system call a record, not two
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    SSL_CTX_set_cert_verify_callback(context, judge_shown, nullptr);
    SSL_CTX_set_max_cert_list(context, certificate_bytes_max);
    SSL_CTX_set_timeout(context, ticket_seconds);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, keep_session);
    // SAFETY: OpenSSL reads characters as unsigned ones.
    const auto* name = reinterpret_cast<const unsigned char*>(part.data());
    return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_early_data(context, 0) == 1 &&
           SSL_CTX_set_recv_max_early_data(context, 0) == 1 &&
           SSL_CTX_set_num_tickets(context, 1) == 1 &&
           SSL_CTX_set_session_ticket_cb(context, nullptr, judge_ticket, nullptr) == 1 &&
           SSL_CTX_set_session_id_context(context, name, part.size()) == 1;
}

}  // namespace repartir::net
