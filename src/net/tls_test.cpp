// SPDX-License-Identifier: MIT
#include "net/tls.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "net/tls_fixture.hpp"
#include "trust/openssl.hpp"
#include "wire/messages.hpp"

namespace repartir::net {
namespace {

using std::chrono::hours;
using testing::HasSubstr;
using testing::StartsWith;
using trust::Identity;
using trust::Role;

class TlsTest : public testing::Test {
  protected:
    [[nodiscard]] Identity worker_identity() const {
        return folder_.authority().issue_for(Role::worker, {"localhost", "127.0.0.1"});
    }
    [[nodiscard]] Identity client_identity() const {
        return folder_.authority().issue_for(Role::client);
    }
    /// Connects with these certificates until nothing more happens.
    [[nodiscard]] Ends meet(const Identity& client, const Identity& worker,
                            const std::string& host = "localhost") {
        client_ = folder_.context("client", client);
        worker_ = folder_.context("worker", worker);
        Ends ends = Ends::make(*client_, *worker_, host);
        ends.settle();
        return ends;
    }
    /// Connects again with the contexts of before. @return whether it was by a session of before
    bool resumes() {
        const std::uint64_t before = worker_->handshakes().resumed;
        Ends ends = Ends::make(*client_, *worker_);
        ends.settle();
        EXPECT_TRUE(ends.client.established) << ends.client.sentence();
        return worker_->handshakes().resumed > before;
    }

