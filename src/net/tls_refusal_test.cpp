// SPDX-License-Identifier: MIT
#include "net/tls_refusal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "net/tls_fixture.hpp"
#include "wire/framer.hpp"
#include "wire/messages.hpp"

namespace repartir::net {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using trust::Flaw;
using trust::Identity;
using trust::Role;

TlsParties parties(TlsSide side) {
    TlsParties both;
    both.side = side;
    both.address = "10.0.0.2:9000";
    both.host = side == TlsSide::connecting ? "gpu1" : "";
    both.own_name = "ada";
    both.own_role = side == TlsSide::connecting ? "client" : "worker";
    both.authorities = "ca.crt";
    both.revocations = "crl.pem";
    return both;
}

TEST(TlsRefusal, EveryFlawHasASentenceOfItsOwn) {
    for (const TlsSide side : {TlsSide::accepting, TlsSide::connecting}) {
        std::set<std::string> sentences;
        for (int flaw = 1; flaw <= static_cast<int>(Flaw::malformed); ++flaw) {
            trust::CertificateFacts peer;
            peer.name = "x";
            peer.hosts = {"a", "b", "c", "d", "e", "f", "g"};
            const Error error = refusal(parties(side), static_cast<Flaw>(flaw), peer);
            EXPECT_THAT(error.sentence(), HasSubstr("10.0.0.2:9000"));
            EXPECT_FALSE(error.retryable());
            sentences.insert(error.sentence());
        }
        EXPECT_EQ(sentences.size(), static_cast<std::size_t>(Flaw::malformed));
    }
}

TEST(TlsRefusal, LongListsOfHostsAreCut) {
    trust::CertificateFacts peer;
    peer.hosts = {"a", "b", "c", "d", "e", "f", "g"};
    EXPECT_THAT(refusal(parties(TlsSide::connecting), Flaw::host, peer).sentence(),
                HasSubstr("is for a, b, c, d, e, ... and not for gpu1"));
}

TEST(TlsRefusal, AlertsOfAllKindsAreSentences) {
    for (const TlsSide side : {TlsSide::accepting, TlsSide::connecting}) {
        for (int alert = 0; alert < 256; ++alert) {
            EXPECT_THAT(alerted(parties(side), alert).sentence(), HasSubstr("10.0.0.2:9000"));
        }
    }
    EXPECT_THAT(alerted(parties(TlsSide::connecting), 80).sentence(), HasSubstr("internal error"));
    EXPECT_EQ(alerted(parties(TlsSide::connecting), 70).code(), Code::incompatible);
}

TEST(TlsRefusal, TellsTlsFromFramesByTheFirstBytes) {
    EXPECT_EQ(speech_of("\x16\x03\x01"), Speech::tls);
    EXPECT_EQ(speech_of("\x15\x03"), Speech::tls);
    EXPECT_EQ(speech_of("\x16"), Speech::tls);
    EXPECT_EQ(speech_of("\x17\x03"), Speech::other);
    EXPECT_EQ(speech_of(std::string_view("\x30\x00\x00\x00RPTR", 8)), Speech::frames);
    EXPECT_EQ(speech_of(std::string_view("\x30\x00\x00\x00RPT", 7)), Speech::other);
    EXPECT_EQ(speech_of("GET / HT"), Speech::other);
}

TEST(TlsRefusal, ALostConnectionSaysHow) {
    EXPECT_THAT(lost(parties(TlsSide::connecting), false, 104).sentence(),
                HasSubstr("Connection reset by peer"));
    EXPECT_TRUE(lost(parties(TlsSide::accepting), true, 0).retryable());
}

// Peers that are no TLS 1.3 with a certificate.

class TlsStrangers : public testing::Test {
  protected:
    [[nodiscard]] Identity worker_identity() const {
        return folder_.authority().issue_for(Role::worker, {"localhost", "127.0.0.1"});
    }
    [[nodiscard]] Identity client_identity() const {
        return folder_.authority().issue_for(Role::client);
    }

