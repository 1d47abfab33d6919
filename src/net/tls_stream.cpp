// SPDX-License-Identifier: MIT
#include "net/tls_stream.hpp"

#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "wire/messages.hpp"

namespace repartir::net {
namespace {

using trust::Flaw;

static_assert(trust::bit_of(trust::Role::client) ==
              1U << static_cast<unsigned>(wire::Role::client));
static_assert(trust::bit_of(trust::Role::worker) ==
              1U << static_cast<unsigned>(wire::Role::worker));
static_assert(trust::bit_of(trust::Role::broker) ==
              1U << static_cast<unsigned>(wire::Role::broker));

constexpr std::size_t record_bytes = 16384;  // of plaintext: RFC 8446, 5.1

}  // namespace

TlsStream::~TlsStream() {
    // A connection that broke leaves its session good: many peers come back at once just then.
    if (ssl_ != nullptr) {
        SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
}

bool TlsStream::begin() {
    ssl_ = state_->begin(parties_);
    BIO* bio = ssl_ != nullptr ? BIO_new(state_->socket.get()) : nullptr;
    if (bio == nullptr) {
        return false;
    }
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
    SSL_set_app_data(ssl_.get(), this);
    if (parties_.side == TlsSide::accepting) {
        SSL_set_accept_state(ssl_.get());
        return true;
    }
    SSL_set_connect_state(ssl_.get());
    if (const SessionHandle session = state_->session_for(session_name())) {
        if (may_resume(session.get())) {
            SSL_set_session(ssl_.get(), session.get());
        } else {
            state_->forget(session_name());
        }
    }
    return true;
}

trust::Purpose TlsStream::purpose() const {
    if (parties_.side == TlsSide::accepting) {
        return {all_roles, {}};
    }
    return {trust::bit_of(trust::Role::worker) | trust::bit_of(trust::Role::broker), parties_.host};
}

/// Judges what a peer shows in a handshake; OpenSSL's own judgement is not asked.
int TlsStream::judge_shown(X509_STORE_CTX* shown) {
    X509* certificate = X509_STORE_CTX_get0_cert(shown);
    flaw_ = certificate == nullptr
                ? Flaw::malformed
                : state_->trusted()->judge(certificate, X509_STORE_CTX_get0_untrusted(shown),
                                           purpose());
    if (flaw_ != Flaw::none && certificate != nullptr) {
        refused_ = trust::facts_of(certificate);
    }
    X509_STORE_CTX_set_error(shown, alert_reason(flaw_));
    return flaw_ == Flaw::none ? 1 : 0;
}

bool TlsStream::may_resume(SSL_SESSION* session) {
    X509* certificate = SSL_SESSION_get0_peer(session);
    return certificate != nullptr &&
           state_->trusted()->judge(certificate, nullptr, purpose()) == Flaw::none;
}

int TlsStream::receive(BIO* bio, char* into, int bytes) noexcept {
    ssize_t got = -1;
    do {
        got = ::recv(fd_, into, static_cast<std::size_t>(bytes), 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            BIO_set_retry_read(bio);
        } else {
            os_error_ = errno;
        }
        return -1;
    }
    at_end_ = got == 0;
    drained_ = got > 0 && got < bytes;
    if (first_bytes_ < first_.size() && got > 0) {
        const std::size_t taken =
            std::min(first_.size() - first_bytes_, static_cast<std::size_t>(got));
        std::memcpy(first_.data() + first_bytes_, into, taken);
        first_bytes_ = static_cast<std::uint8_t>(first_bytes_ + taken);
        if (speech_of({first_.data(), first_bytes_}) != Speech::tls) {
            foreign_ = true;
            return -1;
        }
    }
    return static_cast<int>(got);
}

int TlsStream::send(BIO* bio, const char* from, int bytes) noexcept {
    ssize_t sent = -1;
    do {
        sent = ::send(fd_, from, static_cast<std::size_t>(bytes),
                      MSG_NOSIGNAL | (more_follows_ ? MSG_MORE : 0));
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            BIO_set_retry_write(bio);
        } else {
            os_error_ = errno;
        }
    }
    return static_cast<int>(sent);
}

/// @return what went wrong last; empties OpenSSL's queue.
Error TlsStream::name_failure() {
    const unsigned long first = ERR_peek_error();
    const int reason = ERR_GET_LIB(first) == ERR_LIB_SSL ? ERR_GET_REASON(first) : 0;
    const char* words = ERR_reason_error_string(first);
    const std::string text = words != nullptr ? words : "for no reason that OpenSSL names";
    ERR_clear_error();
    if (flaw_ != Flaw::none) {
        return refusal(parties_, flaw_, refused_);
    }
    if (foreign_) {
        return not_tls(parties_, speech_of({first_.data(), first_bytes_}));
    }
    if (reason > SSL_AD_REASON_OFFSET) {
        return alerted(parties_, reason - SSL_AD_REASON_OFFSET);
    }
    switch (reason) {
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
            return no_certificate(parties_);
        case SSL_R_UNSUPPORTED_PROTOCOL:
        case SSL_R_WRONG_SSL_VERSION:
        case SSL_R_VERSION_TOO_LOW:
        case SSL_R_UNKNOWN_PROTOCOL:
            return old_tls(parties_);
        default:
            break;
    }
    return at_end_ || os_error_ != 0 ? lost(parties_, !established_, at_end_ ? 0 : os_error_)
                                     : broken(parties_, text);
}

/// @return as name_failure(); tells a peer that speaks frames, and ends the stream.
Error TlsStream::failure() {
    const Error error = name_failure();
    if (foreign_ && parties_.side == TlsSide::accepting &&
        speech_of({first_.data(), first_bytes_}) == Speech::frames) {
        const std::string answer = answer_in_frames();
        // Best effort: there is nothing else in the socket's buffer.
        (void)::send(fd_, answer.data(), answer.size(), MSG_NOSIGNAL);
    }
    if (parties_.side == TlsSide::connecting && error.code() != Code::unreachable) {
        state_->forget(session_name());
    }
    failed_ = error;
    return error;
}

/// @return what an operation of OpenSSL that did not go on waits for.
Result<Wait> TlsStream::outcome(int result) {
    switch (SSL_get_error(ssl_.get(), result)) {
        case SSL_ERROR_WANT_READ:
            return Wait::readable;
        case SSL_ERROR_WANT_WRITE:
            return Wait::writable;
        case SSL_ERROR_ZERO_RETURN:
            return Wait::ended;
        default:
            return fail(failure());
    }
}

Result<Wait> TlsStream::handshake() {
    if (failed_) {
        return fail(*failed_);
    }
    if (established_) {
        return Wait::none;
    }
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    if (result != 1) {
        Result<Wait> wait = outcome(result);
        if (wait && *wait == Wait::ended) {
            failed_ = lost(parties_, true, 0);
            return fail(*failed_);
        }
        return wait;
    }
    established_ = true;
    const bool resumed = SSL_session_reused(ssl_.get()) == 1;
    ++(resumed ? state_->resumed_handshakes : state_->whole_handshakes);
    X509* certificate = SSL_get0_peer_certificate(ssl_.get());
    peer_.roles = trust::roles_of(certificate);
    peer_.name = trust::name_of(X509_get_subject_name(certificate));
    return Wait::none;
}

Result<Transfer> TlsStream::read(std::span<char> into) {
    if (failed_) {
        return fail(*failed_);
    }
    Transfer done;
    while (done.bytes < into.size()) {
        std::size_t got = 0;
        ERR_clear_error();
        const int result =
            SSL_read_ex(ssl_.get(), into.data() + done.bytes, into.size() - done.bytes, &got);
        if (result == 1) {
            done.bytes += got;
            if (drained_ && SSL_has_pending(ssl_.get()) == 0) {
                done.wait = Wait::readable;    // asking once more would only say so
                SSL_free_buffers(ssl_.get());  // which OpenSSL itself keeps behind a ticket
                return done;
            }
            continue;
        }
        const Result<Wait> wait = outcome(result);
        if (done.bytes > 0 && (!wait || *wait == Wait::ended)) {
            return done;  // the next call says it again
        }
        if (!wait) {
            return fail(wait.error());
        }
        done.wait = *wait;
        return done;
    }
    return done;
}

/// The connection broke while this end wrote. What the peer said before that tells more: where it
/// refused this end, that is the error; messages of its are left to read().
Error TlsStream::write_failure() {
    const int os_error = std::exchange(os_error_, 0);
    char first = 0;
    std::size_t got = 0;
    ERR_clear_error();
    const bool speaks = SSL_peek_ex(ssl_.get(), &first, 1, &got) == 1;
    if (!speaks && ERR_GET_REASON(ERR_peek_error()) > SSL_AD_REASON_OFFSET) {
        return failure();
    }
    ERR_clear_error();
    os_error_ = os_error;
    return speaks ? lost(parties_, false, os_error) : failure();
}

/// Seals and sends a record's worth. @return how many bytes went; 0 when it waits
Result<std::size_t> TlsStream::push(std::string_view bytes, Wait& wait) {
    std::size_t sent = 0;
    ERR_clear_error();
    more_follows_ = bytes.size() > record_bytes;
    // No more than that: behind a record that had waited, OpenSSL would seal the next one at once,
    // and the last of all would go as if more followed.
    const std::string_view part = bytes.substr(0, record_bytes);
    const int result = SSL_write_ex(ssl_.get(), part.data(), part.size(), &sent);
    if (result == 1) {
        return sent;
    }
    const int kind = SSL_get_error(ssl_.get(), result);
    if (kind == SSL_ERROR_WANT_WRITE || kind == SSL_ERROR_WANT_READ) {
        wait = kind == SSL_ERROR_WANT_WRITE ? Wait::writable : Wait::readable;
        return 0;
    }
    return fail(os_error_ != 0 ? write_failure() : failure());
}

Result<Transfer> TlsStream::write(std::string_view bytes) {
    if (failed_) {
        return fail(*failed_);
    }
    Transfer done;
    while (done.wait == Wait::none && done.bytes < bytes.size()) {
        const Result<std::size_t> sent = push(bytes.substr(done.bytes), done.wait);
        if (!sent) {
            return fail(sent.error());
        }
        done.bytes += *sent;
    }
    return done;
}

void TlsStream::finish() noexcept {
    if (established_ && !failed_) {
        ERR_clear_error();
        SSL_shutdown(ssl_.get());
        ERR_clear_error();
    }
}

Result<void> TlsStream::recheck() {
    if (failed_) {
        return fail(*failed_);
    }
    if (!established_) {
        return {};
    }
    X509* certificate = SSL_get0_peer_certificate(ssl_.get());
    const Flaw flaw =
        state_->trusted()->judge(certificate, SSL_get_peer_cert_chain(ssl_.get()), purpose());
    if (flaw != Flaw::none) {
        return fail(refusal(parties_, flaw, trust::facts_of(certificate)));
    }
    return {};
}

Result<std::unique_ptr<Stream>> make_tls_stream(std::shared_ptr<TlsState> state, int fd,
                                                TlsSide side, std::string address,
                                                std::string host) {
    if (side == TlsSide::connecting && host.empty()) {
        return fail(Error(Domain::trust, Code::invalid_argument, Fault::user,
                          "the host that is dialled must be named, so that its certificate can be"
                          " compared with it"));
    }
    TlsParties parties;
    parties.side = side;
    parties.address = std::move(address);
    parties.host = std::move(host);
    auto stream = std::make_unique<TlsStream>(std::move(state), fd, std::move(parties));
    if (!stream->begin()) {
        return fail(Error(Domain::trust, Code::out_of_resources, Fault::system,
                          trust::openssl_error("cannot begin TLS").sentence()));
    }
    return stream;
}

}  // namespace repartir::net
