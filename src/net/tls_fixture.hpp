// SPDX-License-Identifier: MIT
#pragma once
/// @file tls_fixture.hpp Two ends of a TLS connection in one thread, with certificates on a disk.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "net/tls.hpp"
#include "trust/authority_fixture.hpp"
#include "trust/facts.hpp"
#include "trust/openssl.hpp"

namespace repartir::net {

/// Two connected non-blocking sockets.
struct SocketPair {
    base::Fd one;
    base::Fd two;

    /// @param buffer_bytes of each; 0: the kernel's default
    static SocketPair make(int buffer_bytes = 0) {
        std::array<int, 2> ends{-1, -1};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()),
                  0);
        for (const int end : ends) {
            if (buffer_bytes > 0) {
                ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes);
                ::setsockopt(end, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
            }
        }
        return {base::Fd(ends[0]), base::Fd(ends[1])};
    }
};

/// Two connected TCP sockets on loopback, blocking until made_non_blocking.
inline SocketPair tcp_pair() {
    const base::Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    // SAFETY: the sockets interface takes every kind of address as sockaddr.
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listener.get(), generic, bytes), 0);
    EXPECT_EQ(::listen(listener.get(), 1), 0);
    EXPECT_EQ(::getsockname(listener.get(), generic, &bytes), 0);
    SocketPair pair;
    pair.one = base::Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(pair.one.get(), generic, bytes), 0);
    pair.two = base::Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    for (const base::Fd* end : {&pair.one, &pair.two}) {
        ::fcntl(end->get(), F_SETFL, O_NONBLOCK);
    }
    return pair;
}

/// A folder with an authority's files and those of whom it issued certificates to.
class CertificateFolder {
  public:
    CertificateFolder() {
        std::string path = testing::TempDir() + "repartir-tls-XXXXXX";
        EXPECT_NE(::mkdtemp(path.data()), nullptr);
        path_ = path;
        write("ca.crt", authority_.certificate());
        write("crl.pem", authority_.list());
    }
    CertificateFolder(const CertificateFolder&) = delete;
    CertificateFolder& operator=(const CertificateFolder&) = delete;
    ~CertificateFolder() { std::filesystem::remove_all(path_); }

    [[nodiscard]] const trust::TestAuthority& authority() const noexcept { return authority_; }
    [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }
    /// Puts a file in its place at once, as "repartir pki" does.
    void write(const std::string& name, const std::string& text) const {
        const std::string passing = path(name) + ".new";
        std::ofstream(passing) << text;
        ::chmod(passing.c_str(), S_IRUSR | S_IWUSR);
        ::rename(passing.c_str(), path(name).c_str());
    }
    /// @return the files of one end, written: NAME.crt, NAME.key and the authority's.
    [[nodiscard]] TlsFiles files(const std::string& name, const trust::Identity& identity) const {
        write(name + ".crt", identity.certificate);
        write(name + ".key", identity.key);
        return {path("ca.crt"), path(name + ".crt"), path(name + ".key"), path("crl.pem")};
    }
    [[nodiscard]] std::unique_ptr<TlsContext> context(const std::string& name,
                                                      const trust::Identity& identity) const {
        auto made = TlsContext::create(files(name, identity));
        EXPECT_TRUE(made) << made.error().sentence();
        return made ? std::move(*made) : nullptr;
    }
    void revoke(const trust::Identity& identity) {
        revoked_.push_back(trust::describe_certificate(identity.certificate, "x")->serial);
        write("crl.pem", authority_.list(revoked_, revoked_.size() + 1));
    }

  private:
    trust::TestAuthority authority_;
    std::string path_;
    std::vector<std::string> revoked_;
};

/// One end of a connection, driven a step at a time.
struct End {
    std::unique_ptr<Stream> stream;
    bool established = false;
    bool over = false;
    std::optional<Error> error{};
    std::string received{};

    /// Goes on as far as it can: the handshake, then reading. @return whether anything happened
    bool step() {
        if (error || over) {
            return false;
        }
        if (!established) {
            const Result<Wait> wait = stream->handshake();
            if (!wait) {
                error = wait.error();
                return true;
            }
            established = *wait == Wait::none;
            return established;
        }
        std::array<char, 40000> piece{};
        const Result<Transfer> got = stream->read(piece);
        if (!got) {
            error = got.error();
            return true;
        }
        received.append(piece.data(), got->bytes);
        over = got->wait == Wait::ended;
        return got->bytes > 0 || over;
    }
    [[nodiscard]] std::string sentence() const { return error ? error->sentence() : "no error"; }
};

using RawSsl = std::unique_ptr<SSL, trust::Ended<SSL_free>>;
using RawContext = std::unique_ptr<SSL_CTX, trust::Ended<SSL_CTX_free>>;

/// OpenSSL without us.
struct RawEnd {
    RawContext context{SSL_CTX_new(TLS_method())};
    RawSsl ssl;

    void start(int fd, bool accepting) {
        ssl.reset(SSL_new(context.get()));
        SSL_set_fd(ssl.get(), fd);
        accepting ? SSL_set_accept_state(ssl.get()) : SSL_set_connect_state(ssl.get());
    }
    bool step() {
        char byte = 0;
        std::size_t got = 0;
        const bool before = SSL_is_init_finished(ssl.get()) == 1;
        SSL_read_ex(ssl.get(), &byte, 1, &got);
        ERR_clear_error();
        return got > 0 || before != (SSL_is_init_finished(ssl.get()) == 1);
    }
    void show(const trust::Identity& identity) {
        const auto certificates = trust::read_certificates(identity.certificate, "x");
        const auto key = trust::read_key(identity.key, "x");
        EXPECT_EQ(SSL_CTX_use_certificate(context.get(), certificates->front().get()), 1);
        EXPECT_EQ(SSL_CTX_use_PrivateKey(context.get(), key->get()), 1);
    }
};

/// Lets several go on until none can. Steps that only wait for the other are allowed a few times.
inline void settle(const std::vector<std::function<bool()>>& steps) {
    constexpr int idle_rounds = 3;
    for (int idle = 0; idle < idle_rounds; ++idle) {
        for (const auto& step : steps) {
            idle = step() ? 0 : idle;
        }
    }
}

/// A client and a worker.
struct Ends {
    SocketPair sockets;
    End client;
    End worker;

    static Ends make(TlsContext& client, TlsContext& worker, const std::string& host = "localhost",
                     SocketPair sockets = SocketPair::make()) {
        Ends ends;
        ends.sockets = std::move(sockets);
        auto connecting = client.connect(ends.sockets.one.get(), "10.0.0.2:9000", host);
        auto accepting = worker.accept(ends.sockets.two.get(), "10.0.0.3:40312");
        EXPECT_TRUE(connecting && accepting);
        ends.client.stream = std::move(*connecting);
        ends.worker.stream = std::move(*accepting);
        return ends;
    }
    void settle() {
        net::settle({[this] { return client.step(); }, [this] { return worker.step(); }});
    }
};

}  // namespace repartir::net
