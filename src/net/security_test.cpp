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
    [[nodiscard]] Security with(const std::unique_ptr<TlsContext>& context) const {
        Security security;
        security.tls = context.get();
        return security;
    }

    CertificateFolder certificates_;
    trust::Identity client_identity_ = certificates_.authority().issue_for(Role::client);
    std::unique_ptr<TlsContext> client_ = certificates_.context("client", client_identity_);
    std::unique_ptr<TlsContext> worker_ = certificates_.context(
        "worker",
        certificates_.authority().issue_for(Role::worker, {"localhost", "127.0.0.1", "::1"}));
    Security guest_security_ = with(client_);
    Security host_security_ = with(worker_);
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
    ASSERT_TRUE(worker_->refresh().changed);
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
    Host host(*loop, host_security_);
    const Address address = listen(host);
    Guest guest(*loop);
    guest.connection.dial(address, guest_security_);
    ASSERT_TRUE(until([&] { return guest.opened && host.opened.size() == 1; }));
    host.server.recheck();
    EXPECT_EQ(host.server.connections(), 1U);
    certificates_.revoke(client_identity_);
    ASSERT_TRUE(worker_->refresh().changed);
    host.server.recheck();
    EXPECT_EQ(host.server.connections(), 0U);
    ASSERT_EQ(host.closed.size(), 1U);
    EXPECT_THAT(host.closed[0], HasSubstr("is revoked in"));
    ASSERT_TRUE(until([&] { return guest.closed.has_value(); }));
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
        EXPECT_THAT(guest.goodbye, HasSubstr("speaks plaintext where this end speaks TLS"));
    }
    Host host(*loop, plain);
    const Address address = listen(host);
    Guest guest(*loop);
    guest.connection.dial(address, guest_security_);
    ASSERT_TRUE(until([&] { return guest.closed && host.closed.size() == 1; }));
    EXPECT_THAT(host.closed[0], HasSubstr("TLS"));
    EXPECT_THAT(*guest.closed, HasSubstr("speaks plaintext where this end speaks TLS"));
}

}  // namespace
}  // namespace repartir::net
