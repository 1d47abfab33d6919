// SPDX-License-Identifier: MIT
// Server and Connection over TLS; server_test.cpp has them without.
#include "net/security.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/server_fixture.hpp"
#include "net/tls_fixture.hpp"

namespace repartir::net {
namespace {

using testing::HasSubstr;
using trust::Role;

class SecurityTest : public ServerTest {
  protected:
    [[nodiscard]] Security with(const std::string& name, const trust::Identity& identity) const {
        NetworkSecurity wanted;
        wanted.tls = certificates_.files(name, identity);
        return make_security(wanted).value();
    }

    CertificateFolder certificates_;
    trust::Identity client_identity_ = certificates_.authority().issue_for(Role::client);
    Security guest_security_ = with("client", client_identity_);
    Security host_security_ = with("worker", certificates_.authority().issue_for(
                                                 Role::worker, {"localhost", "127.0.0.1", "::1"}));
};

TEST_F(SecurityTest, MessagesGoBothWaysOverTls) {
    for (const char* at : {"127.0.0.1:0", "[::1]:0"}) {
        Host host(*loop, host_security_);
        const Address address = listen(host, at);
        const std::string large(5'000'000, 'x');
        host.answer = [&](Server::Id id, const wire::Message& message) {
            host.server.send(id, wire::MessageType::welcome, message.correlation,
                             std::string(large));
        };
        Guest guest(*loop);
        guest.connection.dial(address, guest_security_);
        ASSERT_TRUE(until([&] { return guest.opened; })) << at;
        for (std::uint64_t i = 1; i <= 5; ++i) {
            guest.connection.send(wire::MessageType::hello, i, std::string(large));
        }
        guest.connection.flush();
        ASSERT_TRUE(until([&] { return guest.got == 5; })) << at;
        EXPECT_EQ(guest.got_bytes, 5 * large.size());
        EXPECT_EQ(host.last_peer.name, "client-1");
        EXPECT_FALSE(host.last_peer.may_be(wire::Role::worker));
        guest.connection.close();
        ASSERT_TRUE(until([&] { return host.closed.size() == 1 && guest.closed; })) << at;
        EXPECT_EQ(*guest.closed, "");
        EXPECT_THAT(host.closed[0], HasSubstr("closed the connection"));
        EXPECT_THAT(host.closed[0], testing::Not(HasSubstr("without"))) << "it said goodbye";
    }
}

TEST_F(SecurityTest, WhoIsRevokedIsRefusedAndTold) {
    certificates_.revoke(client_identity_);
    ASSERT_TRUE(host_security_.tls->refresh().changed);
    Host host(*loop, host_security_);
    const Address address = listen(host);
    Guest guest(*loop);
    guest.connection.dial(address, guest_security_);
    ASSERT_TRUE(until([&] { return guest.closed && !host.refused.empty(); }));
    EXPECT_THAT(*guest.closed,
                HasSubstr("worker at " + address.text() +
                          " refused this certificate (\"client-1\"): it is revoked"));
    EXPECT_THAT(host.refused[0], testing::StartsWith("refused 127.0.0.1:"));
    EXPECT_THAT(host.refused[0], HasSubstr("is revoked in"));
    EXPECT_TRUE(host.opened.empty());
}

TEST_F(SecurityTest, WhoIsRevokedLaterIsClosed) {
    ServerOptions options;
    options.certificates_every = std::chrono::milliseconds(5);
    Host host(*loop, host_security_, options);
    const Address address = listen(host);
    Guest guest(*loop);
    guest.connection.dial(address, guest_security_);
    ASSERT_TRUE(until([&] { return guest.opened && host.opened.size() == 1; }));
    host.server.recheck();
    EXPECT_EQ(host.server.connections(), 1U);
    certificates_.write("crl.pem", "junk");
    ASSERT_TRUE(until([&] { return !host.refused.empty(); }));
    EXPECT_THAT(host.refused[0], HasSubstr("crl.pem holds no revocation list"));
    EXPECT_EQ(host.server.connections(), 1U) << "the old list holds";
    certificates_.revoke(client_identity_);
    ASSERT_TRUE(until([&] { return host.closed.size() == 1 && guest.closed; }));
    EXPECT_EQ(host.refused.size(), 1U) << "what cannot be read is said once";
    EXPECT_THAT(host.closed[0], HasSubstr("is revoked in"));
    EXPECT_THAT(guest.goodbye, HasSubstr("is revoked in")) << "it is told why";
}

TEST_F(SecurityTest, PlaintextToATlsPortAndTheReverseAreToldOnBothSides) {
    {
        Host host(*loop, host_security_);
        const Address address = listen(host);
        Guest guest(*loop);
        guest.connection.dial(address, plain);
        ASSERT_TRUE(until([&] { return guest.opened; }));
        guest.connection.send(wire::MessageType::hello, 1, "a greeting");
        guest.connection.flush();
        ASSERT_TRUE(until([&] { return guest.closed && !host.refused.empty(); }));
        EXPECT_THAT(host.refused[0], HasSubstr("speaks plaintext where this end speaks TLS"));
        EXPECT_THAT(guest.goodbye, HasSubstr("speaks TLS, and was spoken to in plaintext"));
    }
    Host host(*loop, plain);
    const Address address = listen(host);
    Guest guest(*loop);
    guest.connection.dial(address, guest_security_);
    ASSERT_TRUE(until([&] { return guest.closed && host.closed.size() == 1; }));
    EXPECT_THAT(host.closed[0], HasSubstr("TLS"));
    EXPECT_THAT(*guest.closed, HasSubstr("speaks plaintext where this end speaks TLS"));
}

TEST_F(SecurityTest, WhoShakesNoHandsIsClosedOnEitherSide) {
    ServerOptions options;
    options.connection.patience = std::chrono::milliseconds(100);
    Host host(*loop, host_security_, options);
    const base::Fd mute = raw_socket(listen(host));
    ASSERT_TRUE(until([&] { return !host.refused.empty(); }));
    EXPECT_THAT(host.refused[0], HasSubstr("connected but did not shake hands in time"));

    const Deaf deaf(5);  // its kernel takes connections, as of a worker that is frozen
    Guest guest(*loop, options.connection);
    guest.connection.dial(deaf.address, guest_security_);
    ASSERT_TRUE(until([&] { return guest.closed.has_value(); }));
    EXPECT_THAT(*guest.closed,
                HasSubstr(deaf.address.text() + " accepted the connection but did not "
                                                "shake hands in time"));
}

TEST_F(SecurityTest, WhatIsAskedForIsReadOrRefused) {
    NetworkSecurity wanted;
    EXPECT_EQ(make_security(wanted)->tls, nullptr);
    wanted.tls.ca = certificates_.path("ca.crt");
    EXPECT_THAT(make_security(wanted).error().sentence(), HasSubstr("TLS needs three files"));
    wanted.tls = certificates_.files("w", client_identity_);
    wanted.tls.key = certificates_.path("none");
    EXPECT_EQ(make_security(wanted).error().code(), Code::not_found);
    wanted.tls = {};
    wanted.groups = {"no-such-group-here"};
    EXPECT_EQ(make_security(wanted).error().code(), Code::not_found);
}

}  // namespace
}  // namespace repartir::net