    CertificateFolder folder_;
    std::unique_ptr<TlsContext> client_;
    std::unique_ptr<TlsContext> worker_;
};

TEST_F(TlsTest, EachEndKnowsTheOther) {
    Ends ends = meet(client_identity(), worker_identity());
    ASSERT_TRUE(ends.client.established && ends.worker.established)
        << ends.client.sentence() << "\n"
        << ends.worker.sentence();
    const Peer& client = ends.worker.stream->peer();
    EXPECT_TRUE(client.may_be(wire::Role::client));
    EXPECT_FALSE(client.may_be(wire::Role::worker));
    EXPECT_EQ(client.name, "client-1");
    EXPECT_EQ(client.address, "10.0.0.3:40312");
    const Peer& worker = ends.client.stream->peer();
    EXPECT_TRUE(worker.may_be(wire::Role::worker));
    EXPECT_FALSE(worker.may_be(wire::Role::client));
    EXPECT_EQ(worker.name, "worker-1");
    EXPECT_EQ(ends.worker.stream->handshake().value(), Wait::none);
}

TEST_F(TlsTest, AWorkerMayConnectToABroker) {
    const Identity broker = folder_.authority().issue_for(Role::broker, {"localhost"});
    Ends ends = meet(worker_identity(), broker);
    EXPECT_TRUE(ends.worker.stream->peer().may_be(wire::Role::worker)) << ends.worker.sentence();
    EXPECT_TRUE(ends.client.stream->peer().may_be(wire::Role::broker)) << ends.client.sentence();
}

TEST_F(TlsTest, SaysGoodbye) {
    Ends ends = meet(client_identity(), worker_identity());
    EXPECT_EQ(ends.client.stream->write("hello world")->bytes, 11U);
    ends.client.stream->finish();
    ends.settle();
    EXPECT_EQ(ends.worker.received, "hello world");
    EXPECT_TRUE(ends.worker.over) << ends.worker.sentence();
}

TEST_F(TlsTest, AClosedConnectionIsNoGoodbye) {
    Ends ends = meet(client_identity(), worker_identity());
    ASSERT_TRUE(ends.client.stream->write("half a message"));
    ends.sockets.one.reset();
    ends.settle();
    EXPECT_EQ(ends.worker.received, "half a message") << "what came is not lost";
    EXPECT_EQ(ends.worker.sentence(),
              "10.0.0.3:40312 closed the connection without a goodbye; it will be dialled again");
    EXPECT_EQ(ends.worker.error->code(), Code::unreachable);
    EXPECT_FALSE(ends.worker.stream->read(std::span<char>())) << "it stays so";
    ends.client.stream->finish();  // onto a socket that is gone: harmless
}

// Refusals: what each end says.

struct Refused {
    const char* what;
    std::function<Identity(const CertificateFolder&)> client;
    std::function<Identity(const CertificateFolder&)> worker;
    const char* host;
    const char* worker_says;
    const char* client_says;
};

trust::Validity past() { return {trust::now() - hours(9), trust::now() - hours(1)}; }
trust::Validity future() { return {trust::now() + hours(1), trust::now() + hours(9)}; }

Identity good_client(const CertificateFolder& folder) {
    return folder.authority().issue_for(Role::client);
}
Identity good_worker(const CertificateFolder& folder) {
    return folder.authority().issue_for(Role::worker, {"localhost"});
}

class TlsRefusal : public TlsTest, public testing::WithParamInterface<Refused> {};

TEST_P(TlsRefusal, IsOneSentenceOnBothSides) {
    Ends ends = meet(GetParam().client(folder_), GetParam().worker(folder_), GetParam().host);
    EXPECT_THAT(ends.worker.sentence(), HasSubstr(GetParam().worker_says));
    EXPECT_THAT(ends.client.sentence(), HasSubstr(GetParam().client_says));
    ASSERT_TRUE(ends.worker.error && ends.client.error);
    for (const auto& error : {*ends.worker.error, *ends.client.error}) {
        EXPECT_EQ(error.code(), Code::permission_denied);
        EXPECT_EQ(error.fault(), Fault::policy);
    }
    EXPECT_EQ(worker_->handshakes().whole, 0U);
    EXPECT_EQ(ERR_peek_error(), 0U) << "nothing is left for the next connection to stumble over";
}

INSTANTIATE_TEST_SUITE_P(
    Each, TlsRefusal,
    testing::Values(
        Refused{"ClientOfAnotherAuthority",
                [](const auto&) { return trust::TestAuthority("x").issue_for(Role::client); },
                good_worker, "localhost",
                "refused 10.0.0.3:40312: its certificate (\"client-1\", serial ",
                "worker at 10.0.0.2:9000 refused this certificate (\"client-1\"): its authority is"
                " not trusted there"},
        Refused{"WorkerOfAnotherAuthority", good_client,
                [](const auto&) {
                    return trust::TestAuthority("x").issue_for(Role::worker, {"localhost"});
                },
                "localhost",
                "10.0.0.3:40312 refused this worker's certificate (\"worker-1\"): its authority"
                " is not trusted there",
                "was signed by no authority in "},
        Refused{"ClientExpired",
                [](const auto& f) { return f.authority().issue_for(Role::client, {}, past()); },
                good_worker, "localhost", ") expired at 20",
                "refused this certificate (\"client-1\"): it has expired; ask for a new one"
                " (repartir pki issue client client-1)"},
        Refused{"WorkerExpired", good_client,
                [](const auto& f) {
                    return f.authority().issue_for(Role::worker, {"localhost"}, past());
                },
                "localhost", "refused this worker's certificate (\"worker-1\"): it has expired",
                "refused worker at 10.0.0.2:9000: its certificate (\"worker-1\", serial "},
        Refused{"ClientNotYetValid",
                [](const auto& f) { return f.authority().issue_for(Role::client, {}, future()); },
                good_worker, "localhost", "is not valid before 20",
                "it is not valid yet by the clock there; check the clocks"},
        Refused{"WorkerNotYetValid", good_client,
                [](const auto& f) {
                    return f.authority().issue_for(Role::worker, {"localhost"}, future());
                },
                "localhost", "it is not valid yet by the clock there", "check the clocks of both"},
        Refused{"ClientThatListens", good_client,
                [](const auto& f) { return f.authority().issue_for(Role::client, {"localhost"}); },
                "localhost", "it is for the role client, which has no place at this end",
                "is for the role client, and who listens must be a worker or broker"},
        Refused{"AuthorityThatConnects", [](const auto& f) { return f.authority().identity(); },
                good_worker, "localhost",
                "is for no role of Repartir's, and who connects must be a client",
                "refused this certificate (\"test-authority-1\"): it is for the"},
        Refused{"WorkerOfAnotherName", good_client, good_worker, "gpu7.example",
                "it is not for the host name that was dialled",
                "is for localhost and not for gpu7.example; dial a name that it is for"},
        Refused{"WorkerOfAnotherAddress", good_client, good_worker, "10.9.9.9",
                "it is not for the host name that was dialled", "and not for 10.9.9.9"}),
    [](const auto& each) { return std::string(each.param.what); });

TEST_F(TlsTest, RevokedCertificatesAreRefused) {
    const Identity client = client_identity();
    folder_.revoke(client);
    Ends ends = meet(client, worker_identity());
    EXPECT_THAT(ends.worker.sentence(), HasSubstr("is revoked in " + folder_.path("crl.pem")));
    EXPECT_EQ(ends.client.sentence(),
              "worker at 10.0.0.2:9000 refused this certificate (\"client-1\"): it is revoked"
              " there; ask for a new one (repartir pki issue client client-1)");
    const Identity worker = worker_identity();
    folder_.revoke(worker);
    Ends other = meet(client_identity(), worker);
    EXPECT_THAT(other.worker.sentence(),
                HasSubstr("refused this worker's certificate (\"worker-1\"): it is revoked there"));
    EXPECT_THAT(other.client.sentence(), HasSubstr("is revoked in"));
}

TEST_F(TlsTest, ARefusalIsHeardThoughTheWorkerHangsUpOnWhatWasSent) {
    client_ = folder_.context("client", trust::TestAuthority("x").issue_for(Role::client));
    worker_ = folder_.context("worker", worker_identity());
    // The client trusts the worker, not the other way round; over TCP, which resets.
    for (const bool writes_first : {true, false}) {
        Ends ends = Ends::make(*client_, *worker_, "localhost", tcp_pair());
        ASSERT_EQ(ends.client.stream->handshake().value(), Wait::readable);
        while (ends.worker.stream->handshake().value_or(Wait::none) != Wait::readable) {}
        while (!ends.client.established) {
            ends.client.step();
        }
        const std::string much(30000, 'x');
        ASSERT_TRUE(ends.client.stream->write(much));
        while (!ends.worker.error) {
            ends.worker.step();
        }
        ends.worker.stream.reset();
        ends.sockets.two.reset();  // unread bytes: the kernel resets the connection
        std::optional<Error> said;
        for (int i = 0; i < 1000000 && !said; ++i) {
            if (writes_first) {
                const Result<Transfer> went = ends.client.stream->write(much);
                said = went ? std::nullopt : std::optional(went.error());
            } else {
                ends.client.step();
                said = ends.client.error;
            }
        }
        ASSERT_TRUE(said);
        EXPECT_THAT(said->sentence(), HasSubstr("refused this certificate")) << writes_first;
    }
}

// Sessions.

TEST_F(TlsTest, ASessionIsResumed) {
    Ends first = meet(client_identity(), worker_identity());
    EXPECT_EQ(worker_->handshakes().whole, 1U);
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(resumes()) << i;
    }
    EXPECT_EQ(client_->handshakes().resumed, 3U);
    Ends ends = Ends::make(*client_, *worker_);
    ends.settle();
    EXPECT_EQ(ends.worker.stream->peer().name, "client-1") << "who it is, a resumed session knows";
    EXPECT_TRUE(ends.worker.stream->peer().may_be(wire::Role::client));
    EXPECT_TRUE(ends.worker.stream->recheck());
    EXPECT_TRUE(ends.client.stream->recheck());
}

TEST_F(TlsTest, ASessionEndsWhenTheClientIsRevoked) {
    const Identity client = client_identity();
    Ends first = meet(client, worker_identity());
    EXPECT_TRUE(resumes());
    folder_.revoke(client);
    EXPECT_TRUE(worker_->refresh().changed);  // the client's own context has not looked yet
    Ends ends = Ends::make(*client_, *worker_);
    ends.settle();
    EXPECT_THAT(ends.worker.sentence(), HasSubstr("is revoked in"));
    EXPECT_THAT(ends.client.sentence(), HasSubstr("it is revoked there"));
}

TEST_F(TlsTest, ASessionEndsWhenTheWorkerIsRevoked) {
    const Identity worker = worker_identity();
    Ends first = meet(client_identity(), worker);
    EXPECT_TRUE(resumes());
    folder_.revoke(worker);
    EXPECT_TRUE(client_->refresh().changed);
    Ends ends = Ends::make(*client_, *worker_);
    ends.settle();
    EXPECT_THAT(ends.client.sentence(), HasSubstr("is revoked in"));
    EXPECT_EQ(client_->handshakes().resumed, 1U) << "the session was not even offered";
}

TEST_F(TlsTest, ASessionIsForOneHostOnly) {
    Ends first = meet(client_identity(), worker_identity());
    Ends ends = Ends::make(*client_, *worker_, "127.0.0.1");
    ends.settle();
    EXPECT_TRUE(ends.client.established);
    EXPECT_EQ(client_->handshakes().resumed, 0U);
}

TEST_F(TlsTest, TicketsLiveTenMinutesAndCarryNoEarlyData) {
    worker_ = folder_.context("worker", worker_identity());
    const SocketPair sockets = SocketPair::make();
    RawEnd raw;
    raw.show(client_identity());
    raw.start(sockets.one.get(), false);
    End ours{std::move(*worker_->accept(sockets.two.get(), "a:1"))};
    settle({[&] { return raw.step(); }, [&] { return ours.step(); }});
    ASSERT_TRUE(ours.established) << ours.sentence();
    const SSL_SESSION* session = SSL_get_session(raw.ssl.get());
    EXPECT_EQ(SSL_SESSION_has_ticket(session), 1);
    EXPECT_EQ(SSL_SESSION_get_ticket_lifetime_hint(session), 600U);
    EXPECT_EQ(SSL_SESSION_get_max_early_data(session), 0U);
}

// Files that change.

TEST_F(TlsTest, RecheckFindsWhoWasRevoked) {
    const Identity client = client_identity();
    const Identity worker = worker_identity();
    Ends ends = meet(client, worker);
    EXPECT_FALSE(worker_->refresh().changed);
    EXPECT_TRUE(ends.worker.stream->recheck());
    folder_.revoke(client);
    EXPECT_TRUE(ends.worker.stream->recheck()) << "not read yet";
    EXPECT_TRUE(worker_->refresh().changed);
    EXPECT_FALSE(worker_->refresh().changed);
    const Result<void> refused = ends.worker.stream->recheck();
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().sentence(), HasSubstr("is revoked in"));
    EXPECT_TRUE(ends.worker.stream->write("goodbye, and why"))
        << "it is its owner who ends the stream";
    EXPECT_TRUE(client_->refresh().changed);
    EXPECT_TRUE(ends.client.stream->recheck()) << "the worker is still good";
}