    CertificateFolder folder_;
    std::unique_ptr<TlsContext> client_ = folder_.context("client", client_identity());
    std::unique_ptr<TlsContext> worker_ = folder_.context("worker", worker_identity());
};

TEST_F(TlsStrangers, RefusesWhatSpeaksOlderTls) {
    for (const bool accepting : {true, false}) {
        const SocketPair sockets = SocketPair::make();
        RawEnd raw;
        SSL_CTX_set_max_proto_version(raw.context.get(), TLS1_2_VERSION);
        raw.show(accepting ? worker_identity() : client_identity());
        raw.start(sockets.one.get(), accepting);
        End ours{accepting ? std::move(*client_->connect(sockets.two.get(), "a:1", "localhost"))
                           : std::move(*worker_->accept(sockets.two.get(), "a:1"))};
        settle({[&] { return raw.step(); }, [&] { return ours.step(); }});
        EXPECT_THAT(ours.sentence(), HasSubstr("a:1 speaks no TLS 1.3, and nothing older"));
        EXPECT_EQ(ours.error->code(), Code::incompatible);
    }
}

TEST_F(TlsStrangers, RefusesWhoShowsNoCertificate) {
    const SocketPair sockets = SocketPair::make();
    RawEnd raw;
    raw.start(sockets.one.get(), false);
    End ours{std::move(*worker_->accept(sockets.two.get(), "a:1"))};
    settle({[&] { return raw.step(); }, [&] { return ours.step(); }});
    EXPECT_EQ(
        ours.sentence(),
        "refused a:1: it showed no certificate; give it one (repartir pki issue client NAME)");
}

TEST_F(TlsStrangers, TellsAPeerThatSpeaksPlaintext) {
    const SocketPair sockets = SocketPair::make();
    std::string hello;
    wire::append_message(hello, wire::MessageType::hello, 1, wire::Hello{}, {});
    ASSERT_EQ(::send(sockets.one.get(), hello.data(), hello.size(), 0),
              static_cast<ssize_t>(hello.size()));
    End ours{std::move(*worker_->accept(sockets.two.get(), "a:1"))};
    settle({[&] { return ours.step(); }});
    EXPECT_THAT(ours.sentence(), StartsWith("a:1 speaks plaintext where this end speaks TLS"));
    std::array<char, 4096> answer{};
    const ssize_t bytes = ::recv(sockets.one.get(), answer.data(), answer.size(), 0);
    ASSERT_GT(bytes, 0);
    wire::Framer framer;
    framer.give({answer.data(), static_cast<std::size_t>(bytes)});
    const auto message = framer.next();
    ASSERT_TRUE(message && *message);
    const auto goodbye = wire::decode<wire::Goodbye>((*message)->type, (*message)->body);
    ASSERT_TRUE(goodbye);
    EXPECT_EQ(goodbye->parting, wire::Parting::refused);
    EXPECT_THAT(std::string(goodbye->reason),
                StartsWith("it speaks TLS, and was spoken to in plaintext"));
}

TEST_F(TlsStrangers, UnderstandsAWorkerThatSpeaksPlaintext) {
    const SocketPair sockets = SocketPair::make();
    End ours{std::move(*client_->connect(sockets.two.get(), "a:1", "localhost"))};
    settle({[&] { return ours.step(); }});
    std::array<char, 4096> begun{};
    const ssize_t bytes = ::recv(sockets.one.get(), begun.data(), begun.size(), 0);
    wire::Framer framer;
    framer.give({begun.data(), static_cast<std::size_t>(bytes)});
    EXPECT_EQ(framer.next().error(), wire::FrameFault::tls);
    std::string goodbye;
    wire::append_message(goodbye, wire::MessageType::goodbye, 0, wire::Goodbye{}, {});
    ASSERT_GT(::send(sockets.one.get(), goodbye.data(), goodbye.size(), 0), 0);
    settle({[&] { return ours.step(); }});
    EXPECT_THAT(ours.sentence(), StartsWith("worker at a:1 speaks plaintext where this end"));
}

TEST_F(TlsStrangers, UnderstandsWhatIsNeither) {
    for (const std::string said : {"GET / HTTP/1.1\r\n\r\n", "SSH-2.0-x\r\n", "\x16", "\x16\x02"}) {
        const SocketPair sockets = SocketPair::make();
        ASSERT_GT(::send(sockets.one.get(), said.data(), said.size(), 0), 0);
        End ours{std::move(*worker_->accept(sockets.two.get(), "a:1"))};
        settle({[&] { return ours.step(); }});
        ::shutdown(sockets.one.get(), SHUT_WR);
        settle({[&] { return ours.step(); }});
        EXPECT_EQ(ours.sentence(),
                  said == "\x16" ? "a:1 closed the connection before the TLS handshake was done; if"
                                   " this goes on, see whether it speaks TLS, and what it says in"
                                   " its log"
                                 : "a:1 does not speak TLS: check the address and the port");
    }
}

}  // namespace
}  // namespace repartir::net
