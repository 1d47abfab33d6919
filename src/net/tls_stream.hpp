// SPDX-License-Identifier: MIT
#pragma once
/// @file tls_stream.hpp A Stream over TLS, and what OpenSSL asks of it. For the sources of TLS
/// only.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "net/tls_state.hpp"
#include "trust/facts.hpp"

namespace repartir::net {

/// One end of a TLS connection. A Stream: see there.
class TlsStream final : public Stream {
  public:
    TlsStream(std::shared_ptr<TlsState> state, int fd, TlsParties parties)
        : state_(std::move(state)), fd_(fd), parties_(std::move(parties)) {
        peer_.address = parties_.address;
    }
    TlsStream(const TlsStream&) = delete;
    TlsStream& operator=(const TlsStream&) = delete;
    ~TlsStream() override;

    [[nodiscard]] bool begin();
    [[nodiscard]] Result<Wait> handshake() override;
    [[nodiscard]] Result<Transfer> read(std::span<char> into) override;
    [[nodiscard]] Result<Transfer> write(std::string_view bytes) override;
    void finish() noexcept override;
    [[nodiscard]] Result<void> recheck() override;

    // What OpenSSL calls, by the functions of tls_hooks.cpp.
    int receive(BIO* bio, char* into, int bytes) noexcept;
    int send(BIO* bio, const char* from, int bytes) noexcept;
    [[nodiscard]] bool at_end() const noexcept { return at_end_; }
    int judge_shown(X509_STORE_CTX* shown);
    [[nodiscard]] bool may_resume(SSL_SESSION* session);
    void remember(SessionHandle session) { state_->remember(session_name(), std::move(session)); }

    static TlsStream& of(const SSL* ssl) noexcept {
        return *static_cast<TlsStream*>(SSL_get_app_data(ssl));
    }

  private:
    [[nodiscard]] std::string session_name() const {
        return parties_.address + '\n' + parties_.host;
    }
    [[nodiscard]] trust::Purpose purpose() const;
    [[nodiscard]] Error failure();
    [[nodiscard]] Error name_failure();
    [[nodiscard]] Error write_failure();
    [[nodiscard]] Result<Wait> outcome(int result);
    [[nodiscard]] Result<std::size_t> push(std::string_view bytes, Wait& wait);

    std::shared_ptr<TlsState> state_;  // shared with the context and its other streams
    int fd_;
    TlsParties parties_;
    SslHandle ssl_;
    std::optional<Error> failed_;
    trust::CertificateFacts refused_;
    trust::Flaw flaw_ = trust::Flaw::none;
    std::array<char, 8> first_{};  // what the peer said first
    std::uint8_t first_bytes_ = 0;
    bool foreign_ = false;  // and that is no TLS
    bool established_ = false;
    bool at_end_ = false;
    bool drained_ = false;       // the last read found less than there was room for
    bool more_follows_ = false;  // another record, at once: the kernel sends them together
    int os_error_ = 0;
};

}  // namespace repartir::net