TEST_F(TlsTest, AListThatCannotBeReadLeavesTheOldOneInForce) {
    const Identity revoked = client_identity();
    folder_.revoke(revoked);
    Ends ends = meet(revoked, worker_identity());
    EXPECT_THAT(ends.worker.sentence(), HasSubstr("is revoked in"));
    const auto still_refuses = [&] {
        Ends again = Ends::make(*client_, *worker_);
        again.settle();
        EXPECT_THAT(again.worker.sentence(), HasSubstr("is revoked in"));
    };
    for (const std::string& text :
         {std::string("junk"), std::string(), trust::TestAuthority("x").list()}) {
        folder_.write("crl.pem", text);
        const Refreshed first = worker_->refresh();
        EXPECT_FALSE(first.changed);
        ASSERT_EQ(first.problems.size(), 1U);
        EXPECT_THAT(first.problems[0].sentence(), HasSubstr("crl.pem"));
        EXPECT_TRUE(worker_->refresh().problems.empty()) << "said once";
        still_refuses();
    }
    std::filesystem::remove(folder_.path("crl.pem"));
    const Refreshed gone = worker_->refresh();
    ASSERT_EQ(gone.problems.size(), 1U);
    EXPECT_EQ(gone.problems[0].code(), Code::not_found);
    still_refuses();
}

TEST_F(TlsTest, ACertificateIsRenewedInPlace) {
    Ends first = meet(client_identity(), worker_identity());
    const Identity renewed = folder_.authority().issue_for(Role::worker, {"other.example"});
    folder_.write("worker.crt", renewed.certificate);
    const Refreshed half = worker_->refresh();
    EXPECT_FALSE(half.changed);
    ASSERT_EQ(half.problems.size(), 1U) << "the key is still the old one";
    EXPECT_THAT(half.problems[0].sentence(), HasSubstr("worker.key is not the key of"));
    folder_.write("worker.key", renewed.key);
    EXPECT_TRUE(worker_->refresh().changed);
    Ends ends = Ends::make(*client_, *worker_, "other.example");
    ends.settle();
    EXPECT_TRUE(ends.client.established && ends.worker.established) << ends.client.sentence();
    EXPECT_TRUE(first.worker.stream->recheck()) << "who came before stays";
    EXPECT_TRUE(first.client.stream->write("still here"));
    first.settle();
    EXPECT_EQ(first.worker.received, "still here");
}

TEST_F(TlsTest, StreamsOutliveTheirContext) {
    Ends ends = meet(client_identity(), worker_identity());
    client_.reset();
    worker_.reset();
    EXPECT_TRUE(ends.client.stream->write("hello"));
    ends.settle();
    EXPECT_EQ(ends.worker.received, "hello");
    EXPECT_TRUE(ends.worker.stream->recheck());
}

TEST_F(TlsTest, FilesThatCannotBeUsedAreNamed) {
    const TlsFiles good = folder_.files("w", worker_identity());
    const auto says = [](const TlsFiles& files) {
        const auto made = TlsContext::create(files);
        return made ? "no error" : made.error().sentence();
    };
    EXPECT_EQ(says(good), "no error");
    TlsFiles files = good;
    files.ca = folder_.path("none");
    EXPECT_THAT(says(files), StartsWith("--tls-ca: there is no file " + folder_.path("none") +
                                        ": name the one "
                                        "that \"repartir pki init\" has made"));
    files = good;
    files.certificate = folder_.path("none");
    EXPECT_THAT(says(files), HasSubstr("--tls-cert: there is no file"));
    EXPECT_THAT(says(files), HasSubstr("repartir pki issue"));
    files = good;
    files.certificate = folder_.path("");
    EXPECT_THAT(says(files), HasSubstr("is no file"));
    files = good;
    files.key = good.certificate;
    EXPECT_THAT(says(files), HasSubstr("w.crt holds no private key in PEM form"));
    (void)folder_.files("other", worker_identity());
    files.key = folder_.path("other.key");
    EXPECT_THAT(says(files), HasSubstr("other.key is not the key of"));
    for (const mode_t mode : {0640U, 0604U, 0610U}) {
        ::chmod(good.key.c_str(), mode);
        EXPECT_THAT(says(good), HasSubstr("w.key is a private key that others than its owner may"
                                          " use; run chmod 600 on it"));
    }
    ::chmod(good.key.c_str(), 0400);
    EXPECT_EQ(says(good), "no error");
    const auto context = TlsContext::create(good);
    ASSERT_TRUE(context);
    EXPECT_EQ((*context)->connect(0, "a:1", "").error().code(), Code::invalid_argument);
}

}  // namespace
}  // namespace repartir::net
